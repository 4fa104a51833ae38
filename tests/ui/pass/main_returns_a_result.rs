#[mini_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number: u32 = mini_rt::spawn(async { "17".parse() }).await??;
    assert_eq!(number, 17);
    Ok(())
}

#[mini_rt::test]
fn test() {}

#[mini_rt::main(flavor = "current_thread")]
pub(crate) unsafe extern "C" fn qualified() {}

#[mini_rt::main]
fn main() -> Result<(), std::num::ParseIntError> {
    let output = output().await;
    output.parse::<u8>()?;
    Ok(())
}

async fn output() -> &'static str {
    "1"
}

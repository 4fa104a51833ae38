#[mini_rt::test]
async fn test(a: u8, b: u8) {
    assert_eq!(a, b);
}

#[mini_rt::main]
async fn main(text: &'static str) -> Result<(), std::num::ParseIntError> {
    text.parse::<u8>()?;
    Ok(())
}

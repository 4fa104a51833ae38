use std::io;

#[mini_rt::main]
async fn wrong_last_expression() -> io::Result<()> {
    let number = 1;
    number
}

#[mini_rt::main]
async fn no_last_expression() -> io::Result<()> {
    io::stdout();
}

#[mini_rt::main]
async fn semicolon_too_many() -> io::Result<()> {
    Ok(());
}

#[mini_rt::main]
async fn empty_body() -> u8 {}

#[mini_rt::main]
async fn wrong_return() -> Result<(), String> {
    return "text";
}

#[mini_rt::main]
async fn value_without_a_type() {
    Ok(())
}

#[mini_rt::main]
async fn question_mark_without_a_type() {
    "1".parse::<u8>()?;
}

#[mini_rt::main]
async fn wrong_error() -> Result<(), String> {
    "1".parse::<u8>()?;
    Ok(())
}

#[mini_rt::main]
async fn unknown_type() -> Result<(), Missing> {
    Ok(())
}

#[mini_rt::main]
async fn opaque() -> impl std::fmt::Display {
    Some(1)
}

fn main() {}

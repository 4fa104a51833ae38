//! What every example does with its command line and with a failure.
//!
//! A wrong argument ends the program with exit code 2, a failure with exit code 1; both print
//! one line that says what was wrong.

use std::fmt::Display;
use std::io;
use std::process::{self, ExitCode};
use std::str::FromStr;

use lexopt::{Error, Parser, ValueExt};

/// Reads the program's arguments with `read`; on an error prints it with `usage` and exits.
pub fn parse<T>(usage: &str, read: impl FnOnce(&mut Parser) -> Result<T, Error>) -> T {
    read(&mut Parser::from_env()).unwrap_or_else(|error| {
        eprintln!("error: {error}\n\n{usage}");
        process::exit(2)
    })
}

/// Prints `usage` and exits.
pub fn help(usage: &str) -> ! {
    println!("{usage}");
    process::exit(0)
}

/// Reads the value of `flag`.
pub fn value<T>(parser: &mut Parser, flag: &str) -> Result<T, Error>
where
    T: FromStr,
    T::Err: Display,
{
    let text = parser.value()?.string()?;
    text.parse()
        .map_err(|error| format!("{flag} {text}: {error}").into())
}

/// Reads the value of `flag`, which must have the form `HOST:PORT`.
pub fn address(parser: &mut Parser, flag: &str) -> Result<String, Error> {
    let text: String = value(parser, flag)?;
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text),
        _ => Err(format!("{flag} {text}: expected HOST:PORT").into()),
    }
}

/// For `map_err`: puts the address that was being used in front of the system's message.
pub fn at(address: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{address}: {error}"))
}

/// Prints an error and turns the program's result into its exit code.
pub fn finish(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

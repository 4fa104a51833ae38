//! An echo server on one runtime.
//!
//! `echo_server --runtime NAME [--workers N] [--addr IP:PORT]` prints `listening on IP:PORT` and
//! serves until it is killed.

use std::error::Error;
use std::net::SocketAddr;

use lexopt::prelude::*;
use mini_rt_benches::echo;
use mini_rt_benches::peer::Peer;

fn main() -> Result<(), Box<dyn Error>> {
    let mut peer: Option<Peer> = None;
    let mut workers = 1;
    let mut addr = SocketAddr::from(([127, 0, 0, 1], 0));

    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("runtime") => peer = Some(arguments.value()?.parse()?),
            Long("workers") => workers = arguments.value()?.parse()?,
            Long("addr") => addr = arguments.value()?.parse()?,
            _ => return Err(argument.unexpected().into()),
        }
    }
    echo::serve(peer.ok_or("--runtime is missing")?, workers, addr)?;
    Ok(())
}

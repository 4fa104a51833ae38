//! A request and its reply between two futures of one runtime, over a loopback connection.
//!
//! The handler is a task. The client is either the root future of `block_on`, on a runtime with two
//! workers, or a task like the handler, on a runtime with one. The difference is what a runtime makes
//! `main` pay for not being a task.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crate::messages::MESSAGE_SIZE;
use crate::network::{LOCALHOST, Network, receive};
use crate::on_network;
use crate::peer::Peer;

/// Where the client runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// In `block_on`, on a runtime with two workers.
    Root,
    /// In a task, on a runtime with one worker.
    Task,
}

impl Client {
    /// Both places, in the order in which tables show them.
    pub const ALL: [Client; 2] = [Client::Root, Client::Task];

    /// The name used on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Client::Root => "root",
            Client::Task => "task",
        }
    }

    /// Starts `peer` and does `round_trips` round trips of 16 bytes on it, and a tenth as many before;
    /// returns how long they took without those before.
    ///
    /// # Errors
    /// When the runtime cannot start, is not a [`Network`], or a reply differs from its request.
    pub fn run(self, peer: Peer, round_trips: u64) -> io::Result<Duration> {
        on_network!(peer, N => self.run_on::<N>(round_trips))
    }

    fn run_on<N: Network>(self, round_trips: u64) -> io::Result<Duration> {
        match self {
            Client::Root => N::block_on(2, ask::<N>(round_trips))?,
            Client::Task => N::run(1, ask::<N>(round_trips))?,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The client, which spawns its handler.
async fn ask<N: Network>(round_trips: u64) -> io::Result<Duration> {
    let listener = N::bind(LOCALHOST).await?;
    let addr = N::local_addr(&listener)?;
    let handler = N::spawn(reply::<N>(listener));
    let mut stream = N::connect(addr).await?;
    for number in 0..round_trips / 10 {
        round_trip::<N>(&mut stream, number).await?;
    }
    let start = Instant::now();
    for number in 0..round_trips {
        round_trip::<N>(&mut stream, number).await?;
    }
    let elapsed = start.elapsed();
    drop(stream);
    N::output(handler.await)?;
    Ok(elapsed)
}

async fn reply<N: Network>(listener: N::Listener) -> io::Result<()> {
    let mut stream = N::accept(&listener).await?;
    let mut message = [0; MESSAGE_SIZE];
    while receive::<N>(&mut stream, &mut message).await? {
        N::write_all(&mut stream, &message).await?;
    }
    Ok(())
}

async fn round_trip<N: Network>(stream: &mut N::Stream, number: u64) -> io::Result<()> {
    let mut message = [0; MESSAGE_SIZE];
    message[..8].copy_from_slice(&number.to_le_bytes());
    N::write_all(stream, &message).await?;
    let mut reply = [0; MESSAGE_SIZE];
    if receive::<N>(stream, &mut reply).await? && reply == message {
        return Ok(());
    }
    let reason = "a reply differs from its request";
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_replies_to_either_client() {
        for client in Client::ALL {
            for peer in [Peer::MiniRt, Peer::Tokio, Peer::Smol] {
                assert!(client.run(peer, 20).unwrap() > Duration::ZERO);
            }
            let error = client.run(Peer::Nio, 20).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        }
    }
}

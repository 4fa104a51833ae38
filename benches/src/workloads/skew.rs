//! An echo server all of whose connections came while one of its two workers was computing.
//!
//! The free worker has accepted them all by then, and the measurement begins when both are free: a
//! server that leaves connections where they were accepted has one worker do all of the work.

use std::io;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::echo;
use super::isolation::BURN;
use crate::arena::child::serve;
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::load::{Client, Traffic};
use crate::messages::Connection;
use crate::peer::Peer;
use crate::usage::CpuTime;

/// Worker threads.
const WORKERS: usize = 2;

/// Echo connections.
const CONNECTIONS: usize = 64;

/// Bytes of their messages.
const SIZE: usize = 64;

/// How long a worker computes.
const COMPUTATION: Duration = Duration::from_millis(400);

/// How much of it tells that it has begun.
const BEGINNING: Duration = Duration::from_millis(10);

/// How often to try until all connections have come within a computation, on a busy machine.
const ATTEMPTS: usize = 5;

/// How long a server may take for any step.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        group: Group::Sockets,
        name: format!("skew-{CONNECTIONS}c-{WORKERS}w"),
        unit: Unit::PerSecond,
        peers: echo::network_peers(WORKERS),
        is_quick: true,
        turn: Box::new(turn),
    }]
}

fn turn(peer: Peer, effort: Effort) -> io::Result<Figures> {
    let server = serve(&BURN, peer, &[WORKERS as u64], 2)?;
    let &[_, computing] = server.addrs() else {
        return Err(io::Error::other("the server has two addresses"));
    };
    let load = echo::load_on(&server, CONNECTIONS, SIZE, effort);
    let traffic = Traffic::Echo {
        size: SIZE,
        in_flight: 1,
    };
    for _ in 0..ATTEMPTS {
        let end = begin_computation(computing, server.pid())?;
        let mut client = Client::open(&load, &traffic)?;
        client.greet()?;
        let is_skewed = Instant::now() < end.earliest;
        end.wait()?;
        if is_skewed {
            return echo::figures(&client.run()?);
        }
    }
    let reason = format!("no {CONNECTIONS} connections were served beside a computation");
    Err(io::Error::other(reason))
}

/// The end of a computation that has begun.
struct End {
    /// It does not come before.
    earliest: Instant,
    connection: Connection,
}

impl End {
    fn wait(mut self) -> io::Result<()> {
        self.connection.receive()
    }
}

/// Has a worker compute, and returns when it does.
fn begin_computation(addr: SocketAddr, server_pid: u32) -> io::Result<End> {
    let mut connection = Connection::open(addr, PATIENCE)?;
    let before = CpuTime::of(server_pid)?;
    let sent_at = Instant::now();
    let microseconds = COMPUTATION.as_micros() as u64;
    connection.send(microseconds.to_le_bytes())?;
    while CpuTime::of(server_pid)?.since(&before) < BEGINNING {
        if sent_at.elapsed() > PATIENCE {
            return Err(io::Error::other("no worker computes"));
        }
        sleep(BEGINNING / 10);
    }
    Ok(End {
        earliest: sent_at + COMPUTATION,
        connection,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::MESSAGE_SIZE;
    use std::hint::spin_loop;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_computation_has_begun_and_not_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || -> io::Result<()> {
            let (mut stream, _peer) = listener.accept()?;
            let mut message = [0; MESSAGE_SIZE];
            stream.read_exact(&mut message)?;
            let start = Instant::now();
            while start.elapsed() < COMPUTATION {
                spin_loop();
            }
            stream.write_all(&message)
        });
        let end = begin_computation(addr, std::process::id()).unwrap();
        let earliest = end.earliest;
        end.wait().unwrap();
        assert!(Instant::now() >= earliest);
    }
}

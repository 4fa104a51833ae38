//! The echo server, with several messages in flight on each connection.

use std::io;

use super::echo::{self, SERVE};
use crate::arena::child::serve;
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::load::{Client, Traffic};
use crate::peer::Peer;

/// Connections.
const CONNECTIONS: usize = 64;

/// Bytes of a message.
const SIZE: usize = 64;

/// Messages in flight on each connection.
const IN_FLIGHT: usize = 16;

pub(super) fn workloads() -> Vec<Workload> {
    let workload = |workers: usize| Workload {
        group: Group::Sockets,
        name: format!("pipelined-{IN_FLIGHT}x{SIZE}B-{CONNECTIONS}c-{workers}w"),
        unit: Unit::PerSecond,
        peers: echo::peers(workers),
        is_quick: workers == 2,
        turn: Box::new(move |peer, effort| turn(peer, effort, workers)),
    };
    [1, 2].map(workload).into()
}

fn turn(peer: Peer, effort: Effort, workers: usize) -> io::Result<Figures> {
    let server = serve(&SERVE, peer, &[workers as u64], 1)?;
    let load = echo::load_on(&server, CONNECTIONS, SIZE, effort);
    let traffic = Traffic::Echo {
        size: SIZE,
        in_flight: IN_FLIGHT,
    };
    echo::figures(&Client::open(&load, &traffic)?.run()?)
}

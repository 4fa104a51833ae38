//! The echo server, asked at a rate that does not wait for it.
//!
//! One worker, so that the client, which hardly sleeps, has a CPU for itself where there are two.

use std::io;

use super::echo::{self, SERVE};
use crate::arena::child::serve;
use crate::arena::workload::{CLIENT_LIMITED, Effort, Figures, Group, RATE_MISSED, Unit, Workload};
use crate::load::{Arrivals, Client, Traffic};
use crate::peer::Peer;

/// Worker threads.
const WORKERS: usize = 1;

/// Connections.
const CONNECTIONS: usize = 64;

/// Bytes of a message.
const SIZE: usize = 64;

/// Requests a second, the same everywhere and for all peers, so that latencies can be compared.
const RATES: [u32; 2] = [50_000, 80_000];

/// All peers meet the same moments.
const SEED: u64 = 5;

/// The quantile of latencies by which peers are compared.
const TAIL: &str = "p99 us";

pub(super) fn workloads() -> Vec<Workload> {
    let workload = |per_second: u32| Workload {
        group: Group::Sockets,
        name: format!("echo-open-{SIZE}B-{CONNECTIONS}c-{WORKERS}w-{per_second}rps"),
        unit: Unit::Micros,
        peers: echo::peers(WORKERS),
        is_quick: per_second == RATES[0],
        turn: Box::new(move |peer, effort| turn(peer, effort, per_second)),
    };
    RATES.map(workload).into()
}

fn turn(peer: Peer, effort: Effort, per_second: u32) -> io::Result<Figures> {
    let server = serve(&SERVE, peer, &[WORKERS as u64], 1)?;
    let load = echo::load_on(&server, CONNECTIONS, SIZE, effort);
    let traffic = Traffic::Echo {
        size: SIZE,
        in_flight: 1,
    };
    let mut client = Client::open(&load, &traffic)?;
    client.greet()?;
    let arrivals = Arrivals {
        per_second,
        seed: SEED,
    };
    let report = client.run_at(arrivals)?;
    let mut figures = echo::figures(&report)?;
    figures.value = figures.more.remove(TAIL).unwrap_or_default();
    let late = report.late.as_ref();
    let late = late.map_or(0, |late| late.value_at_quantile(0.99));
    let answered = report.answered().unwrap_or_default();
    let (is_missed, is_limited) = (report.has_missed_rate(), report.is_limited_by_client());
    figures.more.extend([
        ("answered %".to_owned(), answered * 100.0),
        ("client late p99 us".to_owned(), late as f64 / 1_000.0),
        (RATE_MISSED.name.to_owned(), is_missed.into()),
        (CLIENT_LIMITED.name.to_owned(), is_limited.into()),
    ]);
    Ok(figures)
}

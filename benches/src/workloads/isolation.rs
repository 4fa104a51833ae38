//! What connections wait for a task that blocks its worker, or computes for milliseconds.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::echo;
use super::numbers;
use crate::arena::child::{Job, Outcome, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::blocked::{Variant, client, server};
use crate::burn;
use crate::load::{self, Amount, Load};
use crate::peer::Peer;

/// Worker threads of each server.
const WORKERS: u64 = 2;

/// How long a task blocks its thread.
const BLOCK: Duration = Duration::from_secs(1);

/// How many handlers compute.
const BURNERS: [usize; 3] = [1, 2, 4];

/// Echo connections beside them.
const CONNECTIONS: usize = 64;

/// Bytes of their messages.
const SIZE: usize = 64;

const BLOCKED: Job = Job {
    name: "blocked",
    run: |peer, given| {
        let [variant] = numbers(given)?;
        let variant = Variant::ALL[variant as usize % Variant::ALL.len()];
        server::serve(peer, WORKERS as usize, variant, BLOCK)?;
        Ok(Outcome::default())
    },
};

pub(super) const BURN: Job = Job {
    name: "burn",
    run: |peer, given| {
        let [workers] = numbers(given)?;
        burn::serve(peer, workers as usize)?;
        Ok(Outcome::default())
    },
};

pub(super) const JOBS: &[Job] = &[BLOCKED, BURN];

pub(super) fn workloads() -> Vec<Workload> {
    let blocked = (0..Variant::ALL.len()).map(|index| Workload {
        group: Group::Isolation,
        name: format!("worst-round-trip-{}", Variant::ALL[index]),
        unit: Unit::Micros,
        peers: vec![Peer::MiniRt, Peer::Tokio, Peer::Smol],
        is_quick: matches!(Variant::ALL[index], Variant::Io | Variant::Fds),
        turn: Box::new(move |peer, _| blocked(peer, index)),
    });
    let tail = BURNERS.map(|burners| Workload {
        group: Group::Isolation,
        name: format!("p99.9-beside-{burners}-computing"),
        unit: Unit::Micros,
        peers: vec![Peer::MiniRt, Peer::Tokio, Peer::Smol],
        is_quick: burners == 1,
        turn: Box::new(move |peer, effort| tail(peer, effort, burners)),
    });
    blocked.chain(tail).collect()
}

fn blocked(peer: Peer, index: usize) -> io::Result<Figures> {
    let server = serve(&BLOCKED, peer, &[index as u64], 1)?;
    let report = client::observe(server.addrs()[0], Variant::ALL[index], BLOCK)?;
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    Ok(Figures {
        more: BTreeMap::from([
            ("second worst us".to_owned(), micros(report.second_worst)),
            ("p99 us".to_owned(), micros(report.p99)),
        ]),
        ..Figures::of(micros(report.worst))
    })
}

fn tail(peer: Peer, effort: Effort, burners: usize) -> io::Result<Figures> {
    let server = serve(&BURN, peer, &[WORKERS], 2)?;
    let &[echoing, computing] = server.addrs() else {
        return Err(io::Error::other("the server has two addresses"));
    };
    let load = Load {
        addr: echoing,
        connections: CONNECTIONS,
        size: SIZE,
        threads: 1,
        amount: Amount::Window {
            warmup: effort.warmup(),
            // A tail takes longer to be seen.
            measured: 2 * effort.measured(),
        },
        server_pid: None,
    };
    let (computations, report) = burn::beside(computing, burners, || load::run(&load))?;
    let report = report?;
    if computations == 0 {
        return Err(io::Error::other("nothing was computed"));
    }
    let mut figures = echo::figures(&report)?;
    let rate = std::mem::replace(&mut figures.value, 0.0);
    figures.more.insert("requests/s".to_owned(), rate);
    figures.value = figures.more.remove("p99.9 us").unwrap_or_default();
    Ok(figures)
}

//! As many bytes as a server takes, in one direction.

use std::collections::BTreeMap;
use std::io;

use super::numbers;
use crate::arena::child::{Job, Outcome, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::bulk::{self, BLOCK_SIZE, Source};
use crate::load;
use crate::network::LOCALHOST;
use crate::peer::Peer;

/// Connections, each with a thread of the client.
const CONNECTIONS: usize = 4;

const MEBIBYTE: usize = 1 << 20;

const SERVE: Job = Job {
    name: "bulk",
    run: |peer, given| {
        let [workers] = numbers(given)?;
        bulk::serve(peer, workers as usize, LOCALHOST)?;
        Ok(Outcome::default())
    },
};

pub(super) const JOBS: &[Job] = &[SERVE];

pub(super) fn workloads() -> Vec<Workload> {
    [1, 2].map(workload).into()
}

fn workload(workers: usize) -> Workload {
    let mut peers = super::echo::peers(workers);
    peers.retain(|&peer| peer != Peer::Raw);
    Workload {
        group: Group::Sockets,
        name: format!("bulk-{CONNECTIONS}c-{workers}w"),
        unit: Unit::MebibytesPerSecond,
        peers,
        is_quick: workers == 2,
        turn: Box::new(move |peer, effort| turn(peer, effort, workers)),
    }
}

fn turn(peer: Peer, effort: Effort, workers: usize) -> io::Result<Figures> {
    let server = serve(&SERVE, peer, &[workers as u64], 1)?;
    let sources = (0..CONNECTIONS).map(|_| Source::open(server.addrs()[0]));
    let mut sources = sources.collect::<io::Result<Vec<_>>>()?;
    let writes = sources.iter_mut().map(|source| || source.write());
    let blocks = load::repeat(
        writes.collect(),
        effort.warmup(),
        effort.measured(),
        server.pid(),
    )?;
    sources.into_iter().try_for_each(Source::finish)?;

    let blocks_per_mebibyte = (MEBIBYTE / BLOCK_SIZE) as f64;
    Ok(Figures {
        value: blocks.per_second() / blocks_per_mebibyte,
        cpu_nanos: Some(blocks.server_nanos() * blocks_per_mebibyte),
        more: BTreeMap::from([("client busy %".to_owned(), blocks.client_load * 100.0)]),
    })
}

//! The echo server, under the load of a client in the parent's process.

use std::collections::BTreeMap;
use std::io;

use super::numbers;
use crate::arena::child::{Job, Outcome, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::echo;
use crate::load::{self, Load};
use crate::network::LOCALHOST;
use crate::peer::Peer;
use crate::process::Server;

/// Bytes of a message.
const SIZES: [usize; 3] = [64, 1024, 16 * 1024];

/// Connections.
const CONNECTIONS: [usize; 6] = [1, 16, 64, 256, 512, 4096];

pub(super) const SERVE: Job = Job {
    name: "echo",
    run: |peer, given| {
        let [workers] = numbers(given)?;
        echo::serve(peer, workers as usize, LOCALHOST)?;
        Ok(Outcome::default())
    },
};

pub(super) const JOBS: &[Job] = &[SERVE];

pub(super) fn workloads() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for workers in [1, 2] {
        for size in SIZES {
            for connections in CONNECTIONS {
                workloads.push(workload(workers, size, connections));
            }
        }
    }
    workloads
}

fn workload(workers: usize, size: usize, connections: usize) -> Workload {
    let mut peers = peers(workers);
    peers.retain(|&peer| peer != Peer::Threads || connections <= 512);
    Workload {
        group: Group::Sockets,
        name: format!("echo-{size}B-{connections}c-{workers}w"),
        unit: Unit::PerSecond,
        peers,
        is_quick: size == 64 && [1, 64, 512].contains(&connections),
        turn: Box::new(move |peer, effort| turn(peer, effort, workers, size, connections)),
    }
}

/// Who has an echo server with so many workers. Those with one thread only compare with others that have
/// one; a thread for each connection is no matter of workers.
pub(super) fn peers(workers: usize) -> Vec<Peer> {
    let mut peers = Peer::ALL.to_vec();
    peers.retain(|peer| workers == 1 || !peer.is_single_threaded());
    peers.retain(|&peer| workers == 2 || peer != Peer::Threads);
    peers
}

/// Those of them whose connections any task can use.
pub(super) fn network_peers(workers: usize) -> Vec<Peer> {
    let mut peers = peers(workers);
    peers.retain(|peer| Peer::NETWORKS.contains(peer));
    peers
}

fn turn(
    peer: Peer,
    effort: Effort,
    workers: usize,
    size: usize,
    connections: usize,
) -> io::Result<Figures> {
    let server = serve(&SERVE, peer, &[workers as u64], 1)?;
    figures(&load::run(&load_on(&server, connections, size, effort))?)
}

/// What one thread asks of the first address of a server.
pub(super) fn load_on(server: &Server, connections: usize, size: usize, effort: Effort) -> Load {
    Load {
        addr: server.addrs()[0],
        connections,
        size,
        threads: 1,
        amount: effort.window(),
        server_pid: Some(server.pid()),
    }
}

/// What a load has shown.
///
/// # Errors
/// When a connection broke, a byte was lost, or nothing was done.
pub(super) fn figures(report: &load::Report) -> io::Result<Figures> {
    let failures = &report.failures;
    if let Some(reason) = &failures.first {
        let (errors, lost_bytes) = (failures.errors, failures.lost_bytes);
        let reason = format!("{errors} errors, {lost_bytes} bytes lost; first: {reason}");
        return Err(io::Error::other(reason));
    }
    if report.requests == 0 {
        return Err(io::Error::other("no request was completed"));
    }
    let micros = |quantile| report.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    let mut more = BTreeMap::from([
        ("p50 us".to_owned(), micros(0.5)),
        ("p99 us".to_owned(), micros(0.99)),
        ("p99.9 us".to_owned(), micros(0.999)),
    ]);
    if let Some(load) = report.client_load {
        more.insert("client busy %".to_owned(), load * 100.0);
    }
    Ok(Figures {
        value: report.requests_per_second(),
        cpu_nanos: report.server_ns_per_request(),
        more,
    })
}

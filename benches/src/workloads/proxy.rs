//! A proxy between the client and the hand-written echo server, which has a process of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{echo, numbers};
use crate::arena::child::{Job, Outcome, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::load;
use crate::network::LOCALHOST;
use crate::peer::Peer;
use crate::proxy;

/// Connections of the client, and as many from the proxy to its target.
const CONNECTIONS: usize = 64;

/// Bytes of a message.
const SIZES: [usize; 2] = [64, 16 * 1024];

/// Threads of the echo server.
const TARGET_WORKERS: u64 = 1;

const SERVE: Job = Job {
    name: "proxy",
    run: |peer, given| {
        let [workers, port] = numbers(given)?;
        let port = u16::try_from(port).map_err(io::Error::other)?;
        let target = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        proxy::serve(peer, workers as usize, LOCALHOST, target)?;
        Ok(Outcome::default())
    },
};

pub(super) const JOBS: &[Job] = &[SERVE];

pub(super) fn workloads() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for workers in [1, 2] {
        for size in SIZES {
            workloads.push(workload(workers, size));
        }
    }
    workloads
}

fn workload(workers: usize, size: usize) -> Workload {
    Workload {
        group: Group::Sockets,
        name: format!("proxy-{size}B-{CONNECTIONS}c-{workers}w"),
        unit: Unit::PerSecond,
        peers: echo::network_peers(workers),
        is_quick: workers == 2 && size == 64,
        turn: Box::new(move |peer, effort| turn(peer, effort, workers, size)),
    }
}

fn turn(peer: Peer, effort: Effort, workers: usize, size: usize) -> io::Result<Figures> {
    let target = serve(&echo::SERVE, Peer::Raw, &[TARGET_WORKERS], 1)?;
    let port = u64::from(target.addrs()[0].port());
    let proxy = serve(&SERVE, peer, &[workers as u64, port], 1)?;
    echo::figures(&load::run(&echo::load_on(
        &proxy,
        CONNECTIONS,
        size,
        effort,
    ))?)
}

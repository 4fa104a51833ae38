//! An HTTP/1.1 server that says hello, asked again and again over connections that stay open.

use std::io;
use std::sync::Arc;

use super::{echo, numbers};
use crate::arena::child::{Job, Outcome, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::http;
use crate::load::{Client, Load, Traffic};
use crate::network::LOCALHOST;
use crate::peer::Peer;

/// Connections.
const CONNECTIONS: usize = 64;

const SERVE: Job = Job {
    name: "http",
    run: |peer, given| {
        let [workers] = numbers(given)?;
        http::serve(peer, workers as usize, LOCALHOST)?;
        Ok(Outcome::default())
    },
};

pub(super) const JOBS: &[Job] = &[SERVE];

pub(super) fn workloads() -> Vec<Workload> {
    let workload = |workers: usize| Workload {
        group: Group::Sockets,
        name: format!("http-{CONNECTIONS}c-{workers}w"),
        unit: Unit::PerSecond,
        peers: echo::network_peers(workers),
        is_quick: true,
        turn: Box::new(move |peer, effort| turn(peer, effort, workers)),
    };
    [1, 2].map(workload).into()
}

fn turn(peer: Peer, effort: Effort, workers: usize) -> io::Result<Figures> {
    let server = serve(&SERVE, peer, &[workers as u64], 1)?;
    let addr = server.addrs()[0];
    let exchange = http::first_exchange(addr)?;
    let load = Load {
        addr,
        connections: CONNECTIONS,
        size: exchange.request.len(),
        threads: 1,
        amount: effort.window(),
        server_pid: Some(server.pid()),
    };
    let traffic = Traffic::Exchange(Arc::new(exchange));
    echo::figures(&Client::open(&load, &traffic)?.run()?)
}

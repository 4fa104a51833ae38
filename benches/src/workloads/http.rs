//! An HTTP/1.1 server that says hello, asked again and again over connections that stay open: by wrk
//! where it is installed, otherwise by the arena's own client. The names of the workloads say by which.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{echo, numbers};
use crate::arena::child::{Job, Outcome, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::http;
use crate::load::{Client, Traffic, wrk};
use crate::network::LOCALHOST;
use crate::process::Server;

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
    let (client, ask): (&str, Ask) = if wrk::is_installed() {
        ("wrk", by_wrk)
    } else {
        ("own-client", by_own_client)
    };
    let workload = |workers: usize| Workload {
        group: Group::Sockets,
        name: format!("http-{CONNECTIONS}c-{workers}w-by-{client}"),
        unit: Unit::PerSecond,
        peers: echo::network_peers(workers),
        is_quick: true,
        turn: Box::new(move |peer, effort| {
            let server = serve(&SERVE, peer, &[workers as u64], 1)?;
            ask(&server, effort)
        }),
    };
    [1, 2].map(workload).into()
}

/// A client's turn with a server.
type Ask = fn(&Server, Effort) -> io::Result<Figures>;

fn by_own_client(server: &Server, effort: Effort) -> io::Result<Figures> {
    let addr = server.addrs()[0];
    let exchange = http::first_exchange(addr)?;
    let load = echo::load_on(server, CONNECTIONS, exchange.request.len(), effort);
    let traffic = Traffic::Exchange(Arc::new(exchange));
    echo::figures(&Client::open(&load, &traffic)?.run()?)
}

/// As wrk looks at no byte of the replies, the first is looked at before.
fn by_wrk(server: &Server, effort: Effort) -> io::Result<Figures> {
    let addr = server.addrs()[0];
    http::first_exchange(addr)?;
    let summary = wrk::run(addr, CONNECTIONS, effort.measured(), server.pid())?;
    let micros = |latency: Duration| latency.as_secs_f64() * 1e6;
    let requests = summary.requests as f64;
    Ok(Figures {
        cpu_nanos: Some(summary.server_cpu.as_nanos() as f64 / requests),
        more: BTreeMap::from([
            ("p50 us".to_owned(), micros(summary.p50)),
            ("p99 us".to_owned(), micros(summary.p99)),
            ("p99.9 us".to_owned(), micros(summary.p999)),
            ("client busy %".to_owned(), summary.client_load * 100.0),
        ]),
        ..Figures::of(requests / summary.elapsed.as_secs_f64())
    })
}

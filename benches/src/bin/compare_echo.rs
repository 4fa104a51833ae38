//! Compares the echo servers: the runtimes take turns within each round, each turn with a server
//! process of its own, and a table of medians is printed for each number of workers and connections.
//!
//! `compare_echo [--runtimes A,B] [--workers A,B] [--connections A,B] [--rounds N] [--size BYTES]
//! [--warmup SECONDS] [--seconds SECONDS] [--threads N]`. It fails on an error or a lost byte.
//! `compare_echo.sh` builds everything it needs and runs it.

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::*;
use mini_rt_benches::arguments::{count, list, seconds};
use mini_rt_benches::load::{self, Amount, Load};
use mini_rt_benches::peer::Peer;
use mini_rt_benches::process::Server;
use mini_rt_benches::statistics;
use mini_rt_benches::turns::turns;

struct Settings {
    peers: Vec<Peer>,
    workers: Vec<usize>,
    connections: Vec<usize>,
    rounds: usize,
    size: usize,
    client_threads: usize,
    warmup: Duration,
    measured: Duration,
}

/// What one turn of one runtime gave.
struct Turn {
    requests_per_second: f64,
    server_ns_per_request: f64,
    p50_us: f64,
    p99_us: f64,
    client_load: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_arguments()?;
    for &workers in &settings.workers {
        for &connections in &settings.connections {
            let taken = take_turns(&settings, workers, connections)?;
            print_table(&settings, workers, connections, &taken);
        }
    }
    Ok(())
}

impl Settings {
    fn from_arguments() -> Result<Self, lexopt::Error> {
        let mut settings = Self {
            peers: Peer::ALL.to_vec(),
            workers: vec![1, 2],
            connections: vec![1, 64, 512],
            rounds: 5,
            size: 64,
            client_threads: 1,
            warmup: Duration::from_millis(500),
            measured: Duration::from_secs(2),
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("runtimes") => settings.peers = list(arguments.value()?)?,
                Long("workers") => settings.workers = list(arguments.value()?)?,
                Long("connections") => settings.connections = list(arguments.value()?)?,
                Long("rounds") => settings.rounds = count(arguments.value()?)?,
                Long("size") => settings.size = arguments.value()?.parse()?,
                Long("threads") => settings.client_threads = arguments.value()?.parse()?,
                Long("warmup") => settings.warmup = seconds(arguments.value()?)?,
                Long("seconds") => settings.measured = seconds(arguments.value()?)?,
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(settings)
    }
}

/// All turns of each runtime, in the order of `settings.peers`.
fn take_turns(
    settings: &Settings,
    workers: usize,
    connections: usize,
) -> Result<Vec<Vec<Turn>>, Box<dyn Error>> {
    let mut taken: Vec<Vec<Turn>> = settings.peers.iter().map(|_| Vec::new()).collect();
    for (round, index) in turns(settings.rounds, settings.peers.len()) {
        let peer = settings.peers[index];
        let turn = take_turn(settings, peer, workers, connections).map_err(|error| {
            format!("{peer}, {workers} workers, {connections} connections: {error}")
        })?;
        eprintln!(
            "workers {workers}, connections {connections}, round {}/{}: {peer:8} {:7.0} requests/s",
            round + 1,
            settings.rounds,
            turn.requests_per_second
        );
        taken[index].push(turn);
    }
    Ok(taken)
}

fn take_turn(
    settings: &Settings,
    peer: Peer,
    workers: usize,
    connections: usize,
) -> Result<Turn, Box<dyn Error>> {
    let server = Server::echo(peer, workers)?;
    let report = load::run(&Load {
        addr: server.addrs()[0],
        connections,
        size: settings.size,
        threads: settings.client_threads.min(connections),
        amount: Amount::Window {
            warmup: settings.warmup,
            measured: settings.measured,
        },
        server_pid: Some(server.pid()),
    })?;
    let failures = &report.failures;
    if let Some(reason) = &failures.first {
        let (errors, lost_bytes) = (failures.errors, failures.lost_bytes);
        return Err(format!("{errors} errors, {lost_bytes} bytes lost; first: {reason}").into());
    }
    let microseconds = |quantile| report.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Turn {
        requests_per_second: report.requests_per_second(),
        server_ns_per_request: report
            .server_ns_per_request()
            .ok_or("no request was completed")?,
        p50_us: microseconds(0.5),
        p99_us: microseconds(0.99),
        client_load: report.client_load.ok_or("the run was not timed")?,
    })
}

fn print_table(settings: &Settings, workers: usize, connections: usize, turns: &[Vec<Turn>]) {
    let Settings {
        rounds,
        size,
        measured,
        ..
    } = settings;
    println!(
        "### workers {workers}, connections {connections} ({size} B, {rounds} rounds of {measured:?})\n"
    );
    println!(
        "| runtime | requests/s | min | max | to mini_rt | CPU ns/request | to mini_rt | p50 us | p99 us | client busy |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");

    let own = settings.peers.iter().position(|&peer| peer == Peer::MiniRt);
    let ratio = |turns: &[Turn], figure: fn(&Turn) -> f64, own: Option<&Vec<Turn>>| match own {
        Some(own) => format!("{:.2}", median(turns, figure) / median(own, figure)),
        None => "-".to_owned(),
    };
    let own = own.map(|index| &turns[index]);
    for (peer, turns) in settings.peers.iter().zip(turns) {
        let rates = sorted(turns, |turn| turn.requests_per_second);
        println!(
            "| {peer} | {:.0} | {:.0} | {:.0} | {} | {:.0} | {} | {:.1} | {:.1} | {:.0} % |",
            median(turns, |turn| turn.requests_per_second),
            rates[0],
            rates[rates.len() - 1],
            ratio(turns, |turn| turn.requests_per_second, own),
            median(turns, |turn| turn.server_ns_per_request),
            ratio(turns, |turn| turn.server_ns_per_request, own),
            median(turns, |turn| turn.p50_us),
            median(turns, |turn| turn.p99_us),
            median(turns, |turn| turn.client_load) * 100.0,
        );
    }
    println!();
}

fn sorted(turns: &[Turn], figure: fn(&Turn) -> f64) -> Vec<f64> {
    statistics::sorted(turns.iter().map(figure))
}

fn median(turns: &[Turn], figure: fn(&Turn) -> f64) -> f64 {
    statistics::median(turns.iter().map(figure))
}

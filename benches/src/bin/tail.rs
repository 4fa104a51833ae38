//! Measures the latency of an echo server beside handlers that compute for 1 to 5 ms, and prints a
//! table of medians for each number of such handlers.
//!
//! `tail [--runtimes A,B] [--burners A,B] [--connections N] [--workers N] [--rounds N] [--size BYTES]
//! [--warmup SECONDS] [--seconds SECONDS] [--threads N] [--quick]`. `--quick` does two rounds of 1 s.
//! It fails on an error, on a lost or altered byte, and on an answer that does not come.
//!
//! For each turn it starts itself as the server, with `--serve RUNTIME`. `tail.sh` builds it and runs
//! it.

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::*;
use mini_rt_benches::arguments::{count, list, seconds};
use mini_rt_benches::burn;
use mini_rt_benches::load::{self, Amount, Load};
use mini_rt_benches::peer::Peer;
use mini_rt_benches::process::Server;
use mini_rt_benches::statistics;
use mini_rt_benches::turns::turns;

#[derive(Debug, PartialEq)]
struct Settings {
    serve: Option<Peer>,
    peers: Vec<Peer>,
    burners: Vec<usize>,
    connections: usize,
    workers: usize,
    rounds: usize,
    size: usize,
    client_threads: usize,
    warmup: Duration,
    measured: Duration,
}

/// What one turn of one runtime gave.
struct Turn {
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    requests_per_second: f64,
    computations: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse(lexopt::Parser::from_env())?;
    if let Some(peer) = settings.serve {
        return Ok(burn::serve(peer, settings.workers)?);
    }
    for &burners in &settings.burners {
        let taken = take_turns(&settings, burners)?;
        print_table(&settings, burners, &taken);
    }
    Ok(())
}

impl Settings {
    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut settings = Self {
            serve: None,
            peers: vec![Peer::MiniRt, Peer::Tokio],
            burners: vec![1, 2, 4],
            connections: 64,
            workers: 2,
            rounds: 7,
            size: 64,
            client_threads: 1,
            warmup: Duration::from_millis(500),
            measured: Duration::from_secs(3),
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("serve") => settings.serve = Some(arguments.value()?.parse()?),
                Long("runtimes") => settings.peers = list(arguments.value()?)?,
                Long("burners") => settings.burners = list(arguments.value()?)?,
                Long("connections") => settings.connections = count(arguments.value()?)?,
                Long("workers") => settings.workers = count(arguments.value()?)?,
                Long("rounds") => settings.rounds = count(arguments.value()?)?,
                Long("size") => settings.size = count(arguments.value()?)?,
                Long("threads") => settings.client_threads = count(arguments.value()?)?,
                Long("warmup") => settings.warmup = seconds(arguments.value()?)?,
                Long("seconds") => settings.measured = seconds(arguments.value()?)?,
                Long("quick") => {
                    settings.rounds = 2;
                    settings.measured = Duration::from_secs(1);
                }
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(settings)
    }
}

/// All turns of each runtime, in the order of `settings.peers`.
fn take_turns(settings: &Settings, burners: usize) -> Result<Vec<Vec<Turn>>, Box<dyn Error>> {
    let mut taken: Vec<Vec<Turn>> = settings.peers.iter().map(|_| Vec::new()).collect();
    for (round, index) in turns(settings.rounds, settings.peers.len()) {
        let peer = settings.peers[index];
        let turn = take_turn(settings, peer, burners)
            .map_err(|error| format!("{peer}, {burners} burners: {error}"))?;
        eprintln!(
            "burners {burners}, round {}/{}: {peer:8} p99.9 {:6.0} us",
            round + 1,
            settings.rounds,
            turn.p999_us
        );
        taken[index].push(turn);
    }
    Ok(taken)
}

fn take_turn(settings: &Settings, peer: Peer, burners: usize) -> Result<Turn, Box<dyn Error>> {
    let workers = settings.workers.to_string();
    let server = Server::same_program(&["--serve", peer.name(), "--workers", &workers], 2)?;
    let &[echoing, computing] = server.addrs() else {
        return Err("the server has two addresses".into());
    };
    let load = Load {
        addr: echoing,
        connections: settings.connections,
        size: settings.size,
        threads: settings.client_threads,
        amount: Amount::Window {
            warmup: settings.warmup,
            measured: settings.measured,
        },
        server_pid: None,
    };
    let (computations, report) = burn::beside(computing, burners, || load::run(&load))?;
    let report = report?;
    let failures = &report.failures;
    if let Some(reason) = &failures.first {
        let (errors, lost_bytes) = (failures.errors, failures.lost_bytes);
        return Err(format!("{errors} errors, {lost_bytes} bytes lost; first: {reason}").into());
    }
    if burners > 0 && computations == 0 {
        return Err("nothing was computed".into());
    }
    let microseconds = |quantile| report.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Turn {
        p50_us: microseconds(0.5),
        p99_us: microseconds(0.99),
        p999_us: microseconds(0.999),
        requests_per_second: report.requests_per_second(),
        computations: computations as f64,
    })
}

fn print_table(settings: &Settings, burners: usize, taken: &[Vec<Turn>]) {
    let Settings {
        connections,
        workers,
        rounds,
        size,
        measured,
        ..
    } = settings;
    println!(
        "### {connections} connections beside {burners} burners, workers: {workers} \
         ({size} B, {rounds} rounds of {measured:?})\n"
    );
    println!(
        "| runtime | p50 us | p99 us | p99.9 us | min | max | p99 to tokio | p99.9 to tokio | requests/s | computations |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let tokio = settings.peers.iter().position(|&peer| peer == Peer::Tokio);
    let tokio = tokio.map(|index| &taken[index]);
    let ratio = |turns: &[Turn], figure: fn(&Turn) -> f64| match tokio {
        Some(tokio) => format!("{:.2}", median(turns, figure) / median(tokio, figure)),
        None => "-".to_owned(),
    };
    for (peer, turns) in settings.peers.iter().zip(taken) {
        let worst = statistics::sorted(turns.iter().map(|turn| turn.p999_us));
        println!(
            "| {peer} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} | {:.0} | {:.0} |",
            median(turns, |turn| turn.p50_us),
            median(turns, |turn| turn.p99_us),
            median(turns, |turn| turn.p999_us),
            worst[0],
            worst[worst.len() - 1],
            ratio(turns, |turn| turn.p99_us),
            ratio(turns, |turn| turn.p999_us),
            median(turns, |turn| turn.requests_per_second),
            median(turns, |turn| turn.computations),
        );
    }
    println!();
}

fn median(turns: &[Turn], figure: fn(&Turn) -> f64) -> f64 {
    statistics::median(turns.iter().map(figure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, lexopt::Error> {
        let program = ["tail"];
        Settings::parse(lexopt::Parser::from_iter(program.iter().chain(arguments)))
    }

    #[test]
    fn arguments_are_taken_as_given() {
        let settings = parse(&["--burners", "0,3", "--quick", "--runtimes", "tokio"]).unwrap();
        assert_eq!(settings.burners, [0, 3]);
        assert_eq!(settings.peers, [Peer::Tokio]);
        assert_eq!(
            (settings.rounds, settings.measured),
            (2, Duration::from_secs(1))
        );
        assert_eq!(settings.connections, 64);
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [["--rounds", "0"], ["--size", "0"], ["--burners", "few"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}

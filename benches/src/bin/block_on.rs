//! Measures a request and its reply over loopback, with the client in `block_on` and with the client in
//! a task beside its handler, and prints what the first costs more.
//!
//! `block_on [--runtimes A,B] [--rounds N] [--round-trips N] [--quick]`. `--quick` does three rounds. It
//! fails on an error, on an altered byte, and when a run takes too long.
//!
//! For each measurement it starts itself with `--measure RUNTIME --client root` or `task`, and the
//! process prints nanoseconds. `block_on.sh` builds it and runs it.

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::*;
use mini_rt_benches::arguments::{count, list};
use mini_rt_benches::peer::Peer;
use mini_rt_benches::process::lines_of_same_program;
use mini_rt_benches::request_reply::Client;
use mini_rt_benches::statistics::{median, sorted};
use mini_rt_benches::turns::turns;

/// Far more than the slowest measurement takes.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, PartialEq)]
struct Settings {
    measure: Option<(Peer, Client)>,
    peers: Vec<Peer>,
    rounds: usize,
    round_trips: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse(lexopt::Parser::from_env())?;
    if let Some((peer, client)) = settings.measure {
        println!(
            "{}",
            client.run(peer, settings.round_trips as u64)?.as_nanos()
        );
        return Ok(());
    }
    let contenders: Vec<(Peer, Client)> = settings
        .peers
        .iter()
        .flat_map(|&peer| Client::ALL.map(|client| (peer, client)))
        .collect();
    let mut figures: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for (round, index) in turns(settings.rounds, contenders.len()) {
        let (peer, client) = contenders[index];
        let microseconds = measure(&settings, peer, client)?;
        eprintln!(
            "round {}/{}: {peer:8} {client} {microseconds:6.2} us",
            round + 1,
            settings.rounds
        );
        figures[index].push(microseconds);
    }
    print_table(&settings, &figures);
    Ok(())
}

impl Settings {
    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut settings = Self {
            measure: None,
            peers: vec![Peer::MiniRt, Peer::Tokio, Peer::Smol],
            rounds: 11,
            round_trips: 20_000,
        };
        let mut peer: Option<Peer> = None;
        let mut client = Client::Root;
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("measure") => peer = Some(arguments.value()?.parse()?),
                Long("client") => client = arguments.value()?.parse()?,
                Long("runtimes") => settings.peers = list(arguments.value()?)?,
                Long("rounds") => settings.rounds = count(arguments.value()?)?,
                Long("round-trips") => settings.round_trips = count(arguments.value()?)?,
                Long("quick") => settings.rounds = 3,
                _ => return Err(argument.unexpected()),
            }
        }
        settings.measure = peer.map(|peer| (peer, client));
        Ok(settings)
    }
}

/// Microseconds a round trip, in a process of its own.
fn measure(settings: &Settings, peer: Peer, client: Client) -> Result<f64, Box<dyn Error>> {
    let round_trips = settings.round_trips.to_string();
    let arguments = [
        "--measure",
        peer.name(),
        "--client",
        client.name(),
        "--round-trips",
        &round_trips,
    ];
    let lines = lines_of_same_program(&arguments, PATIENCE)?;
    let nanoseconds: f64 = lines.concat().parse()?;
    Ok(nanoseconds / settings.round_trips as f64 / 1_000.0)
}

fn print_table(settings: &Settings, figures: &[Vec<f64>]) {
    let Settings {
        rounds,
        round_trips,
        ..
    } = settings;
    println!(
        "### Request and reply, {rounds} rounds of {round_trips} round trips: us each, median (min-max)\n"
    );
    println!("| runtime | client in block_on, 2 workers | client in a task, 1 worker | ratio |");
    println!("|---|---:|---:|---:|");
    for (peer, figures) in settings.peers.iter().zip(figures.chunks(Client::ALL.len())) {
        let [root, task] = figures else {
            unreachable!("there are two clients");
        };
        println!(
            "| {peer} | {} | {} | {:.2} |",
            with_range(root),
            with_range(task),
            median(root.iter().copied()) / median(task.iter().copied())
        );
    }
}

fn with_range(figures: &[f64]) -> String {
    let figures = sorted(figures.iter().copied());
    let (min, max) = (figures[0], figures[figures.len() - 1]);
    format!("{:.2} ({min:.2}-{max:.2})", median(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, lexopt::Error> {
        let program = ["block_on"];
        Settings::parse(lexopt::Parser::from_iter(program.iter().chain(arguments)))
    }

    #[test]
    fn a_measurement_has_a_runtime_and_a_client() {
        assert_eq!(parse(&[]).unwrap().measure, None);
        let arguments = ["--client", "task", "--measure", "tokio"];
        let expected = Some((Peer::Tokio, Client::Task));
        assert_eq!(parse(&arguments).unwrap().measure, expected);
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [
            ["--rounds", "0"],
            ["--client", "main"],
            ["--measure", "all"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_range_has_its_median_first() {
        assert_eq!(with_range(&[3.0, 1.0, 2.0]), "2.00 (1.00-3.00)");
    }
}

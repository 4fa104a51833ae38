//! Measures how late sleeps end on a runtime that does nothing else, and prints a table.
//!
//! `lateness [--runtimes A,B] [--rounds N] [--quick]`. `--quick` does two rounds. It fails if a sleep ends
//! early, and when a run takes too long.
//!
//! For each measurement it starts itself with `--measure RUNTIME --micros N --sleeps N`, and the process
//! prints nanoseconds, a line for each sleep. `lateness.sh` builds it and runs it.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use mini_rt_benches::arguments::{count, list};
use mini_rt_benches::network::{Network, not_a_network};
use mini_rt_benches::peer::{Executor, MiniRt, Peer, Smol, Tokio};
use mini_rt_benches::process::lines_of_same_program;
use mini_rt_benches::statistics::quantile;
use mini_rt_benches::turns::turns;

/// How long sleeps last, in microseconds, and how many there are in a round.
const DURATIONS: [(u64, usize); 3] = [(50, 400), (1_000, 200), (10_000, 40)];

/// Far more than the slowest measurement takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq)]
struct Settings {
    measure: Option<Peer>,
    micros: u64,
    sleeps: usize,
    peers: Vec<Peer>,
    rounds: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse(lexopt::Parser::from_env())?;
    if let Some(peer) = settings.measure {
        let duration = Duration::from_micros(settings.micros);
        for late in late_on(peer, duration, settings.sleeps)? {
            println!("{late}");
        }
        return Ok(());
    }
    let contenders: Vec<(Peer, u64, usize)> = DURATIONS
        .into_iter()
        .flat_map(|(micros, sleeps)| {
            settings
                .peers
                .iter()
                .map(move |&peer| (peer, micros, sleeps))
        })
        .collect();
    let mut late: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for (round, index) in turns(settings.rounds, contenders.len()) {
        let (peer, micros, sleeps) = contenders[index];
        eprintln!(
            "round {}/{}: {peer:8} {micros} us",
            round + 1,
            settings.rounds
        );
        late[index].extend(measure(peer, micros, sleeps)?);
    }
    print_table(settings.rounds, &contenders, &late);
    Ok(())
}

impl Settings {
    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut settings = Self {
            measure: None,
            micros: 0,
            sleeps: 0,
            peers: vec![Peer::MiniRt, Peer::Tokio, Peer::Smol],
            rounds: 10,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("measure") => settings.measure = Some(arguments.value()?.parse()?),
                Long("micros") => settings.micros = arguments.value()?.parse()?,
                Long("sleeps") => settings.sleeps = count(arguments.value()?)?,
                Long("runtimes") => settings.peers = list(arguments.value()?)?,
                Long("rounds") => settings.rounds = count(arguments.value()?)?,
                Long("quick") => settings.rounds = 2,
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(settings)
    }
}

/// How late each sleep was, in nanoseconds.
fn late_on(peer: Peer, duration: Duration, sleeps: usize) -> io::Result<Vec<u64>> {
    match peer {
        Peer::MiniRt => MiniRt::run(2, late::<MiniRt>(duration, sleeps)),
        Peer::Tokio => Tokio::run(2, late::<Tokio>(duration, sleeps)),
        Peer::Smol => Smol::run(2, late::<Smol>(duration, sleeps)),
        Peer::Nio => Err(not_a_network(peer)),
    }
}

async fn late<N: Network>(duration: Duration, sleeps: usize) -> Vec<u64> {
    // The first sleeps find everything cold.
    for _ in 0..10 {
        N::sleep(duration).await;
    }
    let mut late = Vec::with_capacity(sleeps);
    for _ in 0..sleeps {
        let deadline = Instant::now() + duration;
        N::sleep(duration).await;
        let over = Instant::now().checked_duration_since(deadline);
        let over = over.expect("a sleep ended early");
        late.push(over.as_nanos() as u64);
    }
    late
}

/// How late sleeps are, in microseconds, in a process of their own.
fn measure(peer: Peer, micros: u64, sleeps: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let (micros, sleeps) = (micros.to_string(), sleeps.to_string());
    let arguments = [
        "--measure",
        peer.name(),
        "--micros",
        &micros,
        "--sleeps",
        &sleeps,
    ];
    let lines = lines_of_same_program(&arguments, PATIENCE)?;
    let late: Result<Vec<f64>, _> = lines.iter().map(|line| line.parse()).collect();
    Ok(late?.into_iter().map(|nanos| nanos / 1_000.0).collect())
}

fn print_table(rounds: usize, contenders: &[(Peer, u64, usize)], late: &[Vec<f64>]) {
    println!("### How late sleeps end, 2 workers, {rounds} rounds: us\n");
    println!("| sleep | runtime | median | p99 | worst |");
    println!("|---:|---|---:|---:|---:|");
    for ((peer, micros, _), late) in contenders.iter().zip(late) {
        let [median, p99, worst] =
            [0.5, 0.99, 1.0].map(|share| quantile(late.iter().copied(), share));
        println!("| {micros} us | {peer} | {median:.0} | {p99:.0} | {worst:.0} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, lexopt::Error> {
        let program = ["lateness"];
        Settings::parse(lexopt::Parser::from_iter(program.iter().chain(arguments)))
    }

    #[test]
    fn arguments_are_read_and_wrong_ones_refused() {
        assert_eq!(parse(&["--quick"]).unwrap().rounds, 2);
        assert_eq!(
            parse(&["--measure", "smol"]).unwrap().measure,
            Some(Peer::Smol)
        );
        assert!(parse(&["--rounds", "0"]).is_err());
        assert!(parse(&["--measure", "all"]).is_err());
    }

    #[test]
    fn sleeps_of_every_runtime_end_and_are_counted() {
        for peer in [Peer::MiniRt, Peer::Tokio, Peer::Smol] {
            let late = late_on(peer, Duration::from_micros(100), 5).unwrap();
            assert_eq!(late.len(), 5, "{peer}");
        }
    }
}

//! Measures the resident memory that an idle task takes, and prints bytes per task, with the tasks'
//! handles dropped and kept.
//!
//! `memory [--runtimes A,B] [--tasks N] [--rounds N] [--quick]`. `--quick` spawns 200,000 tasks, once. It
//! fails on an error, and when a run takes too long.
//!
//! For each measurement it starts itself with `--measure RUNTIME --handles dropped` or `kept`, and the
//! process prints bytes. `memory.sh` builds it and runs it.

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::*;
use mini_rt_benches::arguments::{count, list};
use mini_rt_benches::memory::{Handles, handle_size, idle_tasks};
use mini_rt_benches::peer::Peer;
use mini_rt_benches::process::lines_of_same_program;
use mini_rt_benches::statistics::median;
use mini_rt_benches::turns::turns;

/// Far more than the slowest measurement takes.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, PartialEq)]
struct Settings {
    measure: Option<(Peer, Handles)>,
    peers: Vec<Peer>,
    tasks: usize,
    rounds: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse(lexopt::Parser::from_env())?;
    if let Some((peer, handles)) = settings.measure {
        println!("{}", idle_tasks(peer, handles, settings.tasks)?);
        return Ok(());
    }
    let contenders: Vec<(Peer, Handles)> = settings
        .peers
        .iter()
        .flat_map(|&peer| Handles::ALL.map(|handles| (peer, handles)))
        .collect();
    let mut figures: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for (round, index) in turns(settings.rounds, contenders.len()) {
        let (peer, handles) = contenders[index];
        let bytes = measure(&settings, peer, handles)?;
        eprintln!(
            "round {}/{}: {peer:8} handles {handles:7} {bytes:6.1} bytes",
            round + 1,
            settings.rounds
        );
        figures[index].push(bytes);
    }
    print_table(&settings, &figures);
    Ok(())
}

impl Settings {
    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut settings = Self {
            measure: None,
            peers: Peer::ALL.to_vec(),
            tasks: 1_000_000,
            rounds: 3,
        };
        let mut peer: Option<Peer> = None;
        let mut handles = Handles::Dropped;
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("measure") => peer = Some(arguments.value()?.parse()?),
                Long("handles") => handles = arguments.value()?.parse()?,
                Long("runtimes") => settings.peers = list(arguments.value()?)?,
                Long("tasks") => settings.tasks = count(arguments.value()?)?,
                Long("rounds") => settings.rounds = count(arguments.value()?)?,
                Long("quick") => (settings.tasks, settings.rounds) = (200_000, 1),
                _ => return Err(argument.unexpected()),
            }
        }
        settings.measure = peer.map(|peer| (peer, handles));
        Ok(settings)
    }
}

/// Bytes a task, in a process of its own.
fn measure(settings: &Settings, peer: Peer, handles: Handles) -> Result<f64, Box<dyn Error>> {
    let tasks = settings.tasks.to_string();
    let arguments = [
        "--measure",
        peer.name(),
        "--handles",
        handles.name(),
        "--tasks",
        &tasks,
    ];
    let lines = lines_of_same_program(&arguments, PATIENCE)?;
    let bytes: f64 = lines.concat().parse()?;
    Ok(bytes / settings.tasks as f64)
}

fn print_table(settings: &Settings, figures: &[Vec<f64>]) {
    let Settings { tasks, rounds, .. } = settings;
    println!("### Resident memory of {tasks} idle tasks, {rounds} rounds: bytes a task, median\n");
    println!("| runtime | handles dropped | handles kept | a handle |");
    println!("|---|---:|---:|---:|");
    for (peer, figures) in settings
        .peers
        .iter()
        .zip(figures.chunks(Handles::ALL.len()))
    {
        let [dropped, kept] = figures else {
            unreachable!("a handle is dropped or kept");
        };
        println!(
            "| {peer} | {:.1} | {:.1} | {} |",
            median(dropped.iter().copied()),
            median(kept.iter().copied()),
            handle_size(*peer)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, lexopt::Error> {
        let program = ["memory"];
        Settings::parse(lexopt::Parser::from_iter(program.iter().chain(arguments)))
    }

    #[test]
    fn a_measurement_has_a_runtime_and_says_what_becomes_of_handles() {
        assert_eq!(parse(&[]).unwrap().measure, None);
        let arguments = ["--measure", "nio", "--handles", "kept", "--tasks", "7"];
        let settings = parse(&arguments).unwrap();
        assert_eq!(settings.measure, Some((Peer::Nio, Handles::Kept)));
        assert_eq!(settings.tasks, 7);
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [
            ["--tasks", "0"],
            ["--handles", "lost"],
            ["--measure", "all"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}

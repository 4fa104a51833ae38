//! Measures how long a client waits while a task on another connection blocks its worker thread, and
//! prints a table: a row for each variant and runtime, with the worst of every run.
//!
//! `blocked [--variant A,B] [--runtimes A,B] [--runs N] [--block SECONDS] [--workers N] [--quick]`.
//! The variants are described in `src/blocked/mod.rs`; `--quick` does two runs. It fails on an error, on
//! a lost or altered byte, and on an answer that does not come.
//!
//! For each run it starts itself as the server, with `--serve RUNTIME`. `blocked.sh` builds it and
//! runs it.

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::*;
use mini_rt_benches::arguments::{count, list, seconds};
use mini_rt_benches::blocked::client::{self, Report};
use mini_rt_benches::blocked::{Variant, server};
use mini_rt_benches::peer::Peer;
use mini_rt_benches::process::Server;
use mini_rt_benches::statistics::median;
use mini_rt_benches::turns::turns;

#[derive(Debug, PartialEq)]
struct Settings {
    serve: Option<Peer>,
    peers: Vec<Peer>,
    variants: Vec<Variant>,
    runs: usize,
    workers: usize,
    block: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse(lexopt::Parser::from_env())?;
    if let Some(peer) = settings.serve {
        let variant = settings.variants[0];
        return Ok(server::serve(
            peer,
            settings.workers,
            variant,
            settings.block,
        )?);
    }
    print_head(&settings);
    for &variant in &settings.variants {
        compare(&settings, variant)?;
    }
    Ok(())
}

impl Settings {
    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut settings = Self {
            serve: None,
            peers: vec![Peer::MiniRt, Peer::Tokio],
            variants: Variant::ALL.to_vec(),
            runs: 20,
            workers: 2,
            block: Duration::from_secs(1),
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("serve") => settings.serve = Some(arguments.value()?.parse()?),
                Long("runtimes") => settings.peers = list(arguments.value()?)?,
                Long("variant") => match arguments.value()? {
                    all if all == "all" => settings.variants = Variant::ALL.to_vec(),
                    some => settings.variants = list(some)?,
                },
                Long("runs") => settings.runs = count(arguments.value()?)?,
                Long("quick") => settings.runs = 2,
                Long("workers") => settings.workers = count(arguments.value()?)?,
                Long("block") => settings.block = seconds(arguments.value()?)?,
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(settings)
    }
}

/// Runs one variant on all runtimes, and prints their rows.
fn compare(settings: &Settings, variant: Variant) -> Result<(), Box<dyn Error>> {
    let (able, unable): (Vec<Peer>, Vec<Peer>) = settings
        .peers
        .iter()
        .partition(|&&peer| server::is_supported(peer));
    let mut reports: Vec<Vec<Report>> = able.iter().map(|_| Vec::new()).collect();
    for (run, index) in turns(settings.runs, able.len()) {
        let peer = able[index];
        let report = observe(settings, peer, variant)
            .map_err(|error| format!("{peer}, variant {variant}: {error}"))?;
        eprintln!(
            "{variant}, run {}/{}: {peer:8} worst {:?}",
            run + 1,
            settings.runs,
            report.worst
        );
        reports[index].push(report);
    }
    for (peer, reports) in able.iter().zip(&reports) {
        print_row(variant, *peer, reports);
    }
    for peer in unable {
        println!("| {variant} | {peer} | not supported | | | |");
    }
    Ok(())
}

fn observe(settings: &Settings, peer: Peer, variant: Variant) -> Result<Report, Box<dyn Error>> {
    let workers = settings.workers.to_string();
    let block = settings.block.as_secs_f64().to_string();
    let arguments = [
        "--serve",
        peer.name(),
        "--variant",
        variant.name(),
        "--workers",
        &workers,
        "--block",
        &block,
    ];
    let server = Server::same_program(&arguments, 1)?;
    Ok(client::observe(server.addrs()[0], variant, settings.block)?)
}

fn print_head(settings: &Settings) {
    let Settings {
        workers,
        block,
        runs,
        ..
    } = settings;
    println!(
        "### A task blocks for {block:?}, workers: {workers}, {runs} runs: how long others wait, ms\n"
    );
    println!(
        "| variant | runtime | median of the worst | worst of all | median of the second worst | median of p99 |"
    );
    println!("|---|---|---:|---:|---:|---:|");
}

fn print_row(variant: Variant, peer: Peer, reports: &[Report]) {
    let milliseconds = |figure: fn(&Report) -> Duration| {
        reports
            .iter()
            .map(move |report| figure(report).as_secs_f64() * 1_000.0)
    };
    println!(
        "| {variant} | {peer} | {:.2} | {:.2} | {:.2} | {:.2} |",
        median(milliseconds(|report| report.worst)),
        milliseconds(|report| report.worst).fold(0.0, f64::max),
        median(milliseconds(|report| report.second_worst)),
        median(milliseconds(|report| report.p99)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, lexopt::Error> {
        let program = ["blocked"];
        Settings::parse(lexopt::Parser::from_iter(program.iter().chain(arguments)))
    }

    #[test]
    fn without_arguments_everything_is_run_twenty_times() {
        let settings = parse(&[]).unwrap();
        assert_eq!(settings.runs, 20);
        assert_eq!(settings.variants, Variant::ALL);
        assert_eq!(settings.peers, [Peer::MiniRt, Peer::Tokio]);
        assert_eq!(parse(&["--variant", "all"]).unwrap(), settings);
    }

    #[test]
    fn arguments_are_taken_as_given() {
        let arguments = [
            "--variant",
            "fds,io",
            "--runtimes",
            "smol",
            "--runs",
            "3",
            "--block",
            "0.5",
        ];
        let settings = parse(&arguments).unwrap();
        assert_eq!(settings.variants, [Variant::Fds, Variant::Io]);
        assert_eq!(settings.peers, [Peer::Smol]);
        assert_eq!(settings.runs, 3);
        assert_eq!(settings.block, Duration::from_millis(500));
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [
            &["--runs", "0"],
            &["--variant", "quick"],
            &["--runtimes", ""],
            &["--block", "-1"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse(&["quick"]).is_err());
    }
}

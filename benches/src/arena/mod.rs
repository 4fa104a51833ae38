//! The arena: every peer does every workload, in turns.
//!
//! | file | one idea |
//! |---|---|
//! | `settings.rs` | what the command line asks for |
//! | `workload.rs` | what is measured, and what came of it |
//! | `child.rs` | the processes in which peers are measured |
//! | `report.rs` | what a run has found, as tables and as a file |
//! | `chart.rs` | the same, drawn |
//! | `machine.rs` | where figures come from |
//! | `counts/` | instructions and system calls, and the baseline of them |

pub mod chart;
pub mod child;
pub mod counts;
pub mod machine;
pub mod report;
pub mod settings;
pub mod workload;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use self::machine::Machine;
use self::report::{Report, Results, Turns};
use self::settings::{Settings, Task, USAGE};
use self::workload::{Group, Workload};
use crate::peer::Peer;
use crate::turns::turns;
use crate::usage::raise_file_limit;
use crate::workloads;

/// Where reports go.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results");

/// Does what the command line asks for.
///
/// # Errors
/// When it makes no sense, and when a workload fails or loses something.
pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [first, job @ ..] = &arguments[..] {
        if first == child::CHILD {
            return Ok(child::run(&workloads::jobs(), job)?);
        }
    }
    let Some(settings) = Settings::parse(lexopt::Parser::from_env())? else {
        println!("{USAGE}");
        return Ok(());
    };
    let mut chosen = workloads::all();
    chosen.retain(|workload| settings.wants(workload));
    if chosen.is_empty() {
        return Err("no workload is called so; --list prints their names".into());
    }
    raise_file_limit()?;
    match settings.task {
        Task::List => {
            for Workload { group, name, .. } in &chosen {
                println!("{group:9} {name}");
            }
            Ok(())
        }
        Task::Measure => measure(&settings, &chosen),
        Task::Check => counts::check(&settings),
        Task::Baseline => counts::write_baseline(&settings),
    }
}

fn measure(settings: &Settings, chosen: &[Workload]) -> Result<(), Box<dyn Error>> {
    let mut report = Report {
        machine: Machine::this(),
        rounds: settings.rounds,
        is_quick: settings.effort.is_quick,
        workloads: Vec::new(),
    };
    for (number, workload) in (1..).zip(chosen) {
        let mut peers = workload.peers.clone();
        peers.retain(|peer| settings.peers.contains(peer));
        if peers.is_empty() {
            continue;
        }
        eprintln!("{number}/{} {}", chosen.len(), workload.name);
        let turns = take_turns(settings, workload, &peers)?;
        let results = Results::new(workload, &turns);
        println!("{}", results.table());
        report.workloads.push(results);
    }
    write(&report)?;
    Ok(())
}

/// The turns of each peer.
fn take_turns(
    settings: &Settings,
    workload: &Workload,
    peers: &[Peer],
) -> Result<Vec<Turns>, Box<dyn Error>> {
    let mut taken: Vec<_> = peers.iter().map(|&peer| (peer, Vec::new())).collect();
    for (_round, index) in turns(settings.rounds_of(workload), peers.len()) {
        let (peer, figures) = &mut taken[index];
        let turn = (workload.turn)(*peer, settings.effort);
        figures.push(turn.map_err(|error| format!("{}, {peer}: {error}", workload.name))?);
    }
    Ok(taken)
}

/// Leaves the report in files.
fn write(report: &Report) -> Result<(), Box<dyn Error>> {
    let directory = Path::new(RESULTS);
    fs::create_dir_all(directory)?;
    let json = serde_json::to_string_pretty(report)?;
    fs::write(directory.join("latest.json"), json + "\n")?;
    fs::write(directory.join("latest.md"), report.markdown())?;
    for group in Group::ALL {
        let mut results: Vec<&Results> = report.workloads.iter().collect();
        results.retain(|results| results.group == group);
        chart::draw(group, &results, directory)?;
    }
    eprintln!("written to {RESULTS}");
    Ok(())
}

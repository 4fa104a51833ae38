//! Counts that repeat, whatever else the machine does: instructions and system calls.
//!
//! | file | one idea |
//! |---|---|
//! | `tool.rs` | programs that count what a child does |
//! | `instructions.rs` | instructions of an operation |
//! | `system_calls.rs` | system calls of a request |
//! | `baseline.rs` | the counts that must not grow |

pub mod baseline;
pub mod instructions;
pub mod system_calls;
pub mod tool;

use std::error::Error;
use std::fs;
use std::io;

use self::baseline::{Baseline, Comparison};
use super::machine::Machine;
use super::settings::Settings;
use crate::operations::Operation;
use crate::peer::Peer;

/// Where the baseline is.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

/// The flavours that are guarded.
const GUARDED: [Peer; 2] = [Peer::MiniRt, Peer::MiniRtCurrent];

/// Counts again what the baseline holds, and prints both.
///
/// # Errors
/// When a count has grown or is missing, there is no baseline, or something cannot be counted.
pub fn check(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(BASELINE)
        .map_err(|error| format!("{BASELINE}: {error}; --baseline writes one"))?;
    let baseline: Baseline = serde_json::from_str(&text)?;
    let now = count(settings)?;
    if baseline.rustc != now.rustc {
        let (then, now) = (&baseline.rustc, &now.rustc);
        println!("The baseline is of another compiler: {then}, not {now}.\n");
    }
    let comparison = Comparison::new(&baseline, &now);
    println!("{comparison}");
    if comparison.has_improved() {
        println!("Some counts have shrunk: hold that fast with --baseline.");
    }
    Ok(comparison.verdict()?)
}

/// Writes the baseline.
///
/// # Errors
/// When something cannot be counted, or the file cannot be written.
pub fn write_baseline(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let json = serde_json::to_string_pretty(&count(settings)?)?;
    fs::write(BASELINE, json + "\n")?;
    eprintln!("written to {BASELINE}");
    Ok(())
}

fn count(settings: &Settings) -> Result<Baseline, Box<dyn Error>> {
    if !settings.only.is_empty() {
        return Err("a baseline has all of its counts: --only cannot be used with it".into());
    }
    instructions::VALGRIND.check()?;
    system_calls::STRACE.check()?;
    let mut counts = Baseline {
        rustc: Machine::this().rustc,
        ..Baseline::default()
    };
    for operation in Operation::ALL {
        eprintln!("instructions of {operation}");
        let flavours = GUARDED.map(|peer| {
            let count = instructions::count(peer, operation)?;
            Ok((peer.name().to_owned(), rounded(count, 10.0)))
        });
        let flavours = flavours.into_iter().collect::<io::Result<_>>()?;
        counts
            .instructions
            .insert(operation.name().to_owned(), flavours);
    }
    eprintln!("system calls");
    let calls = system_calls::count(Peer::MiniRt, 1)?.value;
    let name = format!("echo-{}B-1c-1w", system_calls::SIZE);
    counts.system_calls.insert(name, rounded(calls, 1_000.0));
    Ok(counts)
}

/// As many decimals as `parts` has zeros.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

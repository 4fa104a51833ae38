//! Instructions of an operation, by callgrind.
//!
//! The count of an operation is the difference between a short and a long run, divided by the
//! difference in operations, so that start and stop of the runtime cancel out. Only user space counts.
//! It repeats, so each is counted once in a run of the arena.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::tool::Tool;
use crate::arena::child::{self, Job, Outcome};
use crate::operations::Operation;
use crate::peer::Peer;

/// Operations of the short and of the long run.
const RUNS: [u64; 2] = [2_000, 12_000];

/// Far more than the slowest run takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What counts.
pub const VALGRIND: Tool = Tool {
    name: "valgrind",
    probe: &["--version"],
};

/// Does so many operations of the kind that has this number in [`Operation::ALL`].
pub const JOB: Job = Job {
    name: "ops",
    run: |peer, given| {
        let &[operation, operations] = given else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let operation = Operation::ALL.get(operation as usize);
        let operation = operation.ok_or(io::ErrorKind::InvalidInput)?;
        operation.run(peer, operations)?;
        Ok(Outcome::default())
    },
};

/// Instructions for each operation.
///
/// # Errors
/// When valgrind or the child fails.
pub fn count(peer: Peer, operation: Operation) -> io::Result<f64> {
    static COUNTED: OnceLock<Mutex<HashMap<(Peer, Operation), f64>>> = OnceLock::new();
    let mut counted = COUNTED
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(&count) = counted.get(&(peer, operation)) {
        return Ok(count);
    }
    let [short, long] = RUNS;
    let fewer = collected(peer, operation, short)?;
    let more = collected(peer, operation, long)?;
    let count = (more as f64 - fewer as f64) / (long - short) as f64;
    counted.insert((peer, operation), count);
    Ok(count)
}

/// The instructions of a whole process.
fn collected(peer: Peer, operation: Operation, operations: u64) -> io::Result<u64> {
    let index = Operation::ALL.iter().position(|&other| other == operation);
    let index = index.expect("all operations are in the list") as u64;
    let arguments = child::arguments(&JOB, peer, &[index, operations]);
    let watched = VALGRIND.start(
        &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
        |path| {
            let mut option = OsString::from("--log-file=");
            option.push(path);
            vec![option]
        },
        &arguments,
        PATIENCE,
    )?;
    let (log, is_well) = watched.log()?;
    parse(&log)
        .filter(|_| is_well)
        .ok_or_else(|| io::Error::other(format!("{arguments:?} under valgrind: {log}")))
}

/// The number in callgrind's line `==PID== Collected : NUMBER`.
fn parse(log: &str) -> Option<u64> {
    log.lines().find_map(|line| {
        let (_, number) = line.split_once("Collected :")?;
        number.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_instructions_is_found_in_the_log() {
        let log = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
        assert_eq!(parse(log), Some(1_234_567));
        assert_eq!(parse("==7== Collected : many\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_job_does_known_operations_only() {
        (JOB.run)(Peer::MiniRt, &[0, 100]).unwrap();
        let unknown = Operation::ALL.len() as u64;
        for wrong in [&[unknown, 100][..], &[0], &[]] {
            assert!((JOB.run)(Peer::MiniRt, wrong).is_err(), "{wrong:?}");
        }
    }
}

//! Spawning, waking, yielding, joining: what an operation of the scheduler costs.
//!
//! | file | one idea |
//! |---|---|
//! | `spawning.rs` | loops over operations that begin and end tasks |
//! | `waking.rs` | loops over operations that wake tasks |
//! | `signal.rs` | what they wait for |
//! | `thread.rs` | threads that are no part of a runtime |

mod spawning;
mod thread;
mod waking;

use super::measured::measured;
use super::numbers;
use crate::arena::child::{Job, measure};
use crate::arena::workload::{Effort, Group, Unit, Workload};
use crate::on_executor;
use crate::peer::Peer;

/// A job that measures a loop of operations in a task. It wants the number of workers, the width of the
/// loop, and the number of operations.
macro_rules! job {
    ($name:literal, $executor:ident => $work:expr) => {
        Job {
            name: $name,
            run: |peer, given| {
                let [workers, width, operations] = numbers(given)?;
                on_executor!(peer, $executor => {
                    $executor::run(workers as usize, measured(width, operations, $work))?
                })
            },
        }
    };
}

const SPAWN_JOIN: Job = job!("spawn-join", E => spawning::spawn_join::<E>);
const SPAWN_AWAIT: Job = job!("spawn-await", E => spawning::spawn_await::<E>);
const SPAWN_BLOCKING: Job = job!("spawn-blocking", E => spawning::spawn_blocking::<E>);
const FOREIGN: Job = job!("foreign-spawn", E => spawning::foreign::<E>);
const CHAINED: Job = job!("chained-spawn", E => spawning::chained::<E>);
const FAN_OUT: Job = job!("fan-out", E => spawning::fan_out::<E>);
const YIELD: Job = job!("yield", E => waking::yield_among::<E>);
const PING_PONG: Job = job!("ping-pong", E => waking::ping_pong::<E>);
const PIPELINE: Job = job!("pipeline", E => waking::pipeline::<E>);
const WAKE_STORM: Job = job!("wake-storm", E => waking::wake_storm::<E>);

pub(super) const JOBS: &[Job] = &[
    SPAWN_JOIN,
    SPAWN_AWAIT,
    SPAWN_BLOCKING,
    FOREIGN,
    CHAINED,
    FAN_OUT,
    YIELD,
    PING_PONG,
    PIPELINE,
    WAKE_STORM,
];

/// A job with its numbers.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    job: Job,
    /// Tasks in a batch or a chain, pairs, stages or threads: as the job's loop says.
    width: u64,
    /// Of a thorough turn.
    operations: u64,
    /// Worker threads of the runtimes that have several.
    workers: u64,
    /// Whether those with one thread stay away: they are in a row of their own kind.
    is_multi_thread_only: bool,
    is_quick: bool,
}

impl Row {
    /// A row of a thorough run, for every runtime.
    const fn new(name: &'static str, job: Job, width: u64, operations: u64, workers: u64) -> Self {
        Self {
            name,
            job,
            width,
            operations,
            workers,
            is_multi_thread_only: false,
            is_quick: false,
        }
    }

    const fn multi_thread_only(mut self) -> Self {
        self.is_multi_thread_only = true;
        self
    }

    const fn also_quick(mut self) -> Self {
        self.is_quick = true;
        self
    }

    fn workload(self) -> Workload {
        let mut peers = Peer::EXECUTORS.to_vec();
        peers.retain(|peer| !(self.is_multi_thread_only && peer.is_single_threaded()));
        let Self {
            job,
            width,
            operations,
            workers,
            ..
        } = self;
        Workload {
            group: Group::Tasks,
            name: self.name.to_owned(),
            unit: Unit::NanosPerOperation,
            peers,
            is_quick: self.is_quick,
            turn: Box::new(move |peer, effort: Effort| {
                let operations = effort.operations(operations);
                measure(&job, peer, &[workers, width, operations])
            }),
        }
    }
}

/// Every row: its name, job, width, operations and workers.
const ROWS: [Row; 17] = [
    Row::new("spawn-join-1w", SPAWN_JOIN, 100, 2_000_000, 1).also_quick(),
    Row::new("spawn-join-2w", SPAWN_JOIN, 100, 2_000_000, 2).multi_thread_only(),
    Row::new("spawn-await", SPAWN_AWAIT, 1, 2_000_000, 1).also_quick(),
    Row::new("foreign-spawn-1t", FOREIGN, 1, 960_000, 2),
    Row::new("foreign-spawn-4t", FOREIGN, 4, 960_000, 2),
    Row::new("foreign-spawn-16t", FOREIGN, 16, 960_000, 2).also_quick(),
    Row::new("yield-100-1w", YIELD, 100, 5_000_000, 1).also_quick(),
    Row::new("yield-100-2w", YIELD, 100, 5_000_000, 2).multi_thread_only(),
    Row::new("yield-10000-1w", YIELD, 10_000, 5_000_000, 1).also_quick(),
    Row::new("yield-10000-2w", YIELD, 10_000, 5_000_000, 2).multi_thread_only(),
    Row::new("ping-pong-1", PING_PONG, 1, 2_000_000, 1).also_quick(),
    Row::new("ping-pong-64", PING_PONG, 64, 1_920_000, 1),
    Row::new("chained-spawn", CHAINED, 1_000, 2_000_000, 1).also_quick(),
    Row::new("fan-out-1000", FAN_OUT, 1_000, 1_000_000, 2).also_quick(),
    Row::new("pipeline-4", PIPELINE, 4, 500_000, 2).also_quick(),
    Row::new("wake-storm-1000", WAKE_STORM, 1_000, 1_000_000, 2).also_quick(),
    Row::new("spawn-blocking", SPAWN_BLOCKING, 100, 60_000, 2).also_quick(),
];

pub(super) fn workloads() -> Vec<Workload> {
    ROWS.map(Row::workload).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loops so wide and so long for each row that every loop goes round more than once.
    const ROUNDS: u64 = 3;
    const WIDTH: u64 = 16;

    #[test]
    fn every_runtime_does_every_operation() {
        for row in ROWS {
            let width = row.width.min(WIDTH);
            for peer in row.workload().peers {
                let given = [row.workers, width, ROUNDS * width];
                let outcome = (row.job.run)(peer, &given);
                let outcome =
                    outcome.unwrap_or_else(|error| panic!("{} {peer}: {error}", row.name));
                let value = outcome.value().unwrap_or_default();
                assert!(
                    value.is_finite() && value > 0.0,
                    "{} {peer}: {value}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn turns_are_whole_rounds() {
        for row in ROWS {
            for is_quick in [false, true] {
                let operations = Effort { is_quick }.operations(row.operations);
                assert_eq!(operations % row.width, 0, "{}", row.name);
            }
        }
    }
}

//! Resident memory per idle task.

use super::numbers;
use crate::arena::child::{Job, Outcome, measure};
use crate::arena::workload::{Effort, Group, Unit, Workload};
use crate::memory::{Handles, idle_tasks};
use crate::peer::Peer;

/// Tasks in a thorough turn.
const TASKS: u64 = 1_000_000;

const IDLE_TASKS: Job = Job {
    name: "idle-tasks",
    run: |peer, given| {
        let [handles, tasks] = numbers(given)?;
        let handles = Handles::ALL[handles as usize % Handles::ALL.len()];
        let bytes = idle_tasks(peer, handles, tasks as usize)?;
        Ok(Outcome::of(bytes as f64 / tasks as f64))
    },
};

pub(super) const JOBS: &[Job] = &[IDLE_TASKS];

pub(super) fn workloads() -> Vec<Workload> {
    // nio ends a task that nobody can wake.
    let mut peers = Peer::EXECUTORS.to_vec();
    peers.retain(|&peer| peer != Peer::Nio);
    let workload = |index: usize| Workload {
        group: Group::Memory,
        name: format!("idle-task-handle-{}", Handles::ALL[index]),
        unit: Unit::Bytes,
        peers: peers.clone(),
        is_quick: true,
        turn: Box::new(move |peer, effort: Effort| {
            measure(&IDLE_TASKS, peer, &[index as u64, effort.operations(TASKS)])
        }),
    };
    (0..Handles::ALL.len()).map(workload).collect()
}

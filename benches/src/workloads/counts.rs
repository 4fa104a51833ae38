//! Instructions of operations and system calls of requests, where there are valgrind and strace.

use crate::arena::child::Job;
use crate::arena::counts::tool::Tool;
use crate::arena::counts::{instructions, system_calls};
use crate::arena::workload::{Figures, Group, Unit, Workload};
use crate::operations::Operation;
use crate::peer::Peer;

/// Connections of the echo servers.
const CONNECTIONS: [usize; 2] = [1, 64];

pub(super) const JOBS: &[Job] = &[instructions::JOB, system_calls::JOB];

/// Without those whose tool does not work here, of which it tells.
pub(super) fn workloads() -> Vec<Workload> {
    let mut workloads = Vec::new();
    if is_usable(instructions::VALGRIND) {
        workloads.extend(Operation::ALL.map(instructions_of));
    }
    if is_usable(system_calls::STRACE) {
        workloads.extend(CONNECTIONS.map(system_calls_of));
    }
    workloads
}

fn is_usable(tool: Tool) -> bool {
    let checked = tool.check();
    if let Err(reason) = &checked {
        eprintln!("SKIPPED what {} counts: {reason}", tool.name);
    }
    checked.is_ok()
}

fn instructions_of(operation: Operation) -> Workload {
    Workload {
        group: Group::Counts,
        name: format!("instructions-{operation}"),
        unit: Unit::Instructions,
        peers: operation.peers().to_vec(),
        is_quick: matches!(operation, Operation::SpawnAwait | Operation::Yield),
        turn: Box::new(move |peer, _| Ok(Figures::of(instructions::count(peer, operation)?))),
    }
}

fn system_calls_of(connections: usize) -> Workload {
    let mut peers = Peer::ALL.to_vec();
    // A thread for each connection is no matter of one worker.
    peers.retain(|&peer| peer != Peer::Threads);
    Workload {
        group: Group::Counts,
        name: format!(
            "system-calls-echo-{}B-{connections}c-1w",
            system_calls::SIZE
        ),
        unit: Unit::SystemCalls,
        peers,
        is_quick: false,
        turn: Box::new(move |peer, _| system_calls::count(peer, connections)),
    }
}

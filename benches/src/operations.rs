//! Loops over one operation of a scheduler, for counting instructions.
//!
//! Each operation runs inside one task of a runtime with a single worker thread, so that no other
//! thread takes part. The cost of an operation is the difference between two runs of different
//! length, divided by the difference in length: start and stop of the runtime cancel out.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::str::FromStr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::network::Network;
use crate::peer::{Executor, Peer};
use crate::signal::Signal;
use crate::{on_executor, on_network};

/// The tasks of a batch that is spawned and then joined, and the tasks that yield to each other.
pub const TASKS: u64 = 100;

/// Longer than any run.
const HOUR: Duration = Duration::from_secs(3_600);

/// An operation that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Spawn a batch of [`TASKS`] tasks, then join each. The operation is one task.
    SpawnJoin,
    /// Spawn one task and await it at once.
    SpawnAwait,
    /// Yield in one of [`TASKS`] tasks that all do.
    Yield,
    /// Two tasks wake each other in turn. The operation is a round trip: two wakes, two
    /// polls.
    PingPong,
    /// A chain of tasks, each of which spawns the next; the last one ends the wait for the chain.
    /// The operation is one task.
    ChainedSpawn,
    /// Make a sleep of an hour, poll it once and drop it.
    SleepDrop,
    /// Make a sleep of an hour in a box, poll it once and keep it; all are dropped at the end.
    SleepKeep,
    /// As [`SleepKeep`](Self::SleepKeep), in a box only if it must be pinned.
    SleepKeepUnboxed,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 8] = [
        Operation::SpawnJoin,
        Operation::SpawnAwait,
        Operation::Yield,
        Operation::PingPong,
        Operation::ChainedSpawn,
        Operation::SleepDrop,
        Operation::SleepKeep,
        Operation::SleepKeepUnboxed,
    ];

    /// The name used on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Operation::SpawnJoin => "spawn_join",
            Operation::SpawnAwait => "spawn_await",
            Operation::Yield => "yield",
            Operation::PingPong => "ping_pong",
            Operation::ChainedSpawn => "chained_spawn",
            Operation::SleepDrop => "sleep_drop",
            Operation::SleepKeep => "sleep_keep",
            Operation::SleepKeepUnboxed => "sleep_keep_unboxed",
        }
    }

    /// Who can do it.
    pub fn peers(self) -> &'static [Peer] {
        match self {
            // nio's timers stay with the worker that made them.
            Operation::SleepDrop | Operation::SleepKeep | Operation::SleepKeepUnboxed => {
                &Peer::NETWORKS
            }
            _ => &Peer::EXECUTORS,
        }
    }

    /// Starts `peer` with one worker and does `operations` operations on it, rounded down to whole
    /// rounds of [`TASKS`] where an operation has rounds.
    ///
    /// # Errors
    /// The runtime's own when it cannot start; [`io::ErrorKind::Unsupported`] for a peer that is not
    /// among [`peers`](Self::peers).
    pub fn run(self, peer: Peer, operations: u64) -> io::Result<()> {
        match self {
            Operation::SpawnJoin => {
                on_executor!(peer, E => E::run(1, spawn_join::<E>(operations)))
            }
            Operation::SpawnAwait => {
                on_executor!(peer, E => E::run(1, spawn_await::<E>(operations)))
            }
            Operation::Yield => on_executor!(peer, E => E::run(1, yield_among::<E>(operations))),
            Operation::PingPong => on_executor!(peer, E => E::run(1, ping_pong::<E>(operations))),
            Operation::ChainedSpawn => {
                on_executor!(peer, E => E::run(1, chained_spawn::<E>(operations)))
            }
            Operation::SleepDrop => on_network!(peer, N => N::run(1, sleep_drop::<N>(operations))),
            Operation::SleepKeep => on_network!(peer, N => N::run(1, sleep_keep::<N>(operations))),
            Operation::SleepKeepUnboxed => {
                on_network!(peer, N => N::run(1, sleep_keep_unboxed::<N>(operations)))
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
            .ok_or_else(|| format!("no operation is called {name:?}"))
    }
}

async fn spawn_join<E: Executor>(operations: u64) {
    let mut batch = Vec::with_capacity(TASKS as usize);
    for _ in 0..operations / TASKS {
        batch.extend((0..TASKS).map(|_| E::spawn(async {})));
        for handle in batch.drain(..) {
            E::output(handle.await);
        }
    }
}

async fn spawn_await<E: Executor>(operations: u64) {
    for _ in 0..operations {
        E::output(E::spawn(async {}).await);
    }
}

async fn chained_spawn<E: Executor>(operations: u64) {
    let end = Arc::new(Signal::default());
    spawn_chain::<E>(operations, end.clone());
    end.received().await;
}

fn spawn_chain<E: Executor>(missing: u64, end: Arc<Signal>) {
    if missing == 0 {
        return end.send();
    }
    let next = async move { spawn_chain::<E>(missing - 1, end) };
    E::detach(E::spawn(next));
}

async fn sleep_drop<N: Network>(operations: u64) {
    for _ in 0..operations {
        start(pin!(N::sleep(HOUR))).await;
    }
}

async fn sleep_keep<N: Network>(operations: u64) {
    let mut kept = Vec::with_capacity(operations as usize);
    for _ in 0..operations {
        let mut sleep = Box::pin(N::sleep(HOUR));
        start(sleep.as_mut()).await;
        kept.push(sleep);
    }
}

async fn sleep_keep_unboxed<N: Network>(operations: u64) {
    let mut kept = Vec::with_capacity(operations as usize);
    for _ in 0..operations {
        let mut sleep = N::movable_sleep(HOUR);
        start(Pin::new(&mut sleep)).await;
        kept.push(sleep);
    }
}

/// Polls a sleep once.
async fn start<S: Future<Output = ()>>(mut sleep: Pin<&mut S>) {
    poll_fn(|cx| {
        assert!(sleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

async fn yield_among<E: Executor>(operations: u64) {
    let yielding = |_| {
        E::spawn(async move {
            for _ in 0..operations / TASKS {
                E::yield_now().await;
            }
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(yielding).collect();
    for task in tasks {
        E::output(task.await);
    }
}

async fn ping_pong<E: Executor>(round_trips: u64) {
    let (ping, pong) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
    let partner = E::spawn({
        let (ping, pong) = (ping.clone(), pong.clone());
        async move {
            for _ in 0..round_trips {
                ping.received().await;
                pong.send();
            }
        }
    });
    for _ in 0..round_trips {
        ping.send();
        pong.received().await;
    }
    E::output(partner.await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_does_every_operation_that_it_can() {
        for operation in Operation::ALL {
            for peer in Peer::ALL {
                let ran = operation.run(peer, 3 * TASKS);
                let can = operation.peers().contains(&peer);
                assert_eq!(ran.is_ok(), can, "{peer} {operation}: {ran:?}");
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for operation in Operation::ALL {
            assert_eq!(operation.name().parse(), Ok(operation));
        }
        assert!("spawn".parse::<Operation>().is_err());
    }
}

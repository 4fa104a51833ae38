//! Loops over one operation of a scheduler, for counting instructions.
//!
//! Each workload runs inside one task of a runtime with a single worker thread, so that no other
//! thread takes part. The cost of an operation is the difference between two runs of different
//! length, divided by the difference in length: start and stop of the runtime cancel out.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::network::Network;
use crate::peer::{Executor, Peer};
use crate::{on_executor, on_network};

/// The tasks of a batch that is spawned and then joined, and the tasks that yield to each other.
pub const TASKS: u64 = 100;

/// An operation that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Spawn a batch of [`TASKS`] tasks, then join each. The operation is one task.
    SpawnJoin,
    /// Spawn one task and await it at once.
    SpawnAwait,
    /// Yield in one of [`TASKS`] tasks that all do.
    Yield,
    /// Two tasks wake each other in turn. The operation is a round trip: two wakes, two
    /// polls.
    PingPong,
    /// Make a sleep of an hour, poll it once and drop it.
    SleepDrop,
}

impl Workload {
    /// Every workload.
    pub const ALL: [Workload; 5] = [
        Workload::SpawnJoin,
        Workload::SpawnAwait,
        Workload::Yield,
        Workload::PingPong,
        Workload::SleepDrop,
    ];

    /// The name used on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Workload::SpawnJoin => "spawn_join",
            Workload::SpawnAwait => "spawn_await",
            Workload::Yield => "yield",
            Workload::PingPong => "ping_pong",
            Workload::SleepDrop => "sleep_drop",
        }
    }

    /// Starts `peer` with one worker and does `operations` operations on it, rounded down to whole
    /// rounds of [`TASKS`] where a workload has rounds.
    ///
    /// # Errors
    /// The runtime's own when it cannot start.
    pub fn run(self, peer: Peer, operations: u64) -> io::Result<()> {
        if self == Workload::SleepDrop {
            return on_network!(peer, N => N::run(1, sleep_drop::<N>(operations)));
        }
        on_executor!(peer, E => self.run_on::<E>(operations))
    }

    fn run_on<E: Executor>(self, operations: u64) -> io::Result<()> {
        match self {
            Workload::SpawnJoin => E::run(1, spawn_join::<E>(operations)),
            Workload::SpawnAwait => E::run(1, spawn_await::<E>(operations)),
            Workload::Yield => E::run(1, yield_among::<E>(operations)),
            Workload::PingPong => E::run(1, ping_pong::<E>(operations)),
            Workload::SleepDrop => unreachable!("not every executor has timers that may be sent"),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Workload::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
            .ok_or_else(|| format!("no workload is called {name:?}"))
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

async fn sleep_drop<N: Network>(operations: u64) {
    for _ in 0..operations {
        let mut sleep = pin!(N::sleep(Duration::from_secs(3_600)));
        poll_fn(|cx| {
            assert!(sleep.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
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

/// A flag that one task sets and another waits for: the least that two tasks need to take turns, so
/// that a round trip is the runtime's cost and hardly a channel's.
#[derive(Default)]
struct Signal(Mutex<SignalState>);

#[derive(Default)]
struct SignalState {
    is_set: bool,
    waiter: Option<Waker>,
}

impl Signal {
    fn send(&self) {
        let waiter = {
            let mut state = self.lock();
            state.is_set = true;
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    fn received(&self) -> impl Future<Output = ()> + Send {
        poll_fn(|cx| {
            let mut state = self.lock();
            if mem::take(&mut state.is_set) {
                return Poll::Ready(());
            }
            state.waiter = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn lock(&self) -> MutexGuard<'_, SignalState> {
        self.0
            .lock()
            .expect("nothing panics while it holds the lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_does_every_workload() {
        for peer in Peer::EXECUTORS {
            for workload in Workload::ALL {
                let ran = workload.run(peer, 3 * TASKS);
                // Its timers stay with the worker that made them.
                let cannot = peer == Peer::Nio && workload == Workload::SleepDrop;
                assert_eq!(ran.is_err(), cannot, "{peer} {workload}: {ran:?}");
            }
        }
    }

    #[test]
    fn a_signal_that_comes_first_is_kept() {
        let signal = Signal::default();
        signal.send();
        smol::block_on(signal.received());
        assert!(!signal.lock().is_set);
    }
}

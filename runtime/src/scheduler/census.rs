//! How many tasks a runtime has, for observers, and for its end, which waits for the last of them.
//!
//! A core's holder counts what is spawned and what ends on its core, so that costs a load and a store;
//! whoever holds no core counts outside, with the others there. A task may be spawned on one core and end on
//! another: only the sums mean something.
//!
//! *Ordering:* each end is counted with release after its task's spawn, and sums begin with the ends, by acquire:
//! so no sum has more ends than spawns. Who ends the runtime has got all cores back by then, and with them their
//! counts, and looks at what is spawned outside by a read-modify-write with release. The spawn's is one with
//! acquire: if it is the later of the two, that thread finds the shutdown begun; otherwise the end finds the task.

use std::sync::atomic::AtomicU64;

use crate::sync::atomic::{
    self,
    Ordering::{Acquire, Relaxed, Release},
};

/// What was counted on a core, by its holder alone. Std's atomics also in models: cores are handed on under
/// locks, and others only observe.
#[derive(Debug, Default)]
pub(super) struct Tally {
    spawned: AtomicU64,
    ended: AtomicU64,
}

/// What was counted outside.
#[derive(Debug)]
pub(super) struct Outside {
    spawned: atomic::AtomicU64,
    ended: atomic::AtomicU64,
}

impl Tally {
    #[inline]
    pub(super) fn spawned(&self) {
        self.spawned.store(self.spawned.load(Relaxed) + 1, Relaxed);
    }

    #[inline]
    pub(super) fn ended(&self) {
        self.ended.store(self.ended.load(Relaxed) + 1, Release);
    }
}

impl Outside {
    pub(super) fn new() -> Self {
        Self {
            spawned: atomic::AtomicU64::new(0),
            ended: atomic::AtomicU64::new(0),
        }
    }

    pub(super) fn spawned(&self) {
        self.spawned.fetch_add(1, Acquire);
    }

    /// Makes sure that whoever counts a spawn from now on finds what this thread did before.
    pub(super) fn close(&self) {
        self.spawned.fetch_add(0, Release);
    }

    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Release);
    }
}

/// How many tasks were ever spawned.
pub(super) fn spawned<'a>(outside: &Outside, cores: impl Iterator<Item = &'a Tally>) -> u64 {
    let cores = cores.map(|tally| tally.spawned.load(Relaxed));
    outside.spawned.load(Relaxed) + cores.sum::<u64>()
}

/// How many tasks have been spawned and have not ended.
pub(super) fn alive<'a>(
    outside: &Outside,
    cores: impl Iterator<Item = &'a Tally> + Clone,
) -> usize {
    let ended_on_cores = cores.clone().map(|tally| tally.ended.load(Acquire));
    let ended = outside.ended.load(Acquire) + ended_on_cores.sum::<u64>();
    (spawned(outside, cores) - ended) as usize
}

//! Counting on a hot path.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More than the worker threads of most machines; threads beyond it share slots.
const SLOTS: usize = 32;

/// A counter that many threads add to and few read.
///
/// Each thread adds to a slot of its own, so that adding never waits for another core's cache.
///
/// *Ordering:* the release in `add` pairs with the acquire in `sum`. Whoever has seen an addition
/// also sees what was added to other counters before it.
pub struct Counter {
    slots: [Slot; SLOTS],
}

/// As large as the pair of cache lines that processors fetch together.
#[repr(align(128))]
struct Slot(AtomicU64);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self {
            slots: [const { Slot(AtomicU64::new(0)) }; SLOTS],
        }
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.slots[own_slot()].0.fetch_add(n, Ordering::Release);
    }

    /// The sum of what all threads have added so far.
    pub fn sum(&self) -> u64 {
        let slots = self.slots.iter();
        slots.map(|slot| slot.0.load(Ordering::Acquire)).sum()
    }
}

/// The index of the calling thread's slot.
fn own_slot() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SLOTS;
    }
    SLOT.with(|slot| *slot)
}

//! The word that says what is known about a source.
//!
//! ```text
//!  63 ....... 40 | 39 ....... 16 | 15 ....... 0
//!    generation  |      tick     |    Ready
//! ```
//!
//! The generation changes when the slot changes hands. The tick changes with every event, so that an
//! operation which found nothing clears only what it had seen, never an event that came meanwhile.
//!
//! *Ordering:* the word orders nothing but itself. What a waiter must not miss is ordered by the lock of
//! the waiters. Acquire and release stand here only so that a reader sees a slot as its allocation left it.

use super::key::GENERATION_BITS;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};
use crate::sys::Ready;

const READY_BITS: u32 = 16;
const TICK_BITS: u32 = 24;
const TICK_MASK: u64 = (1 << TICK_BITS) - 1;

#[derive(Debug)]
pub(super) struct Readiness(AtomicU64);

/// What the word said at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(u64);

impl Seen {
    /// What is assumed of a source that nobody has registered: everything may work.
    pub(super) const UNREGISTERED: Self = Self((Ready::READ.bits() | Ready::WRITE.bits()) as u64);
    /// What a source looks like that can no longer be registered.
    pub(super) const ORPHANED: Self = Self(Ready::SHUTDOWN.bits() as u64);

    fn new(generation: u32, tick: u64, ready: Ready) -> Self {
        let high = u64::from(generation) << (TICK_BITS + READY_BITS);
        Self(high | (tick & TICK_MASK) << READY_BITS | u64::from(ready.bits()))
    }

    /// 0 for a source that is not registered.
    pub(super) fn generation(self) -> u32 {
        (self.0 >> (TICK_BITS + READY_BITS)) as u32
    }

    fn tick(self) -> u64 {
        self.0 >> READY_BITS & TICK_MASK
    }

    pub(crate) fn ready(self) -> Ready {
        Ready::from_bits(self.0 as u16)
    }
}

impl Readiness {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(Seen::new(1, 0, Ready::NONE).0))
    }

    pub(super) fn load(&self) -> Seen {
        Seen(self.0.load(Acquire))
    }

    /// Starts a registration in a free slot, with what is assumed of it, and returns its generation.
    pub(super) fn open(&self, ready: Ready) -> u32 {
        let generation = self.load().generation();
        self.0.store(Seen::new(generation, 0, ready).0, Release);
        generation
    }

    /// Ends the slot's registration: keys of this generation mean nothing from now on.
    pub(super) fn close(&self) {
        let next = (self.load().generation() + 1) % (1 << GENERATION_BITS);
        self.0
            .swap(Seen::new(next.max(1), 0, Ready::NONE).0, AcqRel);
    }

    /// Adds what was reported; false if it was meant for another generation.
    pub(super) fn set(&self, generation: u32, ready: Ready) -> bool {
        let update = self.0.fetch_update(AcqRel, Acquire, |word| {
            let now = Seen(word);
            let same = now.generation() == generation;
            same.then(|| Seen::new(generation, now.tick() + 1, now.ready().union(ready)).0)
        });
        update.is_ok()
    }

    /// Removes bits that turned out to be used up, unless something was reported since they were `seen`.
    pub(super) fn clear(&self, seen: Seen, ready: Ready) {
        let _ = self.0.fetch_update(AcqRel, Acquire, |word| {
            let now = Seen(word);
            let same = now.generation() == seen.generation() && now.tick() == seen.tick();
            same.then(|| Seen::new(now.generation(), now.tick(), now.ready().without(ready)).0)
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn clearing_spares_a_newer_event() {
        let readiness = Readiness::new();
        let generation = readiness.open(Ready::NONE);
        assert!(readiness.set(generation, Ready::READ));
        let seen = readiness.load();
        assert!(readiness.set(generation, Ready::READ));
        readiness.clear(seen, Ready::READ);
        assert_eq!(readiness.load().ready(), Ready::READ);
        readiness.clear(readiness.load(), Ready::READ);
        assert_eq!(readiness.load().ready(), Ready::NONE);
    }

    #[test]
    fn a_stale_event_changes_nothing() {
        let readiness = Readiness::new();
        let stale = readiness.open(Ready::NONE);
        readiness.close();
        let fresh = readiness.open(Ready::NONE);
        assert_ne!(stale, fresh);
        assert!(!readiness.set(stale, Ready::READ));
        assert_eq!(readiness.load().ready(), Ready::NONE);
    }

    #[test]
    fn ticks_wrap_within_their_field() {
        let readiness = Readiness::new();
        let generation = readiness.open(Ready::NONE);
        readiness
            .0
            .store(Seen::new(generation, TICK_MASK, Ready::NONE).0, Release);
        assert!(readiness.set(generation, Ready::WRITE));
        assert_eq!(readiness.load(), Seen::new(generation, 0, Ready::WRITE));
    }

    #[test]
    fn generations_wrap_past_zero() {
        let readiness = Readiness::new();
        readiness.0.store(
            Seen::new((1 << GENERATION_BITS) - 1, 0, Ready::NONE).0,
            Release,
        );
        readiness.close();
        assert_eq!(readiness.load().generation(), 1);
    }
}

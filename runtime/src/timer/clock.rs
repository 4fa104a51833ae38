//! What time it is for a runtime.
//!
//! Time is counted in the system's nanoseconds, so that it fits an atomic and arithmetic is cheap. A test may
//! stop the clock, advance it, and let it go on from there: so a clock is the system's, and how far it is ahead
//! of that or behind; or, stopped, the moment that it shows.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::sys::clock::nanoseconds;

/// A moment by a [`Clock`], in nanoseconds.
pub(crate) type Moment = u64;

/// From here on, a century and a half after the clock's zero, nothing ever comes.
pub(crate) const NEVER: Moment = 1 << 62;

/// The moment of a clock that runs.
const RUNS: Moment = Moment::MAX;

/// Some clock was stopped. What that changes is seen by the thread that did it, and by those that it wakes.
static ANY_CONTROLLED: AtomicBool = AtomicBool::new(false);

/// A clock that can be stopped.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Nanoseconds ahead of the system's clock.
    ahead: AtomicI64,
    /// The moment at which it stands, or [`RUNS`].
    ///
    /// *Ordering:* release when it starts to run, so that whoever finds it running finds `ahead` set.
    stopped: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            ahead: AtomicI64::new(0),
            stopped: AtomicU64::new(RUNS),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        match self.stopped.load(Acquire) {
            RUNS => nanoseconds().saturating_add_signed(self.ahead.load(Relaxed)),
            moment => moment,
        }
    }

    /// Whether it may show something else than the system's clock.
    pub(crate) fn is_controlled(&self) -> bool {
        self.is_stopped() || self.ahead.load(Relaxed) != 0
    }

    /// As [`is_controlled`](Self::is_controlled), of any clock in the process, ever.
    #[inline]
    pub(crate) fn is_any_controlled() -> bool {
        ANY_CONTROLLED.load(Relaxed)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Acquire) != RUNS
    }

    /// Stops the clock; false if it stands already.
    pub(crate) fn stop(&self) -> bool {
        ANY_CONTROLLED.store(true, Relaxed);
        let now = self.now();
        self.stopped
            .compare_exchange(RUNS, now, Release, Relaxed)
            .is_ok()
    }

    /// Lets the clock go on; false if it does anyway.
    pub(crate) fn go_on(&self) -> bool {
        let moment = self.stopped.load(Acquire);
        if moment == RUNS {
            return false;
        }
        let ahead = moment as i64 - nanoseconds() as i64;
        self.ahead.store(ahead, Relaxed);
        self.stopped.swap(RUNS, Release) != RUNS
    }

    /// Moves a clock that stands forward to a moment, but not backward.
    pub(crate) fn advance_to(&self, moment: Moment) {
        debug_assert!(self.is_stopped());
        let moment = moment.min(NEVER - 1);
        self.stopped.fetch_max(moment, Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_follows_the_systems() {
        let clock = Clock::new();
        let before = nanoseconds();
        let now = clock.now();
        assert!((before..=nanoseconds()).contains(&now));
        assert!(!clock.go_on());
    }

    #[test]
    fn a_clock_that_stands_moves_only_by_hand_and_goes_on_from_there() {
        let clock = Clock::new();
        assert!(clock.stop() && !clock.stop());
        let stopped = clock.now();
        let hour = 3_600_000_000_000;
        clock.advance_to(stopped + hour);
        clock.advance_to(stopped + 1);
        assert_eq!(clock.now(), stopped + hour);
        assert!(clock.go_on());
        let now = clock.now();
        assert!((hour..2 * hour).contains(&(now - stopped)));
        assert!(clock.stop());
        assert!(clock.now() >= now);
    }
}

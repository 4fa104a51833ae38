//! What time it is for a runtime.
//!
//! Time is counted in nanoseconds since the clock was made, so that it fits an atomic. A test may stop the
//! clock, advance it, and let it go on from there: so a clock is the system's, and how far it is ahead of
//! that or behind; or, stopped, the moment that it shows.
//!
//! In loom's models the system's clock stands at 0: none decides anything there.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::{Duration, Instant};

/// A moment by a [`Clock`], in nanoseconds.
pub(crate) type Moment = u64;

/// The moment of a clock that runs.
const RUNS: Moment = Moment::MAX;

/// Some clock was stopped. What that changes is seen by the thread that did it, and by those that it wakes.
static ANY_CONTROLLED: AtomicBool = AtomicBool::new(false);

/// A clock that can be stopped.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
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
            start: Instant::now(),
            ahead: AtomicI64::new(0),
            stopped: AtomicU64::new(RUNS),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        match self.stopped.load(Acquire) {
            RUNS => self
                .system()
                .saturating_add_signed(self.ahead.load(Relaxed)),
            moment => moment,
        }
    }

    fn system(&self) -> Moment {
        if cfg!(loom) {
            return 0;
        }
        self.start.elapsed().as_nanos() as Moment
    }

    /// The moment at which an instant comes; for one that is too far away the last of all, which never does.
    pub(crate) fn moment(&self, instant: Instant) -> Moment {
        let since = instant.saturating_duration_since(self.start);
        Moment::try_from(since.as_nanos()).unwrap_or(Moment::MAX)
    }

    /// The instant that a moment is.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.start + Duration::from_nanos(moment)
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
        let ahead = moment as i64 - self.system() as i64;
        self.ahead.store(ahead, Relaxed);
        self.stopped.swap(RUNS, Release) != RUNS
    }

    /// Moves a clock that stands forward to a moment, but not backward.
    pub(crate) fn advance_to(&self, moment: Moment) {
        debug_assert!(self.is_stopped());
        let moment = moment.min(i64::MAX as Moment);
        self.stopped.fetch_max(moment, Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_follows_the_systems() {
        let clock = Clock::new();
        let before = Instant::now();
        let now = clock.instant(clock.now());
        assert!((before..=Instant::now()).contains(&now));
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

    #[test]
    fn moments_and_instants_are_the_same_and_the_far_future_never_comes() {
        let clock = Clock::new();
        let instant = Instant::now() + Duration::from_millis(1_500);
        assert_eq!(clock.instant(clock.moment(instant)), instant);
        assert_eq!(clock.moment(clock.start), 0);
        let far = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);
        if let Some(never) = clock.start.checked_add(far) {
            assert_eq!(clock.moment(never), Moment::MAX);
        }
    }
}

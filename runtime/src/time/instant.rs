//! A point in time, by the runtime's clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::scheduler::context;
use crate::timer::Clock;

/// A point in time, as [`std::time::Instant`], but by the clock of the runtime that the code runs in: in a
/// test that has [paused](super::pause) it, it stands still.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, Instant};
///
/// let begin = Instant::now();
/// assert_eq!((begin + Duration::from_secs(1)) - begin, Duration::from_secs(1));
/// assert_eq!(begin.checked_add(Duration::MAX), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(std::time::Instant);

impl Instant {
    /// The current moment, by the clock of the runtime that code on this thread uses; outside a runtime by
    /// the system's.
    pub fn now() -> Self {
        if Clock::is_any_controlled() {
            if let Some(now) = Self::now_by_runtime() {
                return now;
            }
        }
        Self(std::time::Instant::now())
    }

    #[cold]
    fn now_by_runtime() -> Option<Self> {
        let now = context::with_current(|shared| {
            let clock = &shared.clock;
            clock.is_controlled().then(|| clock.instant(clock.now()))
        });
        now.flatten().map(Self)
    }

    /// The same point as std sees it.
    pub fn from_std(instant: std::time::Instant) -> Self {
        Self(instant)
    }

    /// The same point as std sees it.
    pub fn into_std(self) -> std::time::Instant {
        self.0
    }

    /// The time since an earlier point; zero if that is a later one.
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time since an earlier point; `None` if that is a later one.
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The time since an earlier point; zero if that is a later one.
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time since this point; zero if it is still to come.
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// A later point; `None` if it is too far away to be said.
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// An earlier point; `None` if it is too far away to be said.
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }

    /// A later point, or one so far away that nobody lives to see it.
    pub(super) fn saturating_add(self, duration: Duration) -> Self {
        const FAR: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);
        let far = || {
            // Systems differ in how far their instants go.
            let years = [FAR, FAR / 10, FAR / 100];
            years.iter().find_map(|far| self.checked_add(*far))
        };
        self.checked_add(duration).or_else(far).unwrap_or(self)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(instant: std::time::Instant) -> Self {
        Self::from_std(instant)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        instant.into_std()
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// # Panics
    ///
    /// If the sum cannot be said; see [`checked_add`](Self::checked_add).
    #[track_caller]
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// # Panics
    ///
    /// If the difference cannot be said; see [`checked_sub`](Self::checked_sub).
    #[track_caller]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

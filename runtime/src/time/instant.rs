//! A point in time, by the runtime's clock.
//!
//! It is a number of nanoseconds on the scale of the timers, so that a deadline becomes a
//! [`Moment`] for nothing. Std does not say what its own number is, so going there and back takes a moment for
//! which both are known.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::OnceLock;
use std::time::Duration;

use crate::scheduler::context;
use crate::sys::clock::nanoseconds;
use crate::timer::{Clock, Moment};

/// A point in time, as [`std::time::Instant`], but by the clock of the runtime that the code runs in: in a
/// test that has [paused](super::pause) it, it stands still. It reaches 292 years into the past and the future.
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
pub struct Instant(i64);

impl Instant {
    /// So far away that nobody lives to see it.
    const NEVER: Self = Self(i64::MAX);

    /// The current moment, by the clock of the runtime that code on this thread uses; outside a runtime by
    /// the system's.
    #[inline]
    pub fn now() -> Self {
        if Clock::is_any_controlled() {
            if let Some(now) = Self::now_by_runtime() {
                return now;
            }
        }
        Self(nanoseconds() as i64)
    }

    #[cold]
    fn now_by_runtime() -> Option<Self> {
        context::with_current(|shared| Self(shared.clock.now() as i64))
    }

    /// The same point as a runtime's timers see it; what was before the clock's zero is that.
    #[inline]
    pub(super) fn moment(self) -> Moment {
        self.0.max(0) as Moment
    }

    /// The same point as std sees it. Points more than 292 years away become the last or the first.
    pub fn from_std(instant: std::time::Instant) -> Self {
        let (std, own) = same_moment();
        match instant.checked_duration_since(std) {
            Some(later) => own.saturating_add(later),
            None => Self(
                own.0
                    .saturating_sub(nanos(std - instant).unwrap_or(i64::MAX)),
            ),
        }
    }

    /// The same point as std sees it.
    ///
    /// # Panics
    ///
    /// If the system's clock does not go so far: decades or centuries away, depending on the system.
    pub fn into_std(self) -> std::time::Instant {
        let (std, own) = same_moment();
        std + self.duration_since(own) - own.duration_since(self)
    }

    /// The time since an earlier point; zero if that is a later one.
    #[inline]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.checked_duration_since(earlier).unwrap_or_default()
    }

    /// The time since an earlier point; `None` if that is a later one.
    #[inline]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        // What does not fit an `i64` fits a `u64`.
        let nanos = self.0.wrapping_sub(earlier.0) as u64;
        (*self >= earlier).then(|| Duration::from_nanos(nanos))
    }

    /// The time since an earlier point; zero if that is a later one.
    #[inline]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// The time since this point; zero if it is still to come.
    #[inline]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// A later point; `None` if it is too far away to be said.
    #[inline]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(nanos(duration)?).map(Self)
    }

    /// An earlier point; `None` if it is too far away to be said.
    #[inline]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(nanos(duration)?).map(Self)
    }

    /// A later point, or one so far away that nobody lives to see it.
    #[inline]
    pub(super) fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::NEVER)
    }
}

#[inline]
fn nanos(duration: Duration) -> Option<i64> {
    i64::try_from(duration.as_nanos()).ok()
}

/// A moment as std sees it, and as this module does: the latter is read later, so that nothing that was
/// std's comes too early here.
fn same_moment() -> (std::time::Instant, Instant) {
    static MOMENT: OnceLock<(std::time::Instant, Instant)> = OnceLock::new();
    *MOMENT.get_or_init(|| {
        let std = std::time::Instant::now();
        (std, Instant(nanoseconds() as i64))
    })
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
        self.checked_add(duration)
            .expect("the sum is no point in time that can be said")
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
        self.checked_sub(duration)
            .expect("the difference is no point in time that can be said")
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
        write!(f, "Instant({} ns)", self.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_it_is_the_same() {
        let instant = Instant::now();
        let hour = Duration::from_secs(3_600);
        for instant in [instant, instant + hour, instant - hour] {
            assert_eq!(Instant::from_std(instant.into_std()), instant);
        }
        let std = std::time::Instant::now();
        for std in [std, std + hour, std - hour] {
            assert_eq!(Instant::from_std(std).into_std(), std);
        }
    }

    #[test]
    fn what_was_stds_does_not_come_early() {
        let (before, std) = (Instant::now(), std::time::Instant::now());
        let same = Instant::from_std(std);
        assert!(same >= before);
        assert!(same.into_std() <= std::time::Instant::now());
    }

    #[test]
    fn differences_have_a_sign_and_do_not_overflow() {
        let (first, last) = (Instant(i64::MIN), Instant(i64::MAX));
        assert_eq!(last - first, Duration::from_nanos(u64::MAX));
        assert_eq!(first.checked_duration_since(last), None);
        assert_eq!(first - last, Duration::ZERO);
        assert_eq!(last.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(first.checked_sub(Duration::from_nanos(1)), None);
        assert_eq!(last.saturating_add(Duration::MAX), last);
        assert_eq!((first.moment(), last.moment()), (0, i64::MAX as u64));
    }
}

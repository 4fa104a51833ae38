//! Waiting again and again.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;

use super::{Instant, Sleep, sleep_until};

/// Ticks at once, and then after each period.
///
/// # Panics
///
/// If the period is zero. Its ticks, where [`sleep`](super::sleep) would.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, interval};
///
/// mini_rt_runtime::block_on(async {
///     let mut interval = interval(Duration::from_millis(2));
///     let first = interval.tick().await;
///     let second = interval.tick().await;
///     assert_eq!(second - first, Duration::from_millis(2));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start`, and then after each period.
///
/// # Panics
///
/// As [`interval`].
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, Instant, interval_at};
///
/// mini_rt_runtime::block_on(async {
///     let start = Instant::now() + Duration::from_millis(3);
///     let mut interval = interval_at(start, Duration::from_millis(2));
///     assert_eq!(interval.tick().await, start);
/// });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period must not be zero");
    Interval {
        sleep: sleep_until(start),
        period,
        missed_tick_behavior: MissedTickBehavior::default(),
    }
}

/// What to do about ticks for which nobody came in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// They come at once, one after the other, until the interval has caught up.
    #[default]
    Burst,
    /// They are lost, and the next one comes a period after the late one.
    Delay,
    /// They are lost, and the next one comes when it would have come anyway.
    Skip,
}

impl MissedTickBehavior {
    /// The tick after one that was due at `due` and is taken at `now`.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        /// Later than that is late. A timer is never quite punctual.
        const LATE: Duration = Duration::from_millis(5);
        let late = now.saturating_duration_since(due);
        match self {
            _ if late <= LATE => due.saturating_add(period),
            Self::Burst => due.saturating_add(period),
            Self::Delay => now.saturating_add(period),
            Self::Skip => {
                let into_period = late.as_nanos() % period.as_nanos();
                let (seconds, nanos) = (into_period / 1_000_000_000, into_period % 1_000_000_000);
                let into_period = Duration::new(seconds as u64, nanos as u32);
                now.saturating_add(period - into_period)
            }
        }
    }
}

/// Made by [`interval`] and [`interval_at`]. Also a [`Stream`] of its ticks, without end.
///
/// # Examples
///
/// ```
/// use futures_util::StreamExt;
/// use mini_rt_runtime::time::{Duration, interval};
///
/// mini_rt_runtime::block_on(async {
///     let ticks = interval(Duration::from_millis(1)).take(3).collect::<Vec<_>>().await;
///     assert_eq!(ticks[2] - ticks[0], Duration::from_millis(2));
/// });
/// ```
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed_tick_behavior: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and tells when it was due.
    ///
    /// # Cancel safety
    ///
    /// A call that is given up loses no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// As [`tick`](Self::tick), for a hand-written future.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.sleep.deadline();
        let next = self
            .missed_tick_behavior
            .next(due, Instant::now(), self.period);
        self.sleep.reset(next);
        Poll::Ready(due)
    }

    /// Makes the next tick come a period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick come at once.
    pub fn reset_immediately(&mut self) {
        self.reset_after(Duration::ZERO);
    }

    /// Makes the next tick come after so long.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now().saturating_add(after));
    }

    /// Makes the next tick come at a point in time.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.reset(deadline);
    }

    /// What is done about missed ticks.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Says what to do about missed ticks; [`Burst`](MissedTickBehavior::Burst) unless said otherwise.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.get_mut().poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("next", &self.sleep.deadline())
            .field("period", &self.period)
            .field("missed_tick_behavior", &self.missed_tick_behavior)
            .finish()
    }
}

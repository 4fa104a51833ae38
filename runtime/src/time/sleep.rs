//! Waiting until a point in time.
//!
//! A `Sleep` is its deadline, and from its first poll on the name of a timer in the wheel of the core it was
//! polled on. Nothing points to it, so it may be moved, sent and dropped like any value.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Instant;
use crate::coop;
use crate::scheduler::{Started, context, reset_timer, start_timer};
use crate::timer::{Look, Timer};

/// Waits for so long, or a little longer.
///
/// A duration that is too long for the clock means "never".
///
/// # Panics
///
/// The first poll, outside a runtime. A poll after the end of its runtime.
///
/// # Cancel safety
///
/// Dropped, it leaves nothing behind.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, Instant, sleep};
///
/// mini_rt_runtime::block_on(async {
///     let begin = Instant::now();
///     sleep(Duration::from_millis(5)).await;
///     assert!(begin.elapsed() >= Duration::from_millis(5));
/// });
/// ```
#[must_use = "a sleep does nothing unless it is awaited"]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now().saturating_add(duration))
}

/// Waits until a point in time, or a little longer.
///
/// # Panics
///
/// As [`sleep`].
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, Instant, sleep_until};
///
/// mini_rt_runtime::block_on(async {
///     let deadline = Instant::now() + Duration::from_millis(5);
///     sleep_until(deadline).await;
///     assert!(Instant::now() >= deadline);
/// });
/// ```
#[must_use = "a sleep does nothing unless it is awaited"]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        state: State::New,
    }
}

/// The future of [`sleep`] and [`sleep_until`]. It needs no pinning, and may go to another task or thread
/// between two polls.
///
/// # Examples
///
/// A time limit that each message puts off:
///
/// ```
/// use mini_rt_runtime::time::{Duration, Instant, sleep};
///
/// mini_rt_runtime::block_on(async {
///     let mut idle = sleep(Duration::from_secs(3_600));
///     idle.reset(Instant::now() + Duration::from_millis(1));
///     (&mut idle).await;
///     assert!(idle.is_elapsed());
/// });
/// ```
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    deadline: Instant,
    state: State,
}

enum State {
    /// Not polled since it was made or elapsed.
    New,
    Waiting(Timer),
    Elapsed,
}

impl Sleep {
    /// When it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it is over, so that awaiting it does not wait. False before its first poll.
    pub fn is_elapsed(&self) -> bool {
        match &self.state {
            State::New => false,
            State::Waiting(timer) => !timer.is_live(),
            State::Elapsed => true,
        }
    }

    /// Gives it another deadline, whether it waits, is over, or was never polled. Whoever waits for it goes
    /// on waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::time::{Duration, Instant, sleep};
    ///
    /// mini_rt_runtime::block_on(async {
    ///     let mut sleep = sleep(Duration::from_millis(1));
    ///     (&mut sleep).await;
    ///     sleep.reset(Instant::now() + Duration::from_millis(1));
    ///     assert!(!sleep.is_elapsed());
    ///     sleep.await;
    /// });
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if let State::Waiting(timer) = &mut self.state {
            if reset_timer(timer, deadline.moment()) {
                return;
            }
        }
        self.state = State::New;
    }

    /// Starts the timer. Inlined with all that it calls, so that what came of it stays in registers.
    #[inline(always)]
    fn start(&mut self, cx: &Context<'_>) -> Poll<()> {
        match start_timer(self.deadline.moment(), cx.waker()) {
            Some(started) => self.begin(started),
            None => self.start_from_outside(cx),
        }
    }

    #[cold]
    fn start_from_outside(&mut self, cx: &Context<'_>) -> Poll<()> {
        let shared = context::current().expect(context::NO_RUNTIME);
        self.begin(shared.start_timer_from_outside(self.deadline.moment(), cx.waker()))
    }

    #[inline(always)]
    fn begin(&mut self, started: Started) -> Poll<()> {
        match started {
            Started::Past => Poll::Ready(()),
            Started::Waiting(timer) => {
                // A new sleep has nothing that would have to be dropped.
                mem::forget(mem::replace(&mut self.state, State::Waiting(timer)));
                Poll::Pending
            }
            Started::Ended => panic!("{ENDED}"),
        }
    }
}

const _: () = assert!(size_of::<Sleep>() == 32);

const ENDED: &str = "a timer was polled after its runtime has ended";

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let progress = ready!(coop::poll_proceed(cx));
        let polled = match &self.state {
            State::New => self.start(cx),
            State::Elapsed => Poll::Ready(()),
            State::Waiting(timer) => match timer.look(cx.waker()) {
                Look::Waiting => Poll::Pending,
                Look::Fired => Poll::Ready(()),
                Look::Closed if self.deadline <= Instant::now() => Poll::Ready(()),
                Look::Closed => panic!("{ENDED}"),
            },
        };
        if polled.is_ready() {
            self.state = State::Elapsed;
            progress.made_progress();
        }
        polled
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("is_elapsed", &self.is_elapsed())
            .finish()
    }
}

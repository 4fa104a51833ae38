//! Waiting for a future, but no longer than allowed.

use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Instant, Sleep, sleep, sleep_until};
use crate::coop;

/// Waits for a future, but no longer than so long. A duration that is too long for the clock means "for ever".
///
/// The future is polled first, so one that is ready is never too late.
///
/// # Errors
///
/// If the time is over before the future is ready. The future is dropped with what is returned here.
///
/// # Panics
///
/// Polling it, where [`sleep`] would.
///
/// # Cancel safety
///
/// Dropping it drops the future, and leaves no timer behind.
///
/// # Examples
///
/// ```
/// use std::io;
/// use mini_rt_runtime::time::{Duration, timeout};
///
/// mini_rt_runtime::block_on(async {
///     assert_eq!(timeout(Duration::from_secs(60), async { 42 }).await, Ok(42));
///
///     let never = std::future::pending::<()>();
///     let elapsed = timeout(Duration::from_millis(1), never).await.unwrap_err();
///     assert_eq!(io::Error::from(elapsed).kind(), io::ErrorKind::TimedOut);
/// });
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep(duration),
    }
}

/// As [`timeout`], until a point in time.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, Instant, timeout_at};
///
/// mini_rt_runtime::block_on(async {
///     let deadline = Instant::now() + Duration::from_millis(1);
///     assert!(timeout_at(deadline, std::future::pending::<()>()).await.is_err());
/// });
/// ```
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep_until(deadline),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "a time limit does nothing unless it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

/// The time was over before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl<F> Timeout<F> {
    /// The future.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future, without its limit.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let mut sleep = || Pin::new(&mut *this.sleep).poll(cx);
        let over = if had_budget && !coop::has_budget_remaining() {
            // A future that uses up every budget must not outlast its limit by that.
            let _scope = coop::Scope::unconstrained();
            sleep()
        } else {
            sleep()
        };
        over.map(|()| Err(Elapsed(())))
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

//! Futures that poll another with its budget changed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{Scope, poll_proceed};

pin_project! {
    /// A future without a budget: see [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

/// Turns the budget off for a future: while it is polled, nothing in it is refused. Afterwards its task has
/// the budget that it had before.
///
/// A future that always finds something to do now keeps its core to itself until it is ready, and tasks and
/// sockets there wait. So this is for futures that end soon, or that give way of their own accord.
///
/// # Cancel safety
///
/// That of the future.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::coop;
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     // All in one poll.
///     coop::unconstrained(async {
///         for _ in 0..10_000 {
///             coop::consume_budget().await;
///         }
///     })
///     .await;
///     assert!(coop::has_budget_remaining());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _scope = Scope::unconstrained();
        self.project().future.poll(cx)
    }
}

pin_project! {
    /// A future that pays for its output: see [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Coop<F> {
        #[pin]
        future: F,
    }
}

/// Makes a future take part that knows nothing of budgets, such as an operation on another crate's channel:
/// it is polled only if there is a unit left, and its output costs that unit.
///
/// A future that spends units itself needs none of this; it would pay twice.
///
/// # Cancel safety
///
/// That of the future.
///
/// # Examples
///
/// ```
/// use std::future::ready;
///
/// use mini_rt_runtime::coop::cooperative;
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let mut sum = 0;
///     for n in 0..1_000 {
///         // Always ready, and yet other tasks get their turn.
///         sum += cooperative(ready(n)).await;
///     }
///     assert_eq!(sum, 499_500);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn cooperative<F: Future>(future: F) -> Coop<F> {
    Coop { future }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(poll_proceed(cx));
        let poll = self.project().future.poll(cx);
        if poll.is_ready() {
            unit.made_progress();
        }
        poll
    }
}

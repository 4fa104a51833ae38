//! Giving way to other tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::scheduler::context;

/// Lets others have their turn: the current task goes behind all that is ready on its core, and before it
/// runs again the core looks at its sockets and at what other threads have woken.
///
/// # Examples
///
/// ```
/// mini_rt_runtime::block_on(async {
///     for _ in 0..10 {
///         // … a piece of a long computation …
///         mini_rt_runtime::yield_now().await;
///     }
/// });
/// ```
pub fn yield_now() -> impl Future<Output = ()> + Send + Sync + Unpin {
    YieldNow { yielded: false }
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        context::hasten_look();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

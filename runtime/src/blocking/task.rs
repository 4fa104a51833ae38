//! A closure as a task.

use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::task::{self, Header, JoinHandle, Origin, Runnable, Schedule};

/// Runs a closure in its one poll.
struct Once<F>(Option<F>);

impl<F> Unpin for Once<F> {}

impl<F: FnOnce() -> R, R> Future for Once<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let closure = self.0.take().expect("a closure is polled once");
        Poll::Ready(closure())
    }
}

/// The scheduler of tasks that never wait: they are brought to the pool once and never woken. It calls a
/// function when all is over, with the join handle already told.
struct Unscheduled<E>(E);

impl<E: Fn() + Send + Sync + 'static> Schedule for Unscheduled<E> {
    unsafe fn schedule(_: NonNull<Self>, _: Runnable) {
        unreachable!("a blocking task was woken, though it never waits");
    }

    unsafe fn reschedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the caller's promise.
        unsafe { Self::schedule(this, task) };
    }

    fn release(&self, _: &Header) {
        (self.0)();
    }
}

/// Makes a task of a closure, for the pool to run. At its end, however it comes to it, `on_end` is called.
pub(crate) fn new<F, R>(
    closure: F,
    on_end: impl Fn() + Send + Sync + 'static,
    origin: Origin,
) -> (Runnable, JoinHandle<R>)
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    task::new(Once(Some(closure)), Unscheduled(on_end), origin)
}

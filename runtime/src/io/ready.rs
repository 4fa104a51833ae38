//! Readiness as a value.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::AsyncFd;
use super::async_fd::is_would_block;
use crate::reactor::{Observed, WaiterId};
use crate::sys::Interest;

/// Waits until a descriptor is ready; made by [`AsyncFd::ready`].
#[must_use = "futures do nothing unless awaited"]
pub struct Readiness<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    interest: Interest,
    waiter: Option<WaiterId>,
}

/// A descriptor that was seen ready.
///
/// Whoever finds that it is not has to say so, with [`try_io`](Self::try_io) or
/// [`clear_ready`](Self::clear_ready); otherwise the next wait ends at once.
#[must_use = "whether the descriptor was really ready has to be said, with `try_io` or `clear_ready`"]
pub struct ReadyGuard<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    observed: Observed,
    interest: Interest,
}

/// The operation would have blocked; its readiness is cleared.
#[derive(Debug)]
pub struct TryIoError(());

impl<'a, T: AsFd> Readiness<'a, T> {
    pub(super) fn new(fd: &'a AsyncFd<T>, interest: Interest) -> Self {
        Self {
            fd,
            interest,
            waiter: None,
        }
    }
}

impl<'a, T: AsFd> Future for Readiness<'a, T> {
    type Output = io::Result<ReadyGuard<'a, T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            fd,
            interest,
            waiter,
        } = &mut *self;
        let observed = ready!(fd.wait(cx, *interest, waiter))?;
        Poll::Ready(Ok(ReadyGuard::new(fd, observed, *interest)))
    }
}

impl<T: AsFd> Drop for Readiness<'_, T> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.fd.forget(waiter);
        }
    }
}

impl<'a, T: AsFd> ReadyGuard<'a, T> {
    pub(super) fn new(fd: &'a AsyncFd<T>, observed: Observed, interest: Interest) -> Self {
        Self {
            fd,
            observed,
            interest,
        }
    }

    /// Whether reading was seen ready.
    pub fn is_readable(&self) -> bool {
        self.observed.directions().is_readable()
    }

    /// Whether writing was seen ready.
    pub fn is_writable(&self) -> bool {
        self.observed.directions().is_writable()
    }

    /// Says that the descriptor is not ready, as shown by an operation that would have blocked. What was
    /// reported since the guard was made stays.
    pub fn clear_ready(&mut self) {
        self.clear_ready_matching(self.interest);
    }

    /// As [`clear_ready`](Self::clear_ready), for these directions only. Who waited for both directions and
    /// found that one is not ready says so with this, or the other one's readiness is forgotten too.
    pub fn clear_ready_matching(&mut self, interest: Interest) {
        self.fd.clear(self.observed, interest);
    }

    /// Leaves the descriptor ready: there is more to do.
    pub fn retain_ready(&mut self) {}

    /// Tries an operation, and clears the readiness if it would block: of both directions, if both were
    /// waited for.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if it would block. Other errors are the operation's result.
    pub fn try_io<R>(
        &mut self,
        operation: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = operation(self.fd);
        if is_would_block(&result) {
            self.clear_ready();
            return Err(TryIoError(()));
        }
        Ok(result)
    }

    /// The descriptor.
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }

    /// The descriptor's inner value.
    pub fn get_inner(&self) -> &'a T {
        self.fd.get_ref()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for ReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyGuard")
            .field("fd", self.fd)
            .field("readable", &self.is_readable())
            .field("writable", &self.is_writable())
            .finish()
    }
}

impl<T: AsFd> fmt::Debug for Readiness<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block")
    }
}

impl std::error::Error for TryIoError {}

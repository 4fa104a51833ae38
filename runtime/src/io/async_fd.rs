//! A descriptor with its registration.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Readiness, ReadyGuard};
use crate::coop;
use crate::reactor::{Observed, Registration, WaiterId};
use crate::scheduler::{Shared, context};
use crate::sys::Interest;

/// A file descriptor whose readiness tasks can wait for.
///
/// The descriptor must be in non-blocking mode; `AsyncFd` does not change it. Any number of tasks may use
/// it at once through a shared reference: every one that waits is woken. The methods that take a
/// [`Context`] are for one task per direction, which is what `poll_read` and `poll_write` of futures-io
/// need; should several tasks poll one direction, all of them are woken as well.
///
/// Readiness is a hint: the descriptor can turn out not to be ready after all. So an operation is tried,
/// and if it would block the task waits for the next report.
///
/// Dropping it takes the descriptor out of the runtime and drops the inner value.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// use mini_rt_runtime::io::{AsyncFd, Interest};
///
/// # fn main() -> std::io::Result<()> {
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let (ours, mut theirs) = UnixStream::pair()?;
///     ours.set_nonblocking(true)?;
///     let ours = AsyncFd::new(ours)?;
///     theirs.write_all(b"hello")?;
///
///     let mut buffer = [0; 16];
///     let count = ours.async_io(Interest::READABLE, |mut stream| stream.read(&mut buffer)).await?;
///     assert_eq!(&buffer[..count], b"hello");
///     Ok(())
/// })
/// # }
/// ```
pub struct AsyncFd<T: AsFd> {
    shared: Arc<Shared>,
    registration: Registration,
    /// `None` only after `into_inner`.
    inner: Option<T>,
}

impl<T: AsFd> AsyncFd<T> {
    /// Registers a descriptor with the current runtime. Nothing is assumed about it: operations wait until
    /// it is reported ready, so it also serves for waiting before a call that is made elsewhere.
    ///
    /// # Errors
    ///
    /// The system's, if the descriptor cannot be watched: `EPERM` for a regular file.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn new(inner: T) -> io::Result<Self> {
        let shared = current_runtime();
        let fd = inner.as_fd().as_raw_fd();
        let core = shared
            .current_core()
            .unwrap_or_else(|| default_core(&shared, fd));
        let registration = Registration::eager(&shared.reactors, fd, core)?;
        shared.ensure_driven(core);
        Ok(Self {
            shared,
            registration,
            inner: Some(inner),
        })
    }

    /// Takes a descriptor that is known to be watchable, such as a socket, with no system call. Operations
    /// are tried at once, and only the first that would block registers it: with the core of the worker
    /// that runs the task.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn lazy(inner: T) -> Self {
        Self {
            shared: current_runtime(),
            registration: Registration::lazy(),
            inner: Some(inner),
        }
    }

    /// The inner value.
    pub fn get_ref(&self) -> &T {
        self.inner
            .as_ref()
            .expect("the inner value is there until `into_inner`")
    }

    /// The inner value. It must keep its descriptor.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner
            .as_mut()
            .expect("the inner value is there until `into_inner`")
    }

    /// Takes the descriptor out of the runtime.
    pub fn into_inner(mut self) -> T {
        self.deregister();
        self.inner
            .take()
            .expect("the inner value is there until `into_inner`")
    }

    /// Waits until the descriptor is ready in one of these directions.
    ///
    /// # Errors
    ///
    /// The system's, if the descriptor cannot be watched; and if the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn ready(&self, interest: Interest) -> Readiness<'_, T> {
        Readiness::new(self, interest)
    }

    /// As [`ready`](Self::ready), for reading.
    pub fn readable(&self) -> Readiness<'_, T> {
        self.ready(Interest::READABLE)
    }

    /// As [`ready`](Self::ready), for writing.
    pub fn writable(&self) -> Readiness<'_, T> {
        self.ready(Interest::WRITABLE)
    }

    /// Polls for something to read, on behalf of the one task that reads.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        let observed = ready!(self.poll_ready(cx, Interest::READABLE))?;
        Poll::Ready(Ok(ReadyGuard::new(self, observed, Interest::READABLE)))
    }

    /// Polls for room to write, on behalf of the one task that writes.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        let observed = ready!(self.poll_ready(cx, Interest::WRITABLE))?;
        Poll::Ready(Ok(ReadyGuard::new(self, observed, Interest::WRITABLE)))
    }

    /// Tries an operation once, if the descriptor is not known to be unready.
    ///
    /// # Errors
    ///
    /// The operation's. `WouldBlock`, from the operation or because it was not worth trying, means that
    /// the next report has to be waited for.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let observed = self.registration.observe(&self.shared.reactors);
        if !observed.directions().intersects(interest) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let observed = observed.check()?;
        let result = operation(self.get_ref());
        if is_would_block(&result) {
            self.clear(observed, interest);
        }
        result
    }

    /// Repeats an operation until it does not block, as one of any number of tasks.
    ///
    /// # Errors
    ///
    /// The operation's, and those of [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: an operation that did something has been reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::io::{AsyncFd, Interest};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// let socket = AsyncFd::lazy(socket);
    /// let own_address = socket.get_ref().local_addr()?;
    /// socket.async_io(Interest::WRITABLE, |socket| socket.send_to(b"ping", own_address)).await?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let mut guard = self.ready(interest).await?;
            match guard.try_io(|fd| operation(fd.get_ref())) {
                Ok(result) => return result,
                Err(_would_block) => continue,
            }
        }
    }

    /// Repeats an operation until it does not block, on behalf of the one task that polls this direction.
    ///
    /// # Errors
    ///
    /// The operation's, and those of [`ready`](Self::ready).
    ///
    /// # Panics
    ///
    /// If `direction` is both directions at once.
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let observed = ready!(self.poll_ready(cx, direction))?;
            let result = operation(self.get_ref());
            if !is_would_block(&result) {
                return Poll::Ready(result);
            }
            self.clear(observed, direction);
        }
    }

    /// As [`poll_io`](Self::poll_io), for an operation on a stream that moves up to `len` bytes. If it
    /// moves fewer, the stream is taken as drained (or full), which saves the attempt that would show it.
    ///
    /// # Errors
    ///
    /// As [`poll_io`](Self::poll_io).
    ///
    /// # Panics
    ///
    /// As [`poll_io`](Self::poll_io).
    pub fn poll_transfer(
        &self,
        cx: &mut Context<'_>,
        direction: Interest,
        len: usize,
        mut operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let observed = ready!(self.poll_ready(cx, direction))?;
            match operation(self.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear(observed, direction);
                }
                Ok(moved) if 0 < moved && moved < len && observed.trusts_short(direction) => {
                    self.clear(observed, direction);
                    return Poll::Ready(Ok(moved));
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Waits for one direction as its poller.
    #[inline]
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Interest) -> Poll<io::Result<Observed>> {
        assert!(
            direction == Interest::READABLE || direction == Interest::WRITABLE,
            "one direction is polled at a time; `ready` waits for both"
        );
        let progress = ready!(coop::poll_proceed(cx));
        let observed = self.registration.observe(&self.shared.reactors);
        if observed.directions().intersects(direction) {
            progress.made_progress();
            return Poll::Ready(observed.check());
        }
        let here = self.shared.current_core();
        let poll =
            self.registration
                .poll(&self.shared.reactors, self.as_raw_fd(), here, direction, cx);
        if poll.is_ready() {
            progress.made_progress();
        }
        self.after_wait(here);
        poll
    }

    /// Waits as one of many; `waiter` is the waiter's entry from call to call.
    pub(super) fn wait(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        waiter: &mut Option<WaiterId>,
    ) -> Poll<io::Result<Observed>> {
        let progress = ready!(coop::poll_proceed(cx));
        let here = self.shared.current_core();
        let fd = self.as_raw_fd();
        let poll = self
            .registration
            .wait(&self.shared.reactors, fd, here, interest, waiter, cx);
        if poll.is_ready() {
            progress.made_progress();
        }
        self.after_wait(here);
        poll
    }

    /// A source that a foreign thread has registered needs somebody to turn its reactor.
    fn after_wait(&self, here: Option<usize>) {
        if let (None, Some(core)) = (here, self.registration.core()) {
            self.shared.ensure_driven(core);
        }
    }

    pub(super) fn forget(&self, waiter: WaiterId) {
        self.registration.forget(&self.shared.reactors, waiter);
    }

    /// Notes that these directions were found not ready after all.
    pub(super) fn clear(&self, observed: Observed, interest: Interest) {
        let fd = self.as_raw_fd();
        let core = || {
            self.shared
                .current_core()
                .unwrap_or_else(|| default_core(&self.shared, fd))
        };
        self.registration
            .clear(&self.shared.reactors, fd, core, observed, interest);
    }

    fn deregister(&self) {
        self.registration
            .deregister(&self.shared.reactors, self.as_raw_fd());
    }
}

#[track_caller]
fn current_runtime() -> Arc<Shared> {
    context::current().expect(context::NO_RUNTIME)
}

/// The core for a source that a foreign thread registers.
fn default_core(shared: &Shared, fd: RawFd) -> usize {
    fd.unsigned_abs() as usize % shared.cores()
}

pub(super) fn is_would_block<R>(result: &io::Result<R>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl<T: AsFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        if self.inner.is_some() {
            self.deregister();
        }
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd")
            .field("inner", self.get_ref())
            .finish_non_exhaustive()
    }
}

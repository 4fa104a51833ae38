//! The handles that watch a task from outside.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use super::cell::Header;
use super::{Id, JoinError, Runnable};
use crate::contain::contain;
use crate::coop;

/// Waits for a task's output; dropping it lets the task run on unwatched.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` and giving up loses nothing: the output stays with the handle.
///
/// # Examples
///
/// ```
/// # let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let handle = mini_rt_runtime::spawn(async { 6 * 7 });
///     assert_eq!(handle.await.unwrap(), 42);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinHandle<T> {
    task: NonNull<Header>,
    output: PhantomData<T>,
}

// SAFETY: the handle moves only the output between threads.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through a shared reference only the state word and `Sync` parts of the header are reachable.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
impl<T> std::panic::UnwindSafe for JoinHandle<T> {}
impl<T> std::panic::RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// The handle takes over one reference and the `JOIN_HANDLE` flag of a task whose output is `T`.
    pub(super) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self {
            task,
            output: PhantomData,
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: the handle's reference keeps the task alive.
        unsafe { self.task.as_ref() }
    }

    /// Asks the task to stop: its future is dropped at its next turn, or right after the poll in
    /// progress, and awaiting the handle gives a cancelled [`JoinError`], unless the task finished first.
    ///
    /// A closure that [`spawn_blocking`](crate::spawn_blocking) has begun cannot be stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// runtime.block_on(async {
    ///     let handle = mini_rt_runtime::spawn(std::future::pending::<()>());
    ///     handle.abort();
    ///     assert!(handle.await.unwrap_err().is_cancelled());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        abort(self.task, self.header());
    }

    /// A handle that can abort the task and needs not wait for it.
    pub fn abort_handle(&self) -> AbortHandle {
        self.header().state.add_ref();
        AbortHandle { task: self.task }
    }

    /// Whether the task is over. If so, awaiting the handle does not wait.
    pub fn is_finished(&self) -> bool {
        self.header().state.load().is_complete()
    }

    /// The task's identifier.
    pub fn id(&self) -> Id {
        self.header().id
    }

    /// Puts the waker into the task's slot; false if the task turned out to be complete.
    fn register(&self, waker: &Waker) -> bool {
        let header = self.header();
        if header.state.load().has_join_waker() && !header.state.unset_join_waker() {
            return false;
        }
        header.join_waker.with_mut(|slot| {
            // SAFETY: `JOIN_WAKER` is clear, so the slot is the handle's.
            let slot = unsafe { &mut *slot };
            if !slot.as_ref().is_some_and(|stored| stored.will_wake(waker)) {
                *slot = Some(waker.clone());
            }
        });
        header.state.set_join_waker()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = std::task::ready!(coop::poll_proceed(cx));
        if !self.is_finished() && self.register(cx.waker()) {
            return Poll::Pending;
        }
        progress.made_progress();
        let mut output = Poll::Pending;
        // SAFETY: the task is complete and this handle owns its output, which is of type `T`.
        unsafe { (self.header().vtable.take_output)(self.task, (&raw mut output).cast()) };
        output
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let header = self.header();
        let seen = header.state.load();
        if !seen.is_complete() {
            if header.state.drop_join_handle_early() {
                return;
            }
            if !header.state.drop_join_handle().is_complete() {
                // SAFETY: `JOIN_WAKER` was cleared on an incomplete task, so the slot is the handle's.
                let waker = header.join_waker.with_mut(|slot| unsafe { (*slot).take() });
                contain(|| drop(waker));
                return drop_reference(self.task);
            }
        }
        // SAFETY: the task is complete and its output this handle's.
        unsafe { (header.vtable.drop_output)(self.task) };
        if seen.is_last_ref() {
            // SAFETY: the last reference is this handle's.
            unsafe { (header.vtable.dealloc)(self.task) };
        } else {
            drop_reference(self.task);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header();
        f.debug_struct("JoinHandle")
            .field("id", &header.id)
            .field("name", &header.origin.name())
            .field("spawned_at", &format_args!("{}", header.origin.location))
            .finish_non_exhaustive()
    }
}

/// Aborts a task, without a claim to its output.
///
/// # Examples
///
/// ```
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let handle = mini_rt_runtime::spawn(std::future::pending::<()>());
///     let aborter = handle.abort_handle();
///     aborter.abort();
///     assert!(handle.await.unwrap_err().is_cancelled());
///     assert!(aborter.is_finished());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AbortHandle {
    task: NonNull<Header>,
}

// SAFETY: the handle reaches only the state word and `Sync` parts of the header. If it frees the task as the
// last reference, future and output are gone by then; the scheduler, which is dropped, is `Send`.
unsafe impl Send for AbortHandle {}
// SAFETY: as above.
unsafe impl Sync for AbortHandle {}

impl std::panic::UnwindSafe for AbortHandle {}
impl std::panic::RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    /// One for the task that is about to be polled.
    pub(super) fn of(runnable: &Runnable) -> Self {
        runnable.header().state.add_ref();
        Self { task: runnable.0 }
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the handle's reference keeps the task alive.
        unsafe { self.task.as_ref() }
    }

    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        abort(self.task, self.header());
    }

    /// As [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.header().state.load().is_complete()
    }

    /// The task's identifier.
    pub fn id(&self) -> Id {
        self.header().id
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        self.header().state.add_ref();
        Self { task: self.task }
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        drop_reference(self.task);
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .finish()
    }
}

fn abort(task: NonNull<Header>, header: &Header) {
    if header.state.cancel() {
        // SAFETY: the state word just made this `Runnable`.
        unsafe { Runnable::from_raw(task) }.schedule();
    }
}

/// Gives up a reference that the caller has.
fn drop_reference(task: NonNull<Header>) {
    // SAFETY: the reference kept the task alive until here.
    let header = unsafe { task.as_ref() };
    if header.state.drop_ref() {
        // SAFETY: that was the last reference.
        unsafe { (header.vtable.dealloc)(task) };
    }
}

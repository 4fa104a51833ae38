//! Tasks: one allocation each, driven by a `Runnable`, watched through a [`JoinHandle`].
//!
//! What always holds:
//! - A task is in exactly one of three phases: it has a future, it has an output, or it has neither
//!   any more. `state.rs` says who may touch what is inside.
//! - The future is polled and dropped only by the holder of the task's one `Runnable`. It is dropped as
//!   soon as it is finished, cancelled or has panicked, whoever still holds a reference to the task.
//! - A task goes back to its scheduler through `Schedule`; this folder knows nothing of workers.
//!
//! | file | one idea |
//! |---|---|
//! | `state.rs` | the state word and every transition of it |
//! | `cell.rs` | the allocation and the operations that know the future's type |
//! | `waker.rs` | wakers over a task |
//! | `join.rs` | the join handle and the abort handle |
//! | `id.rs` | identifiers, and which task is running |
//! | `origin.rs` | where a task comes from: place and name |
//! | `owned.rs` | the lists by which a runtime finds its tasks |

mod cell;
mod error;
mod id;
mod join;
mod origin;
mod owned;
mod state;
mod waker;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::future::Future;
use std::mem;
use std::ptr::NonNull;
use std::time::Instant;

pub(crate) use self::cell::Header;
pub use self::error::JoinError;
pub use self::id::{Id, id, try_id};
pub use self::join::{AbortHandle, JoinHandle};
pub(crate) use self::origin::Origin;
pub(crate) use self::owned::{Owned, Place};

/// Where the `Runnable`s of a task go.
///
/// The scheduler is a part of the task. As soon as the `Runnable` is where others find it, they may run
/// the task to its end and free both; hence pointers, not references that would have to live longer.
pub(crate) trait Schedule: Send + Sync + 'static {
    /// Takes a task that was woken.
    ///
    /// # Safety
    ///
    /// `this` is the scheduler of `task`.
    unsafe fn schedule(this: NonNull<Self>, task: Runnable);

    /// Takes a task that was woken by itself, or by others while it ran. It goes behind what is ready.
    ///
    /// # Safety
    ///
    /// As [`schedule`](Self::schedule).
    unsafe fn reschedule(this: NonNull<Self>, task: Runnable);

    /// Takes note of a task that waits for the first time, and is in no list; false if it has to end instead.
    fn keep(&self, _task: &Runnable) -> bool {
        true
    }

    /// Lets go of a task that is complete.
    fn release(&self, task: &Header);
}

/// The right and the duty to poll a task. At most one exists per task.
///
/// Dropped instead of [run](Self::run), it cancels the task.
#[derive(Debug)]
pub(crate) struct Runnable(NonNull<Header>);

// SAFETY: `new` takes only futures and outputs that are `Send`, who calls `new_unchecked` sees to where its
// `Runnable`s go, schedulers are `Send + Sync`, and the state word admits one holder at a time.
unsafe impl Send for Runnable {}

impl Runnable {
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: a task that has a `Runnable` is alive.
        unsafe { self.0.as_ref() }
    }

    /// Polls the task once and does what follows from the result.
    #[inline]
    pub(crate) fn run(self) {
        let task = self.into_raw();
        // SAFETY: this was the task's `Runnable`, which is passed on.
        unsafe { (task.as_ref().vtable.run)(task) }
    }

    /// As [`run`](Self::run), and has the task remember how long that took, if its origin says so.
    #[cold]
    pub(crate) fn run_timed(self) {
        let task = AbortHandle::of(&self);
        let begin = Instant::now();
        self.run();
        task.header().origin().add_busy(begin.elapsed());
    }

    /// Drops the future, and lets the join handle know that there will be no output.
    pub(crate) fn cancel(self) {
        let task = self.into_raw();
        // SAFETY: this was the task's `Runnable`, which is passed on.
        unsafe { (task.as_ref().vtable.cancel)(task) }
    }

    /// Cancels a task that its runtime has never taken notice of.
    pub(crate) fn refuse(self) {
        self.header().place.refuse();
        self.cancel();
    }

    /// Gives the task to its scheduler.
    #[inline]
    fn schedule(self) {
        let task = self.into_raw();
        // SAFETY: this was the task's `Runnable`, which is passed on.
        unsafe { (task.as_ref().vtable.schedule)(task) }
    }

    pub(crate) fn into_raw(self) -> NonNull<Header> {
        let task = self.0;
        mem::forget(self);
        task
    }

    /// # Safety
    ///
    /// `task` came out of [`into_raw`](Self::into_raw), once.
    pub(crate) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self(task)
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        Self(self.0).cancel();
    }
}

/// Makes a task of `future`, with a `Runnable` that the caller must bring to `scheduler`.
pub(crate) fn new<F, S>(
    future: F,
    scheduler: S,
    origin: Origin,
) -> (Runnable, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the future and its output may go to any thread.
    unsafe { new_unchecked(future, scheduler, origin) }
}

/// As [`new`], for a future that need not be `Send`.
///
/// # Safety
///
/// The `Runnable` is used and dropped only on threads where the future may be polled and dropped, and
/// where its output may be dropped.
pub(crate) unsafe fn new_unchecked<F, S>(
    future: F,
    scheduler: S,
    origin: Origin,
) -> (Runnable, JoinHandle<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let task = cell::allocate(future, scheduler, origin);
    // SAFETY: the state word starts with one wake for this `Runnable` and one reference for this handle,
    // and the handle's type is the future's output.
    unsafe { (Runnable(task), JoinHandle::from_raw(task)) }
}

//! The allocation of a task, and the operations that know the future's type.
//!
//! ```text
//!            ┌ Header ────────────────────────────────────────────┐ ┌ Cell<F, S> ─────────────────┐
//!  task ───► │ state │ vtable │ id │ origin │ links │ waker │ polls │ scheduler │ future or output │
//!            └────────────────────────────────────────────────────┘ └─────────────────────────────┘
//! ```
//!
//! Everything outside this file holds a `NonNull<Header>` and reaches the rest through the vtable.

use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::owned::{Links, Place, PlaceWord};
use super::state::{Pending, State};
use super::{Id, JoinError, Origin, Runnable, Schedule, id, waker};
use crate::contain::{contain, discard};
use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What all tasks have in common.
#[derive(Debug)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    pub(super) id: Id,
    pub(super) origin: Origin,
    /// Place in a list of owned tasks, guarded by that list's lock.
    pub(super) links: UnsafeCell<Links>,
    pub(super) place: PlaceWord,
    /// Who waits for the output; see [`state`](super::state) for whose it is when.
    pub(super) join_waker: UnsafeCell<Option<Waker>>,
    /// How often the task was polled. Written only by the `Runnable`'s holder; relaxed, for observers.
    pub(super) polls: AtomicU32,
}

impl Header {
    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where the task is listed. For the holder of its `Runnable`.
    #[inline]
    pub(crate) fn place(&self) -> Place {
        self.place.get()
    }
}

/// What a look at a task from elsewhere finds.
impl Header {
    /// Whether the task waits to be woken. Otherwise it is ready or running.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state.load().is_waiting()
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Relaxed)
    }

    /// How long the task's polls took, if that is measured.
    pub(crate) fn busy(&self) -> Option<Duration> {
        self.origin.busy()
    }
}

/// The operations that need the future's type. Each takes a task made by [`allocate`].
#[derive(Debug)]
pub(super) struct Vtable {
    /// Polls the task. Takes the `Runnable` over.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops the future. Takes the `Runnable` over.
    pub(super) cancel: unsafe fn(NonNull<Header>),
    /// Brings the `Runnable` to the scheduler.
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// Moves the output to `*mut Poll<Result<T, JoinError>>`. For the output's owner, once.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the output in place. For the output's owner.
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Frees the task. For whoever has the last reference, or gave it up.
    pub(super) dealloc: unsafe fn(NonNull<Header>),
}

/// Why there is no output: what the task panicked with, or nothing if it was cancelled.
type Failure = Option<Box<dyn Any + Send>>;

/// What a task holds besides its header.
enum Stage<F: Future> {
    Future(F),
    Finished(Result<F::Output, Failure>),
    Empty,
}

#[repr(C)]
struct Cell<F: Future, S> {
    header: Header,
    scheduler: S,
    stage: UnsafeCell<Stage<F>>,
}

/// A new task with the state word's initial references and wake.
pub(super) fn allocate<F, S>(future: F, scheduler: S, origin: Origin) -> NonNull<Header>
where
    F: Future + 'static,
    S: Schedule,
{
    // Made in its place, so that a large future is not copied once more on the way there.
    let mut place = Box::new_uninit();
    place.write(Cell {
        header: Header {
            state: State::new(),
            vtable: const {
                &Vtable {
                    run: run::<F, S>,
                    cancel: cancel::<F, S>,
                    schedule: schedule::<F, S>,
                    take_output: take_output::<F, S>,
                    drop_output: drop_output::<F, S>,
                    dealloc: dealloc::<F, S>,
                }
            },
            id: Id::next(),
            origin,
            links: UnsafeCell::new(Links::default()),
            place: PlaceWord::new(),
            join_waker: UnsafeCell::new(None),
            polls: AtomicU32::new(0),
        },
        scheduler,
        stage: UnsafeCell::new(Stage::Future(future)),
    });
    NonNull::from(Box::leak(place)).cast()
}

/// Polls the future, and puts its output in its place when it is ready. A panic in the poll, or in the
/// future's drop after it is ready, comes back as an error.
///
/// # Safety
///
/// The caller holds the `Runnable`.
#[inline]
unsafe fn poll_stage<F: Future, S>(
    cell: &Cell<F, S>,
    cx: &mut Context<'_>,
) -> Result<Poll<()>, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| {
        cell.stage.with_mut(|stage| {
            // SAFETY: only the `Runnable`'s holder touches the stage before the task is complete.
            let stage = unsafe { &mut *stage };
            let Stage::Future(future) = stage else {
                unreachable!("a task was polled after its end")
            };
            // SAFETY: the future stays in its allocation until it is dropped there.
            let poll = unsafe { Pin::new_unchecked(future) }.poll(cx);
            poll.map(|output| *stage = Stage::Finished(Ok(output)))
        })
    }))
}

unsafe fn run<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller holds the `Runnable`, so the task is alive and of these types.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    let start = cell.header.state.start();
    if start.cancelled {
        // SAFETY: the `Runnable` is passed on.
        return unsafe { cancel::<F, S>(task) };
    }
    let polls = &cell.header.polls;
    polls.store(polls.load(Relaxed).wrapping_add(1), Relaxed);
    let waker = waker::borrowed(task);
    // SAFETY: the caller holds the `Runnable`.
    let polled = id::as_current(cell.header.id, || unsafe {
        poll_stage(cell, &mut Context::from_waker(&waker))
    });
    match polled {
        Ok(Poll::Pending) => {
            let is_new = cell.header.place() == Place::Unlisted;
            // SAFETY: the caller holds the `Runnable`.
            if is_new && !unsafe { is_kept(task, &cell.scheduler) } {
                // SAFETY: the `Runnable` is passed on.
                return unsafe { cancel::<F, S>(task) };
            }
            match cell.header.state.finish_pending(start.wakes) {
                Pending::Idle => {}
                // SAFETY: the scheduler is the task's.
                Pending::Woken => unsafe {
                    S::reschedule(NonNull::from(&cell.scheduler), Runnable(task));
                },
                // SAFETY: the `Runnable` is passed on.
                Pending::Cancelled => unsafe { cancel::<F, S>(task) },
            }
        }
        // SAFETY: the `Runnable` is passed on.
        Ok(Poll::Ready(())) => unsafe { complete::<F, S>(task) },
        // SAFETY: the `Runnable` is passed on.
        Err(panic) => unsafe { fail::<F, S>(task, Some(panic)) },
    }
}

/// Whether a task that waits for the first time may go on.
///
/// # Safety
///
/// The caller holds the `Runnable`.
#[inline(never)]
unsafe fn is_kept<S: Schedule>(task: NonNull<Header>, scheduler: &S) -> bool {
    scheduler.keep(&ManuallyDrop::new(Runnable(task)))
}

unsafe fn cancel<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller holds the `Runnable`, so the task is alive and of these types.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // Acquires what the last poll wrote, like the start of a poll.
    cell.header.state.load();
    let dropped = id::as_current(cell.header.id, || set_stage(cell, Stage::Empty));
    let panic = dropped.err();
    // SAFETY: the `Runnable` is passed on.
    unsafe { fail::<F, S>(task, panic) }
}

/// Completes a task that has no output.
///
/// # Safety
///
/// As [`complete`].
#[cold]
unsafe fn fail<F: Future, S: Schedule>(task: NonNull<Header>, failure: Failure) {
    // SAFETY: the caller holds the `Runnable`, so the task is alive and of these types.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // The future is dropped here if the poll panicked. Should its drop panic as well, the first panic is
    // the one to report.
    replace_stage(cell, Stage::Finished(Err(failure)));
    // SAFETY: the `Runnable` is passed on.
    unsafe { complete::<F, S>(task) }
}

/// Tells the join handle that the task is finished, and lets go of it.
///
/// # Safety
///
/// The caller holds the `Runnable`, which ends here. The task may be freed when this returns.
#[inline]
unsafe fn complete<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller holds the `Runnable`, so the task is alive and of these types.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    let header = &cell.header;
    let before = header.state.complete();
    if !before.has_join_handle() {
        // A panic in the drop of an output that nobody wants concerns nobody.
        replace_stage(cell, Stage::Empty);
    } else if before.has_join_waker() {
        // SAFETY: the join handle gave the slot to the completer.
        let waker = header.join_waker.with_mut(|slot| unsafe { (*slot).take() });
        // A waker that panics must not take the worker with it.
        contain(|| waker.into_iter().for_each(Waker::wake));
    }
    cell.scheduler.release(header);
    if before.is_last_ref() || header.state.drop_ref() {
        // SAFETY: that was the last reference.
        unsafe { dealloc::<F, S>(task) };
    }
}

/// As [`set_stage`], where a panic in the drop of the old one is of no interest.
fn replace_stage<F: Future, S>(cell: &Cell<F, S>, new: Stage<F>) {
    if let Err(payload) = set_stage(cell, new) {
        discard(payload);
    }
}

/// Replaces the stage, and catches a panic in the drop of the old one.
fn set_stage<F: Future, S>(cell: &Cell<F, S>, new: Stage<F>) -> Result<(), Box<dyn Any + Send>> {
    cell.stage.with_mut(|stage| {
        catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: callers own what is inside, as the state word says. A drop that panics leaves the
            // place assigned all the same.
            unsafe { *stage = new }
        }))
    })
}

unsafe fn schedule<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller holds the `Runnable`, so the task is alive and of these types.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // SAFETY: the scheduler is the task's.
    unsafe { S::schedule(NonNull::from(&cell.scheduler), Runnable(task)) };
}

unsafe fn take_output<F: Future, S>(task: NonNull<Header>, target: *mut ()) {
    // SAFETY: the caller has a reference, so the task is alive, and it is of these types.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // SAFETY: the caller owns the output.
    let stage = cell
        .stage
        .with_mut(|stage| unsafe { std::mem::replace(&mut *stage, Stage::Empty) });
    let Stage::Finished(output) = stage else {
        panic!("a JoinHandle was polled after it was ready")
    };
    let output = output.map_err(|panic| JoinError::new(cell.header.id, panic));
    // SAFETY: the caller's target is of this type and holds a value that needs no drop.
    unsafe {
        target
            .cast::<Poll<Result<F::Output, JoinError>>>()
            .write(Poll::Ready(output))
    };
}

unsafe fn drop_output<F: Future, S>(task: NonNull<Header>) {
    // SAFETY: the caller has a reference, so the task is alive, and it is of these types.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // SAFETY: the caller owns the output.
    let taken = cell
        .stage
        .with(|stage| matches!(unsafe { &*stage }, Stage::Empty));
    if !taken {
        // A panic in the output's drop must not pass through the drop of a handle.
        replace_stage(cell, Stage::Empty);
    }
}

unsafe fn dealloc<F: Future, S>(task: NonNull<Header>) {
    // SAFETY: the task came out of a box of this type, and nobody else has a reference.
    drop(unsafe { Box::from_raw(task.cast::<Cell<F, S>>().as_ptr()) });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::Pending;
    use std::sync::Arc;

    use super::*;

    /// With its own eight bytes an allocator takes 128 for it.
    #[test]
    fn a_minimal_task_fits_two_cache_lines() {
        let bytes = size_of::<Cell<Pending<()>, Arc<()>>>();
        assert!(
            bytes <= 120,
            "{bytes}, of which the header takes {}",
            size_of::<Header>()
        );
    }
}

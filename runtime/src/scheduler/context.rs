//! What the current thread is to a runtime.
//!
//! Two things, independent of each other: the runtime whose `spawn` and I/O the code here uses, which
//! [`set_current`] changes for a scope; and the worker that this thread is, if it holds a core.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use super::Shared;
use super::worker::Worker;
use crate::coop;

crate::sync::thread_local! {
    static RUNTIME: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

crate::sync::thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

crate::sync::thread_local! {
    /// What [`WORKER`] holds if that is one of the runtime in [`RUNTIME`]: for whoever needs both, which is
    /// nearly everybody. [`match_worker`] follows each change of the two.
    static CURRENT_WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

crate::sync::thread_local! {
    /// The runtime that this thread drives, by address.
    static DRIVING: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

crate::sync::thread_local! {
    /// The runtimes in polls of which this thread is [outside](outside), by address.
    static LEFT: RefCell<Vec<*const Shared>> = const { RefCell::new(Vec::new()) };
}

crate::sync::thread_local! {
    /// How many scopes are open.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// The sentence for whoever needs a runtime and has none.
pub(crate) const NO_RUNTIME: &str = "there is no mini_rt runtime here: call this from a future inside \
     `Runtime::block_on`, `#[mini_rt::main]` or a task, or hold the guard of `Runtime::enter`";

/// The runtime that code on this thread uses, if any.
pub(crate) fn current() -> Option<Arc<Shared>> {
    RUNTIME
        .try_with(|runtime| runtime.borrow().clone())
        .ok()
        .flatten()
}

/// Calls `f` with the runtime that code on this thread uses. `f` may run foreign code, which may change
/// the current runtime, so nothing is borrowed from there meanwhile. On a worker of the runtime, which is
/// the common case, the reference count is left alone too.
pub(crate) fn with_current<R>(f: impl FnOnce(&Arc<Shared>) -> R) -> Option<R> {
    with_current_and_worker(|shared, _| f(shared))
}

/// As [`with_current`], and with the worker of that runtime that this thread is, if it is one.
#[inline]
pub(super) fn with_current_and_worker<R>(
    f: impl FnOnce(&Arc<Shared>, Option<&Worker>) -> R,
) -> Option<R> {
    with_current_worker(|worker| match worker {
        Some(worker) => Some(f(&worker.shared, Some(worker))),
        None => current().map(|shared| f(&shared, None)),
    })
}

/// Calls `f` with the worker that this thread is, if it is one of the runtime that code here uses.
#[inline]
pub(super) fn with_current_worker<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = CURRENT_WORKER.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: `as_worker` keeps the worker borrowed for as long as it is set, on this thread, and `f`
    // ends before `as_worker` can.
    f(unsafe { worker.as_ref() })
}

/// Makes a runtime the current one and returns the one before.
pub(crate) fn set_current(shared: Option<Arc<Shared>>) -> Option<Arc<Shared>> {
    let before = RUNTIME.try_with(|runtime| runtime.replace(shared)).ok()?;
    match_worker();
    before
}

/// Notes the worker that this thread is as one of the current runtime, if it is.
fn match_worker() {
    let current = with_any_worker(|worker| {
        let worker = worker?;
        let is_current = RUNTIME.try_with(|runtime| {
            let runtime = runtime.borrow();
            runtime
                .as_ref()
                .is_some_and(|runtime| Arc::ptr_eq(runtime, &worker.shared))
        });
        is_current.unwrap_or(false).then_some(ptr::from_ref(worker))
    });
    let _ = CURRENT_WORKER.try_with(|worker| worker.set(current.unwrap_or(ptr::null())));
}

/// Makes this thread known as this worker, or as none, and returns what it was.
fn set_worker(worker: *const Worker) -> *const Worker {
    let before = WORKER.try_with(|current| current.replace(worker));
    match_worker();
    before.unwrap_or(ptr::null())
}

/// A scope in which code on this thread uses a certain runtime.
pub(crate) struct Scope {
    before: Option<Arc<Shared>>,
    depth: usize,
}

/// Makes a runtime the current one, until the scope is left.
pub(crate) fn enter(shared: Arc<Shared>) -> Scope {
    let depth = DEPTH.with(Cell::get) + 1;
    DEPTH.with(|current| current.set(depth));
    Scope {
        before: set_current(Some(shared)),
        depth,
    }
}

impl Scope {
    /// Whether no other is open within this one.
    pub(crate) fn is_innermost(&self) -> bool {
        DEPTH.with(Cell::get) == self.depth
    }

    /// Leaves the scope, and those that are open within it.
    pub(crate) fn leave(&mut self) {
        DEPTH.with(|current| current.set(self.depth - 1));
        set_current(self.before.take());
    }
}

/// Whether this thread is driving a runtime: a worker, or inside `block_on`.
pub(crate) fn is_driving() -> bool {
    !DRIVING.try_with(Cell::get).unwrap_or(ptr::null()).is_null()
}

/// Whether this thread is in `block_in_place`, in a poll of this runtime: one that cannot end before this
/// thread returns there.
pub(crate) fn has_left(shared: &Shared) -> bool {
    LEFT.try_with(|left| left.borrow().contains(&ptr::from_ref(shared)))
        .unwrap_or(false)
}

/// The scope in which a thread drives a runtime.
pub(crate) struct Driving {
    scope: Scope,
    _budget: coop::Scope,
}

impl Driving {
    /// # Panics
    ///
    /// If the thread drives a runtime already: blocking it would stop the tasks that it should run.
    #[track_caller]
    pub(crate) fn enter(shared: &Arc<Shared>) -> Self {
        assert!(
            !is_driving(),
            "`block_on` was called on a thread that is running async tasks, which it would block: \
             `.await` the future instead, or move the call to `spawn_blocking`"
        );
        let scope = enter(shared.clone());
        DRIVING.with(|driving| driving.set(Arc::as_ptr(shared)));
        Self {
            scope,
            _budget: coop::Scope::constrained(),
        }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.scope.leave();
        let _ = DRIVING.try_with(|driving| driving.set(ptr::null()));
    }
}

/// Runs `f` with this thread known as `worker`.
pub(super) fn as_worker<R>(worker: &Worker, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Worker);
    impl Drop for Restore {
        fn drop(&mut self) {
            set_worker(self.0);
        }
    }
    let _restore = Restore(set_worker(worker));
    f()
}

/// Calls `f` with the worker that this thread is, of whatever runtime.
pub(super) fn with_any_worker<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: as in `with_worker`.
    f(unsafe { worker.as_ref() })
}

/// Lets the outside have its turn when all that is ready on this thread has run; see [`super::pace`].
pub(crate) fn hasten_look() {
    with_any_worker(|worker| worker.into_iter().for_each(Worker::hasten_look));
}

/// Makes this thread known as no worker, inside [`as_worker`].
pub(super) fn forget_worker() {
    set_worker(ptr::null());
}

/// Undoes [`forget_worker`], inside the same [`as_worker`].
pub(super) fn remember_worker(worker: &Worker) {
    set_worker(worker);
}

/// Runs `f` as if this thread drove nothing, so that it may block, and call `block_on`.
pub(super) fn outside<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(*const Shared);
    impl Drop for Restore {
        fn drop(&mut self) {
            LEFT.with(|left| left.borrow_mut().pop());
            DRIVING.with(|driving| driving.set(self.0));
        }
    }
    let _unconstrained = coop::Scope::unconstrained();
    let driven = DRIVING.with(|driving| driving.replace(ptr::null()));
    LEFT.with(|left| left.borrow_mut().push(driven));
    let _restore = Restore(driven);
    f()
}

/// Calls `f` with the worker of this very runtime that this thread is, if it is one.
#[inline]
pub(super) fn with_worker<R>(shared: &Shared, f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: `as_worker` keeps the worker borrowed for as long as it is set, on this thread, and `f`
    // ends before `as_worker` can.
    let worker = unsafe { worker.as_ref() };
    f(worker.filter(|worker| ptr::eq(&*worker.shared, shared)))
}

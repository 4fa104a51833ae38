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
    static DRIVING: Cell<bool> = const { Cell::new(false) };
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

/// Calls `f` with the runtime that code on this thread uses, without touching its reference count.
pub(crate) fn with_current<R>(f: impl FnOnce(&Arc<Shared>) -> R) -> Option<R> {
    RUNTIME
        .try_with(|runtime| runtime.borrow().as_ref().map(f))
        .ok()
        .flatten()
}

/// Makes a runtime the current one and returns the one before.
pub(crate) fn set_current(shared: Option<Arc<Shared>>) -> Option<Arc<Shared>> {
    RUNTIME
        .try_with(|runtime| runtime.replace(shared))
        .ok()
        .flatten()
}

/// Whether this thread is driving a runtime: a worker, or inside `block_on`.
pub(crate) fn is_driving() -> bool {
    DRIVING.try_with(Cell::get).unwrap_or(false)
}

/// The scope in which a thread drives a runtime.
pub(crate) struct Driving {
    before: Option<Arc<Shared>>,
    _budget: coop::Constrained,
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
        DRIVING.with(|driving| driving.set(true));
        Self {
            before: set_current(Some(shared.clone())),
            _budget: coop::Constrained::enter(),
        }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        set_current(self.before.take());
        let _ = DRIVING.try_with(|driving| driving.set(false));
    }
}

/// Runs `f` with this thread known as `worker`.
pub(super) fn as_worker<R>(worker: &Worker, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Worker);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = WORKER.try_with(|current| current.set(self.0));
        }
    }
    let _restore = Restore(WORKER.with(|current| current.replace(worker)));
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

//! The end of a runtime: every core comes back, and every future is dropped.
//!
//! Whoever brings the last core back drops the futures, as a worker of the runtime, so that destructors
//! find what they are used to: spawning works and gives a cancelled task, wakes go nowhere.
//!
//! A thread outside may be about to inject a task that it has just woken. Such a task is still in a list,
//! so the end waits until every list is empty, and cancels what comes meanwhile. The thread outside only
//! tells that it has brought something: it drops no future, for it may hold locks that a destructor takes.
//! So does a thread that has polled a task without a core, having lent it.

use std::sync::Arc;

use super::Shared;
use super::context;
use super::core::Core;
use super::worker::{Holder, Worker};
use crate::coop;
use crate::queue::Local;
use crate::sync::atomic::Ordering::Release;
use crate::sync::monitor::{Condvar, Mutex};
use crate::task::Runnable;

/// The cores that have come back.
#[derive(Default)]
pub(super) struct Collected {
    cores: Mutex<Vec<Core>>,
    /// Something was injected.
    injected: Condvar,
}

impl Collected {
    /// Makes whoever ends the runtime look into the injector again.
    pub(super) fn look_again(&self) {
        let _cores = self.cores.lock();
        self.injected.notify_all();
    }
}

impl Shared {
    /// Begins the shutdown. It ends with the last core that comes back. If there are workers that is in one
    /// of their threads, or in `block_on`: the caller need not wait for what destructors do.
    pub(crate) fn shut_down(self: &Arc<Self>) {
        self.close_lending();
        for core in 0..self.cores.len() {
            self.reactors.get(core).notify();
        }
        if !self.has_workers() {
            collect_free(self);
        }
    }
}

/// Takes the cores out of service that nobody holds, once shutdown has begun.
pub(super) fn collect_free(shared: &Arc<Shared>) {
    let free = shared.take_free();
    free.into_iter().for_each(|core| collect(shared, core));
}

/// Takes a core out of service.
pub(super) fn collect(shared: &Arc<Shared>, core: Core) {
    shared.cores[core.index()].dormant.store(true, Release);
    shared.collected.cores.lock().push(core);
    finish(shared);
}

/// Drops everything if all cores are back, and nobody else does so.
///
/// Not in a task's poll, for which the end would wait, while that waits for the end perhaps. Then another
/// thread does it; or this one, which comes again after the poll.
pub(super) fn finish(shared: &Arc<Shared>) {
    let mut collected = shared.collected.cores.lock();
    if collected.len() < shared.cores.len() {
        return;
    }
    if context::has_left(shared) {
        drop(collected);
        let ending = shared.clone();
        let _no_thread = shared.start_thread(Box::new(move || finish(&ending)));
        return;
    }
    let cores = std::mem::take(&mut *collected);
    drop(collected);
    drop_everything(shared, cores);
}

fn drop_everything(shared: &Arc<Shared>, mut cores: Vec<Core>) {
    let core = cores.pop().expect("a runtime has at least one core");
    let worker = Worker::new(shared.clone(), core, Holder::Shutdown);
    let before = context::set_current(Some(shared.clone()));
    let unconstrained = coop::Scope::unconstrained();
    context::as_worker(&worker, || {
        // Before the first destructor runs: it may block, and must not wait for what nobody would bring.
        shared.cores.iter().for_each(|core| core.owned.refuse());
        shared.reactors.shut_down();
        shared.timers.close();
        shared.cores.iter().for_each(|core| core.owned.close());
        let rings = || cores.iter().map(|core| &core.ring).chain([worker.ring()]);
        loop {
            cancel_queued(shared, rings());
            let collected = shared.collected.cores.lock();
            if shared.cores.iter().all(|core| core.owned.len() == 0) {
                break;
            }
            if shared.injector.is_empty() {
                drop(shared.collected.injected.wait(collected));
            }
        }
    });
    drop(unconstrained);
    context::set_current(before);
}

/// Cancels what is in any queue.
fn cancel_queued<'a>(shared: &Shared, rings: impl Iterator<Item = &'a Local<Runnable>>) {
    let slots = shared.cores.iter().filter_map(|core| core.take_next());
    slots.for_each(Runnable::cancel);
    for ring in rings {
        std::iter::from_fn(|| ring.pop()).for_each(Runnable::cancel);
    }
    std::iter::from_fn(|| shared.injector.pop()).for_each(Runnable::cancel);
}

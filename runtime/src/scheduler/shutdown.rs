//! The end of a runtime: every core comes back, and every future is dropped.
//!
//! Whoever brings the last core back drops the futures, as a worker of the runtime, so that destructors
//! find what they are used to: spawning works and gives a cancelled task, wakes go nowhere.
//!
//! A thread outside may be about to inject a task that it has just woken or spawned. Such a task is counted, so
//! the end waits until none is alive, and cancels what comes meanwhile. The thread outside only
//! tells that it has brought something: it drops no future, for it may hold locks that a destructor takes.
//! So does a thread that has polled a task without a core, having lent it.
//!
//! What is spawned when futures are being dropped, or later, is cancelled by the thread that spawns it. Nobody counts
//! that or waits for it: its destructor may wait for the end.
//!
//! *Ordering:* a thread outside that brings a task looks, after a fence, whether shutdown has begun; who ends
//! the runtime has begun that, and after a fence looks for what was brought. So either the task is found, or the
//! thread tells. [`census`](super::census) says why a new task is counted, or its thread finds shutdown begun; and
//! then it learns under the lock whether the end is over.

use std::sync::Arc;

use super::Shared;
use super::context;
use super::core::Core;
use super::worker::{Holder, Worker};
use crate::coop;
use crate::queue::Local;
use crate::sync::atomic::{
    Ordering::{Relaxed, Release, SeqCst},
    fence,
};
use crate::sync::monitor::{Condvar, Mutex};
use crate::task::Runnable;

/// What has come to its end.
#[derive(Default)]
pub(super) struct Collected {
    state: Mutex<State>,
    /// Something was injected, or has ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The cores that have come back.
    cores: Vec<Core>,
    /// No task is left, and nobody looks for any.
    is_over: bool,
}

impl Collected {
    /// Makes whoever ends the runtime look again.
    pub(super) fn look_again(&self) {
        let _state = self.state.lock();
        self.changed.notify_all();
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

    /// Brings a task that was spawned outside, once shutdown has begun, or cancels it if the end is over.
    #[cold]
    pub(super) fn inject_at_the_end(&self, task: Runnable) {
        let state = self.collected.state.lock();
        if state.is_over {
            drop(state);
            return task.cancel();
        }
        self.injector.push(task);
        self.collected.changed.notify_all();
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
    shared.collected.state.lock().cores.push(core);
    finish(shared);
}

/// Drops everything if all cores are back, and nobody else does so.
///
/// Not in a task's poll, for which the end would wait, while that waits for the end perhaps. Then another
/// thread does it; or this one, which comes again after the poll.
pub(super) fn finish(shared: &Arc<Shared>) {
    let mut collected = shared.collected.state.lock();
    if collected.cores.len() < shared.cores.len() {
        return;
    }
    if context::has_left(shared) {
        drop(collected);
        let ending = shared.clone();
        let _no_thread = shared.start_thread(Box::new(move || finish(&ending)));
        return;
    }
    let cores = std::mem::take(&mut collected.cores);
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
        shared.refuses.store(true, Relaxed);
        shared.reactors.shut_down();
        shared.timers.close();
        shared.cores.iter().for_each(|core| core.owned.close());
        let rings = || cores.iter().map(|core| &core.ring).chain([worker.ring()]);
        loop {
            fence(SeqCst);
            cancel_queued(shared, rings());
            let mut collected = shared.collected.state.lock();
            shared.outside.close();
            if shared.alive_on_cores() == 0 {
                collected.is_over = true;
                break;
            }
            if shared.injector.is_empty() {
                drop(shared.collected.changed.wait(collected));
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

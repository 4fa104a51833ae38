//! The end of a runtime: every core comes back, and every future is dropped.
//!
//! Whoever brings the last core back drops the futures, as a worker of the runtime, so that destructors
//! find what they are used to: spawning works and gives a cancelled task, wakes go nowhere.
//!
//! A thread outside may be about to inject a task that it has just woken. It looks at `shut_down` after
//! the push, and cancels what it finds in the injector; until it has, its task is in a list, for which the
//! end is waited.

use std::sync::Arc;

use super::Shared;
use super::context;
use super::core::Core;
use super::worker::Worker;
use crate::sync::Mutex;

/// The cores that have come back.
#[derive(Default)]
pub(super) struct Collected(Mutex<Vec<Core>>);

impl Shared {
    /// Begins the shutdown. It ends with the last core that comes back, maybe in this call.
    pub(crate) fn shut_down(self: &Arc<Self>) {
        let free = self.close_lending();
        for core in 0..self.cores.len() {
            self.reactors.get(core).notify();
        }
        free.into_iter().for_each(|core| collect(self, core));
    }

    /// Cancels what is in the injector.
    pub(super) fn cancel_injected(&self) {
        while let Some(task) = self.injector.pop() {
            task.cancel();
        }
    }
}

/// Takes a core out of service.
pub(super) fn collect(shared: &Arc<Shared>, core: Core) {
    let mut collected = shared.collected.0.lock();
    collected.push(core);
    if collected.len() < shared.cores.len() {
        return;
    }
    let cores = std::mem::take(&mut *collected);
    drop(collected);
    drop_everything(shared, cores);
}

fn drop_everything(shared: &Arc<Shared>, mut cores: Vec<Core>) {
    let core = cores.pop().expect("a runtime has at least one core");
    let worker = Worker::new(shared.clone(), core);
    let before = context::set_current(Some(shared.clone()));
    context::as_worker(&worker, || {
        shared.cores.iter().for_each(|core| core.owned.close());
        cancel_queued(shared, &worker, &cores);
        shared.reactors.shut_down();
        cancel_queued(shared, &worker, &cores);
        shared.cores.iter().for_each(|core| core.owned.wait_empty());
    });
    context::set_current(before);
}

/// Cancels what is in any queue. What that wakes is complete already, since every list is closed.
fn cancel_queued(shared: &Shared, worker: &Worker, others: &[Core]) {
    for remote in &shared.cores {
        while let Some(task) = remote.take_next() {
            task.cancel();
        }
    }
    let rings = others.iter().map(|core| &core.ring).chain([worker.ring()]);
    for ring in rings {
        while let Some(task) = ring.pop() {
            task.cancel();
        }
    }
    shared.cancel_injected();
}

//! `block_in_place`: a thread lends its core while it blocks.
//!
//! The core goes to another thread before the closure runs. Afterwards the thread takes it back if nobody
//! has come for it yet; otherwise it finishes the poll that it is in without a core, as a thread outside
//! would, and its loop finds the core gone and asks for another.

use super::worker::Worker;
use super::{context, shutdown};
use crate::sync::atomic::Ordering::SeqCst;

/// Runs a closure that may block, wherever the calling thread is.
///
/// # Panics
///
/// On the thread of a current-thread runtime.
#[track_caller]
pub(crate) fn block_in_place<R>(closure: impl FnOnce() -> R) -> R {
    if !context::is_driving() {
        return closure();
    }
    context::with_any_worker(|worker| {
        let Some(worker) = worker else {
            // The core is lent already, or none was to be had.
            return context::outside(closure);
        };
        assert!(
            worker.shared.has_workers(),
            "`block_in_place` was called on a current-thread runtime, where no other thread could go on \
             with the tasks: use `spawn_blocking`, or a multi-thread runtime"
        );
        let _back = worker.step_out();
        context::outside(closure)
    })
}

/// Brings a worker's core back, if it can be had, when this is dropped.
struct Away<'a> {
    worker: &'a Worker,
    /// The core that was lent.
    lent: Option<usize>,
}

impl Worker {
    /// Lends the core, unless it is needed for what the thread is doing, or nobody could take it.
    fn step_out(&self) -> Away<'_> {
        let stays = Away {
            worker: self,
            lent: None,
        };
        if self.keeps_core() {
            return stays;
        }
        // SAFETY: foreign code runs on this thread, in a poll: no method of this worker is under way but
        // `run`, which keeps no reference over a poll.
        let core = unsafe { self.core.replace(None) };
        let core = core.expect("a thread that is known as a worker has a core");
        let index = core.index();
        // Lending may start a thread, and so call a function of the user's that names it.
        context::forget_worker();
        match self.shared.lend(core, self.holder) {
            None => Away {
                worker: self,
                lent: Some(index),
            },
            Some(core) if self.shared.shut_down.load(SeqCst) => {
                // Kept, it would keep the end from coming, for which the closure may wait.
                context::outside(|| shutdown::collect(&self.shared, core));
                Away {
                    worker: self,
                    lent: Some(index),
                }
            }
            Some(core) => {
                // SAFETY: as above.
                unsafe { self.core.replace(Some(core)) };
                context::remember_worker(self);
                stays
            }
        }
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let Some(index) = self.lent else {
            return;
        };
        let worker = self.worker;
        if let Some(core) = worker.shared.reclaim(index, worker.holder) {
            // SAFETY: there is no core, hence no reference to it.
            unsafe { worker.core.replace(Some(core)) };
            context::remember_worker(worker);
        }
    }
}

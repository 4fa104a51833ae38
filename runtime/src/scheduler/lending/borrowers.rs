//! Callers of `block_on` who wait for a core.
//!
//! What always holds: who is in the queue does nothing but wait, and is counted in `wanted`; who has left it
//! has its core, or will get none.

use std::sync::Arc;
use std::time::Duration;

use crate::scheduler::Shared;
use crate::scheduler::core::Core;
use crate::scheduler::idle::Claim;
use crate::scheduler::root::Root;
use crate::sync::Mutex;
use crate::sync::atomic::Ordering::SeqCst;
use crate::sync::thread::{self, Thread};

/// How long a caller of `block_on` waits for the core of a worker that it has woken, before it goes on
/// without. The hand-over takes microseconds, unless the machine is overloaded.
const HAND_OVER: Duration = Duration::from_millis(1);

/// A thread that waits for a core.
pub(super) struct Borrower {
    thread: Thread,
    core: Mutex<Option<Core>>,
}

impl Borrower {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            core: Mutex::new(None),
        })
    }

    pub(super) fn give(&self, core: Core) {
        *self.core.lock() = Some(core);
        self.thread.unpark();
    }
}

impl Shared {
    /// Gets a core for a root. Polls the root meanwhile if that may take long, and returns `None` if it
    /// is ready before.
    ///
    /// A core comes only to a thread that does nothing but wait for it. Who polls is not in the queue:
    /// the poll may take long, or wait for what the core would run.
    pub(in crate::scheduler) fn core_for(self: &Arc<Self>, root: &mut impl Root) -> Option<Core> {
        loop {
            let (borrower, promised) = match self.ask_for_core() {
                Ok(core) => return Some(core),
                Err(waiting) => waiting,
            };
            if promised {
                thread::park_timeout(HAND_OVER);
            }
            while !root.is_woken() && borrower.core.lock().is_none() {
                thread::park();
            }
            if let Some(core) = self.stop_waiting(&borrower) {
                return Some(core);
            }
            if root.poll_if_woken() {
                return None;
            }
        }
    }

    /// Leaves the queue, or takes the core that has come.
    fn stop_waiting(&self, borrower: &Arc<Borrower>) -> Option<Core> {
        let mut state = self.lending.state.lock();
        let before = state.borrowers.len();
        state
            .borrowers
            .retain(|other| !Arc::ptr_eq(other, borrower));
        let left = before - state.borrowers.len();
        self.lending.wanted.fetch_sub(left, SeqCst);
        borrower.core.lock().take()
    }

    /// A dormant core, or a place in the queue, and whether a sleeping worker was asked for its core.
    fn ask_for_core(&self) -> Result<Core, (Arc<Borrower>, bool)> {
        let borrower = {
            let mut state = self.lending.state.lock();
            if let Some(core) = state.dormant.pop() {
                return Ok(self.awaken(core));
            }
            let borrower = Borrower::new();
            state.borrowers.push_back(borrower.clone());
            self.lending.wanted.fetch_add(1, SeqCst);
            borrower
        };
        Err((borrower, self.ask_sleeping_worker()))
    }

    /// Wakes a worker that sleeps, which then finds that its core is wanted.
    fn ask_sleeping_worker(&self) -> bool {
        for (index, core) in self.cores.iter().enumerate() {
            if core.borrowed.load(SeqCst) || !self.idle.is_idle(index) {
                continue;
            }
            match self.idle.claim(index) {
                Claim::Claimed => {
                    self.wake_core(index);
                    return true;
                }
                Claim::Busy => {}
                Claim::LookForWork => self.look_for_work(),
            }
        }
        false
    }
}

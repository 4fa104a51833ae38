//! A poll of a set: its ready tasks run.
//!
//! To the core a turn is a single poll. So it keeps to what a core may do before it looks outside: it ends
//! after so many tasks, or sooner if they take long, and then asks for the look.

use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::pollers::Pollers;
use super::{Entered, Set};
use crate::contain::contain;
use crate::coop;
use crate::scheduler::context;
use crate::sys::clock::nanoseconds;
use crate::timer::Moment;

/// Tasks in one turn; loom's models get by with few.
#[cfg(not(loom))]
pub(super) const TASKS_PER_TURN: usize = 61;
#[cfg(loom)]
pub(super) const TASKS_PER_TURN: usize = 2;
/// After so many the clock is read.
pub(super) const READINGS: [usize; 3] = [2, 8, 32];
/// A turn that has taken so many nanoseconds by then ends.
const LONG: Moment = 1_000_000;

/// Somebody who polls a set, known to it until this is dropped.
pub(crate) struct Poller {
    pub(super) set: Arc<Set>,
    pub(super) id: u64,
}

/// The time in which ready tasks are run, and nobody has to be told of new ones.
pub(crate) struct Turn {
    set: Arc<Set>,
    not_send: PhantomData<*const ()>,
}

impl Set {
    /// Somebody who is going to poll the set.
    pub(crate) fn poller(self: &Arc<Self>) -> Poller {
        let own = self.own("used");
        let id = own.next_poller.get();
        own.next_poller.set(id + 1);
        Poller {
            set: self.clone(),
            id,
        }
    }

    /// Whether a turn is under way.
    pub(super) fn is_polled(&self) -> bool {
        self.own("used").turns.get() > 0
    }

    /// Begins a turn, and notes whom to wake from its end on.
    pub(super) fn turn(self: &Arc<Self>, poller: u64, cx: &Context<'_>) -> Turn {
        let own = self.own("polled");
        let turn = Turn {
            set: self.clone(),
            not_send: PhantomData,
        };
        own.turns.set(own.turns.get() + 1);
        own.called.set(true);
        let replaced = {
            let mut remote = self.remote.lock();
            remote.called = true;
            own.gather(&mut remote);
            remote.pollers.put(poller, cx.waker())
        };
        contain(|| drop(replaced));
        turn
    }
}

impl Poller {
    /// Begins a turn in which the poller polls the set.
    pub(crate) fn turn(&self, cx: &Context<'_>) -> Turn {
        self.set.turn(self.id, cx)
    }

    /// Is to be woken from now on, before it has polled the set for the first time.
    pub(super) fn wait(&self, waker: &Waker) {
        self.set.remote.lock().pollers.put(self.id, waker);
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        let removed = self.set.remote.lock().pollers.remove(self.id);
        contain(|| drop(removed));
    }
}

impl Turn {
    /// Runs what is ready, within limits, each task with a budget of its own.
    pub(crate) fn run(&self) {
        let own = self.set.own("polled");
        let ready = own.ready.borrow().len();
        if ready == 0 {
            return;
        }
        let _entered = Entered::new(self.set.clone());
        let _budget = coop::Scope::constrained();
        // Turns of a task or two are the most frequent, and need no clock.
        let mut begin = (ready > READINGS[0]).then(nanoseconds);
        for tasks in 0..TASKS_PER_TURN {
            if READINGS.contains(&tasks) {
                let begin = *begin.get_or_insert_with(nanoseconds);
                if nanoseconds() - begin > LONG {
                    break;
                }
            }
            let Some(task) = own.next() else { return };
            coop::renew();
            task.run();
        }
        context::hasten_look();
    }
}

impl Drop for Turn {
    /// Either nothing is left to do, and whoever brings something from now on tells the pollers; or they are
    /// told at once. That the set has become empty is something to tell too.
    fn drop(&mut self) {
        let own = self.set.own("polled");
        own.turns.set(own.turns.get() - 1);
        let pollers = {
            let mut remote = self.set.remote.lock();
            let has_work = own.has_work() || !remote.ready.is_empty();
            remote.called = has_work || own.emptied.take();
            own.called.set(remote.called);
            match remote.called {
                true => mem::take(&mut remote.pollers),
                false => Pollers::default(),
            }
        };
        pollers.wake();
    }
}

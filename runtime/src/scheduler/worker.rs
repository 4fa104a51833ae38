//! The loop of a thread that holds a core.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::core::{Core, Remote};
use super::root::Root;
use crate::coop;
use crate::queue::Local;
use crate::sync::atomic::{Ordering::SeqCst, fence};
use crate::task::Runnable;

/// How often in a row the LIFO slot goes before the ring.
const MAX_STREAK: u8 = 3;

/// A thread that holds a core.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    core: Core,
    /// Whether the reactor is being turned: what is woken then is a batch, and goes into the ring.
    dispatching: std::cell::Cell<bool>,
}

/// Why a worker stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The root future is ready.
    RootReady,
    /// Somebody waits for the core.
    Wanted,
    ShutDown,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, core: Core) -> Self {
        Self {
            shared,
            core,
            dispatching: std::cell::Cell::new(false),
        }
    }

    pub(super) fn into_parts(self) -> (Arc<Shared>, Core) {
        (self.shared, self.core)
    }

    pub(super) fn core_index(&self) -> usize {
        self.core.index
    }

    pub(super) fn ring(&self) -> &Local<Runnable> {
        &self.core.ring
    }

    fn remote(&self) -> &Remote {
        &self.shared.cores[self.core.index]
    }

    /// Runs tasks, and the root future whenever it is woken, until something stops it.
    pub(super) fn run(&self, root: &mut impl Root) -> Stop {
        // Tasks that go before the root because it has woken itself.
        let mut before_root = 0;
        loop {
            if before_root == 0 && root.is_woken() {
                self.stop_searching();
                if root.poll_if_woken() {
                    return Stop::RootReady;
                }
                if root.is_woken() {
                    before_root = self.ready_tasks();
                }
            }
            before_root = before_root.saturating_sub(1);
            if self.core.pace.tick() {
                if self.shared.shut_down.load(SeqCst) {
                    return Stop::ShutDown;
                }
                self.look_outside();
                if let Some(task) = self.take_injected() {
                    self.run_task(task);
                    continue;
                }
            }
            let task = self
                .take_local()
                .or_else(|| self.take_injected())
                .or_else(|| self.search());
            if let Some(task) = task {
                self.run_task(task);
                continue;
            }
            before_root = 0;
            if let Some(stop) = self.rest(root) {
                return stop;
            }
        }
    }

    /// Tasks in the slot and the ring.
    fn ready_tasks(&self) -> u32 {
        self.core.ring.len() + u32::from(!self.remote().next.is_empty())
    }

    #[inline]
    fn run_task(&self, task: Runnable) {
        self.stop_searching();
        coop::renew();
        task.run();
    }

    /// Takes a task that was woken on this thread.
    #[inline]
    pub(super) fn push(&self, task: Runnable) {
        if self.dispatching.get() {
            return self.core.ring.push(task, &self.shared.injector);
        }
        // A lone task in the slot wakes nobody: it runs here as soon as the current one waits.
        if let Some(displaced) = self.remote().put_next(task) {
            self.push_behind(displaced);
        }
    }

    /// Puts a task behind all that is ready here.
    pub(super) fn push_behind(&self, task: Runnable) {
        self.core.ring.push(task, &self.shared.injector);
        self.share();
    }

    /// Wakes a sibling if one is idle and nobody searches. Without the fence that a push from outside
    /// needs: should the sibling be missed, this core is awake and runs the task itself.
    fn share(&self) {
        if self.shared.idle.may_claim() {
            self.shared.wake_searcher();
        }
    }

    /// As [`share`](Self::share), and a sibling that is falling asleep is not missed.
    ///
    /// *Ordering:* the fence puts the pushes before the looks at who is idle, as [`idle`](super::idle)
    /// demands.
    fn share_surely(&self) {
        fence(SeqCst);
        self.shared.wake_searcher();
    }

    #[inline]
    fn take_local(&self) -> Option<Runnable> {
        let streak = self.core.streak.get();
        if let Some(task) = self.remote().take_next() {
            if streak < MAX_STREAK {
                self.core.streak.set(streak + 1);
                return Some(task);
            }
            self.core.ring.push(task, &self.shared.injector);
        }
        self.core.streak.set(0);
        self.core.ring.pop()
    }

    /// Takes a task from the injector, and this core's share of the others behind it into the ring.
    fn take_injected(&self) -> Option<Runnable> {
        let injector = &self.shared.injector;
        if injector.is_empty() {
            return None;
        }
        let share = injector.len() / self.shared.cores.len();
        let task = injector.pop()?;
        let others = std::iter::from_fn(|| injector.pop()).take(share);
        if self.core.ring.extend(others) > 0 {
            // For a moment they were in no queue: who looked then has to look again.
            self.share_surely();
        }
        Some(task)
    }

    /// Steals from siblings, if not too many search already.
    fn search(&self) -> Option<Runnable> {
        let cores = &self.shared.cores;
        if cores.len() == 1 {
            return None;
        }
        if !self.core.searching.get() {
            if !self.shared.idle.start_searching() {
                return None;
            }
            self.core.searching.set(true);
        }
        let start = self.core.random_below(cores.len());
        let victims = cores[start..].iter().chain(&cores[..start]);
        let mut victims = victims.filter(|victim| !std::ptr::eq(*victim, self.remote()));
        victims.find_map(|victim| victim.ring.steal_into(&self.core.ring))
    }

    /// Ends the search, if there is one, because what comes may take long. If it was the last search,
    /// others may have relied on it.
    #[inline]
    fn stop_searching(&self) {
        if self.core.searching.take()
            && self.shared.idle.stop_searching()
            && self.shared.has_visible_work()
        {
            self.shared.wake_searcher();
        }
    }

    /// Turns the reactor without waiting, so that a busy core hears of its sockets.
    fn look_outside(&self) {
        if self.shared.reactors.get(self.core.index).has_sources() {
            self.turn(Some(Duration::ZERO));
        } else {
            self.core.pace.restart();
        }
        if self.core.ring.len() > 0 {
            self.share_surely();
        }
    }

    fn turn(&self, timeout: Option<Duration>) {
        self.dispatching.set(true);
        self.shared.reactors.get(self.core.index).turn(timeout);
        self.dispatching.set(false);
        self.core.pace.restart();
    }

    /// Sleeps in the reactor until there is something to do.
    fn rest(&self, root: &impl Root) -> Option<Stop> {
        let shared = &*self.shared;
        let me = self.core.index;
        if shared.shut_down.load(SeqCst) {
            return Some(Stop::ShutDown);
        }
        if root.gives_way() && shared.lending.is_wanted() {
            return Some(Stop::Wanted);
        }
        // Woken by itself, or by a task here: that writes no wake-up.
        if root.is_woken() {
            return None;
        }
        shared.idle.enter(me);
        let last = if self.core.searching.replace(false) {
            shared.idle.stop_searching()
        } else {
            !shared.idle.is_searched()
        };
        if last && shared.has_visible_work() {
            // The core takes its bit back and is a searcher again, by its own token or by that of whoever
            // was faster.
            shared.idle.claim(me);
            self.core.searching.set(true);
            return None;
        }
        let wanted = root.gives_way() && shared.lending.is_wanted();
        let reactor = shared.reactors.get(me);
        if !wanted && reactor.fall_asleep() {
            self.turn(None);
        }
        reactor.wake_up();
        if !shared.idle.leave(me) {
            self.core.searching.set(true);
        }
        if self.core.ring.len() > 1 {
            self.share_surely();
        }
        None
    }
}

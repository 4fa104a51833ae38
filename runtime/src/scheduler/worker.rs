//! The loop of a thread that holds a core.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::activity::Activity;
use super::core::{Core, Held, Remote};
use super::root::Root;
use super::{Hooks, Shared};
use crate::coop;
use crate::queue::{Full, Local};
use crate::reactor::{Events, Reactor, Turned};
use crate::sync::atomic::{
    Ordering::{Relaxed, SeqCst},
    fence,
};
use crate::sys::Punctual;
use crate::task::{Header, Runnable};
use crate::timer::Moment;

/// A thread that holds a core, or has lent it to another for the rest of a poll.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) core: Held,
    pub(super) holder: Holder,
    /// Whether a reactor is being turned or a hook called: what is woken then is a batch, and goes into
    /// the ring.
    keeps_core: Cell<bool>,
    /// The runtime's setting, nearer than there.
    times_polls: bool,
    /// Up to when the time is accounted for that this core was busy.
    accounted: Cell<Moment>,
    punctual: OnceCell<Punctual>,
}

/// On whose behalf a thread holds a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The runtime's: it is one of its threads.
    Thread,
    /// That of a caller of `block_on`.
    Caller,
    /// To end the runtime.
    Shutdown,
}

/// Why a worker stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The root future is ready.
    RootReady,
    /// Somebody waits for the core.
    Wanted,
    /// The core was lent.
    Lent,
    ShutDown,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, core: Core, holder: Holder) -> Self {
        Self {
            times_polls: shared.measure_task_time,
            shared,
            core: Held::new(core),
            holder,
            keeps_core: Cell::new(false),
            accounted: Cell::new(0),
            punctual: OnceCell::new(),
        }
    }

    pub(super) fn into_parts(self) -> (Arc<Shared>, Option<Core>) {
        (self.shared, self.core.into_inner())
    }

    pub(super) fn core_index(&self) -> usize {
        self.core.get().index()
    }

    pub(super) fn ring(&self) -> &Local<Runnable> {
        &self.core.get().ring
    }

    pub(super) fn watched(&self) -> &RefCell<Vec<usize>> {
        &self.core.get().watched
    }

    pub(super) fn remote(&self) -> &Remote {
        &self.core.get().remote
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.remote().activity
    }

    fn reactor(&self) -> &Reactor {
        self.shared.reactors.get(self.core_index())
    }

    /// Whether the core is needed for what the thread is doing.
    pub(super) fn keeps_core(&self) -> bool {
        self.keeps_core.get() || self.holder == Holder::Shutdown
    }

    /// Whether nobody asked for the attention of this sleeping core.
    pub(super) fn is_undisturbed(&self) -> bool {
        self.reactor().is_undisturbed()
    }

    /// When the clock was read last.
    pub(super) fn last_reading(&self) -> Moment {
        self.activity().turned_at.load(Relaxed)
    }

    /// Runs tasks, and the root future whenever it is woken, until something stops it.
    pub(super) fn run(&self, root: &mut impl Root) -> Stop {
        let now = self.shared.clock.now();
        self.accounted.set(now);
        self.core.get().pace.restart(self.activity(), now);
        self.ensure_watch();
        let stop = self.run_until_stopped(root);
        // A root may be ready though the core was lent in its last poll.
        if !self.core.is_empty() {
            self.account(self.shared.clock.now());
        }
        stop
    }

    fn run_until_stopped(&self, root: &mut impl Root) -> Stop {
        // Tasks that go before the root because it has woken itself.
        let mut before_root = 0;
        loop {
            if before_root > 0 {
                before_root -= 1;
            } else if root.is_woken() {
                self.stop_searching();
                self.activity().begin_root(root.location());
                if root.poll_if_woken() {
                    return Stop::RootReady;
                }
                if self.core.is_empty() {
                    return Stop::Lent;
                }
                if root.is_woken() {
                    before_root = self.core.get().ready().saturating_sub(1);
                }
            }
            let core = self.core.get();
            let mut task = None;
            if core.pace.tick(&core.remote.activity) && self.look_outside_if_due() {
                if self.shared.shut_down.load(SeqCst) {
                    return Stop::ShutDown;
                }
                task = self.take_injected();
            }
            let task = task
                .or_else(|| core.take(&self.shared.injector))
                .or_else(|| self.take_injected())
                .or_else(|| self.search());
            if let Some(task) = task {
                self.run_task(task);
                if self.core.is_empty() {
                    return Stop::Lent;
                }
                continue;
            }
            before_root = 0;
            if let Some(stop) = self.rest(root) {
                return stop;
            }
        }
    }

    /// Looks outside, if the clock says that it is time; true if so.
    #[cold]
    fn look_outside_if_due(&self) -> bool {
        let activity = self.activity();
        let now = self.shared.clock.now();
        if activity.next_reading.load(Relaxed) == 0 {
            self.report_blocked(now);
        }
        let due = self.core.get().pace.read(activity, now);
        if due {
            self.look_outside(now);
        }
        due
    }

    /// Runs a task. The core may be lent when this returns.
    #[inline]
    fn run_task(&self, task: Runnable) {
        if self.core.get().searching.get() {
            self.stop_searching();
        }
        self.activity().begin_poll(task.header());
        coop::renew();
        if self.times_polls {
            task.run_timed();
        } else {
            task.run();
        }
    }

    /// Takes note of a task's end.
    #[inline]
    pub(super) fn has_ended(&self, task: &Header) {
        let remote = self.remote();
        remote.tally.ended();
        remote.activity.end_task(task);
    }

    /// Takes a task that was woken on this thread.
    #[inline]
    pub(super) fn push(&self, task: Runnable) {
        let core = self.core.get();
        if self.keeps_core.get() {
            return core.ring.push(task, &self.shared.injector);
        }
        // A lone task in the slot wakes nobody: it runs here as soon as the current one waits.
        if let Some(displaced) = core.remote.put_next(task) {
            self.push_behind(displaced);
        }
    }

    /// Lets the outside have its turn when all that is ready here has run.
    pub(super) fn hasten_look(&self) {
        let core = self.core.get();
        core.pace.hasten(&core.remote.activity, core.ready());
    }

    /// Puts a task behind all that is ready here.
    pub(super) fn push_behind(&self, task: Runnable) {
        match self.ring().try_push(task) {
            Ok(()) => self.share(),
            Err(full) => self.push_overflowing(full),
        }
    }

    /// As [`push_behind`](Self::push_behind), for when the ring is full. Apart from that, which so needs no stack.
    #[cold]
    fn push_overflowing(&self, full: Full<Runnable>) {
        self.ring().push_full(full, &self.shared.injector);
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

    /// Takes a task from the injector, and this core's share of the others behind it into the ring.
    fn take_injected(&self) -> Option<Runnable> {
        let injector = &self.shared.injector;
        if injector.is_empty() {
            return None;
        }
        let task = injector.pop()?;
        if injector.pop_share_into(self.ring(), self.shared.cores.len()) > 0 {
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
        let core = self.core.get();
        if !core.searching.get() {
            if !self.shared.idle.start_searching() {
                return None;
            }
            core.searching.set(true);
        }
        let start = core.random_below(cores.len());
        let victims = cores[start..].iter().chain(&cores[..start]);
        let mut victims = victims.filter(|victim| !Arc::ptr_eq(victim, &core.remote));
        let stolen = victims.find_map(|victim| victim.ring.steal_into(&core.ring));
        core.remote.activity.steals.add(u64::from(stolen.is_some()));
        stolen
    }

    /// Ends the search, if there is one, because what comes may take long. If it was the last search,
    /// others may have relied on it.
    #[inline]
    fn stop_searching(&self) {
        if self.core.get().searching.take() && self.shared.idle.stop_searching() {
            if self.shared.has_visible_work() {
                self.shared.wake_searcher();
            } else {
                self.ensure_watch();
            }
        }
    }

    /// Turns the reactor without waiting, so that a busy core hears of its sockets, and looks after siblings.
    fn look_outside(&self, now: Moment) {
        self.account(now);
        if self.reactor().has_sources() || !self.watched().borrow().is_empty() {
            self.turn(Some(Duration::ZERO));
        } else {
            self.core.get().pace.restart(self.activity(), now);
            self.fire_timers(now);
        }
        self.pass_by(now);
        if self.ring().len() > 0 {
            self.share_surely();
        }
    }

    /// Turns the reactor and the wheel, and does what is to be done for siblings who are watched. True if
    /// there was something for this core.
    pub(super) fn turn(&self, timeout: Option<Duration>) -> bool {
        let turned = self.turn_any(|events| self.reactor().turn(events, timeout));
        let now = self.shared.clock.now();
        let activity = self.activity();
        self.core.get().pace.restart(activity, now);
        activity.turns.add(1);
        activity.events.add(turned.events as u64);
        let fired = self.fire_timers(now);
        let attended = self.attend(&turned.siblings, now);
        fired || attended || turned.events > 0
    }

    /// Turns a reactor.
    pub(super) fn turn_any(&self, turn: impl FnOnce(&mut Events) -> Turned) -> Turned {
        self.keep_core(|| turn(&mut self.core.get().events.borrow_mut()))
    }

    /// Has this thread's sleeps end when they should, from now until it lets go of the core.
    pub(super) fn be_punctual(&self) {
        self.punctual.get_or_init(Punctual::begin);
    }

    /// After the clock was moved by hand: counts the time from here.
    pub(super) fn begin_again(&self, now: Moment) {
        self.accounted.set(now);
        self.core.get().pace.restart(self.activity(), now);
    }

    /// Lets foreign code be called that is no poll: what it wakes comes as a batch, and it cannot lend the
    /// core.
    pub(super) fn keep_core<R>(&self, f: impl FnOnce() -> R) -> R {
        let before = self.keeps_core.replace(true);
        let result = f();
        self.keeps_core.set(before);
        result
    }

    /// Whether the core should go to somebody who waits for one.
    fn is_wanted(&self) -> bool {
        self.holder == Holder::Thread && self.shared.lending.is_wanted()
    }

    /// Adds the time since the last call to the time this core was busy, and what the thread has counted.
    fn account(&self, now: Moment) {
        let busy = now.saturating_sub(self.accounted.replace(now));
        let activity = self.activity();
        activity.busy.add(busy);
        activity
            .forced_yields
            .add(coop::take_forced_yields().into());
        let polls = activity.ticks.load(Relaxed);
        self.core.get().strain.worked(busy, polls);
    }

    /// Sleeps in the reactor until there is something to do.
    fn rest(&self, root: &impl Root) -> Option<Stop> {
        let shared = &*self.shared;
        let me = self.core_index();
        self.activity().untick();
        if shared.shut_down.load(SeqCst) {
            return Some(Stop::ShutDown);
        }
        if self.is_wanted() {
            return Some(Stop::Wanted);
        }
        // Woken by itself, or by a task here: that writes no wake-up.
        if root.is_woken() {
            return None;
        }
        let now = shared.clock.now();
        self.account(now);
        if self.pass_by(now) {
            if self.ring().len() > 1 {
                self.share_surely();
            }
            return None;
        }
        let strain = &self.core.get().strain;
        if strain.has_time() {
            let found = self.help_sleeper(now);
            strain.looked(found);
            if found {
                return None;
            }
        }
        shared.idle.enter(me);
        let last = if self.core.get().searching.replace(false) {
            shared.idle.stop_searching()
        } else {
            !shared.idle.is_searched()
        };
        if last && shared.has_visible_work() {
            // The core takes its bit back and is a searcher again, by its own token or by that of whoever
            // was faster.
            shared.idle.claim(me);
            self.core.get().searching.set(true);
            return None;
        }
        let reactor = self.reactor();
        if !self.is_wanted() && reactor.fall_asleep() {
            self.activity().parks.add(1);
            self.keep_core(|| Hooks::call(&shared.hooks.thread_park));
            // Unless the hook has brought work, of which this thread hears in no other way.
            if self.ring().len() == 0 && !root.is_woken() {
                self.sleep();
            }
            self.keep_core(|| Hooks::call(&shared.hooks.thread_unpark));
            self.accounted.set(self.last_reading());
        }
        reactor.wake_up();
        if !shared.idle.leave(me) {
            self.core.get().searching.set(true);
        }
        self.ensure_watch();
        let strain = &self.core.get().strain;
        strain.rested(self.last_reading().saturating_sub(now));
        if strain.calls_for_help(self.ring().len()) {
            self.share_surely();
        }
        None
    }
}

//! Rescue: a worker whose task blocks delays nobody but that task.
//!
//! With a reactor and a queue per core, what waits for a blocked core would wait while others are idle. So
//! whoever passes by, falling asleep or at a look outside, and finds that nobody has looked for
//! [`PERIOD`], looks after the siblings: one that is awake and has not turned its reactor for
//! [`OVERDUE`] is helped. Its reactor is turned, half of its ring is stolen, and the task in its LIFO slot
//! is taken. From then on the helper's own poller watches the stuck one's, so that later events come at once.
//!
//! A sibling who sleeps may be blocked as well, in a way: it has been woken, and waits for a CPU, which can
//! take some milliseconds on a machine that has more to do. Whoever passes by has a CPU, so it turns the
//! reactor of one sleeper too, mostly in vain.
//!
//! Somebody must pass by. While any core is busy, up to [`KEEPERS`] of the idle ones keep the *watch*: they
//! sleep with a time-out. Two, so that one can go to work and the watch needs not be handed on at each
//! event. After [`QUIET`] naps in which all cores were idle a keeper sleeps for good; an idle runtime makes no system
//! call. So a core that begins to work while nobody keeps the watch wakes a sibling, who will.
//!
//! What always holds: while a core is not idle and another is, somebody keeps the watch, or a sibling is
//! awake and will pass by. Who gives up the watch takes itself off the count and *then* looks whether all
//! are idle; who begins to work takes its idle bit and *then* looks at the count. All of that is
//! sequentially consistent, so one sees the other.
//!
//! Nothing here is needed for a task to run: it is all about how soon. A thread of its own, which would
//! never be busy, was rejected: it would wake an idle program, and be one context switch further away.

use std::collections::VecDeque;
use std::time::Duration;

use super::Shared;
use super::activity::Poll;
use super::hooks::BlockedTask;
use super::worker::Worker;
use crate::contain::contain;
use crate::sync::Mutex;
use crate::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use crate::task::Id;
use crate::timer::Moment;

/// Nanoseconds between looks of those who are awake.
const PERIOD: Moment = 1_000_000;
/// A core that has not turned its reactor for so many nanoseconds is helped.
const OVERDUE: Moment = 500_000;
/// Nanoseconds between looks of those who keep the watch, and have to be woken for it.
const NAP: Moment = 2_000_000;
/// How many sleeping cores keep the watch.
const KEEPERS: usize = 2;
/// Naps without work after which a keeper sleeps for good.
const QUIET: u8 = 10;
/// Polls that take so many nanoseconds are remembered.
pub(super) const BLOCKED: Moment = 5_000_000;
/// How many of them.
const REMEMBERED: usize = 16;

/// Who passes by, and what was seen.
pub(super) struct Watch {
    keepers: AtomicUsize,
    /// When the next look is due. Std's, and relaxed: a look too many does no harm.
    next_look: std::sync::atomic::AtomicU64,
    blocked: Mutex<Blocked>,
}

/// The polls that have blocked their core.
#[derive(Default)]
struct Blocked {
    count: u64,
    last: VecDeque<BlockedTask>,
}

/// A poll that was found to be blocking its core.
pub(super) struct Sighting {
    poll: Poll,
    /// When the core turned its reactor last, before that poll.
    since: Moment,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            keepers: AtomicUsize::new(0),
            next_look: std::sync::atomic::AtomicU64::new(0),
            blocked: Mutex::new(Blocked::default()),
        }
    }

    /// Joins the watch, if it is not complete.
    fn join(&self) -> bool {
        let join = |keepers| (keepers < KEEPERS).then_some(keepers + 1);
        self.keepers.fetch_update(SeqCst, SeqCst, join).is_ok()
    }

    /// Gives up the watch. What must not be overlooked has to be looked at after this.
    fn leave(&self) {
        self.keepers.fetch_sub(1, SeqCst);
    }

    fn is_kept(&self) -> bool {
        self.keepers.load(SeqCst) > 0
    }

    /// Whether a look is due. If so, the caller is to take it.
    fn is_due(&self, now: Moment) -> bool {
        let due = now >= self.next_look.load(Relaxed);
        if due {
            self.next_look.store(now + PERIOD, Relaxed);
        }
        due
    }

    fn remember(&self, task: BlockedTask) {
        let mut blocked = self.blocked.lock();
        blocked.count += 1;
        if blocked.last.len() == REMEMBERED {
            blocked.last.pop_front();
        }
        blocked.last.push_back(task);
    }

    /// How many polls have blocked their core, and the last of them.
    pub(super) fn blocked(&self) -> (u64, Vec<BlockedTask>) {
        let blocked = self.blocked.lock();
        (blocked.count, blocked.last.iter().cloned().collect())
    }
}

impl Shared {
    /// Whether a core is busy and has not looked outside for long. A hint: a core may be helped at any time.
    fn is_overdue(&self, core: usize, now: Moment) -> bool {
        let turned_at = self.cores[core].activity.turned_at.load(Relaxed);
        now.saturating_sub(turned_at) >= OVERDUE
            && !self.reactors.get(core).is_asleep()
            && !self.cores[core].dormant.load(SeqCst)
    }

    /// Whether cores are busy and nobody keeps the watch over them.
    pub(super) fn lacks_watch(&self) -> bool {
        self.has_workers() && self.cores.len() > 1 && !self.watch.is_kept() && !self.idle.all()
    }

    /// Notes which poll blocks a core, so that the core can report it when that is over.
    fn note_blocked(&self, core: usize) {
        let activity = &self.cores[core].activity;
        let Some(poll) = activity.poll() else {
            return;
        };
        let mut sighting = self.cores[core].sighting.lock();
        if sighting
            .as_ref()
            .is_none_or(|known| known.poll.number != poll.number)
        {
            let since = activity.turned_at.load(Relaxed);
            *sighting = Some(Sighting { poll, since });
        }
        activity.ask_for_look();
    }
}

impl Worker {
    /// Wakes a sibling to keep the watch, if nobody does. For a core that begins to work, after it has
    /// taken its idle bit.
    pub(super) fn ensure_watch(&self) {
        if self.shared.cores.len() > 1 && !self.shared.watch.is_kept() {
            self.shared.wake_searcher();
        }
    }

    /// Sleeps in the reactor until something happens; keeps the watch meanwhile, if it is not complete.
    pub(super) fn sleep(&self) {
        let shared = &*self.shared;
        // The turn may have taken the wake-up that was written for this sleep.
        if shared.clock.is_stopped()
            && (self.turn(Some(Duration::ZERO)) || self.jump() || !self.is_undisturbed())
        {
            return;
        }
        let mut quiet = 0;
        loop {
            let keeps_watch = shared.cores.len() > 1 && quiet < QUIET && shared.watch.join();
            let look = keeps_watch.then_some(Duration::from_nanos(NAP));
            let timers = self.until_next_timer();
            if timers.is_some() {
                self.be_punctual();
            }
            let happened = self.turn(look.into_iter().chain(timers).min());
            if !keeps_watch {
                return;
            }
            shared.watch.leave();
            // Whoever was to take what was injected may be blocked before it has found it.
            if happened || !self.is_undisturbed() || !shared.injector.is_empty() {
                return;
            }
            quiet = if shared.idle.all() { quiet + 1 } else { 0 };
            if self.look_after_siblings(self.last_reading()) {
                return;
            }
        }
    }

    /// Helps siblings who need it, if it is time to look; true if that has brought tasks.
    pub(super) fn look_after_siblings(&self, now: Moment) -> bool {
        self.shared.watch.is_due(now) && self.help_siblings(now)
    }

    /// As [`look_after_siblings`](Self::look_after_siblings), for a core that has work: its thread may have
    /// the CPU for which the thread of a sibling who sleeps would have to wait when it is woken.
    pub(super) fn pass_by(&self, now: Moment) -> bool {
        self.shared.cores.len() > 1
            && self.shared.watch.is_due(now)
            && (self.help_siblings(now) | self.help_sleeper(now))
    }

    fn help_siblings(&self, now: Moment) -> bool {
        let shared = &*self.shared;
        self.unwatch(|core| !shared.is_overdue(core, now));
        let mut found = false;
        for core in (0..shared.cores.len()).filter(|&core| core != self.core_index()) {
            found |= shared.is_overdue(core, now) && self.rescue(core);
        }
        found
    }

    /// Does what one of the sleeping siblings would be woken for, each time another's; true if that has
    /// brought tasks.
    pub(super) fn help_sleeper(&self, now: Moment) -> bool {
        let shared = &*self.shared;
        let cores = shared.cores.len();
        if cores == 1 {
            return false;
        }
        let distance = 1 + self.core.get().random_below(cores - 1);
        let sibling = (self.core_index() + distance) % cores;
        let reactor = shared.reactors.get(sibling);
        if !reactor.is_asleep() {
            return false;
        }
        let fired = self.keep_core(|| shared.timers.of(sibling).fire(now));
        let turned = reactor
            .has_sources()
            .then(|| self.turn_any(|events| reactor.help(events)));
        fired > 0 || turned.is_some_and(|turned| turned.events > 0)
    }

    /// Takes over what waits for a core; true if that has brought tasks.
    pub(super) fn rescue(&self, stuck: usize) -> bool {
        let shared = &*self.shared;
        let turned = self.turn_any(|events| shared.reactors.get(stuck).help(events));
        let events = turned.events;
        // What that core has watched is nothing that a helper should be called for.
        for &sibling in &turned.siblings {
            shared.reactors.forget(stuck, sibling);
        }
        let fired = self.keep_core(|| shared.timers.of(stuck).fire(shared.clock.now()));
        let stolen = shared.cores[stuck].ring.steal_into(self.ring());
        let next = shared.cores[stuck].take_next();
        let found = events > 0 || fired > 0 || stolen.is_some() || next.is_some();
        let tasks = stolen.into_iter().chain(next);
        tasks.for_each(|task| self.ring().push(task, &shared.injector));
        if found {
            self.activity().rescues.add(1);
        }
        if self.watched().borrow().contains(&stuck) {
            return found;
        }
        shared.note_blocked(stuck);
        shared.reactors.watch(self.core_index(), stuck);
        self.watched().borrow_mut().push(stuck);
        found
    }

    /// Deals with watched siblings whose events were reported here, or whose timers are due. True if there was
    /// something to do.
    pub(super) fn attend(&self, siblings: &[usize], now: Moment) -> bool {
        let shared = &*self.shared;
        if self.watched().borrow().is_empty() {
            return !siblings.is_empty();
        }
        let next = |core| shared.timers.of(core).next();
        let has_due = |&core: &usize| next(core).is_some_and(|next| next <= now);
        let mut due = self.watched().borrow().clone();
        due.retain(|core| siblings.contains(core) || has_due(core));
        for &core in &due {
            if shared.is_overdue(core, now) {
                self.rescue(core);
            }
        }
        self.unwatch(|core| due.contains(&core) && !shared.is_overdue(core, now));
        !due.is_empty() || !siblings.is_empty()
    }

    /// Stops watching the siblings that have recovered.
    fn unwatch(&self, has_recovered: impl Fn(usize) -> bool) {
        self.watched().borrow_mut().retain(|&core| {
            let recovered = has_recovered(core);
            if recovered {
                self.shared.reactors.forget(self.core_index(), core);
            }
            !recovered
        });
    }

    /// Reports the poll before, if a sibling has found that it blocked this core.
    pub(super) fn report_blocked(&self, now: Moment) {
        let remote = self.remote();
        let Some(Sighting { poll, since }) = remote.sighting.lock().take() else {
            return;
        };
        let took = now.saturating_sub(since);
        let (false, Some(spawned_at)) = (took < BLOCKED, poll.spawned_at) else {
            return;
        };
        if remote.activity.poll_number() != poll.number + 1 {
            // The end of that poll was not noticed in time.
            return;
        }
        let task = BlockedTask {
            id: Id::from_u64(poll.task),
            spawned_at,
            worker: self.core_index(),
            duration: Duration::from_nanos(took),
        };
        if let Some((threshold, hook)) = &self.shared.hooks.blocked {
            if task.duration >= *threshold {
                self.keep_core(|| contain(|| hook(&task)));
            }
        }
        self.shared.watch.remember(task);
    }
}

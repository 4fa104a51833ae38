//! What cores do for their timers.
//!
//! A timer is started with the core whose holder asks for it, so nobody else has to hear of it: the holder
//! looks at its wheel before it sleeps, and the first deadline is its time-out. Only a thread that holds no
//! core starts a timer for others, and then has somebody look.
//!
//! What always holds: a core that has timers is held by somebody who turns its wheel, or waits for a
//! `block_on`; and if its holder is blocked, whoever rescues it turns the wheel.

use std::task::Waker;
use std::time::Duration;

use super::worker::Worker;
use super::{Shared, context};
use crate::sync::atomic::{
    Ordering::{Relaxed, SeqCst},
    fence,
};
use crate::timer::{Moment, NEVER, Timer, Turners};

/// A deadline that is farther away than this since the core's last look at the clock is not past. Nearer
/// ones are worth a look.
const NEAR: Moment = 2_000_000;

/// What came of starting a timer.
pub(crate) enum Started {
    /// Nothing: the moment is past.
    Past,
    Waiting(Timer),
    /// Nothing: the runtime has ended.
    Ended,
}

/// Starts a timer of the current runtime with the core that this thread holds; `None` if it holds none.
#[inline]
pub(crate) fn start_timer(deadline: Moment, waker: &Waker) -> Option<Started> {
    context::with_current_worker(|worker| Some(worker?.start_timer(deadline, waker)))
}

/// Moves a timer to another deadline, and to the core of its runtime that this thread holds, if it holds one;
/// false if it has fired.
pub(crate) fn reset_timer(timer: &mut Timer, deadline: Moment) -> bool {
    context::with_any_worker(|worker| {
        let Some(worker) = worker.filter(|worker| worker.shared.timers.have(timer)) else {
            let waits = timer.reset(deadline);
            if waits {
                timer.call_turner();
            }
            return waits;
        };
        if timer.core() == worker.core_index() {
            return timer.reset(deadline);
        }
        let Some(waker) = timer.cancel() else {
            return false;
        };
        match worker.core.get().timers.start(deadline, waker) {
            Ok(moved) => *timer = moved,
            // The end has come, which wakes who waits.
            Err(waker) => {
                waker.wake();
                return false;
            }
        }
        true
    })
}

impl Turners for Shared {
    /// *Ordering:* who is about to sleep announces that, and then looks at the timers, under their lock; so
    /// either it finds what was just placed there, or the notice finds the sleeper.
    fn call(&self, core: usize) {
        self.reactors.get(core).notify();
        self.ensure_driven(core);
    }
}

impl Shared {
    /// As [`start_timer`], from a thread that holds no core of the runtime.
    pub(crate) fn start_timer_from_outside(&self, deadline: Moment, waker: &Waker) -> Started {
        if self.is_past(deadline) {
            return Started::Past;
        }
        match self.place_timer(deadline, waker.clone()) {
            Some(timer) => Started::Waiting(timer),
            None => Started::Ended,
        }
    }

    /// Starts a timer with any core, whose holder is made to look; `None` if the runtime has ended.
    pub(super) fn place_timer(&self, deadline: Moment, waker: Waker) -> Option<Timer> {
        let core = self.next_core_in_turn();
        let timer = self.timers.of(core).start(deadline, waker).ok()?;
        self.call(core);
        Some(timer)
    }

    /// Whether a moment is past.
    pub(crate) fn is_past(&self, moment: Moment) -> bool {
        moment <= self.clock.now()
    }

    /// After a clock that stands was moved: fires the timers of this thread's core that are due. Returns how
    /// many. A thread without a core has its holder do that.
    pub(crate) fn fire_due_timers(&self) -> usize {
        context::with_worker(self, |worker| {
            let Some(worker) = worker else {
                self.time_has_changed();
                return 0;
            };
            let (now, mut fired) = (self.clock.now(), 0);
            let timers = self.timers.of(worker.core_index());
            while timers.next().is_some_and(|next| next <= now) {
                fired += worker.keep_core(|| timers.fire(now));
            }
            worker.begin_again(now);
            fired
        })
    }

    /// Notes that something has begun which time must not jump over.
    pub(crate) fn hold_time(&self) {
        self.holding_time.fetch_add(1, SeqCst);
    }

    /// Undoes [`hold_time`](Self::hold_time).
    ///
    /// *Ordering:* the fence goes with that of [`Worker::jump`]: it finds the count without this, or this
    /// finds it asleep.
    pub(crate) fn release_time(&self) {
        if self.holding_time.fetch_sub(1, SeqCst) == 1 && self.clock.is_controlled() {
            self.time_has_changed();
        }
    }

    /// Has whoever holds the core of a runtime without workers look what time it is, and what time may do.
    pub(crate) fn time_has_changed(&self) {
        fence(SeqCst);
        self.reactors.get(0).notify();
    }
}

impl Worker {
    /// Starts a timer with this core.
    #[inline]
    fn start_timer(&self, deadline: Moment, waker: &Waker) -> Started {
        // Foreign code, so nothing of the core is borrowed meanwhile.
        let waker = waker.clone();
        let core = self.core.get();
        let last_reading = core.remote.activity.turned_at.load(Relaxed);
        if deadline <= last_reading + NEAR && self.shared.is_past(deadline) {
            return Started::Past;
        }
        match core.timers.start(deadline, waker) {
            Ok(timer) => Started::Waiting(timer),
            Err(_waker) => Started::Ended,
        }
    }

    /// Wakes those whose time has come on this core; true if there were any.
    #[inline]
    pub(super) fn fire_timers(&self, now: Moment) -> bool {
        self.keep_core(|| self.core.get().timers.fire(now)) > 0
    }

    /// How long this core may sleep for its timers, and for those of siblings who are stuck.
    pub(super) fn until_next_timer(&self) -> Option<Duration> {
        let watched = self.watched().borrow();
        let others = watched.iter();
        let others = others.filter_map(|&core| self.shared.timers.of(core).next());
        let own = self.core.get().timers.next_before_sleep();
        let next = own.into_iter().chain(others).min()?;
        // A clock that stands does not get there.
        let clock = &self.shared.clock;
        (!clock.is_stopped()).then(|| Duration::from_nanos(next.saturating_sub(clock.now())))
    }

    /// With a clock that stands, and nothing to do: moves it to the next deadline. True if that has fired
    /// a timer.
    pub(super) fn jump(&self) -> bool {
        let shared = &*self.shared;
        fence(SeqCst);
        let is_held = shared.holding_time.load(SeqCst) > 0 || !shared.injector.is_empty();
        if is_held || !self.is_undisturbed() {
            return false;
        }
        // What comes next may be no deadline yet, but the moment at which the wheel can tell more.
        while let Some(next) = self.core.get().timers.next() {
            if next >= NEVER {
                break;
            }
            shared.clock.advance_to(next);
            let fired = self.fire_timers(next);
            self.begin_again(next);
            if fired {
                return true;
            }
        }
        false
    }
}

//! Timers: a wheel per core, and the clock that they go by.
//!
//! Each core has a wheel behind a lock of its own, which its holder takes mostly alone. A timer stays with
//! the core that it was started on; whoever holds the core turns its wheel, and anybody may. A [`Timer`] refers
//! to its wheel and not to the runtime, so cores that start and end timers write to nothing in common.
//!
//! What always holds:
//! - No waker is woken, cloned or dropped while a wheel is locked.
//! - Once the timers are closed none is left, and none is started.
//!
//! | file | one idea |
//! |---|---|
//! | `wheel.rs` | one core's timers, in order |
//! | `clock.rs` | what time it is, also while a test holds the clock |

mod clock;
#[cfg(all(test, loom))]
mod models;
mod wheel;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Waker;

pub(crate) use self::clock::{Clock, Moment, NEVER};
use self::wheel::{Stale, TimerKey, Wheel};
use crate::contain::contain;
use crate::sync::Mutex;

/// What one turn of a wheel does at most, so that a million timers that are due at once leave turns to
/// others.
const LIMIT: usize = 128;

/// All timers of a runtime, those of each core for themselves.
pub(crate) struct Timers(Box<[Arc<Lane>]>);

/// Those who turn the wheels.
pub(crate) trait Turners: Send + Sync {
    /// Has whoever holds a core look at its timers again before it sleeps, or sleeps on.
    fn call(&self, core: usize);
}

/// The timers of one core, on cache lines of their own.
#[repr(align(128))]
pub(crate) struct Lane {
    core: usize,
    turners: Weak<dyn Turners>,
    contents: Mutex<Contents>,
    /// A moment before which nothing fires, to spare a look. Written under the lock, and read without: who
    /// sees an old value looks again, with the lock, before it sleeps.
    quiet_until: AtomicU64,
}

struct Contents {
    wheel: Wheel,
    closed: bool,
}

/// A timer. It ends when this is dropped.
pub(crate) struct Timer {
    lane: Arc<Lane>,
    key: TimerKey,
}

/// What became of a timer that somebody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Waiting,
    Fired,
    /// It will not fire: the runtime has ended.
    Closed,
}

impl Look {
    fn gone(closed: bool) -> Self {
        match closed {
            true => Self::Closed,
            false => Self::Fired,
        }
    }
}

impl Timers {
    pub(crate) fn new(cores: usize, turners: Weak<dyn Turners>) -> Self {
        let lane = |core| Lane {
            core,
            turners: turners.clone(),
            contents: Mutex::new(Contents {
                wheel: Wheel::new(),
                closed: false,
            }),
            quiet_until: AtomicU64::new(Moment::MAX),
        };
        Self((0..cores).map(lane).map(Arc::new).collect())
    }

    /// Those of a core.
    pub(crate) fn of(&self, core: usize) -> &Arc<Lane> {
        &self.0[core]
    }

    /// Whether a timer is one of these.
    pub(crate) fn have(&self, timer: &Timer) -> bool {
        let lane = self.0.get(timer.lane.core);
        lane.is_some_and(|lane| Arc::ptr_eq(lane, &timer.lane))
    }

    /// Timers that have yet to fire.
    pub(crate) fn len(&self) -> usize {
        let lanes = self.0.iter();
        lanes.map(|lane| lane.contents.lock().wheel.len()).sum()
    }

    /// Ends the timers of all cores, and wakes all who wait, to hear of it.
    pub(crate) fn close(&self) {
        for lane in &self.0 {
            let mut due = Vec::new();
            {
                let mut lane = lane.contents.lock();
                lane.closed = true;
                while lane.wheel.expire(Moment::MAX, usize::MAX, &mut due) {}
            }
            due.into_iter().for_each(|waker| contain(|| waker.wake()));
        }
    }
}

impl Lane {
    /// Starts a timer; gives the waker back after the end.
    #[inline(always)]
    pub(crate) fn start(self: &Arc<Self>, deadline: Moment, waker: Waker) -> Result<Timer, Waker> {
        let mut contents = self.contents.lock();
        if contents.closed {
            return Err(waker);
        }
        self.expect(deadline);
        let key = contents.wheel.insert(deadline, waker);
        drop(contents);
        let lane = self.clone();
        Ok(Timer { lane, key })
    }

    /// Wakes those whose time has come, but not too many at once. Returns how many.
    pub(crate) fn fire(&self, now: Moment) -> usize {
        if now < self.quiet_until.load(Relaxed) {
            return 0;
        }
        let mut due = Vec::with_capacity(LIMIT);
        {
            let wheel = &mut self.contents.lock().wheel;
            wheel.expire(now, LIMIT, &mut due);
            let next = wheel.next_deadline().unwrap_or(Moment::MAX);
            self.quiet_until.store(next, Relaxed);
        }
        let fired = due.len();
        due.into_iter().for_each(|waker| contain(|| waker.wake()));
        fired
    }

    /// When the wheel has to be turned next.
    #[inline]
    pub(crate) fn next(&self) -> Option<Moment> {
        self.next_of(&self.contents.lock().wheel)
    }

    /// As [`next`](Self::next), for a core that has nothing else to do: if there are no timers any more, the
    /// memory of many is given back.
    pub(crate) fn next_before_sleep(&self) -> Option<Moment> {
        let mut contents = self.contents.lock();
        let next = self.next_of(&contents.wheel);
        let spare = contents.wheel.take_spare();
        drop(contents);
        drop(spare);
        next
    }

    /// Of two lower bounds of the first deadline the later one.
    fn next_of(&self, wheel: &Wheel) -> Option<Moment> {
        let next = wheel.next_deadline()?;
        Some(next.max(self.quiet_until.load(Relaxed)))
    }

    /// Notes, under the lock, that something may fire at a moment.
    fn expect(&self, moment: Moment) {
        if moment < self.quiet_until.load(Relaxed) {
            self.quiet_until.store(moment, Relaxed);
        }
    }
}

impl Timer {
    pub(crate) fn core(&self) -> usize {
        self.lane.core
    }

    /// Moves it to another deadline; false if it has fired.
    pub(crate) fn reset(&self, deadline: Moment) -> bool {
        let mut contents = self.lane.contents.lock();
        self.lane.expect(deadline);
        contents.wheel.reset(self.key, deadline)
    }

    /// Has whoever holds its core look when the first timer is due.
    pub(crate) fn call_turner(&self) {
        if let Some(turners) = self.lane.turners.upgrade() {
            turners.call(self.lane.core);
        }
    }

    /// Looks whether it has fired; otherwise it will wake this waker.
    #[inline]
    pub(crate) fn look(&self, waker: &Waker) -> Look {
        let lane = &self.lane.contents;
        let known = {
            let contents = lane.lock();
            contents
                .wheel
                .wakes(self.key, waker)
                .map_err(|Stale| contents.closed)
        };
        match known {
            Ok(true) => return Look::Waiting,
            Ok(false) => {}
            Err(closed) => return Look::gone(closed),
        }
        // A clone is foreign code too, and may take locks of its own.
        let waker = waker.clone();
        let mut contents = lane.lock();
        let closed = contents.closed;
        let replaced = contents.wheel.set_waker(self.key, waker);
        drop(contents);
        match replaced {
            Ok(_dropped) => Look::Waiting,
            Err(_dropped) => Look::gone(closed),
        }
    }

    /// Whether it has yet to fire.
    pub(crate) fn is_live(&self) -> bool {
        self.lane.contents.lock().wheel.is_live(self.key)
    }

    /// Ends it, and gives its waker back if it has not fired.
    #[inline]
    pub(crate) fn cancel(&self) -> Option<Waker> {
        self.lane.contents.lock().wheel.cancel(self.key)
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        drop(self.cancel());
    }
}

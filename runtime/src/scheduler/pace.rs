//! When a busy core looks at the outside.
//!
//! A core that always has a task ready must all the same turn its reactor and look at the injector:
//! after [`INTERVAL`] tasks at the latest, and sooner when tasks take long, for 61 handlers of a
//! millisecond each would keep sockets waiting for 61 ms. Reading the clock costs as much as a short
//! task, so it is read after 2 tasks, 4, 8, 16 and 32: five times in an interval, and with handlers of a
//! millisecond the fourth is the last before the outside has its turn.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Tasks between two looks at the outside; loom's models get by with few.
#[cfg(not(loom))]
const INTERVAL: u32 = 61;
#[cfg(loom)]
const INTERVAL: u32 = 3;
/// Tasks before the clock is read for the first time.
const FIRST_READING: u32 = 2;
/// A core that was busy for so long looks at the outside; in loom's models no clock decides anything.
#[cfg(not(loom))]
const LONG: Duration = Duration::from_millis(1);
#[cfg(loom)]
const LONG: Duration = Duration::MAX;

pub(super) struct Pace {
    /// Tasks since the last look at the outside.
    ticks: Cell<u32>,
    next_reading: Cell<u32>,
    /// The first reading since then.
    since: Cell<Option<Instant>>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            ticks: Cell::new(0),
            next_reading: Cell::new(FIRST_READING),
            since: Cell::new(None),
        }
    }

    /// Counts a task; true if the outside has its turn before it.
    #[inline]
    pub(super) fn tick(&self) -> bool {
        let ticks = self.ticks.get() + 1;
        self.ticks.set(ticks);
        ticks > self.next_reading.get() && self.read(ticks)
    }

    fn read(&self, ticks: u32) -> bool {
        if ticks > INTERVAL {
            return true;
        }
        self.next_reading
            .set((2 * self.next_reading.get()).min(INTERVAL));
        let now = Instant::now();
        let Some(since) = self.since.get() else {
            self.since.set(Some(now));
            return false;
        };
        now - since > LONG
    }

    /// Notes a look at the outside.
    pub(super) fn restart(&self) {
        self.ticks.set(0);
        self.next_reading.set(FIRST_READING);
        self.since.set(None);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn ticks_until_due(pace: &Pace, task: impl Fn()) -> u32 {
        for ticks in 1.. {
            if pace.tick() {
                pace.restart();
                return ticks;
            }
            task();
        }
        unreachable!()
    }

    #[test]
    fn short_tasks_run_a_whole_interval() {
        let pace = Pace::new();
        // The machine may stall in the middle of one interval, hardly in all.
        assert!((0..20).any(|_| ticks_until_due(&pace, || ()) == INTERVAL + 1));
    }

    #[test]
    fn long_tasks_run_only_a_few() {
        let pace = Pace::new();
        let task = || std::thread::sleep(2 * LONG);
        assert!(ticks_until_due(&pace, task) <= 5);
    }
}

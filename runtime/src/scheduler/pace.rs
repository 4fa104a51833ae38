//! When a busy core looks at the outside.
//!
//! A core that always has a task ready must all the same turn its reactor and look at the injector:
//! after [`INTERVAL`] tasks at the latest, and sooner when tasks take long, for 61 handlers of a
//! millisecond each would keep sockets waiting for 61 ms. Reading the clock costs as much as a short
//! task, so it is read after 2 tasks, 8 and 32, and at the end of an interval. With handlers of a millisecond
//! the second is the last before the outside has its turn; in the worst case it waits for four times the
//! millisecond.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

use super::activity::Activity;
use crate::timer::Moment;

/// Tasks between two looks at the outside; loom's models get by with few.
#[cfg(not(loom))]
const INTERVAL: u32 = 61;
#[cfg(loom)]
const INTERVAL: u32 = 3;
/// Tasks before the clock is read for the first time, and by what that number grows.
pub(super) const FIRST_READING: u32 = 2;
const FACTOR: u32 = 4;
/// A core that was busy for so many nanoseconds looks at the outside.
const LONG: Moment = 1_000_000;

pub(super) struct Pace {
    /// After so many the outside has its turn.
    due: Cell<u32>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            due: Cell::new(INTERVAL),
        }
    }

    /// Counts a task; true if it is time for a [`reading`](Self::read).
    #[inline]
    pub(super) fn tick(&self, activity: &Activity) -> bool {
        activity.tick() > activity.next_reading.load(Relaxed)
    }

    /// True if the outside has its turn.
    pub(super) fn read(&self, activity: &Activity, now: Moment) -> bool {
        let reading = activity.next_reading.load(Relaxed);
        let next = (FACTOR * reading).min(self.due.get());
        activity.next_reading.store(next, Relaxed);
        let busy = now.saturating_sub(activity.turned_at.load(Relaxed));
        activity.ticks.load(Relaxed) > self.due.get() || reading == 0 || busy > LONG
    }

    /// Lets the outside have its turn when `tasks` more have run, if not before.
    #[inline]
    pub(super) fn hasten(&self, activity: &Activity, tasks: u32) {
        let due = activity.ticks.load(Relaxed) + tasks;
        if due < self.due.get() {
            self.due.set(due);
            let reading = activity.next_reading.load(Relaxed);
            activity.next_reading.store(reading.min(due), Relaxed);
        }
    }

    /// Notes a look at the outside.
    pub(super) fn restart(&self, activity: &Activity, now: Moment) {
        self.due.set(INTERVAL);
        activity.looked(now);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Ticks until the outside has its turn, when each task takes so long, and the readings till then.
    fn ticks_until_due(pace: &Pace, activity: &Activity, task: Moment) -> (u32, u32) {
        pace.restart(activity, 0);
        let mut readings = 0;
        for ticks in 1.. {
            if pace.tick(activity) {
                readings += 1;
                if pace.read(activity, Moment::from(ticks - 1) * task) {
                    return (ticks, readings);
                }
            }
        }
        unreachable!()
    }

    #[test]
    fn short_tasks_run_a_whole_interval() {
        let (pace, activity) = (Pace::new(), Activity::new());
        assert_eq!(ticks_until_due(&pace, &activity, 100), (INTERVAL + 1, 4));
    }

    #[test]
    fn long_tasks_run_only_a_few() {
        let (pace, activity) = (Pace::new(), Activity::new());
        assert_eq!(ticks_until_due(&pace, &activity, 2 * LONG), (3, 1));
        for task in [LONG, LONG / 2, LONG / 4, LONG / 8, LONG / 16] {
            let (ticks, _) = ticks_until_due(&pace, &activity, task);
            assert!(Moment::from(ticks - 1) * task <= 4 * LONG, "{ticks}");
        }
    }

    #[test]
    fn a_hastened_look_comes_when_it_was_asked_for() {
        let (pace, activity) = (Pace::new(), Activity::new());
        for tasks in [0, 1, 5, 40, 200] {
            pace.restart(&activity, 0);
            pace.hasten(&activity, tasks);
            let due = (1..).find(|_| pace.tick(&activity) && pace.read(&activity, 0));
            assert_eq!(due, Some(tasks.min(INTERVAL) + 1));
        }
    }

    #[test]
    fn a_sibling_can_ask_for_a_look() {
        let (pace, activity) = (Pace::new(), Activity::new());
        pace.restart(&activity, 0);
        activity.ask_for_look();
        assert!(pace.tick(&activity) && pace.read(&activity, 0));
    }
}

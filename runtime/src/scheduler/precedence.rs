//! Whether the task in the LIFO slot goes before those in the ring.
//!
//! In general it does: it was woken last, so its data is warm, and often another waits for its answer. But
//! - Two tasks that wake each other must not keep the ring waiting. After [`MAX_STREAK`] tasks from the slot
//!   the ring has its turn.
//! - A task that is woken by one task of the ring after the other, because it joins many or receives from
//!   many, would run once for each of them. When it was the first to interrupt the ring [`MAX_RETURNS`] times
//!   in a row, and has woken nobody, it goes behind them once, and finds what they all have brought at once.
//!
//! Who wakes another in its turn is not counted, because it may serve the task that woke it, and that would
//! wait as well. And who was put behind begins anew: a task that receives from few, one message at a time,
//! gains nothing by waiting, so it waits for a quarter of them at most.

use std::cell::Cell;

use crate::task::Id;

/// How many tasks of the slot run in a row.
const MAX_STREAK: u8 = 3;

/// How often the same task is the first to interrupt the ring.
const MAX_RETURNS: u8 = 3;

#[derive(Debug, Default)]
pub(super) struct Precedence {
    /// Tasks of the slot that ran since one of the ring.
    streak: Cell<u8>,
    /// Who interrupted the ring last, and how often in a row without waking anybody.
    interrupter: Cell<Option<Id>>,
    returns: Cell<u8>,
}

impl Precedence {
    /// Whether the slot's task goes first. If not, the ring has its turn.
    #[inline]
    pub(super) fn grant(&self, task: Id) -> bool {
        let streak = self.streak.get();
        let granted = match streak {
            0 => self.may_interrupt(task),
            _ => {
                // The interrupter has woken this one.
                self.returns.set(0);
                streak < MAX_STREAK
            }
        };
        if granted {
            self.streak.set(streak + 1);
        }
        granted
    }

    /// The ring has its turn.
    #[inline]
    pub(super) fn end_streak(&self) {
        self.streak.set(0);
    }

    #[inline]
    fn may_interrupt(&self, task: Id) -> bool {
        let again = self.interrupter.replace(Some(task)) == Some(task);
        let returns = if again { self.returns.get() } else { 0 };
        let granted = returns < MAX_RETURNS;
        self.returns.set(if granted { returns + 1 } else { 0 });
        granted
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Whether each task is granted its turn, with one of the ring before each.
    fn interrupt(precedence: &Precedence, tasks: &[Id]) -> Vec<bool> {
        let interrupt = |&task| {
            precedence.end_streak();
            precedence.grant(task)
        };
        tasks.iter().map(interrupt).collect()
    }

    #[test]
    fn the_ring_has_its_turn_after_a_streak() {
        let precedence = Precedence::default();
        for _ in 0..10 {
            let [ping, pong] = [Id::next(), Id::next()];
            let granted = [ping, pong, ping, pong].map(|task| precedence.grant(task));
            assert_eq!(granted, [true, true, true, false]);
            precedence.end_streak();
        }
    }

    #[test]
    fn who_comes_back_again_and_again_waits_for_the_ring() {
        let precedence = Precedence::default();
        let [joiner, other] = [Id::next(), Id::next()];
        let granted = [true, true, true, false];
        assert_eq!(interrupt(&precedence, &[joiner; 4]), granted);
        assert_eq!(interrupt(&precedence, &[joiner; 4]), granted);
        let between = [joiner, joiner, other, joiner, joiner];
        assert_eq!(interrupt(&precedence, &between), [true; 5]);
    }

    #[test]
    fn who_wakes_another_does_not_wait() {
        let precedence = Precedence::default();
        let [server, client] = [Id::next(), Id::next()];
        for _ in 0..10 {
            precedence.end_streak();
            let granted = [server, client].map(|task| precedence.grant(task));
            assert_eq!(granted, [true; 2]);
        }
    }

    #[test]
    fn who_comes_back_within_a_streak_is_not_counted() {
        let precedence = Precedence::default();
        let [first, second] = [Id::next(), Id::next()];
        for _ in 0..10 {
            precedence.end_streak();
            let interrupter = Id::next();
            let granted = [interrupter, first, second].map(|task| precedence.grant(task));
            assert_eq!(granted, [true; 3]);
        }
    }
}

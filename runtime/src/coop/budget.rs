//! What the poll in progress may still do, in one word of its thread.
//!
//! What always holds:
//! - The lowest bits of the word count the refusals since the budget began, all others the units left. So
//!   one store begins a budget, and a unit is taken or given back by one subtraction or addition.
//! - A budget without limit is one that nobody can use up. The fast path knows no third case.
//! - Only a [`Scope`] limits a thread, and it leaves behind what it found.
//!
//! Inside a task an executor of another kind may be polling, to which `Pending` and a wake mean no more than
//! "again": after [`MOST_REFUSALS`] in one poll there is a new budget.

use std::cell::Cell;
use std::task::Waker;

const UNIT: u64 = 1 << 9;

/// Of a poll: 128 units.
const BUDGET: u64 = 128 * UNIT;

/// More units than a thread takes in a year.
const UNLIMITED: u64 = 1 << 63;

/// How often a poll is refused a unit before it gets a new budget.
const MOST_REFUSALS: u64 = 256;
const _: () = assert!(MOST_REFUSALS < UNIT);

crate::sync::thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(UNLIMITED) };
}

crate::sync::thread_local! {
    static EXHAUSTED: Cell<u32> = const { Cell::new(0) };
}

/// The scope in which a thread polls with budgets, or without. Each poll with a budget begins with a call
/// of [`renew`].
pub(crate) struct Scope {
    before: u64,
}

impl Scope {
    pub(crate) fn constrained() -> Self {
        Self::with(BUDGET)
    }

    pub(crate) fn unconstrained() -> Self {
        Self::with(UNLIMITED)
    }

    fn with(budget: u64) -> Self {
        Self {
            before: LEFT
                .try_with(|left| left.replace(budget))
                .unwrap_or(UNLIMITED),
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let _ = LEFT.try_with(|left| left.set(self.before));
    }
}

/// Begins a poll with a fresh budget.
#[inline]
pub(crate) fn renew() {
    LEFT.with(|left| left.set(BUDGET));
}

#[inline]
pub(super) fn has_units() -> bool {
    LEFT.try_with(Cell::get).unwrap_or(UNLIMITED) >= UNIT
}

/// Takes one unit; false if there is none.
#[inline]
pub(super) fn take() -> bool {
    let left = LEFT.try_with(Cell::get).unwrap_or(UNLIMITED);
    if left < UNIT {
        return false;
    }
    let _ = LEFT.try_with(|cell| cell.set(left - UNIT));
    true
}

#[inline]
pub(super) fn give_back() {
    let _ = LEFT.try_with(|left| left.set(left.get() + UNIT));
}

/// Makes whoever found no unit come again.
#[cold]
pub(super) fn refuse(waker: &Waker) {
    LEFT.with(|left| match left.get() % UNIT {
        MOST_REFUSALS => left.set(BUDGET),
        refusals => {
            if refusals == 0 {
                EXHAUSTED.with(|count| count.set(count.get().wrapping_add(1)));
            }
            left.set(left.get() + 1);
        }
    });
    waker.wake_by_ref();
}

/// How many polls on this thread were refused a unit since the last call.
pub(crate) fn take_forced_yields() -> u32 {
    EXHAUSTED.with(Cell::take)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const UNITS: usize = (BUDGET / UNIT) as usize;

    fn taken(attempts: usize) -> usize {
        let attempt = |_: &usize| {
            let taken = take();
            if !taken {
                refuse(Waker::noop());
            }
            taken
        };
        (0..attempts).filter(attempt).count()
    }

    #[test]
    fn a_poll_has_a_budget_and_the_outside_has_none() {
        assert_eq!(taken(1000), 1000);
        let scope = Scope::constrained();
        assert_eq!(taken(200), UNITS);
        renew();
        assert_eq!(taken(200), UNITS);
        drop(scope);
        assert_eq!(taken(1000), 1000);
    }

    #[test]
    fn an_executor_inside_a_poll_gets_on() {
        let _scope = Scope::constrained();
        let refusals = MOST_REFUSALS as usize + 1;
        assert_eq!(taken(2 * (UNITS + refusals)), 2 * UNITS);
    }

    #[test]
    fn a_scope_leaves_behind_what_it_found() {
        let _outer = Scope::constrained();
        assert_eq!(taken(100), 100);
        let free = Scope::unconstrained();
        assert_eq!(taken(1000), 1000);
        let limited = Scope::constrained();
        assert_eq!(taken(200), UNITS);
        drop(limited);
        assert_eq!(taken(1000), 1000);
        drop(free);
        assert_eq!(taken(200), UNITS - 100);
    }

    #[test]
    fn a_unit_given_back_can_be_taken_after_refusals() {
        let _scope = Scope::constrained();
        assert_eq!(taken(UNITS + 10), UNITS);
        give_back();
        assert!(has_units());
        assert_eq!(taken(10), 1);
    }

    #[test]
    fn refusals_that_units_given_back_come_between_end_in_a_new_budget() {
        let _scope = Scope::constrained();
        assert_eq!(taken(UNITS - 1), UNITS - 1);
        for _ in 0..=MOST_REFUSALS {
            assert!(take());
            assert_eq!(taken(1), 0);
            give_back();
        }
        assert_eq!(taken(200), UNITS + 1);
    }

    #[test]
    fn each_budget_that_is_used_up_counts_once() {
        let _scope = Scope::constrained();
        take_forced_yields();
        for _ in 0..3 {
            renew();
            taken(UNITS);
        }
        assert_eq!(take_forced_yields(), 0, "nothing was refused");
        for _ in 0..3 {
            renew();
            taken(UNITS + 50);
        }
        assert_eq!(take_forced_yields(), 3);
        assert_eq!(take_forced_yields(), 0);
    }
}

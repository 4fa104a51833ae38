//! The budget that keeps one task from holding its core for ever.
//!
//! Each poll of a task may do [`BUDGET`] operations on sockets, handles and the like that are ready at once.
//! After that such operations say `Pending` and wake their task, which so goes behind the others.
//! Outside a task there is no limit. Inside one, an executor of another kind may be polling, to which
//! `Pending` and a wake mean no more than "again": after [`REFUSALS`] in one poll there is a new budget.

use std::cell::Cell;
use std::task::{Context, Poll};

/// Operations per poll.
const BUDGET: i16 = 128;

/// How often a poll is refused an operation before it gets a new budget.
const REFUSALS: i16 = 256;

/// Stands for "no limit".
const UNCONSTRAINED: i16 = i16::MAX;

crate::sync::thread_local! {
    /// Operations left in this poll; below 0, the refusals.
    static LEFT: Cell<i16> = const { Cell::new(UNCONSTRAINED) };
}

/// The scope in which a thread polls with budgets, or without. Each poll with a budget begins with a call
/// of [`renew`].
pub(crate) struct Scope {
    before: i16,
}

impl Scope {
    pub(crate) fn constrained() -> Self {
        Self {
            before: LEFT.with(|left| left.replace(BUDGET)),
        }
    }

    pub(crate) fn unconstrained() -> Self {
        Self {
            before: LEFT.with(|left| left.replace(UNCONSTRAINED)),
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

/// Allows one operation, which is paid for if [`Progress::made_progress`] says that it was done.
#[inline]
pub(crate) fn poll_proceed(cx: &Context<'_>) -> Poll<Progress> {
    let left = LEFT.try_with(Cell::get).unwrap_or(UNCONSTRAINED);
    if left <= 0 {
        refuse(left, cx)
    } else {
        Poll::Ready(Progress { left })
    }
}

#[cold]
fn refuse(left: i16, cx: &Context<'_>) -> Poll<Progress> {
    let left = if left == -REFUSALS { BUDGET } else { left - 1 };
    LEFT.with(|cell| cell.set(left));
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// An operation that is allowed and not paid for yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct Progress {
    left: i16,
}

impl Progress {
    /// Takes the operation off the budget.
    #[inline]
    pub(crate) fn made_progress(self) {
        if self.left != UNCONSTRAINED {
            let _ = LEFT.try_with(|left| left.set(self.left - 1));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    fn allowed(attempts: i16) -> i16 {
        let cx = Context::from_waker(Waker::noop());
        let attempt = |_: &i16| match poll_proceed(&cx) {
            Poll::Ready(progress) => {
                progress.made_progress();
                true
            }
            Poll::Pending => false,
        };
        (0..attempts).filter(attempt).count() as i16
    }

    #[test]
    fn a_poll_has_a_budget_and_the_outside_has_none() {
        assert_eq!(allowed(1000), 1000);
        let scope = Scope::constrained();
        assert_eq!(allowed(200), BUDGET);
        renew();
        assert_eq!(allowed(200), BUDGET);
        drop(scope);
        assert_eq!(allowed(1000), 1000);
    }

    #[test]
    fn an_executor_inside_a_poll_gets_on() {
        let _scope = Scope::constrained();
        assert_eq!(allowed(2 * (BUDGET + REFUSALS + 1)), 2 * BUDGET);
    }
}

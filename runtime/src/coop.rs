//! The budget that keeps one task from holding its core for ever.
//!
//! Each poll of a task may do [`BUDGET`] operations on sockets, handles and the like that are ready at once.
//! After that such operations say `Pending` and wake their task, which so goes behind the others.
//! Outside a task (a foreign executor, a destructor) there is no limit.

use std::cell::Cell;
use std::task::{Context, Poll};

/// Operations per poll.
const BUDGET: u8 = 128;

/// Stands for "no limit".
const UNCONSTRAINED: u8 = u8::MAX;

crate::sync::thread_local! {
    static LEFT: Cell<u8> = const { Cell::new(UNCONSTRAINED) };
}

/// The scope in which a thread polls; each poll begins with a call of [`renew`].
pub(crate) struct Constrained {
    before: u8,
}

impl Constrained {
    pub(crate) fn enter() -> Self {
        Self {
            before: LEFT.with(|left| left.replace(BUDGET)),
        }
    }
}

impl Drop for Constrained {
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
    if left == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(Progress { left })
}

/// An operation that is allowed and not paid for yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct Progress {
    left: u8,
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

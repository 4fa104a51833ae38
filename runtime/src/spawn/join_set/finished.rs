//! The members that have finished, in the order in which they did, and who waits for the next one.
//!
//! What always holds:
//! - Each [`Notice`] arrives once: when its member has finished. So an index in the queue is that of a
//!   member which is over, and is there once.
//! - A waker that waits was put there when the queue was empty, under the same lock. The next notice wakes
//!   it, so no member finishes unheard.
//! - Of foreign code only the clone of a waker runs while the lock is held.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::Mutex;

/// A queue that every member of a set can reach, whichever thread it finishes on.
#[derive(Debug, Default)]
pub(super) struct Finished(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    indices: VecDeque<usize>,
    waiting: Option<Waker>,
}

impl Finished {
    /// The waker by which the member with this index gives notice of its end.
    pub(super) fn notice(self: &Arc<Self>, index: usize) -> Waker {
        Waker::from(Arc::new(Notice {
            index,
            finished: self.clone(),
        }))
    }

    /// The member that has finished first.
    pub(super) fn pop(&self) -> Option<usize> {
        self.0.lock().indices.pop_front()
    }

    /// As [`pop`](Self::pop), but waits if there is none. Only who asked last is woken.
    pub(super) fn poll_pop(&self, cx: &Context<'_>) -> Poll<usize> {
        let mut contents = self.0.lock();
        if let Some(index) = contents.indices.pop_front() {
            return Poll::Ready(index);
        }
        let waits = |waker: &Waker| waker.will_wake(cx.waker());
        if !contents.waiting.as_ref().is_some_and(waits) {
            let before = contents.waiting.replace(cx.waker().clone());
            drop(contents);
            drop(before);
        }
        Poll::Pending
    }

    fn push(&self, index: usize) {
        let waiting = {
            let mut contents = self.0.lock();
            contents.indices.push_back(index);
            contents.waiting.take()
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// What the end of a member wakes.
#[derive(Debug)]
struct Notice {
    index: usize,
    finished: Arc<Finished>,
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.finished.push(self.index);
    }
}

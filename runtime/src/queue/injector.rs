//! The queue all cores share: what is woken from outside, and what overflows.
//!
//! crossbeam's segmented queue, which is lock-free and first in, first out. Its orderings are its own
//! affair, so whoever must not miss a push (see the scheduler's `idle`) puts a fence between.

#[cfg(not(loom))]
use crossbeam_queue::SegQueue;
#[cfg(loom)]
use loom_queue::SegQueue;

/// An unbounded queue for many producers and consumers.
pub(crate) struct Injector<T>(SegQueue<T>);

impl<T> Injector<T> {
    pub(crate) fn new() -> Self {
        Self(SegQueue::new())
    }

    pub(crate) fn push(&self, item: T) {
        self.0.push(item);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Loom cannot look into crossbeam's queue, so models use a locked one with the same interface.
#[cfg(loom)]
mod loom_queue {
    use std::collections::VecDeque;

    use crate::sync::Mutex;

    pub(super) struct SegQueue<T>(Mutex<VecDeque<T>>);

    impl<T> SegQueue<T> {
        pub(super) fn new() -> Self {
            Self(Mutex::new(VecDeque::new()))
        }

        pub(super) fn push(&self, item: T) {
            self.0.lock().push_back(item);
        }

        pub(super) fn pop(&self) -> Option<T> {
            self.0.lock().pop_front()
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }

        pub(super) fn len(&self) -> usize {
            self.0.lock().len()
        }
    }
}

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

/// Loom cannot look into crossbeam's queue, so models use a locked one with the same interface. The looks
/// at its length pass the lock by: without a fence they may miss a push, as whoever looks must expect.
#[cfg(loom)]
mod loom_queue {
    use std::collections::VecDeque;

    use crate::sync::Mutex;
    use crate::sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    };

    pub(super) struct SegQueue<T> {
        items: Mutex<VecDeque<T>>,
        len: AtomicU64,
    }

    impl<T> SegQueue<T> {
        pub(super) fn new() -> Self {
            Self {
                items: Mutex::new(VecDeque::new()),
                len: AtomicU64::new(0),
            }
        }

        pub(super) fn push(&self, item: T) {
            let mut items = self.items.lock();
            items.push_back(item);
            self.len.fetch_add(1, Release);
        }

        pub(super) fn pop(&self) -> Option<T> {
            let mut items = self.items.lock();
            let item = items.pop_front()?;
            self.len.fetch_sub(1, Release);
            Some(item)
        }

        pub(super) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(super) fn len(&self) -> usize {
            self.len.load(Acquire) as usize
        }
    }
}

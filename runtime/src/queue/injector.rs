//! What all cores share: tasks that are woken from outside, and those that a ring has no room for.
//!
//! What comes from outside comes one by one and from many threads: crossbeam's segmented queue takes it, which
//! is lock-free. What overflows comes and goes half a ring at a time: a lock for each batch costs less than an
//! atomic operation for each item, of which ten thousand tasks that take turns would pay two a round. Each of
//! the two is first in, first out, and a ring is filled from both in proportion.
//!
//! What overflows goes behind all that has overflowed before. Some of it may have come from here and not have run
//! since: with more tasks than a ring holds, of which none ever waits, a task may have to wait while each of the
//! others runs a few dozen times (26 with 10,000 tasks on one worker).
//!
//! The orderings of the looks at lengths are the queues' own affair: whoever must not miss a push (see the
//! scheduler's `idle`) puts a fence between.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

#[cfg(not(loom))]
use crossbeam_queue::SegQueue;
#[cfg(loom)]
use loom_queue::SegQueue;

use super::Local;
use crate::sync::Mutex;
use crate::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Room that an empty overflow may keep for the next.
const KEPT_ROOM: usize = 1 << 12;

/// An unbounded queue for many producers and consumers.
pub(crate) struct Injector<T> {
    outside: SegQueue<T>,
    overflow: Mutex<VecDeque<T>>,
    /// How many are in `overflow`, written under its lock. Read without, to pass an empty one by.
    overflow_len: AtomicUsize,
    /// Whose turn it is. Two who look at once may give one side a turn too many, which does no harm.
    overflow_first: AtomicBool,
}

impl<T> Injector<T> {
    pub(crate) fn new() -> Self {
        Self {
            outside: SegQueue::new(),
            overflow: Mutex::new(VecDeque::new()),
            overflow_len: AtomicUsize::new(0),
            overflow_first: AtomicBool::new(false),
        }
    }

    pub(crate) fn push(&self, item: T) {
        self.outside.push(item);
    }

    pub(super) fn push_overflow(&self, items: impl Iterator<Item = T>) {
        self.with_overflow(|overflow| overflow.extend(items));
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let overflow_first = self.overflow_first.load(Relaxed);
        self.overflow_first.store(!overflow_first, Relaxed);
        if overflow_first {
            self.pop_overflow().or_else(|| self.outside.pop())
        } else {
            self.outside.pop().or_else(|| self.pop_overflow())
        }
    }

    /// Moves one of so many equal shares into a ring, as far as there is room, and returns how many items that
    /// were.
    pub(crate) fn pop_share_into(&self, local: &Local<T>, shares: usize) -> u32 {
        let outside = self.outside.len() / shares;
        let overflow = self.overflow_len.load(Acquire) / shares;
        // In proportion, so that neither waits for the other to be empty.
        let room = local.room() as usize;
        let from_outside = outside.min(outside * room / (outside + overflow).max(1));
        let outside = std::iter::from_fn(|| self.outside.pop());
        let mut moved = local.extend(outside.take(from_outside));
        if overflow > 0 {
            moved += self.with_overflow(|overflow| {
                let count = (overflow.len() / shares).min(local.room() as usize);
                local.extend(overflow.drain(..count))
            });
        }
        moved
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outside.is_empty() && self.overflow_len.load(Acquire) == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.outside.len() + self.overflow_len.load(Acquire)
    }

    fn pop_overflow(&self) -> Option<T> {
        if self.overflow_len.load(Acquire) == 0 {
            return None;
        }
        self.with_overflow(VecDeque::pop_front)
    }

    /// *Ordering:* the lock orders the items; release and acquire on the length only keep its reader from
    /// seeing it before what led to it.
    fn with_overflow<R>(&self, f: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        let mut overflow = self.overflow.lock();
        let result = f(&mut overflow);
        if overflow.is_empty() && overflow.capacity() > KEPT_ROOM {
            *overflow = VecDeque::new();
        }
        self.overflow_len.store(overflow.len(), Release);
        result
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

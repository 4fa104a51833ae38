//! A core's run queue: a ring with one producer from which others may steal half.
//!
//! ```text
//!        steal         real                  tail
//!          │             │                     │
//!  ────────┼─────────────┼─────────────────────┼────────
//!   free   │ being copied│ ready, in order     │ free
//!          │ by a thief  │                     │
//! ```
//!
//! Positions count up for ever and wrap; a position's slot is its low bits. What always holds:
//! - Only the owner moves `tail`; slots from `tail` on (to `steal` + 256) are its to write.
//! - `steal` and `real` are one word. Moving `real` is taking what it passes: the owner moves it by one
//!   (and `steal` with it, if no thief is at work), a thief by many, leaving `steal` behind to mark what
//!   it still copies. `steal != real` keeps other thieves out.
//! - Taken slots are read by the taker alone. The owner reuses them only once `steal` has passed.
//!
//! The layout is Go's and tokio's. A Chase-Lev deque was rejected: last in, first out is unfair to
//! connections, and the owner's pop needs a full fence where this one needs a compare-and-swap.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::Injector;
use crate::sync::UnsafeCell;
use crate::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Slots in a ring; loom's models get by with few.
#[cfg(not(loom))]
const CAPACITY: u32 = 256;
#[cfg(loom)]
const CAPACITY: u32 = 4;

/// Where positions begin; in models, so that they wrap soon.
#[cfg(not(loom))]
const START: u32 = 0;
#[cfg(loom)]
const START: u32 = u32::MAX - 1;

/// The stealable side of a ring, shared by all.
pub(crate) struct Ring<T> {
    /// `steal` in the high half, `real` in the low one.
    head: AtomicU64,
    tail: AtomicU32,
    slots: Box<[UnsafeCell<MaybeUninit<T>>; CAPACITY as usize]>,
}

/// The owner's side of a ring. There is one per ring; it moves between threads but is not shared.
pub(crate) struct Local<T> {
    ring: Arc<Ring<T>>,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

// SAFETY: items are moved, never shared, and the positions say whose each slot is.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

/// An item for which there was no room, and where the ring began then: packed, so that both fit registers.
#[must_use = "it goes to `push_full`"]
pub(crate) struct Full<T> {
    item: T,
    head: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Head {
    steal: u32,
    real: u32,
}

impl Head {
    fn unpack(word: u64) -> Self {
        Self {
            steal: (word >> 32) as u32,
            real: word as u32,
        }
    }

    fn pack(self) -> u64 {
        u64::from(self.steal) << 32 | u64::from(self.real)
    }

    fn being_stolen(self) -> bool {
        self.steal != self.real
    }

    /// The owner takes `count` items; a thief at work keeps its mark.
    fn take(self, count: u32) -> Self {
        let real = self.real.wrapping_add(count);
        Self {
            steal: if self.being_stolen() {
                self.steal
            } else {
                real
            },
            real,
        }
    }
}

impl<T> Local<T> {
    pub(crate) fn new() -> Self {
        let slots: Box<[_]> = (0..CAPACITY)
            .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
            .collect();
        let empty = Head {
            steal: START,
            real: START,
        };
        let ring = Ring {
            head: AtomicU64::new(empty.pack()),
            tail: AtomicU32::new(START),
            slots: slots.try_into().expect("as many as there are positions"),
        };
        Self {
            ring: Arc::new(ring),
            not_sync: PhantomData,
        }
    }

    pub(crate) fn ring(&self) -> Arc<Ring<T>> {
        self.ring.clone()
    }

    /// Items that are ready; thieves may make them fewer at any moment.
    pub(crate) fn len(&self) -> u32 {
        self.ring.len()
    }

    /// Slots that can be filled right away. Thieves may make them more, nobody fewer.
    ///
    /// *Ordering:* acquire, as in `push`: thieves have copied what was in these slots.
    pub(super) fn room(&self) -> u32 {
        let head = Head::unpack(self.ring.head.load(Acquire));
        CAPACITY - self.tail().wrapping_sub(head.steal)
    }

    /// Appends an item. A full ring first moves its older half to the injector.
    #[inline]
    pub(crate) fn push(&self, item: T, injector: &Injector<T>) {
        if let Err(full) = self.try_push(item) {
            self.push_full(full, injector);
        }
    }

    /// Appends an item if there is room.
    ///
    /// *Ordering:* the acquire load of `head` comes after the thief's release of the slots it copied, so
    /// they may be written. The release store of `tail` shows the item to whoever acquires `tail`.
    #[inline]
    pub(crate) fn try_push(&self, item: T) -> Result<(), Full<T>> {
        let tail = self.tail();
        let head = self.ring.head.load(Acquire);
        if tail.wrapping_sub(Head::unpack(head).steal) >= CAPACITY {
            return Err(Full { item, head });
        }
        // SAFETY: the slot is free, and only the owner fills slots.
        unsafe { self.ring.write(tail, item) };
        self.ring.tail.store(tail.wrapping_add(1), Release);
        Ok(())
    }

    /// Makes room for an item that the ring had none for, and appends it.
    #[cold]
    pub(crate) fn push_full(&self, full: Full<T>, injector: &Injector<T>) {
        const HALF: u32 = CAPACITY / 2;
        let (item, head) = (full.item, Head::unpack(full.head));
        if head.being_stolen() {
            // A thief is about to free slots.
            return injector.push(item);
        }
        // *Ordering:* release, as in `pop`: who acquires this move sees no older `tail`. The slots read
        // below were written by this thread.
        let taken =
            self.ring
                .head
                .compare_exchange(head.pack(), head.take(HALF).pack(), Release, Relaxed);
        if taken.is_err() {
            // Somebody took items meanwhile: there is room.
            return self.push(item, injector);
        }
        let taken = (0..HALF).map(|position| {
            // SAFETY: the exchange above took these slots for this thread.
            unsafe { self.ring.read(head.real.wrapping_add(position)) }
        });
        injector.push_overflow(taken.chain([item]));
    }

    /// Fills the ring from `items` as far as there is room, without overflow, and returns how many they were.
    pub(crate) fn extend(&self, items: impl Iterator<Item = T>) -> u32 {
        let tail = self.tail();
        let mut count = 0;
        for item in items.take(self.room() as usize) {
            // SAFETY: the slot is free, and only the owner fills slots.
            unsafe { self.ring.write(tail.wrapping_add(count), item) };
            count += 1;
        }
        self.ring.tail.store(tail.wrapping_add(count), Release);
        count
    }

    /// Takes the oldest item.
    ///
    /// *Ordering:* release, so that whoever acquires this move, in `len` or `book_half`, sees `tail` at least
    /// as far as it was here. Acquire in line with all moves of `head`; the owner reads only what it wrote.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        let mut word = self.ring.head.load(Acquire);
        loop {
            let head = Head::unpack(word);
            if head.real == self.tail() {
                return None;
            }
            let next = head.take(1).pack();
            match self.ring.head.compare_exchange(word, next, AcqRel, Acquire) {
                // SAFETY: the exchange took this slot for this thread, which has filled it.
                Ok(_) => return Some(unsafe { self.ring.read(head.real) }),
                Err(current) => word = current,
            }
        }
    }

    fn tail(&self) -> u32 {
        // *Ordering:* relaxed, because only this side stores it.
        self.ring.tail.load(Relaxed)
    }
}

impl<T> Ring<T> {
    /// Items that are ready, at some moment.
    ///
    /// *Ordering:* `head` before `tail`, and by acquire, so that the difference is never negative; its partner
    /// is the release of those who move `head`. That of `tail` is not needed to count.
    pub(crate) fn len(&self) -> u32 {
        let head = Head::unpack(self.head.load(Acquire));
        self.tail.load(Acquire).wrapping_sub(head.real)
    }

    /// Moves half of the items to `target`, a ring with at least half of its slots free, and returns the
    /// oldest of them. Gives up, with nothing, when another thief is at work.
    pub(crate) fn steal_into(&self, target: &Local<T>) -> Option<T> {
        if target.room() < CAPACITY / 2 {
            return None;
        }
        let (first, count) = self.book_half()?;
        // SAFETY: booked slots are this thread's to read.
        let oldest = unsafe { self.read(first) };
        let start = target.tail();
        for position in 1..count {
            // SAFETY: as above; and the target, whose owner this thread is, has room for half a ring.
            unsafe {
                let item = self.read(first.wrapping_add(position));
                target.ring.write(start.wrapping_add(position - 1), item);
            }
        }
        self.release_booked();
        target
            .ring
            .tail
            .store(start.wrapping_add(count - 1), Release);
        Some(oldest)
    }

    /// Takes the older half by moving `real` and leaving `steal` behind.
    ///
    /// *Ordering:* the acquire of `tail` shows the items up to it; its partners are the releases in `push`,
    /// `extend` and `steal_into`. The acquire of `head` comes before and brings a `tail` that is not older,
    /// which spares a vain exchange. Release, as in `pop`.
    fn book_half(&self) -> Option<(u32, u32)> {
        let mut word = self.head.load(Acquire);
        loop {
            let head = Head::unpack(word);
            let ready = self.tail.load(Acquire).wrapping_sub(head.real);
            let count = ready - ready / 2;
            // More than a ring's worth shows that `head` is out of date; the exchange would fail.
            if head.being_stolen() || count == 0 || ready > CAPACITY {
                return None;
            }
            let booked = Head {
                steal: head.steal,
                real: head.real.wrapping_add(count),
            };
            match self
                .head
                .compare_exchange(word, booked.pack(), AcqRel, Acquire)
            {
                Ok(_) => return Some((head.real, count)),
                Err(current) => word = current,
            }
        }
    }

    /// Lets `steal` catch up with `real`, which the owner may have moved on meanwhile.
    ///
    /// *Ordering:* release, so that the owner reuses the slots only after they were copied; its partner is
    /// the acquire of `head` in `push`.
    fn release_booked(&self) {
        let mut word = self.head.load(Acquire);
        loop {
            let real = Head::unpack(word).real;
            let free = Head { steal: real, real }.pack();
            match self.head.compare_exchange(word, free, AcqRel, Acquire) {
                Ok(_) => return,
                Err(current) => word = current,
            }
        }
    }

    /// # Safety
    ///
    /// The slot at this position is filled and taken by the caller.
    unsafe fn read(&self, position: u32) -> T {
        // SAFETY: the caller's promise.
        self.slot(position)
            .with(|slot| unsafe { slot.read().assume_init() })
    }

    /// # Safety
    ///
    /// The slot at this position is free and the caller the owner.
    unsafe fn write(&self, position: u32, item: T) {
        // SAFETY: the caller's promise.
        self.slot(position)
            .with_mut(|slot| unsafe { slot.write(MaybeUninit::new(item)) });
    }

    fn slot(&self, position: u32) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[(position % CAPACITY) as usize]
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

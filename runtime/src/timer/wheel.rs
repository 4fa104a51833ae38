//! A core's timers: whom to wake, and when.
//!
//! A moment is a number of nanoseconds since the clock's zero. The wheel has eleven levels of 64 slots;
//! a slot of level 0 is one nanosecond long, one of level n is as long as all of level n - 1 together:
//!
//! | level | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 |
//! |---|---|---|---|---|---|---|---|---|---|---|---|
//! | a slot lasts | 1 ns | 64 ns | 4 us | 262 us | 17 ms | 1.1 s | 69 s | 73 min | 3 d | 208 d | 36 a |
//!
//! So each moment has a slot, and no deadline is rounded. A timer is put where its deadline and the moment
//! the wheel has `reached` part ways: into the level of the highest six bits that differ. When that slot
//! begins, its timers move to levels below, and from level 0 they fire. What always holds:
//! - Nobody fires before its deadline. They fire in the order of their deadlines, and those of one deadline
//!   in the order in which they came, unless a turn was cut short in between.
//! - A slot's timers are due within the slot, and all timers of a level before those of the levels above.
//!   So the first slot that is occupied, on the lowest level that has one, is the earliest of all. Only
//!   `emptying`, the slot that has begun, comes before it.
//! - Nothing is left behind by what was cancelled, moved or fired, and its key does nothing.
//!
//! Most timers are time-outs, which are cancelled before they fire. Hence `inline(always)` on what starting
//! and cancelling consist of: about a hundred instructions for both.
//!
//! There is no clock here and no lock, and no foreign code runs: wakers come and leave
//! by value, to be woken or dropped when the caller has let go of its lock.
//!
//! Coarser ticks were rejected. Ticks of 16 us would save two levels, through which few timers pass, but a
//! sleep of a paused clock would not last exactly as long as it says.

mod slab;
mod slots;

#[cfg(all(test, not(loom)))]
mod properties;
#[cfg(all(test, not(loom)))]
mod tests;

use std::task::Waker;

use self::slab::Slab;
pub(crate) use self::slab::{Spare, TimerKey};
use self::slots::{Slot, Slots};

/// The timers of one core.
pub(crate) struct Wheel {
    timers: Slab,
    slots: Slots,
    /// Never after `now`. What was due before it has fired or is in the slot being emptied.
    reached: u64,
    /// The slot that is being emptied; a turn may end in the middle of that.
    emptying: Option<Slot>,
}

/// The timer has fired, or was cancelled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            timers: Slab::new(),
            slots: Slots::new(),
            reached: 0,
            emptying: None,
        }
    }

    /// Timers that have neither fired nor been cancelled.
    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Starts a timer. One whose deadline has passed fires in the next turn.
    #[inline(always)]
    pub(crate) fn insert(&mut self, deadline: u64, waker: Waker) -> TimerKey {
        let deadline = deadline.max(self.reached);
        let slot = Slot::of(deadline, self.reached);
        let (key, entries) = self.timers.insert(deadline, waker);
        self.slots.append(entries, key.index, slot);
        key
    }

    /// Ends a timer before it fires. Its waker comes back, to be dropped outside the caller's lock.
    #[inline]
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<Waker> {
        let index = self.timers.find(key)?;
        self.slots.unlink(&mut self.timers.entries, index);
        self.timers.remove(index)
    }

    /// Moves a timer to another deadline, earlier or later; false if it is stale.
    #[inline]
    pub(crate) fn reset(&mut self, key: TimerKey, deadline: u64) -> bool {
        let Some(index) = self.timers.find(key) else {
            return false;
        };
        let deadline = deadline.max(self.reached);
        self.slots.unlink(&mut self.timers.entries, index);
        self.timers.entries[index as usize].deadline = deadline;
        self.place(index, deadline);
        true
    }

    /// Whether a timer wakes this waker already.
    #[inline]
    pub(crate) fn wakes(&self, key: TimerKey, waker: &Waker) -> Result<bool, Stale> {
        let index = self.timers.find(key).ok_or(Stale)?;
        let stored = self.timers.entries[index as usize].waker.as_ref();
        Ok(stored.is_some_and(|stored| stored.will_wake(waker)))
    }

    /// Makes a timer wake this waker. What comes back, the one that it replaces, or this one if the timer is
    /// stale, is to be dropped outside the caller's lock.
    #[inline]
    pub(crate) fn set_waker(
        &mut self,
        key: TimerKey,
        waker: Waker,
    ) -> Result<Option<Waker>, Waker> {
        match self.timers.find(key) {
            Some(index) => Ok(self.timers.entries[index as usize].waker.replace(waker)),
            None => Err(waker),
        }
    }

    /// Whether a timer has yet to fire.
    #[inline]
    pub(crate) fn is_live(&self, key: TimerKey) -> bool {
        self.timers.find(key).is_some()
    }

    /// When to turn the wheel next: at the earliest deadline, or, if many timers are near that, somewhat
    /// before, when the wheel can tell them apart. A moment that has passed means that there is more to do.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        if self.unfinished().is_some() {
            return Some(self.reached);
        }
        let slot = self.slots.earliest()?;
        let known = self.slots.earliest_deadline(&self.timers.entries, slot);
        Some(known.unwrap_or_else(|| slot.start(self.reached)))
    }

    /// Turns the wheel up to `now`, which appends the wakers of timers whose deadlines are not after it.
    /// Fires and moves `limit` timers at most; true if there is more to do at this very moment.
    ///
    /// A `now` from before what an earlier turn has reached counts as that.
    pub(crate) fn expire(&mut self, now: u64, limit: usize, due: &mut Vec<Waker>) -> bool {
        let now = now.max(self.reached);
        let mut left = limit;
        while let Some(slot) = self.due_slot(now) {
            if left == 0 {
                return true;
            }
            left -= 1;
            self.advance_first(slot, now, due);
        }
        self.reached = now;
        false
    }

    /// Gives up the memory of many timers once there are none. For moments when the core has nothing to
    /// do: freeing takes a while, and is the caller's to do outside its lock.
    pub(crate) fn take_spare(&mut self) -> Option<Spare> {
        self.timers.take_spare()
    }

    /// The slot to take timers from, if one has begun.
    #[inline]
    fn due_slot(&mut self, now: u64) -> Option<Slot> {
        let unfinished = self.unfinished();
        if unfinished.is_some() {
            return unfinished;
        }
        self.emptying = None;
        let slot = self.slots.earliest()?;
        let start = slot.start(self.reached);
        if start > now {
            return None;
        }
        self.reached = start;
        self.emptying = Some(slot);
        self.emptying
    }

    /// Fires the first timer of a slot that has begun, or moves it to a level below.
    fn advance_first(&mut self, slot: Slot, now: u64, due: &mut Vec<Waker>) {
        let index = self.slots.first(slot);
        let entry = &self.timers.entries[index as usize];
        let deadline = entry.deadline;
        let alone = entry.next == index && self.slots.earliest() == Some(slot);
        self.slots.unlink(&mut self.timers.entries, index);
        // Alone in the earliest slot of all is the earliest of all.
        if deadline <= now && (alone || slot.level() == 0) {
            due.extend(self.timers.remove(index));
        } else {
            self.place(index, deadline);
        }
    }

    /// The slot that the last turn had to leave before it was empty.
    fn unfinished(&self) -> Option<Slot> {
        self.emptying.filter(|slot| self.slots.is_occupied(*slot))
    }

    #[inline(always)]
    fn place(&mut self, index: u32, deadline: u64) {
        let slot = Slot::of(deadline, self.reached);
        self.slots.append(&mut self.timers.entries, index, slot);
    }
}

//! Where the timers are.
//!
//! A place is reused, the last one vacated first; what tells its tenants apart is the generation, which the
//! place counts up when it becomes vacant. What always holds:
//! - A place has a waker exactly if it has a tenant; the others are linked by `next`, from `vacant` on.
//! - No generation is higher than the number of all tenants that have left, which new places begin with. So
//!   also where a place was given up and made anew, the generation of a vacant place is in no key.
//! - A key finds its timer or nothing. It would find another only if its place had counted up by 2^32, or
//!   was made anew when 2^32 more tenants had left in all than its generation says.

use std::task::Waker;

use super::slots::Slot;

/// Timers for which the memory is kept when there are none.
const KEPT: usize = 1024;

/// Places that are made at once.
pub(super) const BATCH: u32 = 64;

/// No place.
const NONE: u32 = u32::MAX;

/// A timer's place. It stays unambiguous when the timer is gone and its place taken, but means nothing to
/// another wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    pub(super) index: u32,
    generation: u32,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) deadline: u64,
    pub(super) waker: Option<Waker>,
    generation: u32,
    /// The neighbours in a slot's ring.
    pub(super) next: u32,
    pub(super) previous: u32,
    pub(super) slot: Slot,
}

const _: () = assert!(size_of::<Entry>() <= 40 && size_of::<TimerKey>() == 8);

pub(super) struct Slab {
    pub(super) entries: Vec<Entry>,
    vacant: u32,
    /// How many tenants ever came, and how many of them have left.
    arrived: u64,
    left: u64,
}

/// Memory to be freed.
#[must_use]
pub(crate) struct Spare {
    _entries: Vec<Entry>,
}

impl Slab {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: NONE,
            arrived: 0,
            left: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        (self.arrived - self.left) as usize
    }

    /// Lets a place to a timer. It is in no slot's ring yet: hence the entries, to put it into one.
    #[inline(always)]
    pub(super) fn insert(&mut self, deadline: u64, waker: Waker) -> (TimerKey, &mut [Entry]) {
        // At most once, but a loop leaves no doubt that there is a place then.
        while self.vacant as usize >= self.entries.len() {
            self.grow();
        }
        let index = self.vacant;
        let entries = &mut self.entries[..];
        let entry = &mut entries[index as usize];
        self.vacant = entry.next;
        self.arrived += 1;
        entry.deadline = deadline;
        // A vacant place has no waker that would have to be dropped.
        std::mem::forget(entry.waker.replace(waker));
        let key = TimerKey {
            index,
            generation: entry.generation,
        };
        (key, entries)
    }

    #[inline]
    pub(super) fn find(&self, key: TimerKey) -> Option<u32> {
        let entry = self.entries.get(key.index as usize)?;
        (entry.generation == key.generation).then_some(key.index)
    }

    /// Vacates the place of a timer that is in no slot's ring any more.
    #[inline(always)]
    pub(super) fn remove(&mut self, index: u32) -> Option<Waker> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.vacant;
        self.vacant = index;
        self.left += 1;
        entry.waker.take()
    }

    /// The memory, if it is much and nobody lives there.
    pub(super) fn take_spare(&mut self) -> Option<Spare> {
        if self.len() > 0 || self.entries.capacity() <= KEPT {
            return None;
        }
        self.vacant = NONE;
        Some(Spare {
            _entries: std::mem::take(&mut self.entries),
        })
    }

    /// Makes places when none is vacant.
    #[cold]
    fn grow(&mut self) {
        let first = self.entries.len() as u32;
        let end = first.checked_add(BATCH).filter(|end| *end < NONE);
        let end = end.expect("fewer than 2^32 timers");
        let generation = self.left as u32;
        self.entries.extend((first..end).map(|index| Entry {
            deadline: 0,
            waker: None,
            generation,
            next: index + 1,
            previous: NONE,
            slot: Slot::of(0, 0),
        }));
        self.entries[end as usize - 1].next = NONE;
        self.vacant = first;
    }
}

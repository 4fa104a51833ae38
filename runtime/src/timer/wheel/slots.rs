//! The wheel's slots: for each a ring of timers, for each level a word that says which have any.
//!
//! A slot's place within its level is six bits of the deadlines in it, so that places never wrap: the
//! first one that is occupied is the earliest. What always holds:
//! - A slot's bit is set exactly if its ring has timers. Only then does `first` mean anything.
//! - In a ring each timer names its slot and its neighbours, the first and the last one each other. New
//!   ones come last.

use super::slab::Entry;

const LEVELS: usize = 11;
const SLOTS: usize = 64;
const BITS_PER_LEVEL: u32 = SLOTS.ilog2();

/// Timers at which a search for the earliest in a slot looks before it gives up.
const SEARCHED: usize = 8;

const _: () = assert!(LEVELS as u32 == u64::BITS.div_ceil(BITS_PER_LEVEL));
const _: () = assert!((LEVELS as u32 - 1) * BITS_PER_LEVEL < SLOTS as u32);

/// For each bit of a moment the first slot of its level, and in the low six bits how far the level's places are
/// shifted in a moment: a look costs less than a division by six.
const LEVEL_OF_BIT: [u16; u64::BITS as usize] = {
    let mut levels = [0; u64::BITS as usize];
    let mut bit = 0;
    while bit < levels.len() {
        let level = bit as u16 / BITS_PER_LEVEL as u16;
        levels[bit] = level * SLOTS as u16 + level * BITS_PER_LEVEL as u16;
        bit += 1;
    }
    levels
};

/// A slot: the level, and in the low six bits the place within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u16);

pub(super) struct Slots {
    /// A bit for each slot, a word for each level.
    occupied: [u64; LEVELS],
    first: [u32; LEVELS * SLOTS],
}

impl Slot {
    /// The slot for a deadline that is not before `reached`: as high as the two differ.
    #[inline(always)]
    pub(super) fn of(deadline: u64, reached: u64) -> Self {
        let difference = (deadline ^ reached) | (SLOTS as u64 - 1);
        let level = LEVEL_OF_BIT[difference.ilog2() as usize];
        let place = (deadline >> (level % SLOTS as u16)) % SLOTS as u64;
        Self(level / SLOTS as u16 * SLOTS as u16 + place as u16)
    }

    #[inline]
    fn at(level: usize, place: u64) -> Self {
        Self((level * SLOTS + place as usize % SLOTS) as u16)
    }

    #[inline]
    pub(super) fn level(self) -> usize {
        usize::from(self.0) / SLOTS
    }

    #[inline]
    fn place(self) -> u64 {
        u64::from(self.0) % SLOTS as u64
    }

    #[inline]
    fn bit(self) -> u64 {
        1 << self.place()
    }

    /// The moment at which the slot begins, of the round that `reached` is in.
    #[inline]
    pub(super) fn start(self, reached: u64) -> u64 {
        let shift = self.level() as u32 * BITS_PER_LEVEL;
        let round = (reached >> shift) & !(SLOTS as u64 - 1);
        (round | self.place()) << shift
    }
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            occupied: [0; LEVELS],
            first: [0; LEVELS * SLOTS],
        }
    }

    #[inline]
    pub(super) fn is_occupied(&self, slot: Slot) -> bool {
        self.occupied[slot.level()] & slot.bit() != 0
    }

    /// The slot that begins before all others with timers.
    #[inline]
    pub(super) fn earliest(&self) -> Option<Slot> {
        let level = self.occupied.iter().position(|places| *places != 0)?;
        let place = self.occupied[level].trailing_zeros();
        Some(Slot::at(level, u64::from(place)))
    }

    /// The first timer of a slot that has any.
    #[inline]
    pub(super) fn first(&self, slot: Slot) -> u32 {
        self.first[usize::from(slot.0)]
    }

    /// The earliest deadline in a slot that has timers, unless they are too many to look at.
    pub(super) fn earliest_deadline(&self, entries: &[Entry], slot: Slot) -> Option<u64> {
        let first = self.first(slot);
        let mut index = first;
        let mut earliest = u64::MAX;
        for _ in 0..SEARCHED {
            let entry = &entries[index as usize];
            earliest = earliest.min(entry.deadline);
            index = entry.next;
            if index == first {
                return Some(earliest);
            }
        }
        None
    }

    /// Adds a timer that is in no ring.
    #[inline(always)]
    pub(super) fn append(&mut self, entries: &mut [Entry], index: u32, slot: Slot) {
        let (mut first, mut last) = (index, index);
        if self.is_occupied(slot) {
            first = self.first(slot);
            last = std::mem::replace(&mut entries[first as usize].previous, index);
            entries[last as usize].next = index;
        } else {
            self.occupied[slot.level()] |= slot.bit();
            self.first[usize::from(slot.0)] = index;
        }
        let entry = &mut entries[index as usize];
        entry.slot = slot;
        entry.next = first;
        entry.previous = last;
    }

    /// Takes a timer out of the ring it is in.
    #[inline(always)]
    pub(super) fn unlink(&mut self, entries: &mut [Entry], index: u32) {
        let Entry {
            next,
            previous,
            slot,
            ..
        } = entries[index as usize];
        if next == index {
            self.occupied[slot.level()] &= !slot.bit();
            return;
        }
        entries[previous as usize].next = next;
        entries[next as usize].previous = previous;
        let first = &mut self.first[usize::from(slot.0)];
        if *first == index {
            *first = next;
        }
    }
}

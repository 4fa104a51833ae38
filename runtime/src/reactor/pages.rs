//! The slots of a reactor's sources.
//!
//! Slots live in pages that are added when needed and never move or go away before the reactor does, so
//! an event finds its slot with no lock and no reference count, and a stale one finds at worst a slot of
//! another generation. Each page is twice as large as the one before.

use std::sync::OnceLock;

use super::readiness::Readiness;
use super::waiters::Waiters;
use crate::sync::Mutex;
use crate::sys::Ready;

/// Slots in the first page.
const FIRST_PAGE: u32 = 32;
/// Enough for all slots that a key can name.
const PAGES: usize = 24;

/// What a reactor knows about one source.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) readiness: Readiness,
    pub(super) waiters: Mutex<Waiters>,
}

#[derive(Debug)]
pub(super) struct Pages {
    pages: [OnceLock<Box<[Slot]>>; PAGES],
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// Slots that were used and given back.
    vacant: Vec<u32>,
    /// Slots below this were used at some time.
    touched: u32,
    closed: bool,
}

impl Pages {
    pub(super) fn new() -> Self {
        Self {
            pages: [const { OnceLock::new() }; PAGES],
            free: Mutex::new(Free::default()),
        }
    }

    /// The slot of this index, which an `open` has returned.
    pub(super) fn get(&self, index: u32) -> &Slot {
        let (page, offset) = place(index);
        &self.pages[page].get().expect("pages of used slots exist")[offset as usize]
    }

    /// Takes a free slot into use and returns its index and generation; `None` after `close`.
    pub(super) fn open(&self, ready: Ready) -> Option<(u32, u32)> {
        let mut free = self.free.lock();
        if free.closed {
            return None;
        }
        let index = match free.vacant.pop() {
            Some(index) => index,
            None => {
                let index = free.touched;
                self.pages[place(index).0].get_or_init(|| page(place(index).0));
                free.touched += 1;
                index
            }
        };
        Some((index, self.get(index).readiness.open(ready)))
    }

    /// Gives a slot back, whose readiness is closed and whose waiters are gone.
    pub(super) fn free(&self, index: u32) {
        self.free.lock().vacant.push(index);
    }

    /// Opens no slot any more, and visits all that were ever used.
    pub(super) fn close(&self, visit: impl Fn(&Slot)) {
        let touched = {
            let mut free = self.free.lock();
            free.closed = true;
            free.touched
        };
        (0..touched).for_each(|index| visit(self.get(index)));
    }

    /// Slots in use.
    pub(super) fn len(&self) -> usize {
        let free = self.free.lock();
        free.touched as usize - free.vacant.len()
    }
}

fn page(number: usize) -> Box<[Slot]> {
    let slot = |_| Slot {
        readiness: Readiness::new(),
        waiters: Mutex::new(Waiters::new()),
    };
    (0..FIRST_PAGE << number).map(slot).collect()
}

/// Page and offset of an index: page `p` starts at `FIRST_PAGE * (2^p - 1)`.
fn place(index: u32) -> (usize, u32) {
    let page = (index / FIRST_PAGE + 1).ilog2();
    (page as usize, index - FIRST_PAGE * ((1 << page) - 1))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn places_follow_each_other() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(31), (0, 31));
        assert_eq!(place(32), (1, 0));
        assert_eq!(place(95), (1, 63));
        assert_eq!(place(96), (2, 0));
        assert_eq!(place((1 << 28) - 1).0, PAGES - 1);
    }

    #[test]
    fn freed_slots_are_used_again_with_another_generation() {
        let pages = Pages::new();
        let (index, generation) = pages.open(Ready::NONE).unwrap();
        pages.get(index).readiness.close();
        pages.free(index);
        assert_eq!(pages.len(), 0);
        assert_eq!(pages.open(Ready::NONE), Some((index, generation + 1)));
        pages.close(|_| ());
        assert_eq!(pages.open(Ready::NONE), None);
    }

    #[test]
    fn a_slot_fits_a_cache_line() {
        assert!(size_of::<Slot>() <= 64, "{}", size_of::<Slot>());
    }
}

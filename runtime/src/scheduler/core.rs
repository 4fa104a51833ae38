//! A core: what one thread at a time needs to run tasks.
//!
//! A core has two sides. [`Core`] is what its holder alone touches; it moves from thread to thread as a
//! box. [`Remote`] is what everybody may touch; it stays where it is.

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;

use super::pace::Pace;
use crate::queue::{Local, Ring, Slot};
use crate::sync::atomic::AtomicBool;
use crate::task::{Header, Owned, Runnable};

/// The holder's side.
pub(crate) struct Core {
    pub(super) index: usize,
    pub(super) ring: Local<Runnable>,
    pub(super) pace: Pace,
    /// Tasks taken from the LIFO slot in a row.
    pub(super) streak: Cell<u8>,
    /// Whether the core has a searcher's token; see [`idle`](super::idle).
    pub(super) searching: Cell<bool>,
    /// For where to begin stealing.
    random: Cell<u32>,
}

/// Everybody's side.
pub(crate) struct Remote {
    pub(super) ring: Arc<Ring<Runnable>>,
    /// The task to run next: the one woken last, whose data is still warm.
    pub(super) next: Slot<Header>,
    /// The tasks spawned on this core.
    pub(super) owned: Owned,
    /// Nobody holds the core.
    pub(super) dormant: AtomicBool,
    /// A caller of `block_on` holds the core, and does not give it away.
    pub(super) borrowed: AtomicBool,
}

impl Core {
    pub(super) fn new(index: usize) -> (Self, Remote) {
        let ring = Local::new();
        let remote = Remote {
            ring: ring.ring(),
            next: Slot::new(),
            owned: Owned::default(),
            dormant: AtomicBool::new(true),
            borrowed: AtomicBool::new(false),
        };
        let core = Self {
            index,
            ring,
            pace: Pace::new(),
            streak: Cell::new(0),
            searching: Cell::new(false),
            random: Cell::new(0x9E37_79B9 ^ (index as u32 + 1)),
        };
        (core, remote)
    }

    /// A number below `bound`, by xorshift.
    pub(super) fn random_below(&self, bound: usize) -> usize {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x as usize % bound
    }
}

impl Remote {
    pub(super) fn put_next(&self, task: Runnable) -> Option<Runnable> {
        self.next.put(task.into_raw()).map(from_slot)
    }

    pub(super) fn take_next(&self) -> Option<Runnable> {
        self.next.take().map(from_slot)
    }
}

fn from_slot(task: NonNull<Header>) -> Runnable {
    // SAFETY: the slot holds only what `put_next` put there, and gives each of it out once.
    unsafe { Runnable::from_raw(task) }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.take_next());
    }
}

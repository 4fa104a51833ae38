//! A core: what one thread at a time needs to run tasks.
//!
//! A core has two sides. [`Core`] is what its holder alone touches; it moves from thread to thread as a
//! box. [`Remote`] is what everybody may touch; it stays where it is.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::mem;
use std::ptr::NonNull;
use std::sync::Arc;

use super::activity::Activity;
use super::census::Tally;
use super::pace::Pace;
use super::precedence::Precedence;
use super::rescue::Sighting;
use super::strain::Strain;
use crate::queue::{Injector, Local, Ring, Slot};
use crate::reactor::Events;
use crate::sync::Mutex;
use crate::sync::atomic::AtomicBool;
use crate::task::{Header, Owned, Runnable};
use crate::timer::Lane;

/// The holder's side.
pub(crate) struct Core {
    pub(super) remote: Arc<Remote>,
    pub(super) ring: Local<Runnable>,
    pub(super) timers: Arc<Lane>,
    pub(super) pace: Pace,
    pub(super) strain: Strain,
    precedence: Precedence,
    /// Whether the core has a searcher's token; see [`idle`](super::idle).
    pub(super) searching: Cell<bool>,
    /// Siblings whose events are reported here as well; see [`rescue`](super::rescue).
    pub(super) watched: RefCell<Vec<usize>>,
    /// For turning reactors.
    pub(super) events: RefCell<Events>,
    /// For where to begin stealing.
    random: Cell<u32>,
}

/// Everybody's side.
pub(crate) struct Remote {
    pub(super) index: usize,
    pub(super) ring: Arc<Ring<Runnable>>,
    /// The task to run next: the one woken last, whose data is still warm.
    pub(super) next: Slot<Header>,
    /// The tasks that have waited for the first time on this core.
    pub(super) owned: Owned,
    pub(super) tally: Tally,
    /// Nobody holds the core.
    ///
    /// *Ordering:* written under the lending's lock. Who has claimed the core finds it as it was when its
    /// idle bit was set; who has brought a source or a timer is ordered with the look for such, before a core
    /// comes to rest, by the lock of the reactor's pages or of the wheel. To all others it is a hint.
    pub(super) dormant: AtomicBool,
    /// A caller of `block_on` holds the core, and does not give it away. A hint: who asks in vain waits.
    pub(super) borrowed: AtomicBool,
    pub(super) activity: Activity,
    /// The poll that a sibling has found to be blocking.
    pub(super) sighting: Mutex<Option<Sighting>>,
}

/// A worker's place for its core, from which `block_in_place` takes it.
pub(super) struct Held(UnsafeCell<Option<Core>>);

impl Core {
    pub(super) fn new(index: usize, timers: Arc<Lane>) -> (Self, Arc<Remote>) {
        let ring = Local::new();
        let remote = Arc::new(Remote {
            index,
            ring: ring.ring(),
            next: Slot::new(),
            owned: Owned::new(index),
            tally: Tally::default(),
            dormant: AtomicBool::new(true),
            borrowed: AtomicBool::new(false),
            activity: Activity::new(),
            sighting: Mutex::new(None),
        });
        let core = Self {
            remote: remote.clone(),
            ring,
            timers,
            pace: Pace::new(),
            strain: Strain::new(),
            precedence: Precedence::default(),
            searching: Cell::new(false),
            watched: RefCell::default(),
            events: RefCell::new(Events::new()),
            random: Cell::new(0x9E37_79B9 ^ (index as u32 + 1)),
        };
        (core, remote)
    }

    pub(super) fn index(&self) -> usize {
        self.remote.index
    }

    /// Takes a task that is ready here: that of the slot if it has precedence, then the ring's.
    #[inline]
    pub(super) fn take(&self, injector: &Injector<Runnable>) -> Option<Runnable> {
        if let Some(task) = self.remote.take_next() {
            if self.precedence.grant(task.header().id()) {
                return Some(task);
            }
            return Some(self.put_behind(task, injector));
        }
        self.precedence.end_streak();
        self.ring.pop()
    }

    /// Puts a task behind those in the ring, and takes the first.
    #[inline(never)]
    fn put_behind(&self, task: Runnable, injector: &Injector<Runnable>) -> Runnable {
        self.precedence.end_streak();
        let Some(first) = self.ring.pop() else {
            return task;
        };
        self.ring.push(task, injector);
        first
    }

    /// Tasks that are ready here, at some moment.
    pub(super) fn ready(&self) -> u32 {
        self.ring.len() + u32::from(!self.remote.next.is_empty())
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

impl Held {
    pub(super) fn new(core: Core) -> Self {
        Self(UnsafeCell::new(Some(core)))
    }

    pub(super) fn is_empty(&self) -> bool {
        // SAFETY: the cell is never shared between threads, and references into it are given away only
        // by `get`, as shared ones.
        unsafe { &*self.0.get() }.is_none()
    }

    /// The core.
    ///
    /// # Aborts
    ///
    /// If it was taken.
    #[inline]
    pub(super) fn get(&self) -> &Core {
        // SAFETY: whoever replaces the core promises that no such reference is left.
        match unsafe { &*self.0.get() } {
            Some(core) => core,
            None => no_core(),
        }
    }

    /// Puts another core, or none, in the place of this one.
    ///
    /// # Safety
    ///
    /// No reference that [`get`](Self::get) returned is used any more.
    pub(super) unsafe fn replace(&self, core: Option<Core>) -> Option<Core> {
        // SAFETY: the caller's promise; the cell is not shared between threads.
        mem::replace(unsafe { &mut *self.0.get() }, core)
    }

    pub(super) fn into_inner(self) -> Option<Core> {
        self.0.into_inner()
    }
}

/// Nothing unwinds out of a function of C's, so those who look for a core need not be ready for that.
#[cold]
extern "C" fn no_core() -> ! {
    panic!("the core is there while tasks run")
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

//! What a core lets others know of itself.
//!
//! Only the core's holder writes here, so a counter costs a load and a store. Nothing is ordered by these
//! words and nobody's progress rests on one: they are for metrics, for dumps, and for siblings who want
//! to know whether the core is stuck. Hence they are relaxed, and std's also in models.

use std::panic::Location;
use std::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed},
};

use super::pace;
use crate::task::Header;
use crate::timer::Moment;

/// A bit that no task's identifier has.
const OVER: u64 = 1 << 63;

/// On cache lines of its own, which siblings seldom look at.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Activity {
    /// Polls begun since the last look at the outside.
    pub(super) ticks: AtomicU32,
    /// Looks at the outside, and the polls up to the last.
    looks: Counter,
    polls: Counter,
    /// The task polled last, with [`OVER`] if it is, and where it was spawned; for a root 0, and where
    /// `block_on` was called.
    task: AtomicU64,
    spawned_at: AtomicPtr<Location<'static>>,
    /// After how many ticks the holder reads the clock next.
    pub(super) next_reading: AtomicU32,
    /// When the reactor was turned last, or was found to have nothing registered; by the runtime's clock.
    pub(super) turned_at: AtomicU64,
    pub(crate) turns: Counter,
    pub(crate) events: Counter,
    pub(crate) parks: Counter,
    pub(crate) steals: Counter,
    pub(crate) rescues: Counter,
    pub(crate) forced_yields: Counter,
    /// Nanoseconds between sleeps.
    pub(crate) busy: Counter,
}

/// A number that only one thread at a time changes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// A poll, as a sibling sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll {
    /// Its number on its core.
    pub(super) number: u64,
    pub(super) task: u64,
    /// The task is complete; what goes on is what follows from that.
    pub(super) is_over: bool,
    pub(super) spawned_at: Option<&'static Location<'static>>,
}

impl Counter {
    #[inline]
    pub(super) fn add(&self, count: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    fn take_back(&self, count: u64) {
        self.add(count.wrapping_neg());
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            ticks: AtomicU32::new(0),
            looks: Counter::default(),
            polls: Counter::default(),
            task: AtomicU64::new(0),
            spawned_at: AtomicPtr::new(ptr::null_mut()),
            next_reading: AtomicU32::new(pace::FIRST_READING),
            turned_at: AtomicU64::new(0),
            turns: Counter::default(),
            events: Counter::default(),
            parks: Counter::default(),
            steals: Counter::default(),
            rescues: Counter::default(),
            forced_yields: Counter::default(),
            busy: Counter::default(),
        }
    }

    /// Counts a poll, or the attempt to find something to poll.
    #[inline]
    pub(super) fn tick(&self) -> u32 {
        let ticks = self.ticks.load(Relaxed) + 1;
        self.ticks.store(ticks, Relaxed);
        ticks
    }

    /// Takes the last tick back: nothing was found.
    pub(super) fn untick(&self) {
        match self.ticks.load(Relaxed) {
            // There was a look at the outside since.
            0 => self.polls.take_back(1),
            ticks => self.ticks.store(ticks - 1, Relaxed),
        }
    }

    /// Notes that a task is about to be polled.
    #[inline]
    pub(super) fn begin_poll(&self, task: &Header) {
        self.task.store(task.id().as_u64(), Relaxed);
        let spawned_at = ptr::from_ref(task.origin().location).cast_mut();
        self.spawned_at.store(spawned_at, Relaxed);
    }

    /// Notes that a task is complete, if it is the one polled last.
    #[inline]
    pub(super) fn end_task(&self, task: &Header) {
        let id = task.id().as_u64();
        if self.task.load(Relaxed) == id {
            self.task.store(id | OVER, Relaxed);
        }
    }

    /// Notes that a root is about to be polled.
    pub(super) fn begin_root(&self, location: &'static Location<'static>) {
        self.tick();
        self.task.store(0, Relaxed);
        let spawned_at = ptr::from_ref(location).cast_mut();
        self.spawned_at.store(spawned_at, Relaxed);
    }

    /// Notes a look at the outside.
    pub(super) fn looked(&self, now: Moment) {
        self.polls.add(self.ticks.load(Relaxed).into());
        self.looks.add(1);
        self.ticks.store(0, Relaxed);
        self.next_reading.store(pace::FIRST_READING, Relaxed);
        self.turned_at.store(now, Relaxed);
    }

    /// Asks the holder to look at the outside after its current poll. It may not hear of it.
    pub(super) fn ask_for_look(&self) {
        self.next_reading.store(0, Relaxed);
    }

    /// Polls of tasks and roots.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.get() + u64::from(self.ticks.load(Relaxed))
    }

    /// The number of the poll begun last, which the next one does not have.
    pub(super) fn poll_number(&self) -> u64 {
        self.looks.get() << 32 | u64::from(self.ticks.load(Relaxed))
    }

    /// The poll begun last; `None` if another begins at this very moment.
    pub(super) fn poll(&self) -> Option<Poll> {
        let number = self.poll_number();
        let task = self.task.load(Acquire);
        // SAFETY: what is stored is null or comes from a `&'static Location`.
        let spawned_at = unsafe { self.spawned_at.load(Acquire).as_ref() };
        let same = self.poll_number() == number;
        same.then_some(Poll {
            number,
            task: task & !OVER,
            is_over: task & OVER != 0,
            spawned_at,
        })
    }
}

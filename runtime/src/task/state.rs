//! The one word that says who may do what with a task.
//!
//! ```text
//!  63 ......... 32 | 31 ............ 4 |     3      |      2      |     1     |    0
//!    wake count    |  reference count  | JOIN_WAKER | JOIN_HANDLE | CANCELLED | COMPLETE
//! ```
//!
//! **The wake count is the right to run.** It is zero while the task waits. Whoever takes it from zero to
//! one (a waker, an abort, the spawn itself) has made a [`Runnable`](super::Runnable), of which there is
//! never a second: later wakes only count. Whoever polls a `Runnable` remembers the count seen before the
//! poll and takes just that much off afterwards. Something left over is a wake that came during the poll:
//! the `Runnable` lives on and goes back into a queue. So a wake costs one read-modify-write, a whole poll
//! costs one, and a flag that would have to be cleared before the poll is not needed.
//!
//! **The reference count** covers the join handle, abort handles, wakers, and one *alive* reference that
//! the task holds on itself until it is complete. A `Runnable` is not counted: a task that has one is not
//! complete, so the alive reference keeps it.
//!
//! | flag | set | cleared |
//! |---|---|---|
//! | `COMPLETE` | by the `Runnable`'s holder, once, after the output was stored | never |
//! | `CANCELLED` | by abort and shutdown, together with a wake; never on a complete task | never |
//! | `JOIN_HANDLE` | at birth | by the join handle's drop |
//! | `JOIN_WAKER` | by the join handle, after it filled the waker slot | by the join handle, to get the slot back |
//!
//! The waker slot belongs to the join handle while `JOIN_WAKER` is clear. Set, it belongs to whoever
//! completes the task. The output belongs to the join handle once `COMPLETE` is set, and to the
//! completer if `JOIN_HANDLE` was already gone then.
//!
//! A flag for "scheduled" and one for "running", as most executors have, was rejected: it costs a second
//! read-modify-write per poll.

use crate::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

const COMPLETE: u64 = 1 << 0;
const CANCELLED: u64 = 1 << 1;
const JOIN_HANDLE: u64 = 1 << 2;
const JOIN_WAKER: u64 = 1 << 3;
const REF_ONE: u64 = 1 << 4;
const REF_MASK: u64 = WAKE_ONE - REF_ONE;
const WAKE_ONE: u64 = 1 << 32;

/// More references than any program has memory for, and far from the field's end. A power of two.
const REF_LIMIT: u64 = WAKE_ONE / REF_ONE / 2;

/// From here on wakes are given back instead of counted; see [`State::return_surplus_wake`]. A power of two.
#[cfg(not(loom))]
const WAKE_LIMIT: u32 = 1 << 30;
#[cfg(loom)]
const WAKE_LIMIT: u32 = 2;

/// The bits of which one is set if a limit is reached.
const LIMITS: u64 =
    (REF_MASK & !((REF_LIMIT - 1) * REF_ONE)) | !((WAKE_LIMIT as u64) * WAKE_ONE - 1);

const _: () = assert!(REF_LIMIT.is_power_of_two() && WAKE_LIMIT.is_power_of_two());

/// The alive reference and the join handle's, one `Runnable`.
const INITIAL: u64 = (2 * REF_ONE) | JOIN_HANDLE | WAKE_ONE;

/// The state word.
#[derive(Debug)]
pub(super) struct State(AtomicU64);

/// What the word said at some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot(u64);

/// What waking by value leaves to the waker.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// The caller holds the new `Runnable` and must schedule it.
    Schedule,
    /// That was the last reference: the caller must free the task.
    Dealloc,
    Nothing,
}

/// The beginning of a poll.
#[derive(Debug)]
pub(super) struct Start {
    /// The wakes that this poll answers.
    pub(super) wakes: u32,
    pub(super) cancelled: bool,
}

/// What the end of a pending poll leaves to the poller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// The `Runnable` is gone. The task must not be touched any more: it may be freed already.
    Idle,
    /// Woken while it ran: the `Runnable` goes back into a queue.
    Woken,
    /// Aborted while it ran: the `Runnable`'s holder must drop the future.
    Cancelled,
}

impl State {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(INITIAL))
    }

    /// Counts a wake; true if the caller now holds the task's `Runnable` and must schedule it.
    ///
    /// *Ordering:* release, so that the poll which answers the wake sees what the waker did before; its
    /// partner is the acquire load in [`start`](Self::start). That load also needs to see what the
    /// previous poll wrote: the release in [`finish_pending`](Self::finish_pending) heads a release
    /// sequence which this read-modify-write continues.
    #[inline]
    pub(super) fn wake_by_ref(&self) -> bool {
        let before = Snapshot(self.0.fetch_add(WAKE_ONE, Release));
        if before.wakes() >= WAKE_LIMIT {
            self.return_surplus_wake();
        }
        before.is_waiting()
    }

    /// Counts a wake and gives up the waker's reference.
    ///
    /// *Ordering:* release as in [`wake_by_ref`](Self::wake_by_ref); if it was the last reference,
    /// as in [`drop_ref`](Self::drop_ref).
    #[inline]
    pub(super) fn wake_by_val(&self) -> Wake {
        let before = Snapshot(self.0.fetch_add(WAKE_ONE - REF_ONE, Release));
        if before.refs() == 1 {
            // The alive reference was not among them, so the task is complete.
            self.0.load(Acquire);
            return Wake::Dealloc;
        }
        if before.is_waiting() {
            return Wake::Schedule;
        }
        Wake::Nothing
    }

    /// Takes back a wake that brought the count near the end of its field.
    ///
    /// A waker in a tight loop beside a worker that is blocked for minutes gets there. A wake may be
    /// taken back only while the count stays far above what a poll in progress can answer (its `start`
    /// brings a high count down first): then a later poll is certain, and it sees what the waker did,
    /// because this is a release operation on the word which that poll acquires. Whoever wakes by value
    /// has no reference left to do this with; its clone did it in advance.
    #[cold]
    fn return_surplus_wake(&self) {
        let _ = self.0.fetch_update(Release, Relaxed, |word| {
            (Snapshot(word).wakes() > WAKE_LIMIT).then(|| word - WAKE_ONE)
        });
    }

    /// Begins a poll. Only for the `Runnable`'s holder.
    ///
    /// *Ordering:* acquire; the partners are the releases in the wakes counted so far and in the last
    /// [`finish_pending`](Self::finish_pending).
    #[inline]
    pub(super) fn start(&self) -> Start {
        let seen = Snapshot(self.0.load(Acquire));
        if seen.wakes() > WAKE_LIMIT / 2 {
            // Not all that was seen: others may be giving wakes back, down to the limit.
            let surplus = u64::from(seen.wakes().min(WAKE_LIMIT) - 1) * WAKE_ONE;
            let before = self.0.fetch_sub(surplus, Acquire);
            return Start {
                wakes: 1,
                cancelled: Snapshot(before).is_cancelled(),
            };
        }
        Start {
            wakes: seen.wakes(),
            cancelled: seen.is_cancelled(),
        }
    }

    /// Ends a poll that returned `Pending`, which had begun with `answered` wakes.
    ///
    /// *Ordering:* release, so that the next poll sees what this one wrote into the future. An abort
    /// counts a wake, so `Cancelled` always comes with wakes left over.
    #[inline]
    pub(super) fn finish_pending(&self, answered: u32) -> Pending {
        let before = Snapshot(self.0.fetch_sub(u64::from(answered) * WAKE_ONE, Release));
        if before.wakes() == answered {
            Pending::Idle
        } else if before.is_cancelled() {
            Pending::Cancelled
        } else {
            Pending::Woken
        }
    }

    /// Marks the task complete; the snapshot says whether a join handle and its waker are there.
    ///
    /// *Ordering:* release, so that the join handle sees the output; acquire, to see the waker that the
    /// join handle put into the slot.
    pub(super) fn complete(&self) -> Snapshot {
        // Set once, so it can be added, which takes no loop.
        Snapshot(self.0.fetch_add(COMPLETE, AcqRel))
    }

    /// Asks for the task to be dropped; true if the caller now holds its `Runnable`.
    ///
    /// *Ordering:* as a wake.
    pub(super) fn cancel(&self) -> bool {
        let update = self.0.fetch_update(Release, Relaxed, |word| {
            let now = Snapshot(word);
            if now.is_complete() || now.is_cancelled() {
                return None;
            }
            Some((word | CANCELLED) + WAKE_ONE)
        });
        update.is_ok_and(|before| Snapshot(before).is_waiting())
    }

    /// *Ordering:* acquire, to read the output if it is complete.
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Acquire))
    }

    /// Hands the filled waker slot to the completer; false if the task is complete already.
    ///
    /// *Ordering:* release, for the slot; acquire on failure, for the output.
    pub(super) fn set_join_waker(&self) -> bool {
        let set = |word| (word & COMPLETE == 0).then_some(word | JOIN_WAKER);
        self.0.fetch_update(Release, Acquire, set).is_ok()
    }

    /// Takes the waker slot back; false if the task is complete and the slot lost.
    ///
    /// *Ordering:* acquire on failure, for the output. On success nothing was written by others.
    pub(super) fn unset_join_waker(&self) -> bool {
        let unset = |word| (word & COMPLETE == 0).then_some(word & !JOIN_WAKER);
        self.0.fetch_update(Relaxed, Acquire, unset).is_ok()
    }

    /// Lets go of the join handle of a task nothing has happened to yet, reference included.
    ///
    /// *Ordering:* release, as for any reference that is given up.
    pub(super) fn drop_join_handle_early(&self) -> bool {
        let detached = INITIAL - REF_ONE - JOIN_HANDLE;
        self.0
            .compare_exchange(INITIAL, detached, Release, Relaxed)
            .is_ok()
    }

    /// Lets go of the join handle, its reference excluded. If the task is complete in the snapshot the
    /// caller owns the output, otherwise the waker slot.
    ///
    /// *Ordering:* acquire, for the output; the reference is given up separately.
    pub(super) fn drop_join_handle(&self) -> Snapshot {
        Snapshot(self.0.fetch_and(!(JOIN_HANDLE | JOIN_WAKER), AcqRel))
    }

    /// Counts a new reference.
    ///
    /// *Ordering:* relaxed, because a new reference is always made from one that exists.
    pub(super) fn add_ref(&self) {
        let before = Snapshot(self.0.fetch_add(REF_ONE, Relaxed));
        if before.0 & LIMITS != 0 {
            self.heed_limits(before);
        }
    }

    #[cold]
    fn heed_limits(&self, before: Snapshot) {
        if before.refs() >= REF_LIMIT {
            std::process::abort();
        }
        if before.wakes() >= WAKE_LIMIT {
            self.return_surplus_wake();
        }
    }

    /// Gives up a reference; true if it was the last and the caller must free the task.
    ///
    /// *Ordering:* release, so that everything done through this reference comes before the task is
    /// freed; acquire for whoever frees it. A load stands where an acquire fence would do, because
    /// ThreadSanitizer does not understand fences.
    pub(super) fn drop_ref(&self) -> bool {
        let before = Snapshot(self.0.fetch_sub(REF_ONE, Release));
        if before.refs() > 1 {
            return false;
        }
        self.0.load(Acquire);
        true
    }
}

impl Snapshot {
    /// Whether the only reference is the one of who looks, so that nobody can make another, and the task can be
    /// freed without giving that one up.
    ///
    /// *Ordering:* the snapshot was taken by acquire; its partners are the releases by which the other
    /// references were given up, as in [`drop_ref`](State::drop_ref).
    pub(super) fn is_last_ref(self) -> bool {
        self.refs() == 1
    }

    pub(super) fn is_complete(self) -> bool {
        self.0 & COMPLETE != 0
    }

    pub(super) fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    pub(super) fn has_join_handle(self) -> bool {
        self.0 & JOIN_HANDLE != 0
    }

    pub(super) fn has_join_waker(self) -> bool {
        self.0 & JOIN_WAKER != 0
    }

    fn wakes(self) -> u32 {
        (self.0 / WAKE_ONE) as u32
    }

    fn refs(self) -> u64 {
        (self.0 & REF_MASK) / REF_ONE
    }

    /// Waiting, with no `Runnable`.
    pub(super) fn is_waiting(self) -> bool {
        self.wakes() == 0 && !self.is_complete()
    }
}

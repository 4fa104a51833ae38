//! Task identifiers.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many identifiers a thread takes from the process at once.
const BLOCK: u64 = 1024;

/// Relaxed: a number is given out once, whatever else its takers see.
static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The last identifier this thread gave out. A multiple of `BLOCK` means that its block is used up.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

thread_local! {
    /// The task that this thread is polling, or whose future it drops.
    static CURRENT: Cell<Option<Id>> = const { Cell::new(None) };
}

/// Identifies a task among all tasks of the process, over its whole life.
///
/// Identifiers grow in the order of spawning on one thread. Between threads their order means nothing.
///
/// # Examples
///
/// ```
/// let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// let first = runtime.spawn(async {});
/// let second = runtime.spawn(async {});
/// assert_ne!(first.id(), second.id());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZeroU64);

impl Id {
    /// A new identifier, mostly without touching memory that other threads write.
    pub(crate) fn next() -> Self {
        LAST.with(|last| {
            let mut id = last.get();
            if id % BLOCK == 0 {
                id = NEXT_BLOCK.fetch_add(1, Relaxed) * BLOCK;
            }
            id += 1;
            last.set(id);
            Self(NonZeroU64::new(id).expect("one was just added"))
        })
    }
}

impl Id {
    /// The number that stands for this identifier.
    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The identifier that a number stands for, unless it is 0.
    pub(crate) fn from_u64(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

/// The task that is calling, or whose future is being dropped. Blocking closures are tasks too.
///
/// # Panics
///
/// Outside a task; the future of `block_on` is none.
///
/// # Examples
///
/// ```
/// let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// let task = runtime.spawn(async { mini_rt_runtime::task::id() });
/// let id = task.id();
/// assert_eq!(runtime.block_on(task)?, id);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn id() -> Id {
    try_id()
        .expect("`task::id` was called outside a task; `task::try_id` tells where that may happen")
}

/// As [`id`], but `None` outside a task.
pub fn try_id() -> Option<Id> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// Calls `f`, which does not panic, for a task that is then the current one.
#[inline]
pub(super) fn as_current<R>(id: Id, f: impl FnOnce() -> R) -> R {
    let before = CURRENT.with(|current| current.replace(Some(id)));
    let result = f();
    CURRENT.with(|current| current.set(before));
    result
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

//! Values that only one thread reaches, in places that all threads reach.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Not one that models replace: it orders nothing.
static NEXT_THREAD: AtomicU64 = AtomicU64::new(1);

crate::sync::thread_local! {
    /// This thread's number, which no other thread ever has; 0 before it is asked for.
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

fn this_thread() -> u64 {
    THREAD.with(|thread| {
        if thread.get() == 0 {
            thread.set(NEXT_THREAD.fetch_add(1, Relaxed));
        }
        thread.get()
    })
}

/// A value that only the thread which made it reaches.
pub(super) struct Confined<T> {
    thread: u64,
    value: T,
}

// SAFETY: a reference to the value is given out on one thread only, and cannot leave it unless the value
// is `Sync`. The value itself may be dropped on any thread, so it has to be `Send`.
unsafe impl<T: Send> Sync for Confined<T> {}

impl<T> Confined<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            thread: this_thread(),
            value,
        }
    }

    /// The value, on its own thread.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        (self.thread == this_thread()).then_some(&self.value)
    }
}

//! A place for the one item that is to run next.

use std::ptr::{self, NonNull};

use crate::sync::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Holds one pointer or none. The owner fills it; anybody may take from it.
///
/// Because nobody but the owner fills it, an owner that sees it empty may fill it with a plain store.
#[derive(Debug)]
pub(crate) struct Slot<T>(AtomicPtr<T>);

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts an item in and returns the one that was there. Only for the owner.
    ///
    /// *Ordering:* release, so that whoever takes the item sees what it points to; acquire, for the item
    /// that comes back, which this thread put there itself.
    #[inline]
    pub(crate) fn put(&self, item: NonNull<T>) -> Option<NonNull<T>> {
        if self.0.load(Relaxed).is_null() {
            self.0.store(item.as_ptr(), Release);
            return None;
        }
        NonNull::new(self.0.swap(item.as_ptr(), AcqRel))
    }

    /// Takes the item, if there is one.
    ///
    /// *Ordering:* acquire; the partner is the release in [`put`](Self::put).
    #[inline]
    pub(crate) fn take(&self) -> Option<NonNull<T>> {
        if self.is_empty() {
            return None;
        }
        NonNull::new(self.0.swap(ptr::null_mut(), Acquire))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Relaxed).is_null()
    }
}

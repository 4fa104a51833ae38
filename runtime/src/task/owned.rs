//! The list by which a runtime finds its tasks, so that shutdown can drop every future.
//!
//! A runtime has one list per core, so that spawning on different cores shares no lock. A task enters a
//! list when it is spawned and leaves when it is complete. The links are in the tasks' headers: nothing
//! is allocated.
//!
//! What always holds: a task in a list is alive, because it leaves before it gives up its alive reference.

use std::ptr::NonNull;

use super::Runnable;
use super::cell::Header;
use crate::sync::{Mutex, MutexGuard};

/// A task's neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    previous: Option<NonNull<Header>>,
    next: Option<NonNull<Header>>,
}

impl Links {
    /// Those of a task that is in no list; nothing lies at the address of that neighbour.
    pub(super) const OUTSIDE: Self = Self {
        previous: Some(NonNull::dangling()),
        next: None,
    };

    fn is_outside(&self) -> bool {
        self.previous == Self::OUTSIDE.previous
    }
}

/// The incomplete tasks that were spawned on one core.
#[derive(Debug, Default)]
pub(crate) struct Owned {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    head: Option<NonNull<Header>>,
    /// How many ever entered, and how many of them have left.
    entered: u64,
    left: u64,
    /// Set by shutdown: nothing enters any more.
    closed: bool,
}

// SAFETY: the headers' links are touched only under the list's lock, and nothing else is reached through
// these pointers but the state word.
unsafe impl Send for List {}

impl Owned {
    /// Enters a new task; false if the list is closed.
    pub(crate) fn insert(&self, task: &Runnable) -> bool {
        let mut list = self.list.lock();
        if list.closed {
            return false;
        }
        let task = task.0;
        if let Some(head) = list.head {
            with_links(&list, head, |links| links.previous = Some(task));
        }
        with_links(&list, task, |links| {
            *links = Links {
                previous: None,
                next: list.head,
            };
        });
        list.head = Some(task);
        list.entered += 1;
        true
    }

    /// Takes a task out, once, if it was entered. A task is never entered in a list but that of its own core.
    pub(crate) fn remove(&self, task: &Header) {
        let mut list = self.list.lock();
        // SAFETY: links are guarded by the list's lock, which is held.
        let links = task.links.with(|links| unsafe { *links });
        if links.is_outside() {
            return;
        }
        let Links { previous, next } = links;
        match previous {
            Some(previous) => with_links(&list, previous, |links| links.next = next),
            None => list.head = next,
        }
        if let Some(next) = next {
            with_links(&list, next, |links| links.previous = previous);
        }
        list.left += 1;
    }

    /// Lets no task in any more.
    pub(crate) fn refuse(&self) {
        self.list.lock().closed = true;
    }

    /// Closes the list and asks every task in it to end. Futures of waiting tasks are dropped before this
    /// returns; those with a `Runnable` somewhere are dropped by its holder.
    pub(crate) fn close(&self) {
        let mut list = self.list.lock();
        list.closed = true;
        // Cancelling takes the lock to leave the list, hence in two steps. Only the tasks that were
        // waiting have to be remembered, because only they are cancelled here.
        let mut waiting = Vec::new();
        let mut cursor = list.head;
        while let Some(task) = cursor {
            // SAFETY: a task in the list is alive.
            if unsafe { task.as_ref() }.state.cancel() {
                // SAFETY: the state word just made this `Runnable`.
                waiting.push(unsafe { Runnable::from_raw(task) });
            }
            cursor = with_links(&list, task, |links| links.next);
        }
        drop(list);
        waiting.into_iter().for_each(Runnable::cancel);
    }

    /// How many tasks are not complete.
    pub(crate) fn len(&self) -> usize {
        let list = self.list.lock();
        (list.entered - list.left) as usize
    }

    /// How many tasks were spawned.
    pub(crate) fn entered(&self) -> u64 {
        self.list.lock().entered
    }

    /// Looks at every task. None enters or leaves the list meanwhile.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&Header)) {
        let list = self.list.lock();
        let mut cursor = list.head;
        while let Some(task) = cursor {
            // SAFETY: a task in the list is alive.
            look(unsafe { task.as_ref() });
            cursor = with_links(&list, task, |links| links.next);
        }
    }
}

/// The links of a task, for the holder of its list's lock.
fn with_links<R>(
    _lock: &MutexGuard<'_, List>,
    task: NonNull<Header>,
    f: impl FnOnce(&mut Links) -> R,
) -> R {
    // SAFETY: a task in the list, or entering it, is alive, and the lock guards the links.
    unsafe { task.as_ref().links.with_mut(|links| f(&mut *links)) }
}

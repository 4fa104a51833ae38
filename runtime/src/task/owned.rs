//! The list by which a runtime finds the tasks that wait, so that shutdown can drop every future.
//!
//! A task that has never waited need not be found: its `Runnable` is in a queue, or somebody polls it. So a task
//! enters a list when its first poll leaves it waiting, and leaves when it is complete. Many tasks complete in
//! their first poll; entering and leaving was a quarter of the time that such a task took. A scheduler may enter
//! others earlier, so that observers find them.
//!
//! A runtime has one list per core, so that those who enter on different cores share no lock. The links are in
//! the tasks' headers: nothing is allocated.
//!
//! What always holds: a task in a list is alive, because it leaves before it gives up its alive reference.

use std::ptr::NonNull;

use super::Runnable;
use super::cell::Header;
use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};
use crate::sync::{Mutex, MutexGuard};

/// A task's neighbours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    previous: Option<NonNull<Header>>,
    next: Option<NonNull<Header>>,
}

/// What a runtime knows of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has not waited yet.
    Unlisted,
    /// It is in the list with this number.
    List(usize),
    /// Nothing: it came too late.
    Refused,
}

/// A task's [`Place`] in one word.
///
/// *Ordering:* relaxed: only the holder of the task's `Runnable` writes it, once, and reads it.
#[derive(Debug)]
pub(super) struct PlaceWord(AtomicU32);

impl PlaceWord {
    const UNLISTED: u32 = u32::MAX;
    const REFUSED: u32 = u32::MAX - 1;

    pub(super) fn new() -> Self {
        Self(AtomicU32::new(Self::UNLISTED))
    }

    #[inline]
    pub(super) fn get(&self) -> Place {
        match self.0.load(Relaxed) {
            Self::UNLISTED => Place::Unlisted,
            Self::REFUSED => Place::Refused,
            number => Place::List(number as usize),
        }
    }

    pub(super) fn refuse(&self) {
        self.0.store(Self::REFUSED, Relaxed);
    }
}

/// Tasks that have waited, and are not complete.
#[derive(Debug)]
pub(crate) struct Owned {
    number: u32,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    head: Option<NonNull<Header>>,
    len: usize,
    /// Set by shutdown: nothing enters any more.
    closed: bool,
}

// SAFETY: the headers' links are touched only under the list's lock, and nothing else is reached through
// these pointers but the state word.
unsafe impl Send for List {}

impl Default for Owned {
    /// A list that is the only one.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Owned {
    /// An empty list, with a number by which tasks know it.
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number: number as u32,
            list: Mutex::default(),
        }
    }

    /// Enters a task that is in no list; false if this one is closed.
    pub(crate) fn insert(&self, runnable: &Runnable) -> bool {
        let mut list = self.list.lock();
        if list.closed {
            return false;
        }
        let task = runnable.0;
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
        list.len += 1;
        runnable.header().place.0.store(self.number, Relaxed);
        true
    }

    /// Takes a task out that is in this list.
    pub(crate) fn remove(&self, task: &Header) {
        let mut list = self.list.lock();
        // SAFETY: links are guarded by the list's lock, which is held.
        let Links { previous, next } = task.links.with(|links| unsafe { *links });
        match previous {
            Some(previous) => with_links(&list, previous, |links| links.next = next),
            None => list.head = next,
        }
        if let Some(next) = next {
            with_links(&list, next, |links| links.previous = previous);
        }
        list.len -= 1;
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

    /// How many tasks are in it.
    pub(crate) fn len(&self) -> usize {
        self.list.lock().len
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

//! Who waits for a source.
//!
//! Two kinds, because two kinds of operation exist:
//! - a *poller*, per direction: `poll_read` and its like, which come back with a waker and own nothing.
//!   The last one has a place of its own. If another task polls the same direction, the one before is
//!   displaced to a list, so that the next event wakes both: a lost wake-up is worse than one too many.
//! - *waiters*, any number: futures that own an entry and take it out when they are dropped.

use std::collections::VecDeque;
use std::task::Waker;

use crate::contain::contain;
use crate::sys::Interest;

/// Displaced pollers that are kept per source. Whoever polls with a new waker each time, without an event
/// ever coming, must not fill the memory: beyond this the oldest is woken, and comes back if it cares.
const MAX_DISPLACED: usize = 1024;

/// After so many waits in a row from one and the same other core, a source moves there.
pub(super) const MOVE_AFTER: u8 = 16;

/// The waiters of a source, with what else its lock guards.
#[derive(Debug)]
pub(super) struct Waiters {
    /// What the poller reports.
    pub(super) armed: Interest,
    /// Waits in a row from the core `visitor`, which is not the source's own.
    visits: u8,
    visitor: u16,
    reader: Option<Waker>,
    writer: Option<Waker>,
    crowd: Option<Box<Crowd>>,
}

/// What few sources have: many waiters.
#[derive(Debug, Default)]
struct Crowd {
    entries: Vec<Option<Entry>>,
    vacant: Vec<u32>,
    displaced: VecDeque<(Interest, Waker)>,
    last_id: u32,
}

#[derive(Debug)]
struct Entry {
    id: u32,
    interest: Interest,
    waker: Waker,
}

/// A waiter's place. It stays unambiguous when the entry is gone and its place taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryId {
    place: u32,
    id: u32,
}

/// Wakers on their way out of the lock.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Woken {
    reader: Option<Waker>,
    writer: Option<Waker>,
    crowd: Vec<Waker>,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self {
            armed: Interest::NONE,
            visits: 0,
            visitor: 0,
            reader: None,
            writer: None,
            crowd: None,
        }
    }

    /// Stores the waker of a task that polls one direction. What comes back must be woken.
    pub(super) fn poll(&mut self, direction: Interest, waker: &Waker) -> Option<Waker> {
        let place = if direction.is_readable() {
            &mut self.reader
        } else {
            &mut self.writer
        };
        match place {
            Some(stored) if stored.will_wake(waker) => None,
            None => {
                *place = Some(waker.clone());
                None
            }
            Some(stored) => {
                let displaced = std::mem::replace(stored, waker.clone());
                self.crowd
                    .get_or_insert_default()
                    .displace(direction, displaced)
            }
        }
    }

    /// Stores or renews a waiter's waker; `entry` is its entry if it has had one. The waker that was there
    /// comes back, to be dropped outside the lock: it may own a waiter of this source.
    pub(super) fn wait(
        &mut self,
        entry: Option<EntryId>,
        interest: Interest,
        waker: &Waker,
    ) -> (EntryId, Option<Waker>) {
        let crowd = self.crowd.get_or_insert_default();
        if let Some(id) = entry {
            if let Some(entry) = crowd.find(id) {
                let renew = !entry.waker.will_wake(waker);
                let old = renew.then(|| std::mem::replace(&mut entry.waker, waker.clone()));
                return (id, old);
            }
        }
        (crowd.insert(interest, waker.clone()), None)
    }

    /// Takes a waiter's entry out, if it is still there.
    pub(super) fn forget(&mut self, id: EntryId) -> Option<Waker> {
        let crowd = self.crowd.as_mut()?;
        crowd.find(id)?;
        crowd.remove(id.place)
    }

    /// Takes out everybody who waits for one of these directions.
    pub(super) fn take(&mut self, directions: Interest) -> Woken {
        Woken {
            reader: if directions.is_readable() {
                self.reader.take()
            } else {
                None
            },
            writer: if directions.is_writable() {
                self.writer.take()
            } else {
                None
            },
            crowd: self
                .crowd
                .as_mut()
                .map_or_else(Vec::new, |crowd| crowd.take(directions)),
        }
    }

    /// Everybody, when the slot is given back.
    pub(super) fn into_woken(mut self) -> Woken {
        self.take(Interest::READABLE | Interest::WRITABLE)
    }

    /// Counts a wait from another core; true if the source should move there. It should not while others
    /// wait who may sit elsewhere.
    pub(super) fn visit(&mut self, visitor: usize, waker: &Waker) -> bool {
        if usize::from(self.visitor) != visitor {
            self.visitor = visitor as u16;
            self.visits = 0;
        }
        self.visits = self.visits.saturating_add(1);
        let mut pollers = self.reader.iter().chain(&self.writer);
        self.visits >= MOVE_AFTER
            && pollers.all(|poller| poller.will_wake(waker))
            && self.crowd.as_ref().is_none_or(|crowd| crowd.is_empty())
    }

    /// Notes a wait from the source's own core.
    pub(super) fn at_home(&mut self) {
        self.visits = 0;
    }
}

impl Crowd {
    fn find(&mut self, id: EntryId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.place as usize)?.as_mut()?;
        (entry.id == id.id).then_some(entry)
    }

    fn insert(&mut self, interest: Interest, waker: Waker) -> EntryId {
        self.last_id = self.last_id.wrapping_add(1);
        let entry = Some(Entry {
            id: self.last_id,
            interest,
            waker,
        });
        let place = match self.vacant.pop() {
            Some(place) => {
                self.entries[place as usize] = entry;
                place
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        EntryId {
            place,
            id: self.last_id,
        }
    }

    fn remove(&mut self, place: u32) -> Option<Waker> {
        let entry = self.entries[place as usize].take()?;
        self.vacant.push(place);
        Some(entry.waker)
    }

    fn displace(&mut self, direction: Interest, waker: Waker) -> Option<Waker> {
        let known = |(interest, known): &(Interest, Waker)| {
            *interest == direction && known.will_wake(&waker)
        };
        if self.displaced.iter().any(known) {
            return None;
        }
        self.displaced.push_back((direction, waker));
        let overflow = self.displaced.len() > MAX_DISPLACED;
        overflow
            .then(|| self.displaced.pop_front())
            .flatten()
            .map(|(_, waker)| waker)
    }

    fn take(&mut self, directions: Interest) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let Self {
            entries,
            vacant,
            displaced,
            ..
        } = self;
        for (place, entry) in entries.iter_mut().enumerate() {
            if entry
                .as_ref()
                .is_some_and(|entry| entry.interest.intersects(directions))
            {
                wakers.extend(entry.take().map(|entry| entry.waker));
                vacant.push(place as u32);
            }
        }
        for (direction, waker) in std::mem::take(displaced) {
            if direction.intersects(directions) {
                wakers.push(waker);
            } else {
                displaced.push_back((direction, waker));
            }
        }
        wakers
    }

    fn is_empty(&self) -> bool {
        self.displaced.is_empty() && self.vacant.len() == self.entries.len()
    }
}

impl Woken {
    /// Wakes them. Not under the waiters' lock: a waker may do anything, and may panic.
    pub(super) fn wake(self) {
        let wake = |waker: Waker| contain(|| waker.wake());
        self.reader.into_iter().for_each(wake);
        self.writer.into_iter().for_each(wake);
        self.crowd.into_iter().for_each(wake);
    }
}

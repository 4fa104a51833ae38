//! Who polls a set of local tasks, and is to be called when there is something to run.

use std::mem;
use std::task::Waker;

use crate::contain::contain;

/// The wakers of those who wait. Mostly there is one.
#[derive(Debug, Default)]
pub(super) struct Pollers {
    first: Option<Waiting>,
    others: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    poller: u64,
    waker: Waker,
}

impl Pollers {
    /// Puts in a poller's waker, and gives back the one before, which is to be dropped outside of any lock.
    pub(super) fn put(&mut self, poller: u64, waker: &Waker) -> Option<Waker> {
        let mut waiting = self.first.iter_mut().chain(&mut self.others);
        if let Some(known) = waiting.find(|waiting| waiting.poller == poller) {
            let changed = !known.waker.will_wake(waker);
            return changed.then(|| mem::replace(&mut known.waker, waker.clone()));
        }
        let waiting = Waiting {
            poller,
            waker: waker.clone(),
        };
        match self.first {
            None => self.first = Some(waiting),
            Some(_) => self.others.push(waiting),
        }
        None
    }

    /// Takes a poller's waker out.
    pub(super) fn remove(&mut self, poller: u64) -> Option<Waker> {
        let is_it = |waiting: &mut Waiting| waiting.poller == poller;
        let removed = self.first.take_if(is_it).or_else(|| {
            let position = self.others.iter_mut().position(is_it)?;
            Some(self.others.swap_remove(position))
        });
        removed.map(|waiting| waiting.waker)
    }

    pub(super) fn wake(self) {
        for waiting in self.first.into_iter().chain(self.others) {
            contain(|| waiting.waker.wake());
        }
    }
}

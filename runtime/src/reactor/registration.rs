//! A source's own end of its registration.
//!
//! A source starts unregistered, with everything assumed to work: operations are tried first. The first
//! that would block opens a slot on the core that is polling, the first wait tells the poller; reading and
//! writing each when they first wait. From then on the slot knows what is ready. A source that keeps being
//! polled on another core moves there.
//!
//! What always holds: once there is a slot, `home` changes only under the lock of the slot it names, and
//! it changes before that slot's generation ends. So who holds the lock and finds the generation right
//! deals with the current slot, and who finds it wrong looks at `home` again.

use std::io;
use std::os::fd::RawFd;
use std::task::{Context, Poll, Waker};

use super::readiness::Seen;
use super::waiters::{EntryId, Waiters, Woken};
use super::{Key, Reactor, Reactors};
use crate::contain::contain;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};
use crate::sys::{Interest, Ready};

/// Where a source is registered, if it is.
#[derive(Debug)]
pub(crate) struct Registration {
    /// A [`Key`].
    home: AtomicU64,
}

/// Readiness together with the registration it was seen in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    key: Key,
    seen: Seen,
}

/// The place of a waiter's entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaiterId {
    key: Key,
    entry: EntryId,
}

/// What a source looks like that could not be registered because the runtime is gone.
const ORPHAN: Key = Key::from_token(u64::MAX);

impl Observed {
    pub(crate) fn directions(self) -> Interest {
        self.seen.ready().directions()
    }

    /// What is ready, or the error that nothing ever will be.
    pub(crate) fn check(self) -> io::Result<Self> {
        if self.seen.ready().intersects(Ready::SHUTDOWN) {
            return Err(io::Error::other(
                "the runtime of this I/O source has shut down",
            ));
        }
        Ok(self)
    }

    /// Whether an operation that moved less than it could has shown that there is no more to do. Not so
    /// after a report that no further edge will follow, and not for a source that is only assumed ready.
    pub(crate) fn trusts_short(self, direction: Interest) -> bool {
        let doubts = if direction.is_readable() {
            Ready::READ_CLOSED.union(Ready::PRIORITY)
        } else {
            Ready::WRITE_CLOSED
        };
        self.key != Key::UNREGISTERED && !self.seen.ready().intersects(doubts)
    }
}

impl Registration {
    /// A source to be tried first.
    pub(crate) fn lazy() -> Self {
        Self {
            home: AtomicU64::new(Key::UNREGISTERED.token()),
        }
    }

    /// A source of which nothing is known until the poller reports it, registered for reading.
    ///
    /// # Errors
    ///
    /// The poller's, if it cannot watch this descriptor.
    pub(crate) fn eager(reactors: &Reactors, fd: RawFd, core: usize) -> io::Result<Self> {
        let registration = Self::lazy();
        let Some(key) = reactors.get(core).open(core, Ready::NONE) else {
            registration.home.store(ORPHAN.token(), Release);
            return Ok(registration);
        };
        registration.home.store(key.token(), Release);
        let armed = reactors.get(core).arm(
            key,
            fd,
            &mut reactors.slot(key).waiters.lock(),
            Interest::READABLE,
        );
        if let Err(error) = armed {
            drop(reactors.get(core).retire(key, fd));
            return Err(error);
        }
        Ok(registration)
    }

    /// *Ordering:* acquire, to see the slot as it was opened; the partner is the release of whoever stored
    /// the key.
    fn home(&self) -> Key {
        Key::from_token(self.home.load(Acquire))
    }

    /// The core whose poller reports this source.
    pub(crate) fn core(&self) -> Option<usize> {
        let key = self.home();
        (key != Key::UNREGISTERED && key != ORPHAN).then(|| key.core())
    }

    /// What is known now.
    pub(crate) fn observe(&self, reactors: &Reactors) -> Observed {
        loop {
            let key = self.home();
            if let Some(observed) = Self::without_slot(key) {
                return observed;
            }
            let seen = reactors.slot(key).readiness.load();
            if seen.generation() == key.generation() {
                return Observed { key, seen };
            }
        }
    }

    fn without_slot(key: Key) -> Option<Observed> {
        match key {
            Key::UNREGISTERED => Some(Observed {
                key,
                seen: Seen::UNREGISTERED,
            }),
            ORPHAN => Some(Observed {
                key,
                seen: Seen::ORPHANED,
            }),
            _ => None,
        }
    }

    /// Notes that an operation found nothing to do in these directions, after what it had `observed`.
    /// `core` says where the source is registered if it was not yet.
    pub(crate) fn clear(
        &self,
        reactors: &Reactors,
        fd: RawFd,
        core: impl FnOnce() -> usize,
        observed: Observed,
        interest: Interest,
    ) {
        let used_up = Ready::of(interest);
        if observed.key == Key::UNREGISTERED {
            self.settle(
                reactors,
                core(),
                fd,
                Seen::UNREGISTERED.ready().without(used_up),
            );
        } else if observed.key != ORPHAN {
            reactors
                .slot(observed.key)
                .readiness
                .clear(observed.seen, used_up);
        }
    }

    /// Opens a slot for a source that has none.
    ///
    /// *Ordering:* release, so that whoever finds the key finds the slot open.
    #[cold]
    fn settle(&self, reactors: &Reactors, core: usize, fd: RawFd, ready: Ready) {
        let opened = reactors.get(core).open(core, ready);
        let new = opened.unwrap_or(ORPHAN).token();
        let unregistered = Key::UNREGISTERED.token();
        let settled = self
            .home
            .compare_exchange(unregistered, new, AcqRel, Acquire)
            .is_ok();
        if let (false, Some(key)) = (settled, opened) {
            // Somebody else was faster.
            drop(reactors.get(core).retire(key, fd));
        }
    }

    /// Polls one direction on behalf of a task. `here` is the core that polls, if it is one.
    pub(crate) fn poll(
        &self,
        reactors: &Reactors,
        fd: RawFd,
        here: Option<usize>,
        direction: Interest,
        cx: &Context<'_>,
    ) -> Poll<io::Result<Observed>> {
        let mut displaced = None;
        let result = self.wait_with(reactors, fd, here, direction, cx.waker(), |_, waiters| {
            displaced = waiters.poll(direction, cx.waker());
        });
        if let Some(waker) = displaced {
            contain(|| waker.wake());
        }
        result
    }

    /// Waits as one of many. `waiter` is this waiter's entry from call to call.
    pub(crate) fn wait(
        &self,
        reactors: &Reactors,
        fd: RawFd,
        here: Option<usize>,
        interest: Interest,
        waiter: &mut Option<WaiterId>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<Observed>> {
        let mut replaced = None;
        let result = self.wait_with(reactors, fd, here, interest, cx.waker(), |key, waiters| {
            let known = waiter
                .filter(|waiter| waiter.key == key)
                .map(|waiter| waiter.entry);
            let entry;
            (entry, replaced) = waiters.wait(known, interest, cx.waker());
            *waiter = Some(WaiterId { key, entry });
        });
        drop(replaced);
        result
    }

    /// Takes a waiter's entry out.
    pub(crate) fn forget(&self, reactors: &Reactors, waiter: WaiterId) {
        let slot = reactors.slot(waiter.key);
        let mut waiters = slot.waiters.lock();
        if slot.readiness.load().generation() == waiter.key.generation() {
            let waker = waiters.forget(waiter.entry);
            drop(waiters);
            drop(waker);
        }
    }

    /// Looks whether something is ready; if not, makes sure that the poller will report it and calls
    /// `store` under the waiters' lock.
    fn wait_with(
        &self,
        reactors: &Reactors,
        fd: RawFd,
        here: Option<usize>,
        interest: Interest,
        waker: &Waker,
        store: impl FnOnce(Key, &mut Waiters),
    ) -> Poll<io::Result<Observed>> {
        loop {
            let observed = self.observe(reactors);
            if observed.directions().intersects(interest) {
                return Poll::Ready(observed.check());
            }
            let key = observed.key;
            let slot = reactors.slot(key);
            let mut waiters = slot.waiters.lock();
            // Again under the lock, which events take after they have set readiness.
            if slot.readiness.load() != observed.seen {
                continue;
            }
            if !waiters.armed.contains(interest) {
                reactors
                    .get(key.core())
                    .arm(key, fd, &mut waiters, interest)?;
            }
            match here {
                Some(here) if here != key.core() => {
                    if waiters.visit(here, waker)
                        && self.move_to(reactors, here, fd, observed, waiters.armed)
                    {
                        drop(waiters);
                        // Who found the old slot before it retired comes back.
                        reactors.get(key.core()).retire(key, fd).wake();
                        continue;
                    }
                }
                _ => waiters.at_home(),
            }
            store(key, &mut waiters);
            return Poll::Pending;
        }
    }

    /// Registers with another core's poller, which reports at once what is ready, so that nothing is lost.
    /// Only under the lock of the current slot's waiters. False if it cannot be; then nothing has changed.
    fn move_to(
        &self,
        reactors: &Reactors,
        core: usize,
        fd: RawFd,
        observed: Observed,
        armed: Interest,
    ) -> bool {
        let reactor = reactors.get(core);
        let Some(key) = reactor.open(core, observed.seen.ready()) else {
            return false;
        };
        if reactor
            .arm(key, fd, &mut reactors.slot(key).waiters.lock(), armed)
            .is_err()
        {
            drop(reactor.retire(key, fd));
            return false;
        }
        self.home.store(key.token(), Release);
        true
    }

    /// Ends the registration. The descriptor is still open.
    pub(crate) fn deregister(&self, reactors: &Reactors, fd: RawFd) {
        let key = Key::from_token(self.home.swap(Key::UNREGISTERED.token(), AcqRel));
        if key != Key::UNREGISTERED && key != ORPHAN {
            drop(reactors.get(key.core()).retire(key, fd));
        }
    }
}

impl Reactor {
    /// Takes a slot into use; `None` if the runtime is gone.
    fn open(&self, core: usize, ready: Ready) -> Option<Key> {
        let (index, generation) = self.pages.open(ready)?;
        Some(Key::new(generation, core, index))
    }

    /// Lets the poller report these directions too.
    fn arm(
        &self,
        key: Key,
        fd: RawFd,
        waiters: &mut Waiters,
        interest: Interest,
    ) -> io::Result<()> {
        if waiters.armed == Interest::NONE {
            self.poller.add(fd, key.token(), interest)?;
        } else {
            self.poller
                .modify(fd, key.token(), waiters.armed | interest)?;
        }
        waiters.armed |= interest;
        Ok(())
    }

    /// Gives a slot back. The descriptor leaves the poller before it is closed: a duplicate of it would
    /// otherwise go on to be reported.
    fn retire(&self, key: Key, fd: RawFd) -> Woken {
        let slot = self.pages.get(key.index());
        let mut waiters = slot.waiters.lock();
        if waiters.armed != Interest::NONE {
            // Fails only if the descriptor was closed behind our back, and then it has left already.
            let _ = self.poller.delete(fd);
        }
        let left = std::mem::replace(&mut *waiters, Waiters::new());
        slot.readiness.close();
        drop(waiters);
        self.pages.free(key.index());
        left.into_woken()
    }
}

//! Readiness: from the kernel's events to the wakers of those who wait.
//!
//! Every core has a [`Reactor`], which is a poller with the sources registered on it. Whoever holds the
//! core turns it; others may do so in between. It sees wakers, never tasks.
//!
//! | file | one idea |
//! |---|---|
//! | `key.rs` | the name of a registration: generation, core, slot |
//! | `readiness.rs` | the word that says what is known about a source |
//! | `waiters.rs` | who waits for a source |
//! | `pages.rs` | the slots of a reactor's sources, which never move |
//! | `registration.rs` | a source's own end: registers late, moves to the core that uses it |
//!
//! What always holds:
//! - An event changes only the source it was meant for: the key it carries has the slot's generation,
//!   and setting readiness compares it in the same atomic step.
//! - Nobody waits for what has been reported: an event sets readiness and then takes the waiters out
//!   under their lock; who wants to wait looks at readiness under that lock.

mod key;
mod pages;
mod readiness;
mod registration;
mod waiters;

#[cfg(all(test, loom))]
mod models;

use std::io;
use std::time::Duration;

pub(crate) use self::key::MAX_CORES;
pub(crate) use self::registration::{Observed, Registration, WaiterId};

use self::key::Key;
use self::pages::{Pages, Slot};
use crate::sync::atomic::{
    AtomicU8,
    Ordering::{AcqRel, Acquire, Relaxed},
};
pub(crate) use crate::sys::Events;
use crate::sys::{Poller, Ready};

/// The core's holder is not asleep, and nobody wants its attention.
const AWAKE: u8 = 0;
/// It sleeps in the reactor, or is about to.
const ASLEEP: u8 = 1;
/// Somebody asked for its attention since it last was awake.
const NOTIFIED: u8 = 2;

/// All reactors of a runtime. Outlives the runtime as long as a source does.
#[derive(Debug)]
pub(crate) struct Reactors(Box<[Reactor]>);

/// What came of a turn.
#[derive(Debug, Default)]
pub(crate) struct Turned {
    /// Events of descriptors.
    pub(crate) events: usize,
    /// Cores that have events and are [watched](Reactors::watch).
    pub(crate) siblings: Vec<usize>,
}

/// One core's poller and its sources.
#[derive(Debug)]
pub(crate) struct Reactor {
    poller: Poller,
    pages: Pages,
    /// [`AWAKE`], or of [`ASLEEP`] and [`NOTIFIED`] one or both: wake-ups are written only to a sleeper,
    /// and once.
    attention: AtomicU8,
}

impl Reactors {
    pub(crate) fn new(cores: usize) -> io::Result<Self> {
        (0..cores)
            .map(|_| Reactor::new())
            .collect::<io::Result<_>>()
            .map(Self)
    }

    pub(crate) fn get(&self, core: usize) -> &Reactor {
        &self.0[core]
    }

    /// Sources that are registered.
    pub(crate) fn sources(&self) -> usize {
        self.0.iter().map(|reactor| reactor.pages.len()).sum()
    }

    /// Lets a core hear of another's events as well, until [`forget`](Self::forget): it is told that there
    /// are some, and takes them with [`Reactor::help`]. Only a hint: where pollers cannot nest, nothing
    /// happens.
    pub(crate) fn watch(&self, core: usize, other: usize) {
        let (poller, watched) = (&self.0[core].poller, &self.0[other].poller);
        if poller.nest(watched, Key::of_core(other).token()).is_err() {
            // It may be the other way round since this core was stuck itself.
            watched.unnest(poller);
            let _ = poller.nest(watched, Key::of_core(other).token());
        }
    }

    /// Ends [`watch`](Self::watch).
    pub(crate) fn forget(&self, core: usize, other: usize) {
        self.0[core].poller.unnest(&self.0[other].poller);
    }

    fn slot(&self, key: Key) -> &Slot {
        self.0[key.core()].pages.get(key.index())
    }

    /// Tells every source that nothing will be reported any more, and wakes all who wait.
    pub(crate) fn shut_down(&self) {
        for reactor in &self.0 {
            reactor.pages.close(|slot| slot.report_shutdown());
        }
    }
}

impl Reactor {
    fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            pages: Pages::new(),
            attention: AtomicU8::new(AWAKE),
        })
    }

    /// As [`turn`](Self::turn), without waiting, for others than the core's holder, at any moment. A wake-up
    /// that was meant for the holder is left to it, before anything that may take long. One that is awake
    /// needs none: it looks at `attention` before it sleeps. If it were left there, who watches this poller
    /// would be called for it again and again.
    ///
    /// *Ordering:* relaxed, for the look whether it sleeps. Who has taken the wake-up comes after it was
    /// written, and so after `attention` said that it sleeps; awake since, it has seen the call.
    pub(crate) fn help(&self, events: &mut Events) -> Turned {
        self.wait(events, Some(Duration::ZERO));
        if events.has_wake_up() && self.is_asleep() {
            self.poller.wake();
        }
        self.dispatch(events)
    }

    /// Waits for events, for ever if there is no time-out, and wakes those they are for. For the core's
    /// holder.
    pub(crate) fn turn(&self, events: &mut Events, timeout: Option<Duration>) -> Turned {
        self.wait(events, timeout);
        self.dispatch(events)
    }

    fn wait(&self, events: &mut Events, timeout: Option<Duration>) {
        self.poller
            .wait(events, timeout)
            .expect("the poller is open and its arguments are valid");
    }

    /// Wakes those whom the events are for.
    fn dispatch(&self, events: &Events) -> Turned {
        let mut turned = Turned::default();
        for event in events.iter() {
            let key = Key::from_token(event.token);
            if key.is_core() {
                turned.siblings.push(key.core());
                continue;
            }
            turned.events += 1;
            self.pages
                .get(key.index())
                .report(key.generation(), event.ready);
        }
        turned
    }

    /// Announces that this thread is going to sleep in [`turn`](Self::turn); false if somebody wants its
    /// attention first. What it must not miss it has to look at in between.
    ///
    /// *Ordering:* all changes of `attention` are read-modify-writes, so of two that meet one comes first
    /// and the other sees it: who asked before is seen, and who asks after this sees the sleeper. Acquire is
    /// for the reasons, though [`wake_up`](Self::wake_up), which follows a failure, would do for them.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.attention
            .compare_exchange(AWAKE, ASLEEP, AcqRel, Acquire)
            .is_ok()
    }

    /// Whether nobody has asked for attention since [`fall_asleep`](Self::fall_asleep).
    ///
    /// *Ordering:* acquire, for the reasons of those who asked, should they be looked at before
    /// [`wake_up`](Self::wake_up).
    pub(crate) fn is_undisturbed(&self) -> bool {
        self.attention.load(Acquire) == ASLEEP
    }

    /// Ends the sleep, or the attempt. Whatever somebody wanted attention for must be looked at after this.
    ///
    /// *Ordering:* acquire, for the reasons of those who asked; its partner is the release in
    /// [`notify`](Self::notify).
    pub(crate) fn wake_up(&self) {
        self.attention.swap(AWAKE, AcqRel);
    }

    /// Makes the thread that turns the reactor come and look: at once if it sleeps, otherwise before it
    /// sleeps next.
    ///
    /// *Ordering:* release, for the reason to look; its partners are the acquires of the sleeper.
    pub(crate) fn notify(&self) {
        if self.attention.fetch_or(NOTIFIED, AcqRel) == ASLEEP {
            self.poller.wake();
        }
    }

    /// Whether the core's holder sleeps, or is about to, or has only just been woken. It may be over already:
    /// relaxed.
    pub(crate) fn is_asleep(&self) -> bool {
        self.attention.load(Relaxed) & ASLEEP != 0
    }

    /// Whether descriptors are registered here, so that somebody has to turn the reactor.
    pub(crate) fn has_sources(&self) -> bool {
        self.pages.len() > 0
    }

    #[cfg(all(test, loom))]
    pub(crate) fn poller(&self) -> &Poller {
        &self.poller
    }
}

impl Slot {
    /// Notes what was reported and wakes those who wait for it.
    fn report(&self, generation: u32, ready: Ready) {
        if self.readiness.set(generation, ready) {
            let wakers = self.waiters.lock().take(ready.directions());
            wakers.wake();
        }
    }

    fn report_shutdown(&self) {
        let generation = self.readiness.load().generation();
        self.report(generation, Ready::SHUTDOWN);
    }
}

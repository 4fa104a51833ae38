//! Loom models of readiness: whoever waits for a source is woken by what arrives there, or by the end.
//!
//! A source here is a count of what can be read. Reading it orders nothing, so what a waiter must not miss
//! it hears through the reactor alone.

mod end;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::alloc::Track;
use loom::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use loom::thread;

use super::{Events, Observed, Reactors, Registration, WaiterId};
use crate::sync::model::{Signal, block_on, check};
use crate::sys::Interest;

const READ: Interest = Interest::READABLE;
const FD: i32 = 5;

/// A descriptor with its registration.
struct Source {
    reactors: Arc<Reactors>,
    registration: Registration,
    fd: i32,
    available: AtomicUsize,
}

impl Source {
    fn new(reactors: &Arc<Reactors>, registration: Registration, fd: i32) -> Arc<Self> {
        Arc::new(Self {
            reactors: reactors.clone(),
            registration,
            fd,
            available: AtomicUsize::new(0),
        })
    }

    /// A source on core 0 of so many cores, known to the poller.
    fn eager(cores: usize) -> Arc<Self> {
        let reactors = Arc::new(Reactors::new(cores).unwrap());
        let registration = Registration::eager(&reactors, FD, 0).unwrap();
        Self::new(&reactors, registration, FD)
    }

    /// A source that nobody knows.
    fn lazy(cores: usize) -> Arc<Self> {
        let reactors = Arc::new(Reactors::new(cores).unwrap());
        Self::new(&reactors, Registration::lazy(), FD)
    }

    /// Something to read arrives. All pollers hear of it that watch the source.
    fn arrive(&self) {
        self.available.fetch_add(1, Relaxed);
        for reactor in &self.reactors.0 {
            reactor.poller().trigger(self.fd);
        }
    }

    /// Dispatches what the poller of a core has, without waiting.
    fn turn(&self, core: usize) {
        self.reactors
            .get(core)
            .turn(&mut Events::new(), Some(Duration::ZERO));
    }

    fn take(&self) -> bool {
        let less = |available: usize| available.checked_sub(1);
        self.available.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    fn poll_ready(&self, here: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let poll = self
            .registration
            .poll(&self.reactors, self.fd, Some(here), READ, cx);
        poll.map_ok(drop)
    }

    /// Reads once, as the one task that polls this direction.
    fn poll_read(&self, here: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let observed = self.registration.observe(&self.reactors).check()?;
            if !observed.directions().is_readable() {
                std::task::ready!(self.poll_ready(here, cx))?;
                continue;
            }
            if self.take() {
                return Poll::Ready(Ok(()));
            }
            self.clear(here, observed);
        }
    }

    fn read(&self, here: usize) -> impl Future<Output = io::Result<()>> + use<'_> {
        poll_fn(move |cx| self.poll_read(here, cx))
    }

    /// Waits as one of many.
    fn ready(&self, here: usize) -> Waiting<'_> {
        Waiting {
            source: self,
            here,
            waiter: None,
        }
    }

    /// Reads once, as one of many.
    async fn accept(&self, here: usize) -> io::Result<()> {
        loop {
            let observed = self.ready(here).await?;
            if self.take() {
                return Ok(());
            }
            self.clear(here, observed);
        }
    }

    fn clear(&self, here: usize, observed: Observed) {
        self.registration
            .clear(&self.reactors, self.fd, || here, observed, READ);
    }

    /// Whether reading is known to be ready.
    fn is_ready(&self) -> bool {
        let observed = self.registration.observe(&self.reactors);
        observed.directions().is_readable()
    }
}

/// A wait that takes its entry out when it is dropped.
struct Waiting<'a> {
    source: &'a Source,
    here: usize,
    waiter: Option<WaiterId>,
}

impl Future for Waiting<'_> {
    type Output = io::Result<Observed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Observed>> {
        let Self {
            source,
            here,
            waiter,
        } = &mut *self;
        let here = Some(*here);
        source
            .registration
            .wait(&source.reactors, source.fd, here, READ, waiter, cx)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.source
                .registration
                .forget(&self.source.reactors, waiter);
        }
    }
}

/// The waker of a thread that sleeps in the reactor of its core.
struct Seat {
    reactors: Arc<Reactors>,
    core: usize,
    woken: AtomicBool,
    _leak: Track<()>,
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, SeqCst) {
            self.reactors.get(self.core).notify();
        }
    }
}

/// Runs a future as the holder of a core does: the reactor is turned while the future is pending.
fn block_on_core<F: Future>(reactors: &Arc<Reactors>, core: usize, future: F) -> F::Output {
    let mut future = pin!(future);
    let seat = Arc::new(Seat {
        reactors: reactors.clone(),
        core,
        woken: AtomicBool::new(true),
        _leak: Track::new(()),
    });
    let waker = Waker::from(seat.clone());
    let reactor = reactors.get(core);
    loop {
        if seat.woken.swap(false, SeqCst) {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => continue,
            }
        }
        if reactor.fall_asleep() {
            reactor.turn(&mut Events::new(), None);
        }
        reactor.wake_up();
    }
}

/// What arrives while an earlier arrival is read and found to be all: a clear never erases a newer event,
/// and a wait never begins after the event it is for.
#[test]
fn event_beside_clear_and_wait() {
    check(4, || {
        let source = Source::eager(1);
        let kernel = thread::spawn({
            let source = source.clone();
            move || {
                for _ in 0..2 {
                    source.arrive();
                    source.turn(0);
                }
            }
        });
        block_on(source.read(0)).unwrap();
        block_on(source.read(0)).unwrap();
        kernel.join().unwrap();
    });
}

/// A source that is read before it is registered misses nothing that arrives meanwhile.
#[test]
fn event_beside_first_registration() {
    check(4, || {
        let source = Source::lazy(1);
        let kernel = thread::spawn({
            let source = source.clone();
            move || {
                source.arrive();
                source.arrive();
            }
        });
        block_on_core(&source.reactors, 0, async {
            source.read(0).await.unwrap();
            source.read(0).await.unwrap();
        });
        kernel.join().unwrap();
    });
}

/// Threads that read as many, and a core that turns the reactor until they have all they want.
fn readers_beside_turns(source: &Arc<Source>) {
    let finished = Arc::new(AtomicUsize::new(0));
    let readers = [0, 1].map(|_| {
        let (source, finished) = (source.clone(), finished.clone());
        thread::spawn(move || {
            block_on(source.accept(0)).unwrap();
            finished.fetch_add(1, SeqCst);
            source.reactors.get(0).notify();
        })
    });
    source.arrive();
    source.arrive();
    let reactor = source.reactors.get(0);
    while finished.load(SeqCst) < 2 {
        if reactor.fall_asleep() {
            reactor.turn(&mut Events::new(), None);
        }
        reactor.wake_up();
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

/// Two threads that wait for one direction of a source both get what arrives for them.
#[test]
fn two_waiters() {
    check(2, || readers_beside_turns(&Source::eager(1)));
}

/// So do two that register it at the same time, and one slot is left in use.
#[test]
fn two_first_registrations() {
    check(2, || {
        let source = Source::lazy(1);
        readers_beside_turns(&source);
        assert!(source.reactors.sources() <= 1);
    });
}

/// Two tasks that poll one direction displace each other, and an event wakes both.
#[test]
fn two_pollers() {
    check(3, || {
        let source = Source::eager(1);
        let pollers = [0, 1].map(|_| {
            let source = source.clone();
            thread::spawn(move || block_on(poll_fn(|cx| source.poll_ready(0, cx))).unwrap())
        });
        source.arrive();
        source.turn(0);
        for poller in pollers {
            poller.join().unwrap();
        }
    });
}

/// A wait that is given up beside the event takes nobody else's place along.
#[test]
fn wait_given_up() {
    check(3, || {
        let source = Source::eager(1);
        let fickle = thread::spawn({
            let source = source.clone();
            move || {
                let mut waiting = source.ready(0);
                let waker = Waker::from(Signal::new());
                drop(Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker)));
            }
        });
        let patient = thread::spawn({
            let source = source.clone();
            move || block_on(source.ready(0)).map(drop).unwrap()
        });
        source.arrive();
        source.turn(0);
        fickle.join().unwrap();
        patient.join().unwrap();
    });
}

/// A waker that owns a waiter.
struct Owner {
    source: Arc<Source>,
    waiter: WaiterId,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Self { source, waiter } = self;
        source.registration.forget(&source.reactors, *waiter);
    }
}

/// A waker that is replaced by another may own a wait for the same source: it is dropped when the waiters'
/// lock is free.
#[test]
fn replaced_waker_owns_a_waiter() {
    check(1, || {
        let source = Source::eager(1);
        let signal = Waker::from(Signal::new());
        let mut owned = source.ready(0);
        assert!(
            Pin::new(&mut owned)
                .poll(&mut Context::from_waker(&signal))
                .is_pending()
        );
        let owner = Waker::from(Arc::new(Owner {
            source: source.clone(),
            waiter: owned.waiter.take().unwrap(),
        }));
        let mut waiting = source.ready(0);
        assert!(
            Pin::new(&mut waiting)
                .poll(&mut Context::from_waker(&owner))
                .is_pending()
        );
        drop(owner);
        assert!(
            Pin::new(&mut waiting)
                .poll(&mut Context::from_waker(&signal))
                .is_pending()
        );
    });
}

/// A thread that goes to sleep in the reactor hears of every call for attention, with its reason.
#[test]
fn attention() {
    check(4, || {
        let reactors = Arc::new(Reactors::new(1).unwrap());
        let reasons: Arc<[_; 2]> = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let callers = [0, 1].map(|index| {
            let (reactors, reasons) = (reactors.clone(), reasons.clone());
            thread::spawn(move || {
                reasons[index].store(true, Relaxed);
                reactors.get(0).notify();
            })
        });
        let reactor = reactors.get(0);
        while !reasons.iter().all(|reason| reason.load(Relaxed)) {
            if reactor.fall_asleep() {
                reactor.turn(&mut Events::new(), None);
            }
            reactor.wake_up();
        }
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

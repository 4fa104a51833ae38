//! Loom models of the scheduler: what happens between threads, in every order that loom can find.
//!
//! | file | one idea |
//! |---|---|
//! | `idle.rs` | no work is left behind by cores that fall asleep |
//! | `in_place.rs` | a thread lends its core while it blocks |
//! | `lending.rs` | cores change hands and none is lost |
//! | `life.rs` | tasks are spawned, woken, shut down |
//! | `local.rs` | what other threads do to local tasks |
//! | `rescue.rs` | what waits for a blocked core is taken over |
//! | `steal.rs` | tasks go from core to core, and none is lost or run twice |
//! | `timers.rs` | who sleeps hears of timers |
//! | `watch.rs` | somebody wakes up in time to see that a core is blocked |
//!
//! A model fails when an assertion does, or when every thread waits for another, which is how a lost
//! wake-up shows. Threads are few and preemptions bounded, so this is proof only within those bounds.

mod idle;
mod in_place;
mod lending;
mod life;
mod local;
mod rescue;
mod steal;
mod timers;
mod watch;

use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use loom::thread;

use super::{Config, Hooks, Shared};
use crate::blocking::{self, StartThread};
use crate::reactor::Registration;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::sync::model::{block_on, check};
use crate::sys::Interest;
use crate::task::{JoinHandle, Origin};
use crate::timer::Moment;

/// So much later a core that was busy meanwhile is overdue, and whoever passes by is to look for such.
const LONG: Moment = 1_000_000_000;

/// A runtime that starts no threads by itself.
fn shared(cores: usize, workers: bool) -> Arc<Shared> {
    shared_with(cores, workers.then(no_threads), Hooks::default())
}

/// Fails to start any thread.
fn no_threads() -> Box<StartThread> {
    Box::new(|_| Err(io::ErrorKind::Unsupported.into()))
}

fn shared_with(cores: usize, start_worker: Option<Box<StartThread>>, hooks: Hooks) -> Arc<Shared> {
    let pool = blocking::Pool::new(blocking::Config {
        max_threads: 1,
        keep_alive: Duration::ZERO,
        start_thread: no_threads(),
    });
    let config = Config {
        cores,
        start_worker,
        hooks,
        measure_task_time: false,
    };
    Shared::new(config, pool).expect("a modelled poller can always be made")
}

/// Starts a thread that drives what nobody else does.
fn worker(shared: &Arc<Shared>) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || shared.work())
}

/// Lets time pass on a core: its sleep with a time-out, the one that it is in or else the next, ends
/// [`LONG`] after the end of the one before.
fn let_time_pass(shared: &Arc<Shared>, core: usize) {
    let runtime = Arc::downgrade(shared);
    let poller = shared.reactors.get(core).poller();
    poller.let_time_pass(move || {
        let shared = runtime.upgrade().expect("one of its cores sleeps");
        let clock = &shared.clock;
        assert!(clock.stop());
        clock.advance_to(clock.now() + LONG);
        assert!(clock.go_on());
    });
}

fn spawn<F>(shared: &Arc<Shared>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    shared.spawn(future, Origin::here())
}

/// Something to wait for.
#[derive(Default)]
struct Flag(Mutex<(bool, Option<Waker>)>);

impl Flag {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn set(&self) {
        let waker = {
            let mut state = self.0.lock();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.set();
    }
}

/// How many of its [`Counted`] were dropped.
struct Count(Arc<AtomicUsize>);

struct Counted(Arc<AtomicUsize>);

impl Count {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn counted(&self) -> Counted {
        Counted(self.0.clone())
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A number that stands for a descriptor, registered with a core's reactor.
struct Source {
    shared: Arc<Shared>,
    registration: Registration,
}

impl Source {
    const FD: i32 = 7;

    fn new(shared: &Arc<Shared>, core: usize) -> Self {
        Self {
            shared: shared.clone(),
            registration: Registration::eager(&shared.reactors, Self::FD, core)
                .expect("a modelled poller watches anything"),
        }
    }

    async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let here = self.shared.current_core();
            let reactors = &self.shared.reactors;
            self.registration
                .poll(reactors, Self::FD, here, Interest::READABLE, cx)
        })
        .await
        .map(|_| ())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.registration
            .deregister(&self.shared.reactors, Self::FD);
    }
}

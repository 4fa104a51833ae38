//! Loom models of timers: each wakes whoever waits for it once, or nobody if it was cancelled, whichever
//! threads meet there.

use std::sync::{Arc, Weak};
use std::task::Waker;

use loom::thread;

use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::sync::model::check;

const NOW: Moment = 5;

/// Counts how often it is woken.
struct Wakes(AtomicUsize);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Wakes {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0)))
    }

    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Nobody sleeps here who would have to be called.
struct Awake;

impl Turners for Awake {
    fn call(&self, _core: usize) {}
}

fn timers() -> Arc<Timers> {
    Arc::new(Timers::new(1, Weak::<Awake>::new()))
}

fn start(timers: &Timers, wakes: &Arc<Wakes>) -> Timer {
    let started = timers.of(0).start(NOW, wakes.waker());
    started.expect("nothing has ended yet")
}

fn fire(timers: &Arc<Timers>) -> thread::JoinHandle<usize> {
    let timers = timers.clone();
    thread::spawn(move || timers.of(0).fire(NOW))
}

/// The waker is woken, or it comes back.
#[test]
fn fire_meets_cancel() {
    check(3, || {
        let (timers, wakes) = (timers(), Wakes::new());
        let timer = start(&timers, &wakes);
        let firing = fire(&timers);
        let cancelled = usize::from(timer.cancel().is_some());
        let fired = firing.join().unwrap();
        assert_eq!((fired + cancelled, wakes.count()), (1, fired));
        assert_eq!((timers.len(), Arc::strong_count(&wakes)), (0, 1));
    });
}

/// One that is put off does not fire, unless it had before.
#[test]
fn fire_meets_reset() {
    check(3, || {
        let (timers, wakes) = (timers(), Wakes::new());
        let timer = start(&timers, &wakes);
        let firing = fire(&timers);
        let put_off = timer.reset(2 * NOW);
        let fired = firing.join().unwrap();
        assert_eq!((fired, wakes.count()), (usize::from(!put_off), fired));
        assert_eq!(timers.of(0).fire(2 * NOW), usize::from(put_off));
        assert_eq!(wakes.count(), 1);
    });
}

/// Whoever looks has another waker woken from then on, or sees that it has fired.
#[test]
fn fire_meets_look() {
    check(3, || {
        let (timers, before, after) = (timers(), Wakes::new(), Wakes::new());
        let timer = start(&timers, &before);
        let firing = fire(&timers);
        let look = timer.look(&after.waker());
        assert_eq!(firing.join().unwrap(), 1);
        match look {
            Look::Waiting => assert_eq!((before.count(), after.count()), (0, 1)),
            Look::Fired => assert_eq!((before.count(), after.count()), (1, 0)),
            Look::Closed => unreachable!("nobody ends the timers"),
        }
    });
}

/// Two who turn one wheel wake everybody once.
#[test]
fn two_fire() {
    check(3, || {
        let (timers, wakes) = (timers(), Wakes::new());
        let _timers = [start(&timers, &wakes), start(&timers, &wakes)];
        let firing = fire(&timers);
        let fired = timers.of(0).fire(NOW);
        assert_eq!(fired + firing.join().unwrap(), 2);
        assert_eq!(wakes.count(), 2);
    });
}

/// What is started while the timers are closed is woken, or not started.
#[test]
fn start_meets_the_end() {
    check(3, || {
        let (timers, wakes) = (timers(), Wakes::new());
        let closing = {
            let timers = timers.clone();
            thread::spawn(move || timers.close())
        };
        let started = timers.of(0).start(NOW, wakes.waker());
        closing.join().unwrap();
        let timer = started.ok();
        assert_eq!(wakes.count(), usize::from(timer.is_some()));
        if let Some(timer) = timer {
            assert_eq!(timer.look(Waker::noop()), Look::Closed);
        }
        assert_eq!(timers.len(), 0);
    });
}

//! Timers are heard by whoever sleeps on their core. The modelled clock stands, so what is due is due at once.

use std::pin::Pin;
use std::task::Context;

use super::*;
use crate::scheduler::context;
use crate::scheduler::worker::Worker;
use crate::sync::model::Signal;
use crate::timer::{Look, Moment, TimerKey};

/// Waits for a timer that is due.
struct Timer {
    shared: Arc<Shared>,
    key: Option<TimerKey>,
}

impl Timer {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            key: None,
        }
    }

    fn start(&mut self, deadline: Moment, waker: &Waker) -> TimerKey {
        let place = |worker: Option<&Worker>| {
            let waker = waker.clone();
            self.shared.place_timer(worker, deadline, waker)
        };
        let timer = context::with_worker(&self.shared, place);
        self.key = timer;
        timer.expect("the runtime has not ended")
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.key else {
            self.start(0, cx.waker());
            return Poll::Pending;
        };
        match self.shared.timers.look(key, cx.waker()) {
            Look::Waiting => Poll::Pending,
            Look::Fired => Poll::Ready(()),
            Look::Closed => unreachable!("the runtime has not ended"),
        }
    }
}

/// The core's own timer ends its sleep.
#[test]
fn a_timer_ends_the_sleep_of_its_core() {
    check(3, || {
        let shared = shared(1, false);
        shared.block_on(Timer::new(&shared));
        shared.shut_down();
    });
}

/// A thread without a core starts a timer on one that is about to sleep, or sleeps.
#[test]
fn a_timer_from_outside_meets_a_core_that_falls_asleep() {
    check(2, || {
        let (shared, flag) = (shared(1, false), Flag::new());
        let outside = thread::spawn({
            let (shared, flag) = (shared.clone(), flag.clone());
            move || {
                block_on(Timer::new(&shared));
                flag.set();
            }
        });
        shared.block_on(flag.wait());
        outside.join().unwrap();
        shared.shut_down();
    });
}

/// A thread without a core starts a timer on a core that nobody holds, or that is being put back.
#[test]
fn a_timer_from_outside_meets_a_core_that_is_put_back() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let outside = thread::spawn({
            let shared = shared.clone();
            move || block_on(Timer::new(&shared))
        });
        shared.block_on(async {});
        outside.join().unwrap();
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// A timer that is brought forward from outside ends the sleep of its core.
#[test]
fn a_reset_from_outside_meets_a_core_that_falls_asleep() {
    check(2, || {
        let (shared, flag) = (shared(1, false), Flag::new());
        let outside = thread::spawn({
            let (shared, flag) = (shared.clone(), flag.clone());
            move || {
                let mut timer = Timer::new(&shared);
                let waker = Waker::from(Signal::new());
                let key = timer.start(Moment::MAX, &waker);
                timer.key = shared.reset_timer(key, 0);
                block_on(timer);
                flag.set();
            }
        });
        shared.block_on(flag.wait());
        outside.join().unwrap();
        shared.shut_down();
    });
}

//! Timers are heard by whoever sleeps on their core. What is due when a timer starts is due at once; for
//! the rest the model lets time pass.

use std::pin::{Pin, pin};
use std::task::Context;

use super::*;
use crate::scheduler::worker::Worker;
use crate::scheduler::{context, reset_timer};
use crate::sync::model::Signal;
use crate::timer::{self, Look, Moment};

/// Waits for a timer.
pub(super) struct Timer {
    shared: Arc<Shared>,
    deadline: Moment,
    started: Option<timer::Timer>,
}

impl Timer {
    /// One that is due.
    fn new(shared: &Arc<Shared>) -> Self {
        Self::at(shared, 0)
    }

    pub(super) fn at(shared: &Arc<Shared>, deadline: Moment) -> Self {
        Self {
            shared: shared.clone(),
            deadline,
            started: None,
        }
    }

    fn start(&mut self, deadline: Moment, waker: &Waker) -> &mut timer::Timer {
        let place = |worker: Option<&Worker>| {
            let waker = waker.clone();
            match worker {
                Some(worker) => worker.core.get().timers.start(deadline, waker).ok(),
                None => self.shared.place_timer(deadline, waker),
            }
        };
        let timer = context::with_worker(&self.shared, place);
        let timer = timer.expect("the runtime has not ended");
        self.started.insert(timer)
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &self.started else {
            let deadline = self.deadline;
            self.start(deadline, cx.waker());
            return Poll::Pending;
        };
        match timer.look(cx.waker()) {
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
                assert!(reset_timer(timer.start(Moment::MAX, &waker), 0));
                block_on(timer);
                flag.set();
            }
        });
        shared.block_on(flag.wait());
        outside.join().unwrap();
        shared.shut_down();
    });
}

/// A core sleeps until its timer is due, though its poller comes back too early once.
#[test]
fn a_core_sleeps_until_its_timer_is_due() {
    check(4, || {
        let shared = shared(1, false);
        let time = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.reactors.get(0).poller().let_time_pass(|| ());
                let_time_pass(&shared, 0);
            }
        });
        shared.block_on(Timer::at(&shared, LONG));
        assert_eq!(shared.clock.now(), LONG);
        time.join().unwrap();
        shared.shut_down();
    });
}

/// A task that waits for a timer or a wake from outside, whichever comes first, ends once, and leaves no timer
/// behind.
#[test]
fn a_timer_meets_a_wake() {
    check(3, || {
        let (shared, flag, dropped) = (shared(1, false), Flag::new(), Count::new());
        let waker = thread::spawn({
            let flag = flag.clone();
            move || flag.set()
        });
        let time = thread::spawn({
            let shared = shared.clone();
            move || let_time_pass(&shared, 0)
        });
        let task = {
            let (shared, counted) = (shared.clone(), dropped.counted());
            async move {
                let _counted = counted;
                let (mut timer, mut wait) = (pin!(Timer::at(&shared, LONG)), pin!(flag.wait()));
                poll_fn(|cx| match timer.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending => wait.as_mut().poll(cx),
                })
                .await;
            }
        };
        shared.block_on(async { spawn(&shared, task).await.unwrap() });
        assert_eq!((dropped.get(), shared.timers.len()), (1, 0));
        waker.join().unwrap();
        time.join().unwrap();
        shared.shut_down();
    });
}

/// A worker that sleeps for one timer hears of another, earlier one from outside, and of both that they are
/// due.
#[test]
fn an_earlier_timer_from_outside_meets_a_sleep_for_a_later_one() {
    check(3, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let later = spawn(&shared, Timer::at(&shared, 2 * LONG));
        block_on(Timer::at(&shared, 0));
        let_time_pass(&shared, 0);
        let_time_pass(&shared, 0);
        block_on(later).unwrap();
        shared.shut_down();
        worker.join().unwrap();
    });
}

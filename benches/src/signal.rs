//! What tasks and threads of the workloads wait for: the least that does it, so that what is measured
//! is the runtime's cost and hardly a channel's.

use std::future::{Future, poll_fn};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Poll, Waker};

/// A flag that is set by one and taken by another, who may wait for it.
#[derive(Debug, Default)]
pub struct Signal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_set: bool,
    waiter: Option<Waker>,
}

impl Signal {
    /// Sets the flag, and wakes the one who waits for it.
    pub fn send(&self) {
        let waiter = {
            let mut state = self.lock();
            state.is_set = true;
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Takes the flag once it is set.
    pub fn received(&self) -> impl Future<Output = ()> + Send {
        self.received_after(|| ())
    }

    /// As [`received`](Self::received), and calls `waiting` once the waiter would be woken.
    pub fn received_after(&self, waiting: impl FnOnce() + Send) -> impl Future<Output = ()> + Send {
        let mut waiting = Some(waiting);
        poll_fn(move |cx| {
            let mut state = self.lock();
            if mem::take(&mut state.is_set) {
                return Poll::Ready(());
            }
            state.waiter = Some(cx.waker().clone());
            drop(state);
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            Poll::Pending
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("nothing panics while it holds the lock")
    }
}

/// Counts arrivals down to none, which one can wait for.
#[derive(Debug)]
pub struct Countdown {
    missing: AtomicU64,
    ended: Signal,
}

impl Countdown {
    /// Waits for so many.
    pub fn new(missing: u64) -> Self {
        Self {
            missing: AtomicU64::new(missing),
            ended: Signal::default(),
        }
    }

    /// One of them is here.
    ///
    /// # Panics
    /// If more arrive than were waited for.
    pub fn arrive(&self) {
        match self.missing.fetch_sub(1, Ordering::AcqRel) {
            0 => panic!("one too many has arrived"),
            1 => self.ended.send(),
            _ => {}
        }
    }

    /// Waits for so many again, after the last has arrived and before another one does.
    pub fn restart(&self, missing: u64) {
        self.missing.store(missing, Ordering::Release);
    }

    /// Until all have arrived.
    pub fn ended(&self) -> impl Future<Output = ()> + Send {
        self.ended.received()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Context;

    fn is_ready(future: impl Future) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        pin!(future).poll(&mut cx).is_ready()
    }

    #[test]
    fn a_signal_that_comes_first_is_kept_and_taken_once() {
        let signal = Signal::default();
        signal.send();
        assert!(is_ready(signal.received()));
        assert!(!is_ready(signal.received()));
    }

    #[test]
    fn who_waits_says_so_once() {
        let signal = Signal::default();
        let said = AtomicU64::new(0);
        let mut received = pin!(signal.received_after(|| {
            said.fetch_add(1, Ordering::Relaxed);
        }));
        for _ in 0..2 {
            assert!(!is_ready(received.as_mut()));
        }
        signal.send();
        assert!(is_ready(received.as_mut()));
        assert_eq!(said.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_countdown_ends_with_the_last_and_can_start_again() {
        let countdown = Countdown::new(1);
        for missing in [1, 3] {
            countdown.restart(missing);
            for _ in 0..missing {
                assert!(!is_ready(countdown.ended()));
                countdown.arrive();
            }
            assert!(is_ready(countdown.ended()));
        }
    }
}

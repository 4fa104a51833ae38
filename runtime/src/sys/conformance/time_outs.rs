//! How long a wait lasts.

use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::{mem, thread};

use super::*;

/// Waits as the scheduler does, again and again until the time is over, and counts the waits.
fn sleep(poller: &Poller, duration: Duration) -> usize {
    let mut observer = Observer::new(poller);
    let deadline = Instant::now() + duration;
    let mut waits = 0;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            assert!(observer.seen.is_empty(), "{:?}", observer.seen);
            return waits;
        }
        observer.wait(Some(rest));
        waits += 1;
    }
}

#[test]
fn a_wait_without_time_ends_at_once() {
    let _watchdog = watchdog("a wait without time");
    let poller = Poller::new().unwrap();
    let mut observer = Observer::new(&poller);
    for _ in 0..100 {
        observer.wait(Some(Duration::ZERO));
    }
    assert!(observer.seen.is_empty(), "{:?}", observer.seen);
}

#[test]
fn a_wait_ends_when_its_time_is_over_and_seldom_before() {
    let _watchdog = watchdog("a wait with a time-out");
    let poller = Poller::new().unwrap();
    for microseconds in [1, 100, 999, 1_000, 1_500, 20_000, 100_001] {
        let waits = sleep(&poller, Duration::from_micros(microseconds));
        assert!(waits < 100, "{microseconds} us took {waits} waits");
    }
}

#[test]
fn a_wait_for_ever_lasts_until_something_happens() {
    let _watchdog = watchdog("a wait for ever");
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(ours.as_raw_fd(), 1, Interest::READABLE).unwrap();
    for timeout in [
        None,
        Some(Duration::MAX),
        Some(Duration::from_secs(1 << 33)),
    ] {
        let mut observer = Observer::new(&poller);
        thread::scope(|scope| {
            scope.spawn(|| theirs.write_all(b"x").unwrap());
            while !observer.has_seen(1, Ready::READ) {
                observer.wait(timeout);
            }
        });
    }
}

extern "C" fn do_nothing(_: libc::c_int) {}

/// Has a signal interrupt the calls it comes upon.
fn interrupt_calls_on(signal: libc::c_int) {
    let handler: extern "C" fn(libc::c_int) = do_nothing;
    // SAFETY: zeroes are an action without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: the action lives through the call, and its handler does nothing.
    let result = unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

#[test]
fn an_interrupted_wait_brings_nothing_and_harms_nothing() {
    const SIGNAL: libc::c_int = libc::SIGUSR2;
    let _watchdog = watchdog("interrupted waits");
    interrupt_calls_on(SIGNAL);
    let poller = Arc::new(Poller::new().unwrap());
    let (ours, mut theirs) = pair();
    poller.add(ours.as_raw_fd(), 1, Interest::READABLE).unwrap();
    let waits = Arc::new(AtomicUsize::new(0));
    let waiter = thread::spawn({
        let (poller, waits) = (Arc::clone(&poller), Arc::clone(&waits));
        move || {
            let mut observer = Observer::new(&poller);
            while !observer.has_seen(1, Ready::READ) {
                observer.wait(None);
                waits.fetch_add(1, SeqCst);
            }
        }
    });
    while waits.load(SeqCst) < 10 {
        assert!(!waiter.is_finished(), "a wait has failed");
        // SAFETY: the thread has not been joined.
        unsafe { libc::pthread_kill(waiter.as_pthread_t(), SIGNAL) };
        thread::yield_now();
    }
    theirs.write_all(b"x").unwrap();
    waiter.join().unwrap();
}

//! Wake-ups: before a wait, during one, and several as one.

use std::thread;

use super::*;

/// Waits until a wake-up has been taken.
fn wait_for_wake_up(observer: &mut Observer<'_>, timeout: Option<Duration>) {
    loop {
        observer.wait(timeout);
        if observer.events.has_wake_up() {
            return;
        }
    }
}

/// Whether there is a wake-up to take.
fn is_woken(observer: &mut Observer<'_>) -> bool {
    (0..2).any(|_| {
        observer.wait(Some(Duration::ZERO));
        observer.events.has_wake_up()
    })
}

/// Holds a poller to what is said of wake-ups.
pub(in crate::sys) fn check_wake_ups(poller: &Poller) {
    let _watchdog = watchdog("wake-ups");
    let mut observer = Observer::new(poller);
    assert!(!is_woken(&mut observer));

    // Before the wait, and any number of them as one.
    for count in [1, 2, 1_000, 1] {
        for _ in 0..count {
            poller.wake();
        }
        wait_for_wake_up(&mut observer, None);
        assert!(
            !is_woken(&mut observer),
            "{count} wake-ups are more than one"
        );
    }

    // During the wait, as like as not.
    for timeout in [None, Some(LIMIT)] {
        for _ in 0..100 {
            thread::scope(|scope| {
                scope.spawn(|| poller.wake());
                wait_for_wake_up(&mut observer, timeout);
            });
        }
    }

    // Beside events, which stay events.
    let (ours, mut theirs) = pair();
    poller.add(ours.as_raw_fd(), 7, Interest::READABLE).unwrap();
    theirs.write_all(b"x").unwrap();
    poller.wake();
    let mut woken = false;
    while !woken || !observer.has_seen(7, Ready::READ) {
        observer.wait(None);
        woken |= observer.events.has_wake_up();
    }
    assert!(observer.seen.iter().all(|event| event.token == 7));
    poller.delete(ours.as_raw_fd()).unwrap();
}

#[test]
fn a_wake_up_ends_the_current_wait_or_the_next() {
    check_wake_ups(&Poller::new().unwrap());
}

#[test]
fn two_threads_that_wake_and_wait_in_turns_meet_each_time() {
    const ROUNDS: usize = 2_000;
    let _watchdog = watchdog("two threads in turns");
    let [here, there] = [(); 2].map(|()| Poller::new().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut observer = Observer::new(&there);
            for _ in 0..ROUNDS {
                wait_for_wake_up(&mut observer, None);
                here.wake();
            }
        });
        let mut observer = Observer::new(&here);
        for _ in 0..ROUNDS {
            there.wake();
            wait_for_wake_up(&mut observer, None);
        }
        assert!(!is_woken(&mut observer));
    });
}

#[test]
fn a_wake_up_ends_a_wait_of_somebody() {
    let _watchdog = watchdog("several who wait");
    let poller = Poller::new().unwrap();
    thread::scope(|scope| {
        let waiters =
            [(); 3].map(|()| scope.spawn(|| wait_for_wake_up(&mut Observer::new(&poller), None)));
        // One wake-up may do for several of them, if they take it together; none is too few.
        while !waiters.iter().all(thread::ScopedJoinHandle::is_finished) {
            poller.wake();
            thread::yield_now();
        }
    });
}

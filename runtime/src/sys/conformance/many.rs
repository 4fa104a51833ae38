//! Many descriptors, and many threads.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::*;
use crate::sys::faults::process::affordable_connections;

#[test]
fn of_five_thousand_just_those_are_reported_that_have_something() {
    let _watchdog = watchdog("5,000 descriptors");
    let poller = Poller::new().unwrap();
    // The other half is for other tests.
    let affordable = affordable_connections(10_000) / 2;
    let pairs = Vec::from_iter((0..affordable).map(|_| pair()));
    for (token, (ours, _)) in (1..).zip(&pairs) {
        poller
            .add(ours.as_raw_fd(), token, Interest::READABLE)
            .unwrap();
    }
    // One at a time far apart, then all at once, then every other.
    for step in [997, 1, 2] {
        let mut observer = Observer::new(&poller);
        observer.look_again();
        assert!(observer.seen.is_empty(), "{:?}", observer.seen);
        let chosen = || (1..).zip(&pairs).step_by(step);
        for (_, (_, theirs)) in chosen() {
            let mut theirs = theirs;
            theirs.write_all(b"x").unwrap();
        }
        let expected: HashSet<u64> = chosen().map(|(token, _)| token).collect();
        let mut seen = HashSet::new();
        let deadline = Instant::now() + LIMIT;
        while seen.len() < expected.len() {
            assert!(
                Instant::now() < deadline,
                "{} of {} reported",
                seen.len(),
                expected.len()
            );
            observer.seen.clear();
            observer.wait(Some(Duration::from_millis(100)));
            seen.extend(observer.seen.iter().map(|event| event.token));
        }
        assert!(seen == expected, "others were reported");
    }
    for (ours, _) in &pairs {
        poller.delete(ours.as_raw_fd()).unwrap();
    }
}

#[test]
fn two_hundred_in_both_directions_are_reported_in_both() {
    let poller = Poller::new().unwrap();
    let pairs = Vec::from_iter((0..200).map(|_| pair()));
    for (token, (ours, mut theirs)) in (1..).zip(pairs.iter().map(|(ours, theirs)| (ours, theirs)))
    {
        poller.add(ours.as_raw_fd(), token, BOTH).unwrap();
        theirs.write_all(b"x").unwrap();
    }
    let mut observer = Observer::new(&poller);
    for (token, _) in (1..).zip(&pairs) {
        observer.expect(token, Ready::READ.union(Ready::WRITE));
    }
}

#[test]
fn what_other_threads_add_is_reported_to_who_waits_already() {
    const THREADS: usize = 4;
    const EACH: usize = 200;
    let _watchdog = watchdog("several threads that add");
    let poller = Poller::new().unwrap();
    // One registration that waits for good, so that the sleeper has something to sleep in.
    let (idle, _idle_peer) = pair();
    poller
        .add(idle.as_raw_fd(), 1 << 32, Interest::READABLE)
        .unwrap();
    thread::scope(|scope| {
        // What a thread gives back stays open until the end, which is after the last event.
        let _threads = Vec::from_iter((0..THREADS).map(|thread| {
            let poller = &poller;
            scope.spawn(move || {
                Vec::from_iter((0..EACH).map(|index| {
                    let (ours, mut theirs) = pair();
                    let token = (1 + thread * EACH + index) as u64;
                    // Ready before it is added, or after.
                    if index % 2 == 0 {
                        theirs.write_all(b"x").unwrap();
                    }
                    poller
                        .add(ours.as_raw_fd(), token, Interest::READABLE)
                        .unwrap();
                    if index % 2 == 1 {
                        theirs.write_all(b"x").unwrap();
                    }
                    (ours, theirs)
                }))
            })
        }));
        let mut observer = Observer::new(&poller);
        let mut seen = HashSet::new();
        while seen.len() < THREADS * EACH {
            observer.seen.clear();
            observer.wait(None);
            seen.extend(observer.seen.iter().map(|event| event.token));
        }
    });
}

#[test]
fn an_event_comes_to_one_of_those_who_wait() {
    const WAITERS: usize = 3;
    const EDGES: usize = 300;
    let _watchdog = watchdog("several threads that wait");
    let poller = Poller::new().unwrap();
    let seen = Mutex::new(HashSet::new());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..WAITERS {
            scope.spawn(|| {
                let mut observer = Observer::new(&poller);
                while !over.load(SeqCst) {
                    observer.seen.clear();
                    observer.wait(Some(Duration::from_millis(10)));
                    let tokens = observer.seen.iter().map(|event| event.token);
                    seen.lock().unwrap().extend(tokens);
                }
            });
        }
        let pairs = Vec::from_iter((1..).take(EDGES).map(|token| {
            let (ours, mut theirs) = pair();
            poller.add(ours.as_raw_fd(), token, BOTH).unwrap();
            theirs.write_all(b"x").unwrap();
            (ours, theirs)
        }));
        while seen.lock().unwrap().len() < EDGES {
            thread::yield_now();
        }
        over.store(true, SeqCst);
        drop(pairs);
    });
}

#[test]
fn registrations_come_and_go_while_somebody_waits() {
    const THREADS: u64 = 3;
    const ROUNDS: u64 = 300;
    let _watchdog = watchdog("registrations that come and go");
    let poller = Poller::new().unwrap();
    let over = AtomicBool::new(false);
    let seen = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut observer = Observer::new(&poller);
            while !over.load(SeqCst) {
                observer.seen.clear();
                observer.wait(None);
                let tokens = observer.seen.iter().map(|event| event.token);
                seen.lock().unwrap().extend(tokens);
            }
        });
        let threads = Vec::from_iter((0..THREADS).map(|thread| {
            let (poller, seen) = (&poller, &seen);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let token = 1 + 2 * (thread * ROUNDS + round);
                    let (ours, mut theirs) = pair();
                    let fd = ours.as_raw_fd();
                    poller.add(fd, token, Interest::READABLE).unwrap();
                    if round % 2 == 0 {
                        poller.modify(fd, token + 1, BOTH).unwrap();
                    }
                    theirs.write_all(b"x").unwrap();
                    let token = token + (round + 1) % 2;
                    while !seen.lock().unwrap().contains(&token) {
                        thread::yield_now();
                    }
                    poller.delete(fd).unwrap();
                }
            })
        }));
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        over.store(true, SeqCst);
        poller.wake();
    });
}

//! Loom models of a set: each member is joined once, however its end meets what its set is doing.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use loom::thread;

use super::JoinSet;
use crate::blocking;
use crate::sync::model::{Signal, block_on, check};
use crate::task::{Origin, Runnable};

/// A new member, whose end is when the model runs it.
fn member(set: &mut JoinSet<u32>, output: u32) -> Runnable {
    let (job, handle) = blocking::new(move || output, || (), Origin::here());
    set.insert(handle);
    job
}

fn run_on_thread(job: Runnable) -> thread::JoinHandle<()> {
    thread::spawn(move || job.run())
}

/// Polls for the next output once.
fn poll_once(set: &mut JoinSet<u32>, signal: &Arc<Signal>) -> Option<u32> {
    let waker = Waker::from(signal.clone());
    match set.poll_join_next(&mut Context::from_waker(&waker)) {
        Poll::Ready(next) => Some(next.expect("the set has members").unwrap()),
        Poll::Pending => None,
    }
}

/// Members that finish while the set is polled are all joined.
#[test]
fn members_finish_while_polled() {
    check(3, || {
        let mut set = JoinSet::new();
        let threads = [1, 2].map(|output| run_on_thread(member(&mut set, output)));
        let mut outputs = Vec::new();
        while let Some(next) = block_on(poll_fn(|cx| Pin::new(&mut set).poll_next(cx))) {
            outputs.push(next.unwrap());
        }
        outputs.sort_unstable();
        assert_eq!(outputs, [1, 2]);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

/// A member that finishes while it comes in is joined, whichever way it is found to be over.
#[test]
fn a_member_finishes_while_it_comes_in() {
    check(4, || {
        let (job, handle) = blocking::new(|| 1, || (), Origin::here());
        let thread = run_on_thread(job);
        let mut set = JoinSet::new();
        set.insert(handle);
        assert_eq!(block_on(set.join_next()).unwrap().unwrap(), 1);
        assert!(set.is_empty() && set.try_join_next().is_none());
        thread.join().unwrap();
    });
}

/// If a set moves to another task, that one is woken.
#[test]
fn a_member_finishes_while_the_set_moves() {
    check(4, || {
        let mut set = JoinSet::new();
        let thread = run_on_thread(member(&mut set, 1));
        if poll_once(&mut set, &Signal::new()).is_none() {
            assert_eq!(block_on(set.join_next()).unwrap().unwrap(), 1);
        }
        thread.join().unwrap();
    });
}

/// The end of a member that was let go of is not taken for that of the one in its place.
#[test]
fn a_detached_member_finishes_while_another_takes_its_place() {
    check(4, || {
        let mut set = JoinSet::new();
        let thread = run_on_thread(member(&mut set, 1));
        let signal = Signal::new();
        if poll_once(&mut set, &signal).is_some() {
            return thread.join().unwrap();
        }
        set.detach_all();
        let second = member(&mut set, 2);
        assert_eq!(poll_once(&mut set, &signal), None);
        second.run();
        assert_eq!(poll_once(&mut set, &signal), Some(2));
        thread.join().unwrap();
    });
}

/// A set that is dropped while its member finishes leaves nothing behind.
#[test]
fn a_member_finishes_while_the_set_is_dropped() {
    check(4, || {
        let mut set = JoinSet::new();
        let thread = run_on_thread(member(&mut set, 1));
        let signal = Signal::new();
        poll_once(&mut set, &signal);
        drop(set);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&signal), 1, "the waker outlived the set");
    });
}

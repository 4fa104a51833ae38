//! Cores change hands and none is lost.

use std::panic::Location;

use super::super::root::Root;
use super::super::worker::Holder;
use super::*;

/// Runs a task to its end on the only core, and finds the core at rest afterwards.
fn assert_usable(shared: &Arc<Shared>) {
    let task = spawn(shared, async { 1 });
    assert_eq!(shared.block_on(task).unwrap(), 1);
    assert!(shared.idle.is_idle(0));
    assert_eq!(shared.idle.searchers(), 0);
}

/// A core that comes to rest while another caller takes it keeps its idle bit and its count of searchers
/// in step.
#[test]
fn a_core_comes_to_rest_between_two_callers() {
    check(3, || {
        let shared = shared(1, false);
        let other = thread::spawn({
            let shared = shared.clone();
            move || shared.block_on(async {})
        });
        shared.block_on(async {});
        other.join().unwrap();
        assert_usable(&shared);
    });
}

/// A caller whose future is ready before it gets a core passes the core on that comes too late.
#[test]
fn a_caller_that_waits_no_longer_loses_no_core() {
    check(3, || {
        let shared = shared(1, false);
        let flag = Flag::new();
        let other = thread::spawn({
            let (shared, flag) = (shared.clone(), flag.clone());
            move || shared.block_on(flag.wait())
        });
        shared.block_on(async { flag.set() });
        other.join().unwrap();
        assert_usable(&shared);
    });
}

/// Of two callers one has the core and runs the task that both wait for; should it be done first, the
/// other takes over.
#[test]
fn two_callers_share_a_core() {
    check(3, || {
        let shared = shared(1, false);
        let flag = Flag::new();
        let other = thread::spawn({
            let (shared, flag) = (shared.clone(), flag.clone());
            move || shared.block_on(flag.wait())
        });
        shared.block_on(async {
            drop(spawn(&shared, async move { flag.set() }));
        });
        other.join().unwrap();
        assert_usable(&shared);
    });
}

/// A root that is woken while its thread gets a core is polled: the wake goes where the thread sleeps.
#[test]
fn a_root_is_woken_while_its_thread_gets_a_core() {
    check(3, || {
        let shared = shared(1, false);
        let flag = Flag::new();
        let other = thread::spawn({
            let (shared, flag) = (shared.clone(), flag.clone());
            move || shared.block_on(flag.wait())
        });
        let waker = thread::spawn(move || flag.set());
        shared.block_on(async {});
        other.join().unwrap();
        waker.join().unwrap();
        assert_usable(&shared);
    });
}

/// A worker goes on with what a caller leaves, and with what comes from outside later.
#[test]
fn a_worker_takes_over_from_a_caller() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let left = shared.block_on(async { spawn(&shared, async { 1 }) });
        assert_eq!(block_on(left).unwrap(), 1);
        let later = spawn(&shared, async { 2 });
        assert_eq!(block_on(later).unwrap(), 2);
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// A dormant core that is claimed for work from outside may be taken by a caller before it is roused.
#[test]
fn a_caller_takes_a_core_that_is_being_roused() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let spawner = thread::spawn({
            let shared = shared.clone();
            move || block_on(spawn(&shared, async { 1 })).unwrap()
        });
        shared.block_on(async {});
        assert_eq!(spawner.join().unwrap(), 1);
        assert_eq!(block_on(spawn(&shared, async { 2 })).unwrap(), 2);
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// Two callers and a worker have one core between them.
#[test]
fn two_callers_and_a_worker_share_a_core() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let other = thread::spawn({
            let shared = shared.clone();
            move || shared.block_on(spawn(&shared, async { 1 })).unwrap()
        });
        assert_eq!(shared.block_on(spawn(&shared, async { 2 })).unwrap(), 2);
        assert_eq!(other.join().unwrap(), 1);
        assert_eq!(block_on(spawn(&shared, async { 3 })).unwrap(), 3);
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// An event reaches its task whoever holds the core: the worker that waits for it, or a caller who takes
/// the core over from it and gives it back.
#[test]
fn a_source_goes_with_its_core() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let source = Source::new(&shared, 0);
        shared.ensure_driven(0);
        let task = spawn(&shared, async move { source.readable().await });
        let caller = thread::spawn({
            let shared = shared.clone();
            move || shared.block_on(async {})
        });
        shared.reactors.get(0).poller().trigger(Source::FD);
        block_on(task).unwrap().unwrap();
        caller.join().unwrap();
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// A worker that has nothing to do hands its core over, also if it is about to fall asleep when asked.
#[test]
fn an_idle_worker_hands_its_core_over() {
    /// A root that nothing ever wakes, so that only a core can end the wait.
    struct Never;
    impl Root for Never {
        fn poll_if_woken(&mut self) -> bool {
            false
        }

        fn is_woken(&self) -> bool {
            false
        }

        fn location(&self) -> &'static Location<'static> {
            Location::caller()
        }

        fn holder(&self) -> Holder {
            Holder::Caller
        }
    }

    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        drop(spawn(&shared, async {}));
        let core = shared
            .core_for(&mut Never)
            .expect("the root is never ready");
        shared.put_back(core);
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// A source that is registered from outside while its core comes to rest is driven all the same.
#[test]
fn a_source_registered_from_outside_is_driven() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let user = thread::spawn({
            let shared = shared.clone();
            move || {
                let source = Source::new(&shared, 0);
                shared.ensure_driven(0);
                shared.reactors.get(0).poller().trigger(Source::FD);
                block_on(source.readable()).unwrap();
            }
        });
        shared.block_on(async {});
        user.join().unwrap();
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// A root that takes long holds nobody up: before it is polled, whoever relies on its core's search is
/// referred to another.
#[test]
fn a_root_that_blocks_stops_its_search() {
    check(2, || {
        let shared = shared(2, true);
        let worker = worker(&shared);
        let (flag, done) = (Flag::new(), Flag::new());
        let waker = thread::spawn({
            let (shared, flag, done) = (shared.clone(), flag.clone(), done.clone());
            move || {
                drop(spawn(&shared, async move { done.set() }));
                flag.set();
            }
        });
        shared.block_on(async {
            flag.wait().await;
            block_on(done.wait());
        });
        waker.join().unwrap();
        shared.shut_down();
        worker.join().unwrap();
    });
}

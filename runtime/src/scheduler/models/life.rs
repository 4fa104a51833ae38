//! Tasks are spawned, woken, shut down.

use loom::thread::ThreadId;

use super::*;

/// A task spawned from outside while the thread of the only core falls asleep is run by it.
#[test]
fn a_core_that_falls_asleep_hears_of_a_task_from_outside() {
    check(3, || {
        let shared = shared(1, false);
        let done = Flag::new();
        let spawner = thread::spawn({
            let (shared, done) = (shared.clone(), done.clone());
            move || drop(spawn(&shared, async move { done.set() }))
        });
        shared.block_on(done.wait());
        spawner.join().unwrap();
        shared.shut_down();
    });
}

/// A root woken while its thread falls asleep in the reactor is polled again, after each of two wakes.
#[test]
fn a_root_is_woken_while_its_thread_falls_asleep() {
    check(3, || {
        let shared = shared(1, false);
        let flags = [Flag::new(), Flag::new()];
        let wakers = flags.clone().map(|flag| thread::spawn(move || flag.set()));
        shared.block_on(async {
            flags[0].wait().await;
            flags[1].wait().await;
        });
        for waker in wakers {
            waker.join().unwrap();
        }
        shared.shut_down();
    });
}

/// A task woken from outside while the thread of the only core falls asleep is run by it.
#[test]
fn a_task_is_woken_from_outside() {
    check(3, || {
        let shared = shared(1, false);
        let flag = Flag::new();
        let waker = thread::spawn({
            let flag = flag.clone();
            move || flag.set()
        });
        shared.block_on(async {
            spawn(&shared, async move { flag.wait().await })
                .await
                .unwrap();
        });
        waker.join().unwrap();
        shared.shut_down();
    });
}

/// An event that comes while the thread of its core falls asleep wakes the task that waits for it.
#[test]
fn an_event_wakes_a_task() {
    check(3, || {
        let shared = shared(1, false);
        let source = Source::new(&shared, 0);
        let trigger = thread::spawn({
            let shared = shared.clone();
            move || shared.reactors.get(0).poller().trigger(Source::FD)
        });
        shared.block_on(async {
            let task = async move { source.readable().await };
            spawn(&shared, task).await.unwrap().unwrap();
        });
        trigger.join().unwrap();
        shared.shut_down();
    });
}

/// A worker that falls asleep with a source hears of its event, and of a task from outside after that.
#[test]
fn an_event_wakes_a_task_of_a_worker() {
    check(3, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let registered = Flag::new();
        let reader = spawn(&shared, {
            let (shared, registered) = (shared.clone(), registered.clone());
            async move {
                let source = Source::new(&shared, 0);
                registered.set();
                source.readable().await
            }
        });
        block_on(registered.wait());
        shared.reactors.get(0).poller().trigger(Source::FD);
        block_on(reader).unwrap().unwrap();
        assert_eq!(block_on(spawn(&shared, async { 1 })).unwrap(), 1);
        shared.shut_down();
        worker.join().unwrap();
    });
}

/// A task that is woken from outside while the runtime shuts down ends, one way or the other, and its
/// future is dropped by then; so does the worker.
#[test]
fn a_wake_meets_the_shutdown() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let (flag, dropped) = (Flag::new(), Count::new());
        let task = spawn(&shared, {
            let (flag, counted) = (flag.clone(), dropped.counted());
            async move {
                let _counted = counted;
                flag.wait().await;
            }
        });
        let waker = thread::spawn(move || flag.set());
        shared.shut_down();
        worker.join().unwrap();
        assert_eq!(dropped.get(), 1);
        assert!(task.is_finished());
        waker.join().unwrap();
        assert_eq!(shared.alive_tasks(), 0);
    });
}

/// A task that is spawned from outside while the runtime shuts down runs, or is cancelled; its future is
/// dropped when both are over.
#[test]
fn a_spawn_meets_the_shutdown() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let dropped = Count::new();
        let spawner = thread::spawn({
            let (shared, counted) = (shared.clone(), dropped.counted());
            move || spawn(&shared, async move { drop(counted) })
        });
        shared.shut_down();
        worker.join().unwrap();
        let task = spawner.join().unwrap();
        assert_eq!(dropped.get(), 1);
        assert!(task.is_finished());
        assert_eq!(shared.injected(), 0);
    });
}

/// Tasks that threads outside spawn into a runtime that is no more, or ends just now: each is cancelled, by
/// whoever ends the runtime or by its own thread, if that came too late.
#[test]
fn spawns_meet_the_end() {
    struct DroppedByFew([ThreadId; 2], #[expect(dead_code)] Counted);
    impl Drop for DroppedByFew {
        fn drop(&mut self) {
            assert!(self.0.contains(&thread::current().id()));
        }
    }

    check(3, || {
        let shared = shared(1, false);
        let dropped = Count::new();
        let ender = thread::current().id();
        let spawners = [(), ()].map(|()| {
            let (shared, counted) = (shared.clone(), dropped.counted());
            thread::spawn(move || {
                let value = DroppedByFew([ender, thread::current().id()], counted);
                spawn(&shared, async move { drop(value) })
            })
        });
        shared.shut_down();
        let tasks = spawners.map(|spawner| spawner.join().unwrap());
        assert!(tasks.iter().all(|task| task.is_finished()));
        assert_eq!((dropped.get(), shared.alive_tasks()), (2, 0));
        assert_eq!(shared.injected(), 0);
    });
}

/// What a task spawns while the runtime shuts down runs, or is cancelled like the task itself; and so is what
/// its destructor spawns.
#[test]
fn a_spawn_on_a_core_meets_the_shutdown() {
    struct Spawns(Arc<Shared>, Option<Counted>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let counted = self.1.take();
            drop(spawn(&self.0, async move { drop(counted) }));
        }
    }

    check(4, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let (begun, dropped) = (Flag::new(), Count::new());
        let parent = spawn(&shared, {
            let (shared, begun) = (shared.clone(), begun.clone());
            let [own, waits, runs] = [(); 3].map(|()| dropped.counted());
            async move {
                let _spawns = Spawns(shared.clone(), Some(own));
                begun.set();
                drop(spawn(&shared, async move {
                    let _waits = waits;
                    std::future::pending::<()>().await;
                }));
                drop(spawn(&shared, async move { drop(runs) }));
                std::future::pending::<()>().await;
            }
        });
        block_on(begun.wait());
        shared.shut_down();
        worker.join().unwrap();
        assert_eq!(dropped.get(), 3);
        assert!(parent.is_finished());
        assert_eq!(shared.alive_tasks(), 0);
    });
}

/// A `block_on` goes on while the runtime shuts down, and hears of its wake, with a core, without, or just
/// when it loses it.
#[test]
fn a_block_on_meets_the_shutdown() {
    check(3, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let (flag, dropped) = (Flag::new(), Count::new());
        let caller = thread::spawn({
            let (shared, flag, counted) = (shared.clone(), flag.clone(), dropped.counted());
            move || {
                shared.block_on(async {
                    drop(spawn(&shared, async move { drop(counted) }));
                    flag.wait().await;
                });
            }
        });
        shared.shut_down();
        flag.set();
        caller.join().unwrap();
        worker.join().unwrap();
        assert_eq!((dropped.get(), shared.alive_tasks()), (1, 0));
    });
}

/// An event that comes while the runtime shuts down leaves no task behind.
#[test]
fn an_event_meets_the_shutdown() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let (source, dropped) = (Source::new(&shared, 0), Count::new());
        let task = spawn(&shared, {
            let counted = dropped.counted();
            async move {
                let _counted = counted;
                source.readable().await
            }
        });
        let trigger = thread::spawn({
            let shared = shared.clone();
            move || shared.reactors.get(0).poller().trigger(Source::FD)
        });
        shared.shut_down();
        worker.join().unwrap();
        assert_eq!(dropped.get(), 1);
        assert!(task.is_finished());
        trigger.join().unwrap();
    });
}

/// Two workers run what comes from outside and what that spawns in turn, and both end.
#[test]
fn two_workers_share_the_work() {
    check(1, || {
        let shared = shared(2, true);
        let workers = [worker(&shared), worker(&shared)];
        let sum = spawn(&shared, {
            let shared = shared.clone();
            async move {
                let tasks = [1, 2].map(|n| spawn(&shared, async move { n }));
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                sum
            }
        });
        assert_eq!(block_on(sum).unwrap(), 3);
        shared.shut_down();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(shared.alive_tasks(), 0);
    });
}

/// Two workers fall asleep while two tasks wait: both are run once they are woken from outside.
#[test]
fn two_workers_hear_of_two_wakes() {
    check(1, || {
        let shared = shared(2, true);
        let workers = [worker(&shared), worker(&shared)];
        let flags = [Flag::new(), Flag::new()];
        let tasks = flags
            .clone()
            .map(|flag| spawn(&shared, async move { flag.wait().await }));
        flags.iter().for_each(|flag| flag.set());
        for task in tasks {
            block_on(task).unwrap();
        }
        shared.shut_down();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// Two workers of which one is asleep: shutdown reaches both, and drops what waits and what is queued.
#[test]
fn two_workers_shut_down() {
    check(2, || {
        let shared = shared(2, true);
        let workers = [worker(&shared), worker(&shared)];
        let dropped = Count::new();
        let tasks = [true, false].map(|waits| {
            let counted = dropped.counted();
            spawn(&shared, async move {
                let _counted = counted;
                if waits {
                    std::future::pending::<()>().await;
                }
            })
        });
        shared.shut_down();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(dropped.get(), 2);
        assert!(tasks.iter().all(JoinHandle::is_finished));
    });
}

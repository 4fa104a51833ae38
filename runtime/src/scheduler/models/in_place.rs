//! A thread lends its core while it blocks, and nothing is left undone, whoever gets the core.

use super::*;
use crate::scheduler::block_in_place;

/// A runtime that starts a thread for each worker that goes away and is missed.
fn replacing(cores: usize) -> Arc<Shared> {
    let start: Box<StartThread> = Box::new(|run| thread::Builder::new().spawn(run));
    shared_with(cores, Some(start), Hooks::default())
}

/// Ends a runtime as dropping it does.
fn end(shared: &Arc<Shared>, worker: thread::JoinHandle<()>) {
    shared.shut_down();
    worker.join().unwrap();
    for replacement in shared.take_replacements() {
        replacement.join().unwrap();
    }
    assert_eq!(shared.alive_tasks(), 0);
    assert_eq!(shared.injected(), 0);
}

/// Spawns a task that sets a flag, and blocks until it is set, lending the core to whoever runs the task.
fn block_on_a_task(shared: &Arc<Shared>) {
    let done = Flag::new();
    drop(spawn(shared, {
        let done = done.clone();
        async move { done.set() }
    }));
    block_in_place(|| block_on(done.wait()));
}

/// A thread that is started for it goes on with what a blocked worker has left in its slot.
#[test]
fn a_replacement_takes_the_core() {
    check(2, || {
        let shared = replacing(1);
        let worker = worker(&shared);
        let task = spawn(&shared, {
            let shared = shared.clone();
            async move {
                block_on_a_task(&shared);
                spawn(&shared, async { 1 }).await.unwrap()
            }
        });
        assert_eq!(block_on(task).unwrap(), 1);
        end(&shared, worker);
    });
}

/// A task that is woken from outside while its core is lent is polled again, by whoever has the core then;
/// and so is one that it wakes itself in the rest of that poll.
#[test]
fn wakes_meet_a_lent_core() {
    check(3, || {
        let shared = replacing(1);
        let worker = worker(&shared);
        let flag = Flag::new();
        let task = spawn(&shared, {
            let (shared, flag) = (shared.clone(), flag.clone());
            async move {
                let inner = Flag::new();
                let waiting = spawn(&shared, {
                    let inner = inner.clone();
                    async move { inner.wait().await }
                });
                block_in_place(|| ());
                inner.set();
                flag.wait().await;
                waiting.await.unwrap();
            }
        });
        flag.set();
        block_on(task).unwrap();
        end(&shared, worker);
    });
}

/// The end of the runtime waits for a poll that goes on without its core, whether that ends its task or
/// not, and leaves no future behind.
#[test]
fn a_lent_core_meets_the_shutdown() {
    check(3, || {
        let shared = replacing(1);
        let worker = worker(&shared);
        let (begun, dropped) = (Flag::new(), Count::new());
        let task = spawn(&shared, {
            let (begun, counted) = (begun.clone(), dropped.counted());
            async move {
                let _counted = counted;
                begun.set();
                block_in_place(|| ());
                std::future::pending::<()>().await;
            }
        });
        block_on(begun.wait());
        end(&shared, worker);
        assert_eq!(dropped.get(), 1);
        assert!(task.is_finished());
    });
}

/// The thread that has the core lends it in turn, to another that is started or to the first that comes
/// back.
#[test]
fn a_lent_core_is_lent_again() {
    check(2, || {
        let shared = replacing(1);
        let worker = worker(&shared);
        let task = spawn(&shared, {
            let shared = shared.clone();
            async move {
                let inner = spawn(&shared, {
                    let shared = shared.clone();
                    async move { block_on_a_task(&shared) }
                });
                block_in_place(|| ());
                inner.await.unwrap();
            }
        });
        block_on(task).unwrap();
        end(&shared, worker);
    });
}

/// As many threads are there as are needed while two are away.
#[test]
fn two_threads_are_away() {
    check(2, || {
        let shared = replacing(1);
        let worker = worker(&shared);
        let done = Flag::new();
        let task = spawn(&shared, {
            let shared = shared.clone();
            async move {
                let inner = spawn(&shared, {
                    let (shared, done) = (shared.clone(), done.clone());
                    async move {
                        drop(spawn(&shared, {
                            let done = done.clone();
                            async move { done.set() }
                        }));
                        block_in_place(|| block_on(done.wait()));
                    }
                });
                block_in_place(|| block_on(inner)).unwrap();
            }
        });
        block_on(task).unwrap();
        end(&shared, worker);
    });
}

/// A caller of `block_on` who waits for a core gets one that is lent, and gives it back for what is left.
#[test]
fn a_caller_gets_a_lent_core() {
    check(2, || {
        let shared = replacing(1);
        let worker = worker(&shared);
        let begun = Flag::new();
        let task = spawn(&shared, {
            let (shared, begun) = (shared.clone(), begun.clone());
            async move {
                begun.set();
                block_on_a_task(&shared);
            }
        });
        block_on(begun.wait());
        let [inner] = shared.block_on(async { [spawn(&shared, async { 1 })] });
        block_on(task).unwrap();
        assert_eq!(block_on(inner).unwrap(), 1);
        end(&shared, worker);
    });
}

/// A caller of `block_on` lends its core as well, to the worker who is spare. Should that one block, the
/// caller hears of wakes without a core.
#[test]
fn a_caller_lends_its_core() {
    check(4, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let [begun, flag, passed] = [Flag::new(), Flag::new(), Flag::new()];
        let waker = shared.block_on(async {
            let waker = thread::spawn({
                let flag = flag.clone();
                move || flag.set()
            });
            drop(spawn(&shared, {
                let (begun, passed) = (begun.clone(), passed.clone());
                async move {
                    begun.set();
                    block_on(passed.wait());
                }
            }));
            block_in_place(|| block_on(begun.wait()));
            flag.wait().await;
            passed.set();
            waker
        });
        waker.join().unwrap();
        end(&shared, worker);
    });
}

/// A lent core at rest may be claimed for work from outside just when its thread takes it back.
#[test]
fn a_core_that_comes_back_is_being_roused() {
    check(2, || {
        let shared = shared(1, true);
        let worker = worker(&shared);
        let (spawner, task) = shared.block_on(async {
            let spawner = thread::spawn({
                let shared = shared.clone();
                move || spawn(&shared, async { 1 })
            });
            block_in_place(|| ());
            (spawner, spawn(&shared, async { 2 }).await.unwrap())
        });
        assert_eq!(task, 2);
        assert_eq!(block_on(spawner.join().unwrap()).unwrap(), 1);
        assert_eq!(block_on(spawn(&shared, async { 3 })).unwrap(), 3);
        end(&shared, worker);
    });
}

/// A worker that is not needed any more ends when its time is up, unless it is needed just then.
#[test]
fn a_worker_that_is_not_needed_ends() {
    check(1, || {
        let shared = replacing(1);
        let worker = worker(&shared);
        let lend = || {
            let shared = shared.clone();
            async move { block_on_a_task(&shared) }
        };
        block_on(spawn(&shared, lend())).unwrap();
        let clock = thread::spawn({
            let shared = shared.clone();
            move || shared.lending.let_time_pass()
        });
        block_on(spawn(&shared, lend())).unwrap();
        clock.join().unwrap();
        end(&shared, worker);
    });
}

//! What waits for a blocked core is taken over, whatever its holder does at that moment.
//!
//! The clock stands still in these models. So it is a hook that lets a helper pass by, the holder of core 1 when it
//! is about to sleep for the first time; at a moment so late that core 0 is overdue unless it is idle. How
//! long the holder of core 0 is away is up to loom.
//!
//! A helper's take from the slot may swap nothing for nothing. Loom does not see that such a swap comes
//! before the holder's next store, and lets the item be lost. So no task is put into the slot of core 0
//! after its holder has taken one from there, once there is a helper.

use super::*;
use crate::scheduler::context;

/// A runtime of two cores, of which the second helps the first. Who first takes a core gets the first; the
/// other is for a [`worker`].
fn shared_with_helper() -> Arc<Shared> {
    let hooks = Hooks {
        thread_park: Some(Arc::new(pass_by)),
        ..Hooks::default()
    };
    shared_with(2, Some(no_threads()), hooks)
}

fn pass_by() {
    context::with_any_worker(|worker| {
        let worker = worker.expect("it is about to sleep");
        if worker.core_index() == 1 {
            worker.pass_by(LONG);
        }
    });
}

/// Spawns a task that waits for a source of core 0, lets it be polled there, and makes the source readable,
/// so that an event is pending.
async fn reader(shared: &Arc<Shared>, done: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    assert_eq!(shared.current_core(), Some(0));
    let waits = Flag::new();
    let task = spawn(shared, {
        let (shared, waits) = (shared.clone(), waits.clone());
        async move {
            let source = Source::new(&shared, 0);
            waits.set();
            source.readable().await.unwrap();
            done();
        }
    });
    waits.wait().await;
    shared.reactors.get(0).poller().trigger(Source::FD);
    task
}

/// Tasks in the ring and in the slot run once, and a pending event is delivered, whoever is faster: the
/// helper, or the holder, who pushes tasks and takes them, turns the reactor and falls asleep.
#[test]
fn a_helper_meets_the_holder() {
    check(2, || {
        let shared = shared_with_helper();
        let helper = shared.block_on(async {
            let reader = reader(&shared, || ()).await;
            let helper = worker(&shared);
            let tasks = [1, 2].map(|n| spawn(&shared, async move { n }));
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            assert_eq!(sum, 3);
            reader.await.unwrap();
            helper
        });
        shared.shut_down();
        helper.join().unwrap();
        assert_eq!(shared.alive_tasks(), 0);
    });
}

/// A wake-up is left to the holder for whom it was meant, also by a helper who turns the reactor just
/// before its holder falls asleep in it, or while it sleeps.
#[test]
fn a_helper_meets_a_wake_up() {
    check(3, || {
        let shared = shared_with_helper();
        let (helper, waker) = shared.block_on(async {
            let flag = Flag::new();
            let helper = worker(&shared);
            let waker = thread::spawn({
                let flag = flag.clone();
                move || flag.set()
            });
            flag.wait().await;
            (helper, waker)
        });
        waker.join().unwrap();
        shared.shut_down();
        helper.join().unwrap();
    });
}

/// What a `block_on` leaves behind on its core runs, be it taken over before, or driven by the worker who
/// gets the core.
#[test]
fn a_helper_meets_the_end_of_a_block_on() {
    const TASKS: usize = 4;

    check(3, || {
        let shared = shared_with_helper();
        let left = Arc::new(AtomicUsize::new(TASKS));
        let done = {
            let shared = shared.clone();
            move || {
                if left.fetch_sub(1, SeqCst) == 1 {
                    shared.shut_down();
                }
            }
        };
        let helper = shared.block_on(async {
            drop(reader(&shared, done.clone()).await);
            for _ in 1..TASKS {
                let done = done.clone();
                drop(spawn(&shared, async move { done() }));
            }
            worker(&shared)
        });
        // A worker that comes only now.
        shared.work();
        helper.join().unwrap();
    });
}

/// What a helper takes over is dropped like the rest if the runtime ends meanwhile.
#[test]
fn a_helper_meets_the_shutdown() {
    check(2, || {
        let shared = shared_with_helper();
        let holder = worker(&shared);
        let (begun, dropped) = (Flag::new(), Count::new());
        let task = spawn(&shared, {
            let (shared, begun) = (shared.clone(), begun.clone());
            let counted = [(); 3].map(|()| dropped.counted());
            async move {
                let reader = reader(&shared, || ()).await;
                let tasks = counted.map(|counted| spawn(&shared, async move { drop(counted) }));
                begun.set();
                (worker(&shared), reader, tasks)
            }
        });
        block_on(begun.wait());
        shared.shut_down();
        holder.join().unwrap();
        let (helper, reader, tasks) = block_on(task).expect("it is not cancelled in its last poll");
        helper.join().unwrap();
        assert_eq!(dropped.get(), 3);
        assert!(reader.is_finished() && tasks.iter().all(JoinHandle::is_finished));
        assert_eq!(shared.alive_tasks(), 0);
    });
}

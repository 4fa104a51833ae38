//! The end of a set, and of a current-thread runtime.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use mini_rt_runtime::runtime::Handle;
use mini_rt_runtime::task::JoinHandle;
use mini_rt_runtime::{LocalSet, spawn_local, yield_now};

use crate::support::kinds::{Kind, on_every_kind, on_every_runtime};
use crate::support::random::Random;
use crate::support::tasks::{Mailbox, OnDrop, on_thread, panic_of, park_on, settle, until};
use crate::support::watchdog::Watchdog;
use crate::{Homes, Known, wait_for_ever};

#[test]
fn a_dropped_set_drops_what_waits_what_is_ready_and_what_never_ran() {
    on_every_runtime("a dropped set", async |_| {
        let homes = Homes::default();
        let set = LocalSet::new();
        let known = Known::default();
        let woken = set.spawn_local(known.clone().wait(homes.resident()));
        let waiting = set.spawn_local(wait_for_ever(homes.resident()));
        drop(set.spawn_local(wait_for_ever(homes.resident())));
        set.run_until(settle()).await;
        let aborted = set.spawn_local(wait_for_ever(homes.resident()));
        aborted.abort();
        let fresh = set.spawn_local(wait_for_ever(homes.resident()));
        known.waker().expect("the task was polled").wake();
        assert_eq!(homes.census.alive(), 5);
        drop(set);
        homes.assert_ended(5);
        for task in [woken, waiting, aborted, fresh] {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        // What is left of the tasks does nothing any more.
        let waker = known.waker().expect("the waker stays");
        waker.wake_by_ref();
        on_thread(move || waker.wake()).await;
        homes.assert_ended(5);
    });
}

#[test]
fn wakes_and_aborts_from_other_threads_meet_the_end_of_a_set() {
    const TASKS: usize = 8;
    let mut random = Random::for_test("wakes_meet_the_end_of_a_set", 11);
    let homes = Homes::default();
    let _watchdog = Watchdog::seconds("wakes meet the end of a set", 120);
    let runtime = Kind::CurrentThread.build();
    let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|n: usize| {
            let (wakers, stop) = (wakers.clone(), stop.clone());
            thread::spawn(move || {
                let mut at = n;
                while !stop.load(SeqCst) {
                    at += 1;
                    let waker = {
                        let wakers = wakers.lock().unwrap();
                        let some = wakers.len();
                        (some > 0).then(|| wakers[at % some].clone())
                    };
                    waker.into_iter().for_each(Waker::wake);
                }
            })
        })
        .collect();
    let rounds = 1_000;
    for _ in 0..rounds {
        let set = LocalSet::new();
        let all: Vec<_> = (0..TASKS).map(|_| Known::default()).collect();
        let tasks: Vec<_> = all
            .iter()
            .map(|known| set.spawn_local(known.clone().wait(homes.resident())))
            .collect();
        set.block_on(
            &runtime,
            until(|| all.iter().all(|known| known.waker().is_some())),
        );
        *wakers.lock().unwrap() = all.iter().filter_map(Known::waker).collect();
        let handles: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let aborter = (random.below(4) == 0)
            .then(|| thread::spawn(move || handles.iter().for_each(|handle| handle.abort())));
        for _ in 0..random.below(20) {
            set.block_on(&runtime, yield_now());
        }
        drop(set);
        assert!(tasks.iter().all(JoinHandle::is_finished));
        if let Some(aborter) = aborter {
            aborter.join().unwrap();
        }
    }
    stop.store(true, SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    homes.assert_ended(rounds * TASKS);
}

#[test]
fn the_last_waker_of_a_task_may_end_anywhere() {
    on_every_kind("the last waker of a task", 60, |kind| {
        let (homes, known) = (Homes::default(), Known::default());
        let set = LocalSet::new();
        let task = set.spawn_local(known.clone().wait(homes.resident()));
        set.block_on(&kind.build(), settle());
        drop(task);
        drop(set);
        homes.assert_ended(1);
        thread::spawn(move || drop(known)).join().unwrap();
        homes.assert_ended(1);
    });
}

#[test]
fn destructors_find_the_set_and_what_they_spawn_is_cancelled() {
    on_every_runtime("destructors that spawn", async |_| {
        let homes = Homes::default();
        let spawned = Rc::new(RefCell::new(Vec::new()));
        let set = LocalSet::new();
        for _ in 0..10 {
            let (list, homes) = (spawned.clone(), homes.clone());
            let on_drop = OnDrop::new(move || {
                let resident = homes.resident();
                let inner = OnDrop::new(move || {
                    let resident = homes.resident();
                    drop(spawn_local(wait_for_ever(resident)));
                });
                list.borrow_mut().push(spawn_local(async move {
                    let _both = (inner, resident);
                    pending::<()>().await;
                }));
            });
            set.spawn_local(async move {
                let _on_drop = on_drop;
                pending::<()>().await;
            });
        }
        set.run_until(settle()).await;
        drop(set);
        homes.assert_ended(20);
        for task in spawned.take() {
            assert!(task.await.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn tasks_that_hold_each_other_themselves_and_their_wakers_end_with_the_set() {
    on_every_runtime("tasks in a circle", async |_| {
        let homes = Homes::default();
        let set = LocalSet::new();
        type Circle = Rc<RefCell<Vec<JoinHandle<()>>>>;
        let circle = Circle::default();
        for _ in 0..5 {
            let (circle, resident) = (circle.clone(), homes.resident());
            let task = set.spawn_local({
                let circle = circle.clone();
                async move {
                    let own_waker = RefCell::new(None);
                    poll_fn(|cx| -> Poll<()> {
                        own_waker.replace(Some(cx.waker().clone()));
                        // Aborting others, and itself, from its destructor is nothing special.
                        let _alive = (&circle, &resident);
                        Poll::Pending
                    })
                    .await;
                }
            });
            circle.borrow_mut().push(task);
        }
        let (holder, resident) = (circle.clone(), homes.resident());
        let on_drop = OnDrop::new(move || holder.borrow().iter().for_each(JoinHandle::abort));
        set.spawn_local(async move {
            let _both = (on_drop, resident);
            pending::<()>().await;
        });
        set.run_until(settle()).await;
        drop(set);
        homes.assert_ended(6);
        assert!(circle.borrow().iter().all(JoinHandle::is_finished));
    });
}

#[test]
fn a_set_may_end_with_its_thread() {
    thread_local! {
        static SET: RefCell<Option<LocalSet>> = const { RefCell::new(None) };
        static TOUCHED: Cell<usize> = const { Cell::new(0) };
    }
    let _watchdog = Watchdog::seconds("a set that ends with its thread", 60);
    let homes = Homes::default();
    let inside = homes.clone();
    let (known, stop) = (Known::default(), Arc::new(AtomicBool::new(false)));
    let (from_elsewhere, stopped) = (known.clone(), stop.clone());
    let waker = thread::spawn(move || {
        while !stopped.load(SeqCst) {
            from_elsewhere.waker().into_iter().for_each(Waker::wake);
        }
    });
    let owner = thread::spawn(move || {
        let set = LocalSet::new();
        drop(set.spawn_local(known.clone().wait(inside.resident())));
        let homes = inside.clone();
        let on_drop = OnDrop::new(move || {
            TOUCHED.set(TOUCHED.get() + 1);
            drop(spawn_local(wait_for_ever(homes.resident())));
        });
        set.spawn_local(async move {
            let _on_drop = on_drop;
            pending::<()>().await;
        });
        set.block_on(&Kind::CurrentThread.build(), settle());
        SET.set(Some(set));
    });
    owner.join().unwrap();
    homes.assert_ended(2);
    stop.store(true, SeqCst);
    waker.join().unwrap();
}

#[test]
fn a_set_that_is_leaked_keeps_its_tasks_from_everybody() {
    let _watchdog = Watchdog::seconds("a set that is leaked", 60);
    let (homes, known) = (Homes::default(), Known::default());
    let inside = (homes.clone(), known.clone());
    let (task, set) = thread::spawn(move || {
        let (homes, known) = inside;
        let set = Box::leak(Box::new(LocalSet::new()));
        let task = set.spawn_local(known.wait(homes.resident()));
        set.block_on(&Kind::CurrentThread.build(), settle());
        (task, &raw const *set as usize)
    })
    .join()
    .unwrap();
    LEAKED.lock().unwrap().push(set);
    known.waker().expect("the task was polled").wake();
    task.abort();
    assert!(!task.is_finished());
    drop((task, known));
    assert_eq!(homes.census.alive(), 1);
    assert_eq!(homes.astray.load(SeqCst), 0);
}

/// Where leak detectors see what is leaked on purpose.
static LEAKED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

#[test]
fn local_tasks_end_with_the_runtime_on_their_thread() {
    let _watchdog = Watchdog::seconds("the runtime's end", 60);
    let homes = Homes::default();
    let runtime = Kind::CurrentThread.build();
    let found = Arc::new(Mutex::new(Vec::new()));
    let task = runtime.block_on(async {
        let (resident, seen) = (homes.resident(), found.clone());
        let on_drop = OnDrop::new(move || {
            let spawned = spawn_local(async {});
            let mut seen = seen.lock().unwrap();
            seen.push(("a runtime", Handle::try_current().is_ok()));
            seen.push(("an open set", !spawned.is_finished()));
        });
        let task = spawn_local(async move {
            let _both = (resident, on_drop);
            pending::<()>().await;
        });
        settle().await;
        task
    });
    assert_eq!(homes.census.alive(), 1);
    drop(runtime);
    homes.assert_ended(1);
    assert!(park_on(task).unwrap_err().is_cancelled());
    let found = found.lock().unwrap();
    assert_eq!(*found, [("a runtime", true), ("an open set", false)]);
}

#[test]
fn local_tasks_of_a_runtime_that_is_dropped_elsewhere_end_with_their_thread() {
    thread_local! {
        static TOUCHED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }
    let _watchdog = Watchdog::seconds("a runtime dropped elsewhere", 60);
    let (homes, known) = (Homes::default(), Known::default());
    let (runtimes, gone) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
    let inside = (homes.clone(), known.clone(), runtimes.clone(), gone.clone());
    let owner = thread::spawn(move || {
        let (homes, known, runtimes, gone) = inside;
        let runtime = Kind::CurrentThread.build();
        let task = runtime.block_on(async {
            let on_drop = OnDrop::new(|| {
                TOUCHED.with_borrow_mut(|touched| touched.push(1));
                drop(spawn_local(async {}));
            });
            drop(spawn_local(async move {
                let _on_drop = on_drop;
                pending::<()>().await;
            }));
            let task = spawn_local(known.wait(homes.resident()));
            settle().await;
            task
        });
        runtimes.put(runtime);
        park_on(gone.take());
        // A new runtime here is nothing to the tasks of the old one, also if it lies in the same place.
        mini_rt_runtime::block_on(async { spawn_local(settle()).await.unwrap() });
        assert_eq!((homes.census.alive(), task.is_finished()), (1, false));
        task
    });
    let runtime = park_on(runtimes.take());
    let waker = known.waker().expect("the task was polled");
    waker.wake_by_ref();
    runtime.block_on(settle());
    drop(runtime);
    waker.wake();
    gone.put(());
    let task = owner.join().unwrap();
    homes.assert_ended(1);
    assert!(park_on(task).unwrap_err().is_cancelled());
}

#[test]
fn local_tasks_of_a_runtime_that_is_dropped_by_those_of_another_end() {
    let _watchdog = Watchdog::seconds("dropped by the task of another", 60);
    let homes = Homes::default();
    let inside = homes.clone();
    let thread = thread::spawn(move || {
        let [driven, dropped] = [(); 2].map(|()| Kind::CurrentThread.build());
        dropped.block_on(async {
            drop(spawn_local(wait_for_ever(inside.resident())));
            settle().await;
        });
        let text = driven.block_on(async {
            drop(spawn_local(wait_for_ever(inside.resident())));
            spawn_local(async move { panic_of(|| drop(dropped)) })
                .await
                .unwrap()
        });
        assert!(text.contains("dropped inside async code"), "{text}");
        // That of the other runtime is gone.
        assert_eq!(inside.census.alive(), 1);
    });
    thread.join().unwrap();
    homes.assert_ended(2);
}

#[test]
fn runtimes_and_sets_come_and_go() {
    let _watchdog = Watchdog::seconds("runtimes and sets come and go", 60);
    let homes = Homes::default();
    for round in 0..200 {
        let runtime = Kind::CurrentThread.build();
        runtime.block_on(async {
            drop(spawn_local(wait_for_ever(homes.resident())));
            let set = LocalSet::new();
            set.spawn_local(wait_for_ever(homes.resident()));
            set.run_until(async { spawn_local(yield_now()).await.unwrap() })
                .await;
            if round % 2 == 0 {
                spawn_local(yield_now()).await.unwrap();
            }
        });
    }
    homes.assert_ended(400);
}

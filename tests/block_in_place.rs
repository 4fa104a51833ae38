//! A task that announces that it blocks lends its core meanwhile.

mod support;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::Duration;

use mini_rt::prelude::*;
use mini_rt::runtime::{Builder, Handle, Runtime};
use mini_rt::task::{block_in_place, yield_now};
use mini_rt::time::sleep;

use support::kinds::{KINDS, Kind, on_every_kind};
use support::sockets::{ask, echo, stream_and_peer};
use support::tasks::{Mailbox, OnDrop, on_thread, panic_of, park_on, until};
use support::watchdog::Watchdog;

/// Runs a scenario on every kind of runtime that has workers.
fn on_workers(test: &str, scenario: impl AsyncFn()) {
    for kind in KINDS {
        if kind.workers() > 0 {
            let _watchdog = Watchdog::seconds(format!("{test} on {kind:?}"), 60);
            kind.build().block_on(scenario());
        }
    }
}

#[test]
fn tasks_of_a_thread_that_blocks_run_on() {
    on_workers("tasks run on", async || {
        // More than there are workers: each is replaced.
        let all = Arc::new(Barrier::new(9));
        let blocking: Vec<_> = (0..8)
            .map(|_| {
                let all = all.clone();
                mini_rt::spawn(async move { block_in_place(|| all.wait().is_leader()) })
            })
            .collect();
        let last = mini_rt::spawn(async move { block_in_place(|| all.wait().is_leader()) });
        let mut leaders = u32::from(last.await.unwrap());
        for task in blocking {
            leaders += u32::from(task.await.unwrap());
        }
        assert_eq!(leaders, 1);
    });
}

#[test]
fn the_closure_borrows_from_the_task_and_its_output_comes_back() {
    on_workers("borrows", async || {
        let text = "borrowed".to_owned();
        assert_eq!(block_in_place(|| text.len()), 8);
        let mut numbers = vec![3, 1, 2];
        let task = mini_rt::spawn(async move {
            block_in_place(|| numbers.sort());
            yield_now().await;
            numbers
        });
        assert_eq!(task.await.unwrap(), [1, 2, 3]);
    });
}

#[test]
fn sockets_of_a_root_that_blocks_are_served() {
    on_workers("a root blocks", async || {
        let (stream, peer) = stream_and_peer();
        let echo = mini_rt::spawn(echo(stream));
        block_in_place(|| {
            for _ in 0..10 {
                ask(&peer, b"while the root blocks");
            }
        });
        ask(&peer, b"and afterwards, from the root's own thread");
        drop(peer);
        assert_eq!(echo.await.unwrap().unwrap(), 10 * 21 + 42);
    });
}

#[test]
fn a_nested_call_and_a_nested_block_on_run() {
    on_workers("nested", async || {
        let handle = Handle::current();
        let nested = move || {
            block_in_place(|| {
                block_in_place(|| {
                    handle.block_on(async {
                        let task = mini_rt::spawn(async { 1 });
                        let inner = block_in_place(|| handle.block_on(async { 2 }));
                        task.await.unwrap() + inner
                    })
                })
            })
        };
        assert_eq!(nested(), 3);
        assert_eq!(mini_rt::spawn(async move { nested() }).await.unwrap(), 3);
    });
}

#[test]
fn the_task_goes_on_also_if_its_core_is_busy_elsewhere() {
    on_workers("the core is busy", async || {
        let task = mini_rt::spawn(async {
            let mailbox = Arc::new(Mailbox::new());
            // Whoever takes the core over is kept busy until this task has gone on.
            let (started, has_started) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel::<()>();
            let hog = mini_rt::spawn(async move {
                started.send(()).unwrap();
                let _ = may_go_on.recv();
            });
            block_in_place(|| has_started.recv().unwrap());
            // Without a core, and in the same poll: waking and spawning go through the others.
            let spawned = mini_rt::spawn({
                let mailbox = mailbox.clone();
                async move { mailbox.put(7) }
            });
            drop(go_on);
            hog.await.unwrap();
            spawned.await.unwrap();
            mailbox.take().await
        });
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_panic_in_the_closure_is_that_of_the_task() {
    on_workers("a panic", async || {
        let task = mini_rt::spawn(async {
            block_in_place(|| panic!("in place"));
        });
        let panic = task.await.unwrap_err().into_panic();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "in place");
        let caught = catch_unwind(AssertUnwindSafe(|| {
            block_in_place(|| panic!("in the root"))
        }));
        assert!(caught.is_err());
        assert_eq!(mini_rt::spawn(async { 1 }).await.unwrap(), 1);
    });
}

#[test]
fn outside_and_in_blocking_closures_the_closure_simply_runs() {
    assert_eq!(block_in_place(|| 1), 1);
    on_every_kind("outside", 60, |kind| {
        let runtime = kind.build();
        let _guard = runtime.enter();
        assert_eq!(block_in_place(|| 2), 2);
        let blocking = runtime.spawn_blocking(|| block_in_place(|| 3));
        assert_eq!(runtime.block_on(blocking).unwrap(), 3);
    });
}

#[test]
fn on_a_current_thread_runtime_it_panics_and_names_the_way_out() {
    let runtime = Kind::CurrentThread.build();
    let task = runtime.spawn(async { block_in_place(|| ()) });
    let panic = runtime.block_on(task).unwrap_err().into_panic();
    let message = panic
        .downcast::<&str>()
        .map_or_else(|p| *p.downcast::<String>().unwrap(), |m| m.to_string());
    assert!(message.contains("spawn_blocking"), "{message}");
}

#[test]
fn a_runtime_is_dropped_while_a_task_blocks_in_place() {
    for workers in [1, 2] {
        let _watchdog = Watchdog::seconds("dropped while a task blocks in place", 60);
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .build()
            .unwrap();
        let (started, has_started) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (gone, is_gone) = mpsc::channel();
        let task = runtime.spawn(async move {
            let _gone = OnDrop::new(move || gone.send(()).unwrap());
            block_in_place(|| {
                started.send(()).unwrap();
                let _ = may_go_on.recv();
            });
            std::future::pending::<()>().await;
        });
        has_started.recv().unwrap();
        let dropping = thread::spawn(move || drop(runtime));
        // The drop waits for the closure, as for any poll.
        assert!(is_gone.recv_timeout(Duration::from_millis(20)).is_err());
        assert!(!dropping.is_finished());
        drop(go_on);
        dropping.join().unwrap();
        is_gone.recv().unwrap();
        assert!(support::tasks::park_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_destructor_may_block_in_place_while_the_runtime_ends() {
    on_every_kind("in a destructor", 60, |kind| {
        let (sender, receiver) = mpsc::channel();
        let runtime = kind.build();
        let on_drop = OnDrop::new(move || sender.send(block_in_place(|| 5)).unwrap());
        let task = runtime.spawn(async move {
            let _on_drop = on_drop;
            std::future::pending::<()>().await;
        });
        runtime.block_on(yield_now());
        drop(runtime);
        assert_eq!(receiver.recv().unwrap(), 5);
        drop(task);
    });
}

/// Tasks that block in place all the time, beside some that talk over sockets.
#[test]
fn lending_and_coming_back_lose_nothing() {
    on_workers("again and again", async || {
        let (stream, peer) = stream_and_peer();
        let echo = mini_rt::spawn(echo(stream));
        let client = on_thread(move || {
            for _ in 0..300 {
                ask(&peer, b"again");
            }
        });
        let tasks: Vec<_> = (0..20)
            .map(|task| {
                mini_rt::spawn(async move {
                    for round in 0..50 {
                        block_in_place(|| {
                            if (task + round) % 7 == 0 {
                                thread::sleep(Duration::from_micros(200));
                            }
                        });
                        yield_now().await;
                        mini_rt::spawn(yield_now()).await.unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..50 {
            block_in_place(thread::yield_now);
            yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        client.await;
        assert_eq!(echo.await.unwrap().unwrap(), 300 * 5);
    });
}

thread_local! {
    static PLACE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// As many callers of `block_on` as one likes, each of which blocks in place.
#[test]
fn more_callers_than_cores_block_in_place() {
    on_every_kind("callers that block in place", 60, |kind| {
        if kind.workers() == 0 {
            return;
        }
        let runtime: Runtime = kind.build();
        thread::scope(|scope| {
            for caller in 0..8_u8 {
                let runtime = &runtime;
                scope.spawn(move || {
                    runtime.block_on(async {
                        for _ in 0..20 {
                            PLACE.with_borrow_mut(|place| place.push(caller));
                            block_in_place(|| thread::sleep(Duration::from_micros(100)));
                            // A root stays on its thread.
                            assert!(PLACE.with_borrow(|place| place.iter().all(|&p| p == caller)));
                            mini_rt::spawn(yield_now()).await.unwrap();
                        }
                    });
                });
            }
        });
    });
}

#[test]
fn a_runtime_ends_while_a_task_is_in_a_nested_block_on() {
    for workers in [1, 2, 4] {
        let _watchdog = Watchdog::seconds(format!("a nested end, {workers} workers"), 60);
        // The nested call may wait for something, or block.
        for blocks in [false, true] {
            let runtime = Kind::MultiThread(workers).build();
            let metrics = runtime.metrics();
            let (mailbox, (go_on, may_go_on)) = (Arc::new(Mailbox::new()), mpsc::channel());
            let (started, has_started) = mpsc::channel();
            let inside = mailbox.clone();
            let task = runtime.spawn(async move {
                block_in_place(|| {
                    Handle::current().block_on(async {
                        started.send(()).unwrap();
                        match blocks {
                            true => may_go_on.recv().unwrap(),
                            false => inside.take().await,
                        }
                    });
                });
            });
            has_started.recv().unwrap();
            let ending = thread::spawn(move || drop(runtime));
            // The end has begun when nothing can be spawned any more.
            thread::sleep(Duration::from_millis(20));
            mailbox.put(());
            let _ = go_on.send(());
            ending.join().unwrap();
            assert_eq!(metrics.num_alive_tasks(), 0);
            assert!(task.is_finished());
        }
    }
}

#[test]
fn a_task_that_ends_its_own_runtime_in_place_panics_wherever_it_runs() {
    for workers in [1, 2] {
        let _watchdog = Watchdog::seconds(format!("its own end, {workers} workers"), 60);
        for _ in 0..20 {
            let runtime = Kind::MultiThread(workers).build();
            let handle = runtime.handle().clone();
            let ended = handle.clone().block_on(async move {
                let task =
                    handle.spawn(async move { panic_of(|| block_in_place(|| drop(runtime))) });
                task.await
            });
            // Cancelled, if the runtime was faster.
            if let Ok(text) = ended {
                assert!(text.contains("shutdown_background"), "{text}");
            }
        }
    }
}

#[test]
fn the_function_that_names_threads_may_wake_and_spawn() {
    let _watchdog = Watchdog::seconds("names", 60);
    for _ in 0..20 {
        let mailbox = Arc::new(Mailbox::new());
        let (woken, handle) = (mailbox.clone(), Arc::new(OnceLock::<Handle>::new()));
        let (known, spawned) = (handle.clone(), Arc::new(AtomicUsize::new(0)));
        let ran = spawned.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name_fn(move || {
                if let Some(handle) = known.get() {
                    woken.put(42);
                    let ran = ran.clone();
                    drop(handle.spawn(async move { ran.fetch_add(1, SeqCst) }));
                }
                "named".to_owned()
            })
            .build()
            .unwrap();
        handle.set(runtime.handle().clone()).unwrap();
        let waits = runtime.spawn(async move { mailbox.take().await });
        let lends = runtime.spawn(async { block_in_place(|| ()) });
        runtime.block_on(async {
            lends.await.unwrap();
            assert_eq!(waits.await.unwrap(), 42);
            until(|| spawned.load(SeqCst) == 1).await;
        });
    }
}

#[test]
fn a_runtime_ends_though_a_nested_block_on_waits_for_what_ends_with_it() {
    for workers in [1, 2] {
        for waits_for in ["a sleep", "a task", "a socket"] {
            let _watchdog = Watchdog::seconds(format!("{waits_for}, {workers} workers"), 60);
            for _ in 0..5 {
                let runtime = Kind::MultiThread(workers).build();
                let metrics = runtime.metrics();
                let (started, has_started) = mpsc::channel();
                let never = runtime.spawn(std::future::pending::<()>());
                let task = runtime.spawn(async move {
                    let (mut stream, _peer) = stream_and_peer();
                    let waits = || {
                        Handle::current().block_on(async {
                            started.send(()).unwrap();
                            match waits_for {
                                "a sleep" => sleep(Duration::from_secs(3_600)).await,
                                "a task" => drop(never.await),
                                _ => drop(stream.read(&mut [0]).await),
                            }
                        });
                    };
                    // A sleep of a runtime that has ended panics.
                    let _ = catch_unwind(AssertUnwindSafe(|| block_in_place(waits)));
                });
                has_started.recv().unwrap();
                drop(runtime);
                assert!(task.is_finished());
                assert_eq!(metrics.num_alive_tasks(), 0);
            }
        }
    }
}

#[test]
fn a_task_that_blocks_in_place_after_the_end_has_begun_does_not_keep_it_from_going_on() {
    on_every_kind("in place after the end has begun", 60, |kind| {
        if kind == Kind::CurrentThread {
            return;
        }
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        let ((begin, begun), (tell, told)) = (mpsc::channel(), mpsc::channel());
        drop(runtime.spawn(async move {
            begin.send(()).unwrap();
            // Until the runtime is shut down.
            while park_on(handle.spawn_blocking(|| ())).is_ok() {}
            let ends_with_the_runtime = handle.spawn(std::future::pending::<()>());
            let waits = || handle.block_on(ends_with_the_runtime);
            tell.send(block_in_place(waits).map_err(|error| error.is_cancelled()))
                .unwrap();
        }));
        begun.recv().unwrap();
        drop(runtime);
        assert_eq!(told.recv().unwrap(), Err(true));
    });
}

#[test]
fn a_caller_without_a_core_may_bring_the_last_one_back_from_inside_its_poll() {
    let _watchdog = Watchdog::seconds("a caller without a core", 60);
    for _ in 0..10 {
        let runtime = Kind::MultiThread(1).build();
        let handle = runtime.handle().clone();
        let never = runtime.spawn(std::future::pending::<()>());
        // The only core is busy until the caller polls without one.
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (busy, is_busy) = mpsc::channel();
        let keeps = runtime.spawn(async move {
            busy.send(()).unwrap();
            assert!(may_go_on.recv().is_err());
        });
        is_busy.recv().unwrap();
        let (inside, is_inside) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        let caller = thread::spawn(move || {
            handle.clone().block_on(async {
                block_in_place(|| {
                    drop(go_on);
                    handle.block_on(async {
                        keeps.await.unwrap();
                        inside.send(()).unwrap();
                        assert!(may_leave.recv().is_err());
                    });
                });
            });
        });
        is_inside.recv().unwrap();
        let ending = thread::spawn(move || drop(runtime));
        thread::sleep(Duration::from_millis(5));
        drop(leave);
        caller.join().unwrap();
        ending.join().unwrap();
        assert!(park_on(never).unwrap_err().is_cancelled());
    }
}

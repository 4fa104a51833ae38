//! What a task and its handles promise, on every kind of runtime.

mod support;

use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use mini_rt_runtime::runtime::Handle;
use mini_rt_runtime::task::JoinHandle;
use mini_rt_runtime::{spawn, spawn_blocking, yield_now};

use support::kinds::{Kind, on_every_kind, on_every_runtime};
use support::tasks::{Census, Mailbox, OnDrop, on_thread, panic_text, park_on, poll_once, until};
use support::watchdog::Watchdog;

async fn finished<T>(handle: &JoinHandle<T>) {
    until(|| handle.is_finished()).await;
}

#[test]
fn a_handle_gives_the_output_before_and_after_the_end() {
    on_every_runtime("a handle gives the output", async |_| {
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
        let yields = spawn(async {
            yield_now().await;
            2
        });
        assert_eq!(yields.await.unwrap(), 2);
        let over = spawn(ready(3));
        finished(&over).await;
        assert_eq!(over.await.unwrap(), 3);
    });
}

#[test]
fn a_task_without_handle_runs_on() {
    on_every_runtime("a task without handle runs on", async |_| {
        let mailbox = Arc::new(Mailbox::new());
        let sender = mailbox.clone();
        drop(spawn(async move {
            yield_now().await;
            sender.put("done");
        }));
        assert_eq!(mailbox.take().await, "done");
    });
}

#[test]
fn a_panic_reaches_the_handle_with_what_it_carries() {
    on_every_runtime("a panic reaches the handle", async |_| {
        for turns in 0..3 {
            let handle = spawn(async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                std::panic::resume_unwind(Box::new(format!("after {turns} turns")))
            });
            let error: mini_rt_runtime::task::JoinError = match handle.await {
                Ok(()) => panic!("the task panicked"),
                Err(error) => error,
            };
            assert!(error.is_panic() && !error.is_cancelled());
            assert!(error.to_string().contains(&format!("after {turns} turns")));
            assert_eq!(
                panic_text(&*error.into_panic()),
                format!("after {turns} turns")
            );
        }
        let handle: JoinHandle<()> = spawn(async { std::panic::resume_unwind(Box::new(42)) });
        let panic = handle.await.unwrap_err().try_into_panic().unwrap();
        assert_eq!(*panic.downcast::<i32>().unwrap(), 42);
    });
}

#[test]
fn what_a_panicked_task_held_is_dropped() {
    on_every_runtime("what a panicked task held", async |_| {
        let census = Census::default();
        let citizen = census.citizen();
        let handle: JoinHandle<()> = spawn(async move {
            let _citizen = citizen;
            yield_now().await;
            support::tasks::quiet_panic("with a citizen")
        });
        assert!(handle.await.unwrap_err().is_panic());
        assert_eq!(census.gone(), 1);
    });
}

#[test]
fn a_finished_future_is_dropped_though_handle_and_waker_stay() {
    on_every_runtime("a finished future is dropped", async |_| {
        let (census, wakers) = (Census::default(), Arc::new(Mailbox::new()));
        let (citizen, sender) = (census.citizen(), wakers.clone());
        let handle = spawn(async move {
            let _citizen = citizen;
            poll_fn(|cx| {
                sender.put(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
        });
        let waker = wakers.take().await;
        finished(&handle).await;
        assert_eq!(census.gone(), 1);
        waker.wake_by_ref();
        let other = waker.clone();
        on_thread(move || other.wake()).await;
        handle.await.unwrap();
        drop(waker);
    });
}

#[test]
fn an_output_nobody_takes_is_dropped() {
    on_every_runtime("an output nobody takes", async |_| {
        let census = Census::default();
        let citizen = census.citizen();
        let handle = spawn(async move { citizen });
        finished(&handle).await;
        assert_eq!(census.gone(), 0);
        drop(handle);
        assert_eq!(census.gone(), 1);

        let citizen = census.citizen();
        drop(spawn(async move {
            yield_now().await;
            citizen
        }));
        until(|| census.gone() == 2).await;
    });
}

#[test]
#[expect(clippy::async_yields_async, reason = "the handle itself moves on")]
fn a_handle_can_be_polled_by_one_task_and_awaited_by_another() {
    on_every_runtime("a handle moves between tasks", async |_| {
        let gate = Arc::new(Mailbox::new());
        let waits = gate.clone();
        let mut handle = spawn(async move { waits.take().await });
        for _ in 0..5 {
            handle = spawn(async move {
                assert!(poll_once(&mut handle).await.is_pending());
                handle
            })
            .await
            .unwrap();
        }
        let awaits = spawn(handle);
        gate.put(9);
        assert_eq!(awaits.await.unwrap().unwrap(), 9);
    });
}

#[test]
fn a_handle_can_be_awaited_without_a_runtime() {
    on_every_runtime("a handle awaited without a runtime", async |_| {
        let handle = spawn(async {
            for _ in 0..100 {
                yield_now().await;
            }
            5
        });
        assert_eq!(on_thread(move || park_on(handle)).await.unwrap(), 5);
    });
}

#[test]
fn giving_up_on_a_borrowed_handle_loses_nothing() {
    on_every_runtime("giving up on a borrowed handle", async |_| {
        let gate = Arc::new(Mailbox::new());
        let waits = gate.clone();
        let mut handle = spawn(async move { waits.take().await });
        for _ in 0..3 {
            let mut waiting = pin!(&mut handle);
            assert!(
                waiting
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
        }
        gate.put("kept");
        assert_eq!(handle.await.unwrap(), "kept");
    });
}

#[test]
fn tasks_that_yield_take_turns() {
    for kind in [Kind::CurrentThread, Kind::MultiThread(1)] {
        let _watchdog = Watchdog::seconds(format!("tasks take turns on {kind:?}"), 30);
        let turns = Arc::new(Mutex::new(Vec::new()));
        kind.build().block_on(async {
            let tasks: Vec<_> = (0..3)
                .map(|task| {
                    let turns = turns.clone();
                    spawn(async move {
                        for _ in 0..50 {
                            turns.lock().unwrap().push(task);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        // Once all have begun and before the first is over, nobody has two turns more than another.
        let turns = turns.lock().unwrap();
        let mut counts = [0_i32; 3];
        for &task in &*turns {
            counts[task] += 1;
            let (least, most) = (counts.iter().min(), counts.iter().max());
            let begun = counts.iter().all(|&count| count > 0);
            if begun && most < Some(&50) {
                assert!(most.unwrap() - least.unwrap() <= 2, "{turns:?}");
            }
        }
    }
}

#[test]
fn ids_tell_tasks_apart() {
    on_every_runtime("ids tell tasks apart", async |_| {
        let tasks: Vec<_> = (0..100).map(|_| spawn(ready(()))).collect();
        let mut ids: Vec<_> = tasks.iter().map(|task| task.id().to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    });
}

#[test]
fn a_handle_tells_where_its_task_was_spawned() {
    on_every_runtime("where a task was spawned", async |_| {
        let line = line!() + 1;
        let handle = spawn(ready(()));
        let debug = format!("{handle:?}");
        assert!(debug.contains(&format!("tasks.rs:{line}:")), "{debug}");
    });
}

#[test]
fn the_runtime_is_current_wherever_its_code_runs() {
    on_every_kind("the runtime is current", 30, |kind| {
        let runtime = kind.build();
        assert!(Handle::try_current().is_err());
        {
            let _guard = runtime.enter();
            let task = spawn(async { Handle::try_current().is_ok() });
            let inner = Kind::CurrentThread.build();
            {
                let _guard = inner.enter();
                assert_eq!(Handle::current().metrics().num_workers(), 1);
                drop(spawn(pending::<()>()));
                assert_eq!(inner.metrics().num_alive_tasks(), 1);
            }
            assert_eq!(Handle::current().metrics().num_workers(), kind.cores());
            assert!(runtime.block_on(task).unwrap());
        }
        assert!(Handle::try_current().is_err());
        let tasks = runtime.block_on(async {
            let blocking = spawn_blocking(|| Handle::current().spawn(ready("from a closure")));
            let task = Handle::current().spawn(ready("from a task"));
            [blocking.await.unwrap(), task]
        });
        for task in tasks {
            assert!(runtime.block_on(task).unwrap().starts_with("from"));
        }
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn destructors_run_where_the_runtime_is_current() {
    on_every_runtime("destructors", async |_| {
        let ran = Arc::new(AtomicUsize::new(0));
        let guard = || {
            let ran = ran.clone();
            OnDrop::new(move || {
                drop(Handle::current().spawn(async move { ran.fetch_add(1, SeqCst) }));
            })
        };
        let (finishes, aborted) = (guard(), guard());
        drop(spawn(async move { drop(finishes) }));
        let aborted = spawn(async move {
            let _guard = aborted;
            pending::<()>().await;
        });
        aborted.abort();
        until(|| ran.load(SeqCst) == 2).await;
    });
}

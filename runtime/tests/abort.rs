//! Aborting tasks: before, while and after they run, from wherever.

mod support;

use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;

use mini_rt_runtime::spawn;
use mini_rt_runtime::yield_now;

use support::kinds::{Kind, on_every_kind, on_every_runtime};
use support::random::Random;
use support::tasks::{Census, Mailbox, block_until, on_thread, until};
use support::watchdog::Watchdog;

#[test]
fn an_aborted_task_drops_its_future_and_says_so() {
    on_every_runtime("an aborted task", async |_| {
        let census = Census::default();
        let citizen = census.citizen();
        let waiting = spawn(async move {
            let _citizen = citizen;
            pending::<()>().await;
        });
        yield_now().await;
        assert!(!waiting.is_finished());
        waiting.abort();
        waiting.abort();
        let id = waiting.id();
        let error = waiting.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.id(), id);
        // The future is gone before the handle says so.
        assert_eq!(census.gone(), 1);
    });
}

#[test]
fn a_task_aborted_before_its_first_poll_is_never_polled() {
    // On one core it cannot have its first poll while the task that spawned it goes on.
    for kind in [Kind::CurrentThread, Kind::MultiThread(1)] {
        let _watchdog = Watchdog::seconds(format!("aborted before its first poll on {kind:?}"), 30);
        let runtime = kind.build();
        let polled = runtime.block_on(async {
            spawn(async {
                let polls = Arc::new(AtomicUsize::new(0));
                let counter = polls.clone();
                let handle = spawn(poll_fn(move |_| {
                    counter.fetch_add(1, SeqCst);
                    Poll::Ready(())
                }));
                handle.abort();
                assert!(handle.await.unwrap_err().is_cancelled());
                polls.load(SeqCst)
            })
            .await
        });
        assert_eq!(polled.unwrap(), 0);
    }
}

#[test]
fn a_task_that_aborts_itself_ends_with_its_poll() {
    on_every_runtime("a task that aborts itself", async |_| {
        let (own, reached) = (Arc::new(Mailbox::new()), Arc::new(AtomicUsize::new(0)));
        let (inside, counter) = (own.clone(), reached.clone());
        let handle = spawn(async move {
            let own: mini_rt_runtime::task::AbortHandle = inside.take().await;
            own.abort();
            counter.fetch_add(1, SeqCst);
            yield_now().await;
            counter.fetch_add(1, SeqCst);
        });
        own.put(handle.abort_handle());
        assert!(handle.await.unwrap_err().is_cancelled());
        assert_eq!(reached.load(SeqCst), 1);
    });
}

#[test]
fn a_task_that_finishes_in_the_poll_that_aborts_it_has_its_output() {
    on_every_runtime("finishing beats abort", async |_| {
        let own = Arc::new(Mailbox::new());
        let inside = own.clone();
        let handle = spawn(async move {
            let own: mini_rt_runtime::task::AbortHandle = inside.take().await;
            own.abort();
            "finished"
        });
        own.put(handle.abort_handle());
        assert_eq!(handle.await.unwrap(), "finished");
    });
}

#[test]
fn aborting_after_the_end_changes_nothing() {
    on_every_runtime("aborting after the end", async |_| {
        let handle = spawn(ready(7));
        let (aborter, id) = (handle.abort_handle(), handle.id());
        until(|| handle.is_finished()).await;
        handle.abort();
        aborter.abort();
        assert!(aborter.is_finished());
        assert_eq!(aborter.clone().id(), id);
        assert_eq!(handle.await.unwrap(), 7);
        aborter.abort();
    });
}

#[test]
fn an_abort_handle_serves_from_any_thread_and_after_the_join_handle() {
    on_every_runtime("an abort handle", async |_| {
        let census = Census::default();
        let citizen = census.citizen();
        let handle = spawn(async move {
            let _citizen = citizen;
            pending::<()>().await;
        });
        let aborter = handle.abort_handle();
        drop(handle);
        yield_now().await;
        assert_eq!(census.gone(), 0);
        on_thread(move || {
            aborter.abort();
            while !aborter.is_finished() {
                thread::yield_now();
            }
        })
        .await;
        assert_eq!(census.gone(), 1);
    });
}

#[test]
fn abort_wake_and_handle_drop_may_race_with_the_end() {
    let mut random = Random::for_test("abort_wake_and_handle_drop", 5);
    on_every_kind("abort, wake and handle drop race", 60, |kind| {
        let runtime = kind.build();
        let census = Census::default();
        let rounds = 500;
        runtime.block_on(async {
            for _ in 0..rounds {
                let (wakers, citizen) = (Arc::new(Mailbox::new()), census.citizen());
                let (sender, ends_after) = (wakers.clone(), random.below(3));
                let mut polls = 0;
                let handle = spawn(poll_fn(move |cx| {
                    let _citizen = &citizen;
                    if polls == 0 {
                        sender.put(cx.waker().clone());
                    }
                    polls += 1;
                    if polls > ends_after {
                        Poll::Ready(polls)
                    } else {
                        Poll::Pending
                    }
                }));
                let (aborter, waker) = (handle.abort_handle(), wakers.take().await);
                let wakes = thread::spawn(move || (0..4).for_each(|_| waker.wake_by_ref()));
                let aborts = thread::spawn(move || aborter.abort());
                if random.one_in(2) {
                    drop(handle);
                } else {
                    match handle.await {
                        Ok(polls) => assert_eq!(polls, ends_after + 1),
                        Err(error) => assert!(ends_after > 0 && error.is_cancelled()),
                    }
                }
                wakes.join().unwrap();
                aborts.join().unwrap();
            }
            until(|| census.gone() == rounds).await;
        });
        block_until(|| runtime.metrics().num_alive_tasks() == 0);
    });
}

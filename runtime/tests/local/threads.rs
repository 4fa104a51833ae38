//! Other threads wake, abort and await local tasks.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};

use mini_rt_runtime::{spawn, spawn_local, yield_now};

use crate::support::tasks::{Mailbox, on_thread, park_on, settle, until};
use crate::{Homes, STOP, answer, wherever_local};

#[test]
fn thousands_of_wakes_from_other_threads_arrive() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 1_000;
    let homes = Homes::default();
    let scenario = async || {
        let mut threads = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..THREADS {
            let (asked, answered) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
            tasks.push(spawn_local(answer(
                homes.resident(),
                asked.clone(),
                answered.clone(),
            )));
            threads.push(thread::spawn(move || {
                for n in (0..ROUNDS).chain([STOP]) {
                    asked.put(n);
                    assert_eq!(park_on(answered.take()), n + 1);
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    };
    wherever_local("thousands of wakes", scenario);
    homes.assert_ended(5 * THREADS);
}

#[test]
fn the_last_of_many_wakes_at_once_is_seen() {
    const THREADS: usize = 4;
    const WAKES: usize = 5_000;
    let homes = Homes::default();
    let scenario = async || {
        let (waker, count) = (
            Arc::new(Mutex::new(None::<Waker>)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (known, seen, resident) = (waker.clone(), count.clone(), homes.resident());
        let task = spawn_local(poll_fn(move |cx| {
            resident.is_used();
            *known.lock().unwrap() = Some(cx.waker().clone());
            match seen.load(SeqCst) {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
        count.store(THREADS * WAKES, SeqCst);
        settle().await;
        let waker = waker.lock().unwrap().clone().expect("the task was polled");
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (waker, count) = (waker.clone(), count.clone());
                thread::spawn(move || {
                    for _ in 0..WAKES {
                        count.fetch_sub(1, SeqCst);
                        waker.clone().wake();
                    }
                })
            })
            .collect();
        task.await.unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
    };
    wherever_local("many wakes at once", scenario);
    homes.assert_ended(5);
}

#[test]
fn tasks_of_the_runtime_and_local_tasks_talk() {
    let homes = Homes::default();
    let scenario = async || {
        let (asked, answered) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
        let server = spawn_local(answer(homes.resident(), asked.clone(), answered.clone()));
        let client = spawn(async move {
            for n in (0..2_000).chain([STOP]) {
                asked.put(n);
                assert_eq!(answered.take().await, n + 1);
            }
        });
        server.await.unwrap();
        client.await.unwrap();
        // And each can await the other's handle.
        let local = spawn_local(async { spawn(async { 3 }).await.unwrap() });
        assert_eq!(spawn(async { local.await.unwrap() }).await.unwrap(), 3);
    };
    wherever_local("tasks of both kinds", scenario);
    homes.assert_ended(5);
}

#[test]
fn handles_are_awaited_aborted_and_dropped_elsewhere() {
    let homes = Homes::default();
    let scenario = async || {
        let mut expected = Vec::new();
        let mut threads = Vec::new();
        for n in 0..300 {
            let resident = homes.resident();
            let waits = n % 3 == 0;
            let task = spawn_local(async move {
                for _ in 0..n % 5 {
                    yield_now().await;
                    resident.is_used();
                }
                if waits {
                    pending::<()>().await;
                }
                drop(resident);
                n
            });
            if n % 2 == 0 {
                settle().await;
            }
            expected.push(task.abort_handle());
            threads.push(thread::spawn(move || match n % 4 {
                _ if waits => {
                    task.abort();
                    assert!(park_on(task).unwrap_err().is_cancelled());
                }
                0 | 1 => assert_eq!(park_on(task).unwrap(), n),
                2 => drop(task),
                _ => {
                    task.abort();
                    match park_on(task) {
                        Ok(output) => assert_eq!(output, n),
                        Err(error) => assert!(error.is_cancelled()),
                    }
                }
            }));
            if threads.len() == 20 {
                until(|| expected.iter().all(|task| task.is_finished())).await;
                threads.drain(..).for_each(|thread| thread.join().unwrap());
            }
        }
    };
    wherever_local("handles elsewhere", scenario);
    homes.assert_ended(5 * 300);
}

#[test]
fn an_output_that_may_travel_ends_where_its_handle_is() {
    wherever_local("an output elsewhere", async || {
        struct Output(Arc<Mutex<Option<ThreadId>>>);
        impl Drop for Output {
            fn drop(&mut self) {
                *self.0.lock().unwrap() = Some(thread::current().id());
            }
        }
        let ended = Arc::new(Mutex::new(None));
        let output = Output(ended.clone());
        let task = spawn_local(async move { output });
        until(|| task.is_finished()).await;
        assert!(ended.lock().unwrap().is_none());
        let there = on_thread(move || {
            drop(task);
            thread::current().id()
        })
        .await;
        assert_eq!(*ended.lock().unwrap(), Some(there));
    });
}

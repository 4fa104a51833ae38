//! Tasks, wakers and destructors that panic: whoever did it hears of it, and the runtime goes on.

mod support;

use std::future::{pending, poll_fn};
use std::io::Write;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use mini_rt::io::AsyncRead;
use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::task::{JoinHandle, yield_now};

use support::health::assert_works;
use support::kinds::{KINDS, Kind, on_every_kind};
use support::sockets::stream_and_peer;
use support::tasks::{Census, OnDrop, panic_of, panic_text, park_on, quiet_panic, until};
use support::watchdog::Watchdog;

/// A scenario on every kind of runtime, after which the runtime must work.
fn survive(test: &str, scenario: impl AsyncFn(Kind)) {
    on_every_kind(test, 60, |kind| {
        let runtime = kind.build();
        runtime.block_on(scenario(kind));
        assert_works(&runtime, kind);
    });
}

async fn panic_of_task<T>(task: JoinHandle<T>) -> String {
    match task.await {
        Ok(_) => panic!("the task should have panicked"),
        Err(error) => panic_text(&*error.into_panic()).to_owned(),
    }
}

#[test]
fn a_thousand_panicking_tasks_among_others() {
    survive("a thousand panicking tasks", async |_| {
        let fine = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<JoinHandle<()>> = (0..2_000)
            .map(|n| {
                let fine = fine.clone();
                mini_rt::spawn(async move {
                    for _ in 0..n % 3 {
                        yield_now().await;
                    }
                    if n % 2 == 0 {
                        quiet_panic("one of a thousand");
                    }
                    fine.fetch_add(1, SeqCst);
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            match n % 4 {
                // Nobody asks.
                0 => drop(task),
                2 => assert_eq!(panic_of_task(task).await, "one of a thousand"),
                _ => task.await.unwrap(),
            }
        }
        assert_eq!(fine.load(SeqCst), 1_000);
    });
}

/// Panics when it is used to wake.
struct Bomb(AtomicUsize);

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
        quiet_panic("in a waker");
    }
}

/// A waker that panics, and how often it has.
fn bomb() -> (Arc<Bomb>, Waker) {
    let bomb = Arc::new(Bomb(AtomicUsize::new(0)));
    (bomb.clone(), bomb.into())
}

/// Leaves a waker with a stream as that of its reader.
fn wait_with(stream: &AsyncTcpStream, waker: &Waker) {
    let mut stream = stream;
    let poll = Pin::new(&mut stream).poll_read(&mut Context::from_waker(waker), &mut [0; 8]);
    assert!(poll.is_pending());
}

#[test]
fn a_panicking_waker_of_a_socket_takes_no_other_with_it() {
    survive("a panicking waker of a socket", async |_| {
        // So many that one turn of the reactor brings events for several of them.
        let (streams, peers): (Vec<_>, Vec<_>) = (0..40).map(|_| stream_and_peer()).unzip();
        let mut bombs = Vec::new();
        let mut readers = Vec::new();
        for (number, mut stream) in streams.into_iter().enumerate() {
            if number % 2 == 0 {
                let (bomb, waker) = bomb();
                wait_with(&stream, &waker);
                bombs.push((bomb, stream));
            } else {
                readers.push(mini_rt::spawn(async move {
                    stream.read(&mut [0; 8]).await.unwrap()
                }));
            }
        }
        // The readers wait before the bytes come.
        until(|| {
            mini_rt::runtime::Handle::current()
                .metrics()
                .registered_fds()
                == 40
        })
        .await;
        let send = |mut peer: &TcpStream| peer.write_all(b"x").unwrap();
        peers.iter().for_each(send);
        for reader in readers {
            assert_eq!(reader.await.unwrap(), 1);
        }
        for (bomb, mut stream) in bombs {
            until(|| bomb.0.load(SeqCst) == 1).await;
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
        }
    });
}

#[test]
fn a_panicking_waker_among_many_waiters_takes_no_other_with_it() {
    survive("a panicking waker among many", async |_| {
        let (stream, mut peer) = stream_and_peer();
        assert!(stream.try_read(&mut [0]).is_err());
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(stream.readable())).collect();
        let (counter, waker) = bomb();
        for waiter in waiting.iter_mut().step_by(2) {
            assert!(
                waiter
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        for waiter in waiting.iter_mut().skip(1).step_by(2) {
            let poll = poll_fn(|cx| Poll::Ready(waiter.as_mut().poll(cx))).await;
            assert!(poll.is_pending());
        }
        peer.write_all(b"x").unwrap();
        until(|| counter.0.load(SeqCst) == 5).await;
        for waiter in waiting {
            waiter.await.unwrap();
        }
    });
}

#[test]
fn a_panicking_waker_of_a_join_handle_does_not_touch_the_task() {
    survive("a panicking waker of a join handle", async |_| {
        for _ in 0..20 {
            let (counter, waker) = bomb();
            let mut handle = mini_rt::spawn(async {
                yield_now().await;
                "done"
            });
            // On another core it may be done already.
            let poll = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
            if poll.is_pending() {
                until(|| counter.0.load(SeqCst) == 1).await;
                assert_eq!(handle.await.unwrap(), "done");
            }
        }
    });
}

#[test]
fn a_panicking_waker_called_by_a_task_is_that_tasks_panic() {
    survive("a panicking waker called by a task", async |_| {
        let (_, waker) = bomb();
        let task = mini_rt::spawn(async move { waker.wake() });
        assert_eq!(panic_of_task(task).await, "in a waker");
    });
}

/// Polls as a future that holds something whose drop panics.
async fn with_panicking_drop<F: Future>(future: F) -> F::Output {
    let _guard = OnDrop::new(|| quiet_panic("in a destructor"));
    future.await
}

#[test]
fn a_panicking_destructor_of_a_future_is_its_tasks_panic() {
    survive("a panicking destructor of a future", async |_| {
        let finishes = mini_rt::spawn(with_panicking_drop(yield_now()));
        assert_eq!(panic_of_task(finishes).await, "in a destructor");
        let aborted = mini_rt::spawn(with_panicking_drop(pending::<()>()));
        yield_now().await;
        aborted.abort();
        // Never polled, it holds nothing yet.
        if let Err(error) = aborted.await {
            assert!(error.is_panic() || error.is_cancelled());
        }
        for _ in 0..100 {
            drop(mini_rt::spawn(with_panicking_drop(yield_now())));
        }
        let panics_twice = mini_rt::spawn(poll_fn({
            let guard = OnDrop::new(|| quiet_panic("in a destructor"));
            move |_| -> Poll<()> {
                let _guard = &guard;
                quiet_panic("in a poll")
            }
        }));
        assert_eq!(panic_of_task(panics_twice).await, "in a poll");
    });
}

#[test]
fn a_panicking_destructor_of_an_output_stays_with_who_drops_it() {
    survive("a panicking destructor of an output", async |_| {
        let bomb = || OnDrop::new(|| quiet_panic("in an output"));
        // Nobody takes it: before the end, and after.
        for _ in 0..20 {
            drop(mini_rt::spawn(async move {
                yield_now().await;
                bomb()
            }));
        }
        let over = mini_rt::spawn(async move { bomb() });
        until(|| over.is_finished()).await;
        drop(over);
        // Who takes it drops it.
        let taken = mini_rt::spawn(async move { bomb() }).await.unwrap();
        assert_eq!(panic_of(|| drop(taken)), "in an output");
    });
}

#[test]
fn the_end_of_a_runtime_survives_panicking_destructors() {
    for kind in KINDS {
        let _watchdog = Watchdog::seconds(format!("the end of {kind:?}"), 60);
        let runtime = kind.build();
        let (census, begun) = (Census::default(), Arc::new(AtomicUsize::new(0)));
        let mut handles = Vec::new();
        for number in 0..300 {
            let (citizen, begun) = (census.citizen(), begun.clone());
            let waits = async move {
                let _citizen = citizen;
                begun.fetch_add(1, SeqCst);
                if number % 3 == 0 {
                    with_panicking_drop(pending::<()>()).await;
                }
                pending::<()>().await;
            };
            handles.push(runtime.spawn(waits));
        }
        runtime.block_on(until(|| begun.load(SeqCst) == 300));
        drop(runtime);
        assert_eq!(census.gone(), 300);
        let panics = handles
            .into_iter()
            .filter_map(|handle| park_on(handle).err());
        assert_eq!(
            panics.filter(|error| error.is_panic()).count(),
            100,
            "{kind:?}"
        );
    }
}

#[test]
fn a_panicking_closure_costs_no_thread() {
    survive("panicking closures", async |_| {
        for _ in 0..50 {
            let closure: JoinHandle<()> = mini_rt::spawn_blocking(|| quiet_panic("in a closure"));
            assert_eq!(panic_of_task(closure).await, "in a closure");
        }
        let drops = mini_rt::spawn_blocking(|| OnDrop::new(|| quiet_panic("in an output")));
        until(|| drops.is_finished()).await;
        drop(drops);
        assert_eq!(mini_rt::spawn_blocking(|| 9).await.unwrap(), 9);
    });
}

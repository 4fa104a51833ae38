//! The end of a runtime: every future is dropped, no descriptor, thread or task is left, and whoever
//! comes too late hears of it.

mod support;

use std::future::pending;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Waker;
use std::thread;

use futures_util::FutureExt;
use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::runtime::{Handle, Runtime};
use mini_rt::task::yield_now;

use support::kinds::{Kind, on_every_kind};
use support::process::{
    affordable_connections, in_own_process, open_fds, thread_ids, wait_for_only,
};
use support::random::Random;
use support::sockets::{echo, std_pairs, stream_and_peer};
use support::tasks::{Census, OnDrop, block_until, panic_of, park_on, until, waiting_tasks};
use support::watchdog::Watchdog;

#[test]
fn a_runtime_dropped_with_thousands_of_pending_reads_leaves_nothing() {
    const TEST: &str = "a_runtime_dropped_with_thousands_of_pending_reads_leaves_nothing";
    const CONNECTIONS: usize = 3_000;
    in_own_process(TEST, || {
        let count = affordable_connections(CONNECTIONS);
        on_every_kind(TEST, 60, |kind| {
            let (fds, threads) = (open_fds(), thread_ids());
            let census = Census::default();
            let runtime = kind.build();
            let metrics = runtime.metrics();
            let (handles, peers) = begin_to_read(&runtime, count, &census);
            assert_eq!(metrics.num_alive_tasks(), count);
            drop(runtime);

            assert_eq!((census.born(), census.gone()), (count, count));
            assert_eq!(
                (metrics.num_alive_tasks(), metrics.registered_fds()),
                (0, 0)
            );
            wait_for_only(&threads);
            for handle in handles {
                assert!(park_on(handle).unwrap_err().is_cancelled());
            }
            for mut peer in peers {
                assert_eq!(peer.read(&mut [0]).unwrap(), 0);
            }
            drop(metrics);
            assert_eq!(open_fds(), fds);
        });
    });
}

/// Spawns so many tasks, each of which waits to read from a connection.
fn begin_to_read(
    runtime: &Runtime,
    count: usize,
    census: &Census,
) -> (
    Vec<mini_rt::task::JoinHandle<io::Result<usize>>>,
    Vec<TcpStream>,
) {
    let connections = std_pairs(count).map(|(ours, peer)| {
        let citizen = census.citizen();
        let reader = runtime.spawn(async move {
            let _citizen = citizen;
            AsyncTcpStream::from_std(ours)
                .unwrap()
                .read(&mut [0; 64])
                .await
        });
        (reader, peer)
    });
    let connections = connections.unzip();
    runtime.block_on(until(|| runtime.metrics().registered_fds() == count));
    connections
}

#[test]
fn runtimes_that_come_and_go_leave_nothing() {
    in_own_process("runtimes_that_come_and_go_leave_nothing", || {
        let (fds, threads) = (open_fds(), thread_ids());
        on_every_kind("runtimes that come and go", 60, |kind| {
            for round in 0..200 {
                let runtime = kind.build();
                if round % 2 == 0 {
                    drop(runtime.spawn(pending::<()>()));
                    drop(runtime.spawn_blocking(|| ()));
                    runtime.block_on(yield_now());
                }
            }
        });
        wait_for_only(&threads);
        assert_eq!(open_fds(), fds);
    });
}

/// Spawns tasks that spawn tasks, until it is dropped.
fn spawn_for_ever(census: Census) -> impl Future<Output = ()> + Send {
    let citizen = census.citizen();
    async move {
        let _citizen = citizen;
        loop {
            let citizen = census.citizen();
            drop(mini_rt::spawn(async move {
                let _citizen = citizen;
                yield_now().await;
            }));
            yield_now().await;
        }
    }
}

#[test]
fn a_runtime_can_be_dropped_while_its_tasks_spawn() {
    on_every_kind("dropped while tasks spawn", 60, |kind| {
        for round in 0..40 {
            let census = Census::default();
            let runtime = kind.build();
            for _ in 0..4 {
                drop(runtime.spawn(spawn_for_ever(census.clone())));
            }
            let enough = if round % 2 == 0 { 5 } else { 500 };
            runtime.block_on(until(|| census.born() > enough));
            let metrics = runtime.metrics();
            drop(runtime);
            assert_eq!(census.born(), census.gone());
            assert_eq!(
                (metrics.num_alive_tasks(), metrics.global_queue_depth()),
                (0, 0)
            );
        }
    });
}

#[test]
fn a_runtime_can_be_dropped_while_threads_spawn() {
    on_every_kind("dropped while threads spawn", 60, |kind| {
        for _ in 0..20 {
            let census = Census::default();
            let over = Arc::new(AtomicBool::new(false));
            let runtime = kind.build();
            let spawners: Vec<_> = (0..4)
                .map(|_| {
                    let (handle, census, over) =
                        (runtime.handle().clone(), census.clone(), over.clone());
                    thread::spawn(move || spawn_until(&handle, &census, &over))
                })
                .collect();
            runtime.block_on(until(|| census.gone() > 50));
            drop(runtime);
            let at_the_end = census.born();
            // They go on, and what they spawn is cancelled.
            block_until(|| census.born() > at_the_end + 50);
            over.store(true, SeqCst);
            let spawners = spawners.into_iter();
            let spawned: Vec<_> = spawners.map(|spawner| spawner.join().unwrap()).collect();
            for (handle, last) in spawned {
                assert!(park_on(last).unwrap_err().is_cancelled());
                assert_eq!(handle.metrics().num_alive_tasks(), 0);
            }
            assert_eq!(census.born(), census.gone());
        }
    });
}

/// Spawns tasks from a thread, also when the runtime is gone.
fn spawn_until(
    handle: &Handle,
    census: &Census,
    over: &AtomicBool,
) -> (Handle, mini_rt::task::JoinHandle<()>) {
    loop {
        // Before the spawn: the last task is one that came after the runtime's end.
        let last = over.load(SeqCst);
        let citizen = census.citizen();
        let task = handle.spawn(async move {
            let _citizen = citizen;
            yield_now().await;
        });
        if last {
            return (handle.clone(), task);
        }
        while census.alive() > 1_000 {
            thread::yield_now();
        }
    }
}

#[test]
fn a_runtime_can_be_dropped_while_threads_wake_its_tasks() {
    let mut random = Random::for_test("dropped while threads wake", 61);
    on_every_kind("dropped while threads wake", 60, |kind| {
        for _ in 0..30 {
            let census = Census::default();
            let runtime = kind.build();
            let wakers = waiting_tasks(&runtime, 50, &census);
            let (over, wakes) = (AtomicBool::new(false), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..4 {
                    let (mut wakers, mut random) =
                        (wakers.lock().unwrap().clone(), random.branch());
                    let (over, wakes) = (&over, &wakes);
                    scope.spawn(move || {
                        random.shuffle(&mut wakers);
                        while !over.load(SeqCst) {
                            wakers.iter().for_each(Waker::wake_by_ref);
                            wakes.fetch_add(wakers.len(), SeqCst);
                        }
                    });
                }
                runtime.block_on(until(|| wakes.load(SeqCst) > 500));
                drop(runtime);
                assert_eq!(census.gone(), 50, "{kind:?}");
                over.store(true, SeqCst);
            });
        }
    });
}

#[test]
fn a_runtime_can_be_dropped_while_its_sockets_are_written_to() {
    on_every_kind("dropped while written to", 60, |kind| {
        for _ in 0..10 {
            let (census, answers) = (Census::default(), AtomicUsize::new(0));
            let runtime = kind.build();
            let metrics = runtime.metrics();
            let (echoes, peers): (Vec<_>, Vec<_>) = std_pairs(20)
                .map(|(ours, peer)| {
                    let _guard = runtime.enter();
                    let (stream, citizen) =
                        (AsyncTcpStream::from_std(ours).unwrap(), census.citizen());
                    let echo = mini_rt::spawn(async move {
                        let _citizen = citizen;
                        echo(stream).await
                    });
                    (echo, peer)
                })
                .unzip();
            thread::scope(|scope| {
                for mut peer in peers {
                    let answers = &answers;
                    // Until the connection is gone.
                    scope.spawn(move || {
                        while peer.write_all(b"?").is_ok() && matches!(peer.read(&mut [0]), Ok(1)) {
                            answers.fetch_add(1, SeqCst);
                        }
                    });
                }
                runtime.block_on(until(|| answers.load(SeqCst) > 200));
                drop(runtime);
                assert_eq!(
                    (census.gone(), metrics.registered_fds()),
                    (20, 0),
                    "{kind:?}"
                );
            });
            for echo in echoes {
                let ended = park_on(echo);
                assert!(!matches!(ended, Ok(Ok(_))), "{ended:?}");
            }
        }
    });
}

/// Spawns a task when it is dropped, which does the same so many times.
fn spawns_when_dropped(depth: usize, census: &Census) -> impl Future<Output = ()> + Send + use<> {
    let (citizen, census) = (census.citizen(), census.clone());
    let guard = OnDrop::new(move || {
        drop(citizen);
        if depth > 0 {
            drop(mini_rt::spawn(spawns_when_dropped(depth - 1, &census)));
        }
    });
    async move {
        let _guard = guard;
        pending().await
    }
}

#[test]
fn destructors_may_spawn_at_the_end() {
    on_every_kind("destructors spawn", 60, |kind| {
        let census = Census::default();
        let runtime = kind.build();
        let metrics = runtime.metrics();
        for _ in 0..100 {
            drop(runtime.spawn(spawns_when_dropped(3, &census)));
        }
        runtime.block_on(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
        drop(runtime);
        assert_eq!((census.born(), census.gone()), (400, 400), "{kind:?}");
        assert_eq!(
            (metrics.num_alive_tasks(), metrics.global_queue_depth()),
            (0, 0)
        );
    });
}

#[test]
fn destructors_may_use_all_the_runtime_has_at_the_end() {
    on_every_kind("destructors use the runtime", 60, |kind| {
        let done = Arc::new(AtomicUsize::new(0));
        let runtime = kind.build();
        let (stream, mut peer) = runtime.block_on(async { stream_and_peer() });
        let sees = done.clone();
        let begun = Arc::new(AtomicBool::new(false));
        let has_begun = begun.clone();
        let other = runtime.spawn(pending::<()>());
        drop(runtime.spawn(async move {
            let _guard = OnDrop::new(move || {
                let handle = Handle::current();
                assert!(park_on(handle.spawn(async {})).unwrap_err().is_cancelled());
                let closure = handle.spawn_blocking(|| ());
                other.abort();
                assert!(
                    (&mut &stream)
                        .write_all(b"bye")
                        .now_or_never()
                        .unwrap()
                        .is_ok()
                );
                // Nobody would say when there is something to read.
                let read = (&stream).read(&mut [0; 8]).now_or_never().unwrap();
                assert!(read.is_err());
                drop((stream, closure));
                sees.fetch_add(1, SeqCst);
            });
            has_begun.store(true, SeqCst);
            pending::<()>().await;
        }));
        runtime.block_on(until(|| begun.load(SeqCst)));
        drop(runtime);
        assert_eq!(done.load(SeqCst), 1);
        let mut last_words = String::new();
        peer.read_to_string(&mut last_words).unwrap();
        assert_eq!(last_words, "bye");
    });
}

fn assert_says_how_to_drop(text: &str) {
    assert!(
        text.contains("dropped inside async code") && text.contains("`spawn_blocking`"),
        "{text}"
    );
    assert!(!text.contains('\n') && !text.contains(". "), "{text}");
}

#[test]
fn dropping_a_runtime_inside_async_code_panics_and_says_why() {
    in_own_process(
        "dropping_a_runtime_inside_async_code_panics_and_says_why",
        || {
            let _watchdog = Watchdog::seconds("all dropped inside async code", 300);
            let (fds, threads) = (open_fds(), thread_ids());
            let fds_of_one = {
                let _runtime = Kind::CurrentThread.build();
                open_fds() - fds
            };
            on_every_kind("dropped inside async code", 60, |kind| {
                let census = Census::default();
                let outer = Kind::CurrentThread.build();
                let text = outer.block_on(async {
                    let inner = kind.build();
                    let citizen = census.citizen();
                    drop(inner.spawn(async move {
                        let _citizen = citizen;
                        pending::<()>().await;
                    }));
                    panic_of(|| drop(inner))
                });
                assert_says_how_to_drop(&text);
                // All the same it ends, soon after.
                block_until(|| census.gone() == 1);

                // And so does one that a task of its own drops last.
                let inner = Arc::new(kind.build());
                let (own, citizen) = (inner.clone(), census.citizen());
                let task = inner.spawn(async move {
                    let _citizen = citizen;
                    until(|| Arc::strong_count(&own) == 1).await;
                    panic_of(|| drop(own))
                });
                if kind == Kind::CurrentThread {
                    // Nobody would run the task without its runtime.
                    drop(task);
                    drop(inner);
                } else {
                    drop(inner);
                    assert_says_how_to_drop(&park_on(task).unwrap());
                }
                block_until(|| census.gone() == 2 || kind == Kind::CurrentThread);
            });
            wait_for_only(&threads);
            block_until(|| open_fds() == fds + fds_of_one);
        },
    );
}

#[test]
fn a_caller_of_block_on_may_be_a_runtimes_last_owner() {
    on_every_kind("the last owner", 60, |kind| {
        for _ in 0..50 {
            let runtime = Arc::new(kind.build());
            let callers: Vec<_> = (0..4)
                .map(|_| {
                    let runtime = runtime.clone();
                    thread::spawn(move || {
                        let task = runtime.spawn(yield_now());
                        runtime.block_on(task).unwrap();
                    })
                })
                .collect();
            drop(runtime);
            callers
                .into_iter()
                .for_each(|caller| caller.join().unwrap());
        }
    });
}

//! `block_on` from any thread, as often and as many at once as one likes.

mod support;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::runtime::Handle;
use mini_rt::task::yield_now;

use support::kinds::{KINDS, Kind, on_every_kind};
use support::random::Random;
use support::sockets::{ask, ask_echo, connect, echo, listen, serve_echo, stream_and_peer};
use support::tasks::{OnDrop, panic_of, quiet_panic, until};
use support::watchdog::Watchdog;

#[test]
fn tasks_run_while_the_future_awaits_a_socket() {
    on_every_kind("tasks run beside", 30, |kind| {
        let runtime = kind.build();
        let turns = Arc::new(AtomicUsize::new(0));
        let counter = turns.clone();
        runtime.block_on(async {
            let (mut stream, mut peer) = stream_and_peer();
            drop(mini_rt::spawn(async move {
                loop {
                    counter.fetch_add(1, SeqCst);
                    yield_now().await;
                }
            }));
            let writer = thread::spawn(move || {
                while turns.load(SeqCst) < 1_000 {
                    thread::yield_now();
                }
                peer.write_all(b"x").unwrap();
            });
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
            writer.join().unwrap();
        });
    });
}

#[test]
fn a_second_block_on_on_the_same_thread_panics_and_says_why() {
    on_every_kind("a second block_on", 30, |kind| {
        let runtime = Arc::new(kind.build());
        let inside = runtime.clone();
        let nested = async move {
            let other = Kind::CurrentThread.build();
            let texts = [
                panic_of(|| inside.block_on(async {})),
                panic_of(|| other.block_on(async {})),
                panic_of(|| mini_rt::block_on(async {})),
            ];
            drop(mini_rt::spawn_blocking(|| drop(other)).await);
            for text in texts {
                assert!(
                    text.contains("`block_on`") && text.contains("running async tasks"),
                    "{text}"
                );
                assert!(
                    text.contains("`.await`") && text.contains("`spawn_blocking`"),
                    "{text}"
                );
                assert!(!text.contains(". ") && !text.contains('\n'), "{text}");
            }
            drop(mini_rt::spawn_blocking(|| drop(inside)).await);
        };
        let again = runtime.clone();
        runtime.block_on(async {
            mini_rt::spawn(nested).await.unwrap();
            panic_of(|| again.block_on(async {}));
        });
        // The thread is as it was.
        assert_eq!(runtime.block_on(async { 3 }), 3);
    });
}

#[test]
fn a_blocking_closure_may_block_on() {
    on_every_kind("a blocking closure may block_on", 30, |kind| {
        let runtime = Arc::new(kind.build());
        let inside = runtime.clone();
        let closure = runtime.spawn_blocking(move || {
            let task = Handle::current().spawn(async { 20 });
            let sum = inside.block_on(async { task.await.unwrap() + 1 });
            let own = mini_rt::block_on(async { mini_rt::spawn(async { 21 }).await.unwrap() });
            sum + own
        });
        assert_eq!(runtime.block_on(closure).unwrap(), 42);
    });
}

#[test]
fn a_panic_in_the_future_goes_on_and_the_runtime_stays_usable() {
    on_every_kind("a panic in the future", 30, |kind| {
        let runtime = kind.build();
        let (listener, addr) = runtime.block_on(listen());
        drop(runtime.spawn(serve_echo(listener)));
        for turns in 0..20 {
            let text = panic_of(|| {
                runtime.block_on(async {
                    let _stream = AsyncTcpStream::connect(addr).await.unwrap();
                    for _ in 0..turns {
                        yield_now().await;
                    }
                    quiet_panic("in the root")
                })
            });
            assert_eq!(text, "in the root");
            runtime.block_on(ask_echo(
                addr,
                2,
                &mut Random::for_test("after a panic", 14),
            ));
        }
        // Also a panic in the drop of the future.
        let text = panic_of(|| {
            let guard = OnDrop::new(|| quiet_panic("in the drop"));
            runtime.block_on(async move {
                let _guard = guard;
                yield_now().await;
            })
        });
        assert_eq!(text, "in the drop");
        assert_eq!(
            runtime.block_on(async { mini_rt::spawn(async { 4 }).await.unwrap() }),
            4
        );
    });
}

#[test]
fn block_on_can_be_called_ten_thousand_times() {
    on_every_kind("ten thousand times block_on", 60, |kind| {
        let runtime = kind.build();
        let ran = Arc::new(AtomicUsize::new(0));
        for round in 0..10_000 {
            let ran = ran.clone();
            let output = runtime.block_on(async move {
                let task = mini_rt::spawn(async move { ran.fetch_add(1, SeqCst) });
                task.await.unwrap()
            });
            assert_eq!(output, round);
        }
    });
    let _watchdog = Watchdog::seconds("block_on without a runtime", 60);
    for _ in 0..200 {
        assert_eq!(
            mini_rt::block_on(async { mini_rt::spawn(async { 5 }).await.unwrap() }),
            5
        );
    }
}

#[test]
fn a_current_thread_runtime_runs_tasks_only_inside_block_on() {
    let _watchdog = Watchdog::seconds("tasks only inside block_on", 30);
    let runtime = Kind::CurrentThread.build();
    let caller = thread::current().id();
    let ran = Arc::new(AtomicBool::new(false));
    let has_run = ran.clone();
    let task = runtime.spawn(async move {
        has_run.store(true, SeqCst);
        thread::current().id()
    });
    thread::sleep(Duration::from_millis(50));
    assert!(!ran.load(SeqCst) && !task.is_finished());
    assert_eq!(runtime.metrics().num_alive_tasks(), 1);
    assert_eq!(runtime.block_on(task).unwrap(), caller);
}

#[test]
fn what_became_ready_outside_block_on_is_there_in_the_next() {
    let _watchdog = Watchdog::seconds("ready outside block_on", 30);
    for kind in KINDS {
        let runtime = kind.build();
        let (mut stream, mut peer) = runtime.block_on(async { stream_and_peer() });
        let (sender, received) = channel();
        let task = runtime.spawn(async move {
            let mut buffer = [0; 3];
            for _ in 0..3 {
                stream.read_exact(&mut buffer).await.unwrap();
                sender.send(buffer).unwrap();
            }
        });
        for word in [b"one", b"two", b"six"] {
            runtime.block_on(yield_now());
            peer.write_all(word).unwrap();
            runtime.block_on(until(|| received.try_recv().is_ok_and(|got| &got == word)));
        }
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn connections_from_outside_reach_a_server_in_block_on() {
    on_every_kind("a server in block_on", 60, |kind| {
        kind.build().block_on(async {
            let (listener, addr) = listen().await;
            let client = thread::spawn(move || {
                for round in 0..50_u8 {
                    ask(&connect(addr), &[round; 100]);
                }
            });
            for _ in 0..50 {
                let (stream, _) = listener.accept().await.unwrap();
                assert_eq!(echo(stream).await.unwrap(), 100);
            }
            client.join().unwrap();
        });
    });
}

//! Several threads in `block_on` at once, also more than there are cores: all make progress.

mod support;

use std::future::pending;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::runtime::Runtime;
use mini_rt::task::yield_now;

use support::kinds::{Kind, on_every_kind};
use support::random::Random;
use support::sockets::{ask, ask_echo, echo, listen, serve_echo, std_pairs, stream_and_peer};
use support::tasks::{Mailbox, block_until, park_on};
use support::watchdog::Watchdog;

/// A blocking echo server on a thread of its own, which serves so many connections at once.
fn echo_threads(connections: usize) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let serve = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer).unwrap() {
                        0 => break,
                        count => stream.write_all(&buffer[..count]).unwrap(),
                    }
                }
            })
        };
        let threads: Vec<_> = (0..connections).map(serve).collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    (addr, server)
}

/// Calls `block_on` from many threads at once.
fn block_on_threads<F: Future<Output = ()>>(
    runtime: &Runtime,
    threads: usize,
    future: impl Fn(usize) -> F + Sync,
) {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        for number in 0..threads {
            let (barrier, future) = (&barrier, &future);
            scope.spawn(move || {
                barrier.wait();
                runtime.block_on(future(number));
            });
        }
    });
}

#[test]
fn many_threads_await_sockets_at_once() {
    let mut random = Random::for_test("many_threads_await_sockets", 11);
    on_every_kind("many threads await sockets", 60, |kind| {
        let (addr, server) = echo_threads(8);
        let runtime = kind.build();
        let randoms: Vec<_> = (0..8).map(|_| random.branch()).collect();
        block_on_threads(&runtime, 8, async |number| {
            ask_echo(addr, 200, &mut randoms[number].clone()).await;
        });
        server.join().unwrap();
    });
}

#[test]
fn many_threads_await_tasks_that_await_sockets() {
    let mut random = Random::for_test("many_threads_await_tasks", 12);
    on_every_kind("many threads await tasks", 60, |kind| {
        let runtime = kind.build();
        let (listener, addr) = runtime.block_on(listen());
        let server = runtime.spawn(serve_echo(listener));
        let randoms: Vec<_> = (0..8).map(|_| random.branch()).collect();
        block_on_threads(&runtime, 8, async |number| {
            for round in 0..5 {
                let mut random = randoms[number].clone();
                let task = mini_rt::spawn(async move {
                    ask_echo(addr, 20, &mut random).await;
                    round
                });
                assert_eq!(task.await.unwrap(), round);
            }
        });
        server.abort();
        assert!(runtime.block_on(server).unwrap_err().is_cancelled());
    });
}

#[test]
fn many_threads_talk_over_channels() {
    on_every_kind("many threads talk over channels", 60, |kind| {
        let runtime = kind.build();
        // A ring: each thread passes on to the next what it receives from the one before.
        let ring: Vec<_> = (0..6).map(|_| async_channel::bounded(1)).collect();
        block_on_threads(&runtime, 6, async |number| {
            let (receiver, sender) = (&ring[number].1, &ring[(number + 1) % 6].0);
            if number == 0 {
                sender.send(0).await.unwrap();
            }
            for _ in 0..300 {
                let count: usize = receiver.recv().await.unwrap();
                // The last one finds nobody who receives.
                let _ = sender.try_send(count + 1);
            }
        });
    });
}

#[test]
fn a_waiting_block_on_does_not_stop_the_others() {
    on_every_kind("a waiting block_on", 60, |kind| {
        let runtime = kind.build();
        let gates: Vec<_> = (0..kind.cores() + 2)
            .map(|_| Arc::new(Mailbox::new()))
            .collect();
        thread::scope(|scope| {
            for gate in &gates {
                scope.spawn(|| runtime.block_on(gate.take()));
            }
            // All cores may be lent to those who wait; tasks run all the same.
            let task = runtime.spawn(async {
                let (stream, peer) = stream_and_peer();
                let echo = mini_rt::spawn(echo(stream));
                support::tasks::on_thread(move || ask(&peer, b"hello")).await;
                echo.await.unwrap().unwrap()
            });
            assert_eq!(park_on(task).unwrap(), 5);
            assert_eq!(
                runtime.block_on(async { mini_rt::spawn(async { 1 }).await.unwrap() }),
                1
            );
            gates.iter().for_each(|gate| gate.put(()));
        });
    });
}

#[test]
fn callers_come_and_go_while_others_wait() {
    let mut random = Random::for_test("callers_come_and_go", 13);
    on_every_kind("callers come and go", 60, |kind| {
        let runtime = kind.build();
        let (listener, addr) = runtime.block_on(listen());
        drop(runtime.spawn(serve_echo(listener)));
        let randoms: Vec<_> = (0..6).map(|_| random.branch()).collect();
        // Each caller leaves its core, and what is registered there, to the next.
        thread::scope(|scope| {
            for mut random in randoms {
                let runtime = &runtime;
                scope.spawn(move || {
                    let mut stream = runtime.block_on(AsyncTcpStream::connect(addr)).unwrap();
                    for _ in 0..100 {
                        let message = random.bytes(10);
                        runtime.block_on(stream.write_all(&message)).unwrap();
                        let mut answer = [0; 10];
                        runtime.block_on(stream.read_exact(&mut answer)).unwrap();
                        assert_eq!(*message, answer);
                    }
                });
            }
        });
    });
}

#[test]
fn a_future_that_gives_up_waiting_for_a_core_leaves_none_behind() {
    // More callers than cores, whose futures end at once: most never get a core.
    on_every_kind("callers that need no core", 60, |kind| {
        let runtime = kind.build();
        block_on_threads(&runtime, 8, async |_| ());
        for _ in 0..200 {
            block_on_threads(&runtime, 4, async |number| {
                for _ in 0..number {
                    yield_now().await;
                }
            });
        }
        let tasks: Vec<_> = (0..100).map(|_| runtime.spawn(yield_now())).collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        let never = runtime.spawn(pending::<()>());
        never.abort();
        assert!(runtime.block_on(never).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_stream_made_in_one_call_serves_in_the_next_on_another_thread() {
    on_every_kind("a stream goes from call to call", 60, |kind| {
        let runtime = kind.build();
        let (stream, peer) = runtime.block_on(async { stream_and_peer() });
        let stream = &stream;
        for round in 0..50_u8 {
            thread::scope(|scope| {
                scope.spawn(|| {
                    runtime.block_on(async {
                        let mut byte = [0];
                        let mut stream = stream;
                        stream.read_exact(&mut byte).await.unwrap();
                        stream.write_all(&byte).await.unwrap();
                    });
                });
                ask(&peer, &[round]);
            });
        }
    });
}

#[test]
fn a_thread_without_core_is_served_while_callers_come_and_go() {
    // Each wait of the thread registers a new descriptor, with a core that callers take and leave.
    for workers in [1, 2, 4] {
        let _watchdog = Watchdog::seconds(format!("a thread without core, {workers} workers"), 60);
        let runtime = Kind::MultiThread(workers).build();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..workers.min(2) {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        runtime.block_on(async {});
                    }
                });
            }
            let _guard = runtime.enter();
            let mut random = Random::for_test("a thread without core", 15);
            for (ours, mut peer) in std_pairs(1_000) {
                let mut stream = AsyncTcpStream::from_std(ours).unwrap();
                let wait = random.below(2_000);
                let writer = thread::spawn(move || {
                    (0..wait).for_each(|_| std::hint::spin_loop());
                    peer.write_all(b"x").unwrap();
                    peer
                });
                assert_eq!(park_on(stream.read(&mut [0; 8])).unwrap(), 1);
                writer.join().unwrap();
            }
            over.store(true, SeqCst);
        });
    }
}

#[test]
fn workers_report_to_a_thread_that_is_never_in_block_on() {
    // Nobody ever calls `block_on`, so the first wait must get a worker to turn the reactor.
    for workers in [1, 2, 4] {
        let _watchdog = Watchdog::seconds(format!("never in block_on, {workers} workers"), 60);
        for _ in 0..20 {
            let runtime = Kind::MultiThread(workers).build();
            let _guard = runtime.enter();
            for (ours, mut peer) in std_pairs(3) {
                let mut stream = AsyncTcpStream::from_std(ours).unwrap();
                let metrics = runtime.metrics();
                let writer = thread::spawn(move || {
                    block_until(|| metrics.registered_fds() == 1);
                    peer.write_all(b"x").unwrap();
                });
                let mut byte = [0];
                assert_eq!(park_on(stream.read(&mut byte)).unwrap(), 1);
                assert_eq!(&byte, b"x");
                writer.join().unwrap();
            }
        }
    }
}

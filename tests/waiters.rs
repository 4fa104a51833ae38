//! Many tasks that wait for one descriptor: none is left unwoken, whoever else gives up or moves.

mod support;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use futures_util::future::{Either, select};
use mini_rt::io::{AsyncFd, Interest};
use mini_rt::prelude::*;
use mini_rt::task::JoinHandle;

use support::kinds::{on_every_kind, on_every_runtime};
use support::random::Random;
use support::sockets::{connect, fill, listen, stream_and_peer};
use support::tasks::{note_begun, on_thread, poll_once, settle, until};

/// Spawns so many tasks, and comes back after the first poll of each.
async fn spawn_each_begun<F: Future<Output: Send> + Send + 'static>(
    count: usize,
    mut task: impl FnMut(usize) -> F,
) -> Vec<JoinHandle<F::Output>> {
    let begun = Arc::new(AtomicUsize::new(0));
    let tasks = spawn_each(count, |number| {
        let (task, begun) = (task(number), begun.clone());
        async move { note_begun(task, &begun).await }
    });
    until(|| begun.load(SeqCst) == count).await;
    tasks
}

/// Spawns so many tasks.
fn spawn_each<F: Future<Output: Send> + Send + 'static>(
    count: usize,
    mut task: impl FnMut(usize) -> F,
) -> Vec<JoinHandle<F::Output>> {
    (0..count)
        .map(|number| mini_rt::spawn(task(number)))
        .collect()
}

async fn join_all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}

#[test]
fn each_of_many_tasks_accepts_one_connection() {
    const TASKS: usize = 64;
    on_every_runtime("each task accepts one connection", async |_| {
        for round in 0..5 {
            let (listener, addr) = listen().await;
            let listener = Arc::new(listener);
            let task = |number| {
                let listener = listener.clone();
                async move {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    stream.write_all(&[number as u8]).await.unwrap();
                }
            };
            let tasks = match round % 2 {
                0 => spawn_each_begun(TASKS, task).await,
                _ => spawn_each(TASKS, task),
            };
            let clients = thread::spawn(move || {
                // All at once, so that one event stands for several connections.
                let clients: Vec<_> = (0..TASKS).map(|_| connect(addr)).collect();
                let greeting = |mut client: std::net::TcpStream| {
                    let mut greeting = Vec::new();
                    client.read_to_end(&mut greeting).unwrap();
                    greeting
                };
                clients.into_iter().map(greeting).collect::<Vec<_>>()
            });
            join_all(tasks).await;
            let mut greetings = clients.join().unwrap();
            greetings.sort();
            assert!(
                greetings
                    .into_iter()
                    .eq((0..TASKS).map(|number| vec![number as u8]))
            );
        }
    });
}

#[test]
fn tasks_that_accept_in_a_loop_serve_everybody() {
    const TASKS: usize = 16;
    const CLIENTS: usize = 300;
    on_every_runtime("tasks that accept in a loop", async |_| {
        let (listener, addr) = listen().await;
        let listener = Arc::new(listener);
        let served = Arc::new(AtomicUsize::new(0));
        let tasks = spawn_each(TASKS, |_| {
            let (listener, served) = (listener.clone(), served.clone());
            async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    stream.write_all(b"hi").await.unwrap();
                    served.fetch_add(1, SeqCst);
                }
            }
        });
        on_thread(move || {
            let mut random = Random::for_test("tasks that accept in a loop", 41);
            let mut left = CLIENTS;
            while left > 0 {
                // Sometimes one after the other, sometimes many at once.
                let batch = (1 + random.below(20)).min(left);
                let clients: Vec<_> = (0..batch).map(|_| connect(addr)).collect();
                for mut client in clients {
                    let mut greeting = String::new();
                    client.read_to_string(&mut greeting).unwrap();
                    assert_eq!(greeting, "hi");
                }
                left -= batch;
            }
        })
        .await;
        until(|| served.load(SeqCst) == CLIENTS).await;
        for task in tasks {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn many_tasks_read_one_stream_by_reference_to_its_end() {
    const READERS: usize = 32;
    on_every_runtime("many tasks read one stream", async |_| {
        let (stream, mut peer) = stream_and_peer();
        let stream = Arc::new(stream);
        let readers = spawn_each(READERS, |number| {
            let stream = stream.clone();
            async move {
                let (mut total, mut buffer) = (0, vec![0; 1 + number]);
                loop {
                    match (&*stream).read(&mut buffer).await.unwrap() {
                        0 => return total,
                        count => total += count,
                    }
                }
            }
        });
        let sent = on_thread(move || {
            let mut random = Random::for_test("many tasks read one stream", 42);
            let mut sent = 0;
            for _ in 0..500 {
                let data = random.some_bytes(200);
                peer.write_all(&data).unwrap();
                sent += data.len();
                if random.one_in(4) {
                    thread::yield_now();
                }
            }
            sent
        })
        .await;
        assert_eq!(join_all(readers).await.into_iter().sum::<usize>(), sent);
    });
}

#[test]
fn one_byte_each_for_many_waiting_readers() {
    const READERS: usize = 32;
    on_every_runtime("one byte for each reader", async |_| {
        let (stream, mut peer) = stream_and_peer();
        let stream = Arc::new(stream);
        let readers = spawn_each_begun(READERS, |_| {
            let stream = stream.clone();
            async move {
                let mut byte = [0];
                assert_eq!((&*stream).read(&mut byte).await.unwrap(), 1);
                byte[0]
            }
        })
        .await;
        let bytes: Vec<_> = (0..READERS as u8).collect();
        peer.write_all(&bytes).unwrap();
        let mut read = join_all(readers).await;
        read.sort_unstable();
        assert_eq!(read, bytes);
    });
}

#[test]
fn many_tasks_write_one_stream_by_reference() {
    const WRITERS: u8 = 32;
    const BYTES: usize = 20_000;
    on_every_runtime("many tasks write one stream", async |_| {
        let (stream, mut peer) = stream_and_peer();
        // So that they have to wait, unless the system finds room once more.
        let filler = fill(&stream);
        let stream = Arc::new(stream);
        let writers = spawn_each_begun(WRITERS.into(), |number| {
            let stream = stream.clone();
            async move { (&*stream).write_all(&[number as u8; BYTES]).await.unwrap() }
        })
        .await;
        let reader = thread::spawn(move || {
            peer.read_exact(&mut vec![0; filler]).unwrap();
            let mut data = Vec::new();
            peer.read_to_end(&mut data).unwrap();
            data
        });
        join_all(writers).await;
        drop(stream);
        let mut counts = HashMap::new();
        for byte in reader.join().unwrap() {
            *counts.entry(byte).or_insert(0) += 1;
        }
        assert_eq!(counts, (0..WRITERS).map(|number| (number, BYTES)).collect());
    });
}

#[test]
fn all_who_wait_for_readability_and_writability_are_woken() {
    const WAITERS: usize = 64;
    on_every_runtime("all who wait for readiness", async |_| {
        let (fd, mut theirs) = unix_pair();
        fill_unix(&fd);
        let waiters = async |interest| {
            spawn_each_begun(WAITERS, |_| {
                let fd = fd.clone();
                async move {
                    let ready = fd.ready(interest).await.unwrap();
                    (ready.is_readable(), ready.is_writable())
                }
            })
            .await
        };
        let readers = waiters(Interest::READABLE).await;
        let writers = waiters(Interest::WRITABLE).await;
        let any = waiters(Interest::READABLE | Interest::WRITABLE).await;

        theirs.write_all(b"x").unwrap();
        assert_eq!(join_all(readers).await, [(true, false); WAITERS]);
        assert_eq!(join_all(any).await, [(true, false); WAITERS]);
        settle().await;
        assert!(!writers.iter().any(JoinHandle::is_finished));

        drain(&mut theirs);
        assert_eq!(join_all(writers).await, [(true, true); WAITERS]);
    });
}

/// A descriptor of which nothing may be read until its peer writes.
fn unix_pair() -> (Arc<AsyncFd<UnixStream>>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Arc::new(AsyncFd::new(ours).unwrap()), theirs)
}

fn fill_unix(fd: &AsyncFd<UnixStream>) {
    while fd.get_ref().write(&[0; 4096]).is_ok() {}
}

#[test]
fn waiters_that_give_up_take_nothing_from_those_that_stay() {
    let mut random = Random::for_test("waiters that give up", 43);
    on_every_kind("waiters that give up", 60, |kind| {
        let mut random = random.branch();
        kind.build().block_on(async {
            for _ in 0..20 {
                let (fd, theirs) = unix_pair();
                fill_unix(&fd);
                let directions = [Interest::READABLE, Interest::WRITABLE];
                let waiters = spawn_each_begun(60, |number| {
                    let fd = fd.clone();
                    async move { fd.ready(directions[number % 2]).await.map(drop).unwrap() }
                })
                .await;
                let (leave, mut stay): (Vec<_>, Vec<_>) =
                    waiters.into_iter().partition(|_| random.one_in(2));
                // Some leave before the event, some while it is on its way.
                let (early, late) = leave.split_at(leave.len() / 2);
                early.iter().for_each(JoinHandle::abort);
                let events = thread::spawn(move || wake_both_directions(theirs));
                late.iter().for_each(JoinHandle::abort);
                random.shuffle(&mut stay);
                join_all(stay).await;
                drop(events.join().unwrap());
                for left in leave {
                    assert!(
                        left.await
                            .map_or_else(|error| error.is_cancelled(), |()| true)
                    );
                }
            }
        });
    });
}

/// Makes the other end readable, and writable if it was full.
fn wake_both_directions(mut theirs: UnixStream) -> UnixStream {
    theirs.write_all(b"x").unwrap();
    drain(&mut theirs);
    theirs
}

fn drain(stream: &mut UnixStream) {
    stream.set_nonblocking(true).unwrap();
    while stream.read(&mut [0; 4096]).is_ok() {}
}

#[test]
fn a_waiter_that_was_woken_and_gives_up_leaves_the_readiness_to_others() {
    on_every_runtime("a woken waiter gives up", async |_| {
        for _ in 0..50 {
            let (fd, mut theirs) = unix_pair();
            let (mut first, mut second) = (fd.readable(), fd.readable());
            assert!(poll_once(&mut first).await.is_pending());
            assert!(poll_once(&mut second).await.is_pending());
            theirs.write_all(b"x").unwrap();
            // Both are woken by the event; the first never looks.
            assert!(second.await.unwrap().is_readable());
            drop(first);
            assert!(fd.readable().await.unwrap().is_readable());
        }
    });
}

#[test]
fn each_of_many_waiters_gets_its_byte_through_async_io() {
    const WAITERS: usize = 50;
    on_every_runtime("async_io with many waiters", async |_| {
        let (fd, mut theirs) = unix_pair();
        let readers = spawn_each(WAITERS, |_| {
            let fd = fd.clone();
            async move {
                let mut byte = [0];
                let read = |mut stream: &UnixStream| stream.read(&mut byte);
                assert_eq!(fd.async_io(Interest::READABLE, read).await.unwrap(), 1);
                byte[0]
            }
        });
        let bytes: Vec<_> = (0..WAITERS as u8).collect();
        let to_send = bytes.clone();
        let writer = thread::spawn(move || {
            // In ever larger pieces.
            let mut rest = &to_send[..];
            for len in 1.. {
                let (piece, behind) = rest.split_at(len.min(rest.len()));
                theirs.write_all(piece).unwrap();
                rest = behind;
                if rest.is_empty() {
                    return theirs;
                }
                thread::yield_now();
            }
            unreachable!("the pieces grow")
        });
        let mut read = join_all(readers).await;
        read.sort_unstable();
        assert_eq!(read, bytes);
        writer.join().unwrap();
    });
}

#[test]
fn guards_clear_only_what_they_saw() {
    on_every_runtime("guards clear only what they saw", async |_| {
        let (fd, mut theirs) = unix_pair();
        theirs.write_all(b"one").unwrap();
        let mut old = fd.readable().await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(fd.get_ref().read(&mut buffer).unwrap(), 3);
        theirs.write_all(b"two").unwrap();
        // The event of the second word reaches the cell, sooner or later; then the old guard clears.
        settle().await;
        old.clear_ready();
        let mut new = fd.readable().await.unwrap();
        assert_eq!(
            new.try_io(|fd| fd.get_ref().read(&mut buffer))
                .unwrap()
                .unwrap(),
            3
        );
        let blocked = new.try_io(|fd| fd.get_ref().read(&mut buffer));
        assert!(blocked.is_err());
        let next = fd.try_io(Interest::READABLE, |mut stream| stream.read(&mut [0]));
        assert_eq!(next.unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn one_task_reads_and_writes_while_others_come_and_go() {
    // Both directions of one stream have waiters of their own, which change all the time.
    on_every_runtime("both directions", async |_| {
        let (stream, peer) = stream_and_peer();
        let stream = Arc::new(stream);
        let echo = thread::spawn(move || io::copy(&mut &peer, &mut &peer).unwrap());
        let data = Random::for_test("both directions", 44).bytes(300_000);
        let (sender, to_send) = (stream.clone(), data.clone());
        let writer = mini_rt::spawn(async move {
            let mut rest = &to_send[..];
            while !rest.is_empty() {
                // Waits by turns as a poller and as one of many.
                sender.writable().await.unwrap();
                let count = (&*sender)
                    .write(&rest[..rest.len().min(10_000)])
                    .await
                    .unwrap();
                rest = &rest[count..];
            }
            sender.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        loop {
            let (bored, readable) = (Box::pin(settle()), Box::pin(stream.readable()));
            match select(readable, bored).await {
                Either::Left((ready, _)) => ready.unwrap(),
                Either::Right(_) => {}
            }
            let mut buffer = [0; 5_000];
            match (&*stream).read(&mut buffer).await.unwrap() {
                0 => break,
                count => received.extend_from_slice(&buffer[..count]),
            }
        }
        writer.await.unwrap();
        assert!(received == data);
        assert_eq!(echo.join().unwrap(), 300_000);
    });
}

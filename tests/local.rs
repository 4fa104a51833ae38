//! Local tasks and sockets: servers whose state is shared by `Rc`, on every kind of runtime.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::pending;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;

use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::task::{JoinSet, LocalSet, coop, spawn_local, yield_now};

use support::health::assert_works;
use support::kinds::{Kind, on_every_kind};
use support::random::Random;
use support::sockets::{ask, connect, echo, listen, std_pair, stream_and_peer};
use support::tasks::{OnDrop, on_thread, park_on, settle};
use support::watchdog::Watchdog;

/// Runs a scenario in a set on every kind of runtime, and in a current-thread runtime as such.
fn wherever_local(test: &str, scenario: impl AsyncFn()) {
    on_every_kind(test, 60, |kind| {
        let runtime = kind.build();
        LocalSet::new().block_on(&runtime, scenario());
        assert_works(&runtime, kind);
    });
    let _watchdog = Watchdog::seconds(format!("{test} without a set"), 60);
    let runtime = Kind::CurrentThread.build();
    runtime.block_on(scenario());
    assert_works(&runtime, Kind::CurrentThread);
}

/// What a server's local tasks share.
#[derive(Default)]
struct Counts {
    lines: Cell<usize>,
    words: RefCell<HashMap<String, usize>>,
}

/// Answers each line with the number of times it has come, over all connections.
async fn count_lines(listener: AsyncTcpListener, counts: Rc<Counts>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let counts = counts.clone();
        drop(spawn_local(async move {
            let (reader, mut writer) = stream.split();
            let mut lines = mini_rt::io::BufReader::new(reader).lines();
            while let Some(Ok(line)) = lines.next().await {
                counts.lines.set(counts.lines.get() + 1);
                let times = {
                    let mut words = counts.words.borrow_mut();
                    let times = words.entry(line).or_default();
                    *times += 1;
                    *times
                };
                let answer = format!("{times:08}\n");
                if writer.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }));
    }
}

/// A client that sends lines and reads an answer to each, on a thread.
fn send_lines(addr: SocketAddr, name: usize, count: usize) {
    let mut stream = connect(addr);
    for n in 0..count {
        let line = if n % 2 == 0 { "shared" } else { "other" };
        writeln!(stream, "{line}").expect("a server that reads");
        let mut answer = [0; 9];
        stream
            .read_exact(&mut answer)
            .expect("a server that answers");
        assert_eq!(answer[8], b'\n', "client {name}");
    }
}

#[test]
fn a_server_of_local_tasks_serves_clients_on_other_threads() {
    const CLIENTS: usize = 16;
    const LINES: usize = 100;
    wherever_local("a server of local tasks", async || {
        let (listener, addr) = listen().await;
        let counts = Rc::new(Counts::default());
        let server = spawn_local(count_lines(listener, counts.clone()));
        on_thread(move || {
            thread::scope(|scope| {
                for name in 0..CLIENTS {
                    scope.spawn(move || send_lines(addr, name, LINES));
                }
            });
        })
        .await;
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        assert_eq!(counts.lines.get(), CLIENTS * LINES);
        for word in ["shared", "other"] {
            assert_eq!(counts.words.borrow()[word], CLIENTS * LINES / 2);
        }
    });
}

#[test]
fn local_clients_and_servers_of_the_runtime_talk() {
    wherever_local("local clients", async || {
        let (listener, addr) = listen().await;
        let server = mini_rt::spawn(support::sockets::serve_echo(listener));
        let random = Rc::new(RefCell::new(Random::for_test("local_clients", 3)));
        let clients: Vec<_> = (0..10)
            .map(|_| {
                let random = random.clone();
                spawn_local(async move {
                    let mut stream = AsyncTcpStream::connect(addr).await.unwrap();
                    for _ in 0..30 {
                        let len = 1 + random.borrow_mut().below(3_000);
                        let message = random.borrow_mut().bytes(len);
                        stream.write_all(&message).await.unwrap();
                        let mut answer = vec![0; len];
                        stream.read_exact(&mut answer).await.unwrap();
                        assert_eq!(answer, message);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        server.abort();
    });
}

#[test]
fn sockets_of_local_tasks_are_closed_with_their_set() {
    on_every_kind("sockets of a dropped set", 60, |kind| {
        let runtime = kind.build();
        let set = LocalSet::new();
        let (ours, mut theirs) = runtime.block_on(async { stream_and_peer() });
        set.spawn_local(async move {
            let _kept = Rc::new(());
            let _ = echo(ours).await;
        });
        let peer = theirs.try_clone().unwrap();
        set.block_on(&runtime, async {
            on_thread(move || ask(&peer, b"there?")).await;
            settle().await;
        });
        assert_eq!(runtime.metrics().registered_fds(), 1, "it waits for more");
        drop(set);
        // The end of the stream, for the socket is closed, and nobody watches it.
        assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
        assert_works(&runtime, kind);
    });
}

#[test]
fn sockets_of_local_tasks_outlast_one_block_on_and_serve_in_the_next() {
    let _watchdog = Watchdog::seconds("sockets over several block_ons", 60);
    let runtime = Kind::CurrentThread.build();
    let theirs = runtime.block_on(async {
        let (ours, theirs) = stream_and_peer();
        let not_send = Rc::new(());
        drop(spawn_local(async move {
            let _not_send = not_send;
            let _ = echo(ours).await;
        }));
        settle().await;
        theirs
    });
    for round in 0..5 {
        let peer = theirs.try_clone().unwrap();
        runtime.block_on(on_thread(move || ask(&peer, &[round; 100])));
    }
    let ended = Rc::new(Cell::new(false));
    runtime.block_on(async {
        let ended = ended.clone();
        let on_drop = OnDrop::new(move || ended.set(true));
        let (ours, _theirs) = stream_and_peer();
        drop(spawn_local(async move {
            let _on_drop = on_drop;
            let mut ours = ours;
            let _ = ours.read(&mut [0; 1]).await;
            pending::<()>().await;
        }));
        settle().await;
    });
    drop(runtime);
    assert!(ended.get());
    assert_eq!((&theirs).read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_local_task_that_floods_leaves_sockets_their_turn() {
    wherever_local("a local task that floods", async || {
        let flood = spawn_local(async {
            loop {
                coop::consume_budget().await;
            }
        });
        let busy = spawn_local(async {
            loop {
                yield_now().await;
            }
        });
        let (listener, addr) = listen().await;
        let server = spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            echo(stream).await.unwrap()
        });
        on_thread(move || {
            let stream = connect(addr);
            for _ in 0..100 {
                ask(&stream, b"16 bytes of text");
            }
        })
        .await;
        assert_eq!(server.await.unwrap(), 1_600);
        assert!(!flood.is_finished() && !busy.is_finished());
        flood.abort();
        busy.abort();
    });
}

#[test]
fn sockets_in_a_set_without_a_runtime_say_what_is_missing() {
    let _watchdog = Watchdog::seconds("sockets without a runtime", 30);
    let set = LocalSet::new();
    let (ours, _theirs) = std_pair();
    let task = set.spawn_local(async move { AsyncTcpStream::from_std(ours).map(drop) });
    park_on(set);
    let error = park_on(task).unwrap_err();
    let panic = error.into_panic();
    let text = support::tasks::panic_text(&*panic);
    assert!(text.contains("no mini_rt runtime"), "{text}");
}

#[mini_rt::test]
async fn spawn_local_works_in_a_test() {
    let rc = Rc::new(3);
    let task = mini_rt::spawn_local({
        let rc = rc.clone();
        async move { *rc }
    });
    assert_eq!(task.await.unwrap(), *rc);
}

#[mini_rt::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_set_works_in_a_test() {
    let set = LocalSet::new();
    let rc = Rc::new(3);
    let inside = rc.clone();
    let task = set.run_until(async { spawn_local(async move { *inside }).await });
    assert_eq!(task.await.unwrap(), *rc);
}

#[test]
fn local_tasks_are_members_of_a_join_set() {
    wherever_local("members of a JoinSet", async || {
        let (mut set, here) = (JoinSet::new(), Rc::new(Cell::new(0)));
        let member = |here: Rc<Cell<u32>>| async move {
            yield_now().await;
            here.set(here.get() + 1);
            here
        };
        set.spawn_local(member(here.clone()));
        set.build_task()
            .name("local")
            .spawn_local(member(here.clone()));
        let other = LocalSet::new();
        set.spawn_local_on(member(here.clone()), &other);
        set.build_task()
            .name("other")
            .spawn_local_on(member(here.clone()), &other);
        let aborted = set.spawn_local_on(pending(), &other);
        aborted.abort();
        let (mut ended, mut cancelled) = (0, 0);
        other
            .run_until(async {
                while let Some(result) = set.join_next().await {
                    match result {
                        Ok(output) => ended += usize::from(Rc::ptr_eq(&output, &here)),
                        Err(error) => cancelled += usize::from(error.id() == aborted.id()),
                    }
                }
            })
            .await;
        assert_eq!((ended, cancelled, here.get()), (4, 1, 4));
    });
}

//! A system that gives no more, signals at every step, and code that panics: the runtime goes on.

mod support;

use std::io::{self, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;

use support::health::assert_works;
use support::kinds::{KINDS, Kind, on_every_kind};
use support::process::{
    assert_comes_to_rest, in_own_process, leave_fds, limit, open_fds, set_soft_limit,
    signal_other_threads,
};
use support::random::Random;
use support::sockets::{ask, connect, echo, listen, serve_echo};
use support::tasks::{on_thread, until};
use support::watchdog::Watchdog;

/// Accepts as long as the system allows, and gives the streams and the error.
async fn accept_until_error(listener: &AsyncTcpListener) -> (Vec<AsyncTcpStream>, io::Error) {
    let mut streams = Vec::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => streams.push(stream),
            Err(error) => return (streams, error),
        }
    }
}

fn peers_of(streams: &[AsyncTcpStream]) -> Vec<SocketAddr> {
    let peers = streams.iter().map(|stream| stream.peer_addr().unwrap());
    peers.collect()
}

#[test]
fn accept_without_descriptors_gives_the_error_and_goes_on_once_there_are_some() {
    const TEST: &str = "accept_without_descriptors_gives_the_error_and_goes_on_once_there_are_some";
    in_own_process(TEST, || {
        let all = limit(libc::RLIMIT_NOFILE).rlim_cur;
        on_every_kind("accept without descriptors", 60, |kind| {
            set_soft_limit(libc::RLIMIT_NOFILE, all);
            kind.build().block_on(async {
                let (listener, addr) = listen().await;
                let mut clients: Vec<_> = (0..10).map(|_| connect(addr)).collect();
                leave_fds(3);
                let (streams, error) = accept_until_error(&listener).await;
                assert_eq!(streams.len(), 3);
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                // Trying again tells the same, and waiting costs nothing.
                assert!(accept_until_error(&listener).await.0.is_empty());
                on_thread(assert_comes_to_rest).await;

                let mut accepted = peers_of(&streams);
                drop(streams);
                let (streams, _) = accept_until_error(&listener).await;
                assert_eq!(streams.len(), 3);
                accepted.extend(peers_of(&streams));
                clients.retain(|client| !accepted.contains(&client.local_addr().unwrap()));
                set_soft_limit(libc::RLIMIT_NOFILE, all);
                let mut served = Vec::new();
                for _ in 0..clients.len() {
                    served.push(mini_rt::spawn(echo(listener.accept().await.unwrap().0)));
                }
                // Those that had to wait are served, and so is one that comes after all that.
                let asking = thread::spawn(move || {
                    clients.iter().for_each(|client| ask(client, b"patient"));
                    ask(&connect(addr), b"new");
                });
                served.push(mini_rt::spawn(echo(listener.accept().await.unwrap().0)));
                for connection in served {
                    assert!(connection.await.unwrap().unwrap() > 0);
                }
                asking.join().unwrap();
            });
        });
    });
}

/// How many descriptors a runtime has: its pollers, and what wakes them up.
fn fds_of_runtime(kind: Kind) -> usize {
    let before = open_fds();
    let _runtime = kind.build();
    open_fds() - before
}

#[test]
fn what_needs_descriptors_says_that_there_are_none() {
    in_own_process("what_needs_descriptors_says_that_there_are_none", || {
        let all = limit(libc::RLIMIT_NOFILE).rlim_cur;
        let _watchdog = Watchdog::seconds("no descriptors", 60);
        let runtime = Kind::CurrentThread.build();
        runtime.block_on(async {
            let (_listener, addr) = listen().await;
            leave_fds(0);
            let errors = [
                AsyncTcpListener::bind("127.0.0.1:0")
                    .await
                    .map(drop)
                    .unwrap_err(),
                AsyncTcpStream::connect(addr).await.map(drop).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            }
        });
        if cfg!(mini_rt_kqueue) {
            // libkqueue gives other errors, and closes its own descriptors a moment later.
            return;
        }
        // What a failed attempt has opened is closed.
        for kind in KINDS {
            set_soft_limit(libc::RLIMIT_NOFILE, all);
            let needed = fds_of_runtime(kind);
            assert!(needed >= kind.cores());
            for left in 0..needed {
                set_soft_limit(libc::RLIMIT_NOFILE, all);
                let before = open_fds();
                leave_fds(left);
                let error = kind.builder().build().map(drop).unwrap_err();
                assert_eq!(
                    error.raw_os_error(),
                    Some(libc::EMFILE),
                    "{kind:?}, {left} left"
                );
                set_soft_limit(libc::RLIMIT_NOFILE, all);
                assert_eq!(open_fds(), before);
            }
            leave_fds(needed);
            assert_eq!(kind.build().block_on(async { 1 }), 1);
        }
        set_soft_limit(libc::RLIMIT_NOFILE, all);
    });
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, SeqCst);
}

/// Lets a signal interrupt system calls, rather than restart them.
fn interrupt_calls_on(signal: libc::c_int) {
    let handler: extern "C" fn(libc::c_int) = count_signal;
    // SAFETY: all zeros is an action with no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as usize;
    // SAFETY: the action is valid, and its handler only touches an atomic.
    let result = unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// Has the kernel send `SIGALRM` to any thread every millisecond, or no more.
fn alarm_every_millisecond(on: bool) {
    let period = libc::timeval {
        tv_sec: 0,
        tv_usec: if on { 1_000 } else { 0 },
    };
    let timer = libc::itimerval {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: the timer is readable, and the old value is not asked for.
    let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

async fn echo_among_signals(random: &mut Random) {
    let (listener, addr) = listen().await;
    let server = mini_rt::spawn(serve_echo(listener));
    let blocking = thread::spawn({
        let mut random = random.branch();
        move || (0..200).for_each(|_| ask(&connect(addr), &random.some_bytes(5_000)))
    });
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let mut random = random.branch();
            mini_rt::spawn(async move {
                let mut stream = AsyncTcpStream::connect(addr).await.unwrap();
                for _ in 0..100 {
                    let message = random.some_bytes(5_000);
                    let mut answer = vec![0; message.len()];
                    stream.write_all(&message).await.unwrap();
                    stream.read_exact(&mut answer).await.unwrap();
                    assert!(answer == message);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    until(|| blocking.is_finished()).await;
    blocking.join().unwrap();
    server.abort();
}

#[test]
fn signals_at_every_step_disturb_nothing() {
    in_own_process("signals_at_every_step_disturb_nothing", || {
        let mut random = Random::for_test("signals_at_every_step", 51);
        interrupt_calls_on(libc::SIGALRM);
        interrupt_calls_on(libc::SIGUSR1);
        for kind in KINDS {
            let _watchdog = Watchdog::seconds(format!("signals on {kind:?}"), 60);
            let (over, before) = (AtomicBool::new(false), SIGNALS.load(SeqCst));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        signal_other_threads(libc::SIGUSR1);
                        thread::sleep(Duration::from_micros(100));
                    }
                });
                alarm_every_millisecond(true);
                let runtime = kind.build();
                // Whoever sends the signals may be slow.
                while SIGNALS.load(SeqCst) - before < 200 {
                    runtime.block_on(echo_among_signals(&mut random));
                }
                drop(runtime);
                over.store(true, SeqCst);
            });
            alarm_every_millisecond(false);
        }
    });
}

#[test]
fn a_runtime_that_gets_no_threads_says_so() {
    /// One that no address space has room for.
    const IMPOSSIBLE_STACK: usize = 1 << 48;
    for kind in &KINDS[1..] {
        let _watchdog = Watchdog::seconds(format!("no threads for {kind:?}"), 30);
        let error = kind
            .builder()
            .thread_stack_size(IMPOSSIBLE_STACK)
            .build()
            .map(drop);
        assert!(error.unwrap_err().raw_os_error().is_some());
    }
}

#[test]
fn a_connection_that_breaks_at_any_point_leaves_the_rest_alone() {
    // Clients that break off at a random point of the conversation, all at the same time.
    let mut random = Random::for_test("connections that break", 52);
    on_every_kind("connections that break", 60, |kind| {
        let runtime = kind.build();
        runtime.block_on(async {
            let (listener, addr) = listen().await;
            let server = mini_rt::spawn(serve_echo(listener));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let mut random = random.branch();
                    thread::spawn(move || {
                        (0..50).for_each(|_| break_off(connect(addr), &mut random))
                    })
                })
                .collect();
            until(|| threads.iter().all(thread::JoinHandle::is_finished)).await;
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            server.abort();
        });
        assert_works(&runtime, kind);
    });
}

fn break_off(mut client: TcpStream, random: &mut Random) {
    for _ in 0..random.below(4) {
        ask(&client, &random.some_bytes(3_000));
    }
    client.write_all(&random.some_bytes(100_000)).unwrap();
    if random.one_in(2) {
        support::sockets::reset(client);
    }
}

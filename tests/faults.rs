//! A system that gives no more, signals at every step, and code that panics: the runtime goes on.

mod support;

use std::io::{self, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::runtime::Runtime;

use support::health::assert_works;
use support::kinds::{KINDS, Kind, on_every_kind};
use support::process::{
    assert_comes_to_rest, in_own_process, leave_fds, limit, open_fds, set_soft_limit, thread_ids,
    vm_size, wait_for_only,
};
use support::random::Random;
use support::sockets::{ask, connect, echo, listen, serve_echo};
use support::tasks::{block_until, on_thread, until};
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
        // Each core needs two descriptors. What a failed attempt has opened is closed.
        for kind in KINDS {
            for left in 0..2 * kind.cores() {
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
            leave_fds(2 * kind.cores());
            assert_eq!(kind.build().block_on(async { 1 }), 1);
            set_soft_limit(libc::RLIMIT_NOFILE, all);
        }
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

/// Sends a signal to every thread of this process but the calling one, again and again.
fn signal_all_threads(signal: libc::c_int, over: &AtomicBool) {
    // SAFETY: no memory is passed.
    let (process, me) = unsafe { (libc::getpid(), libc::gettid()) };
    while !over.load(SeqCst) {
        for thread in thread_ids().into_iter().filter(|&thread| thread != me) {
            // SAFETY: as above. A thread that has ended meanwhile gets nothing.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
        }
        thread::sleep(Duration::from_micros(100));
    }
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
                scope.spawn(|| signal_all_threads(libc::SIGUSR1, &over));
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

/// A stack that no address space has room for, or none once [`forbid_large_stacks`] was called.
const IMPOSSIBLE_STACK: usize = 1 << 48;
const LARGE_STACK: usize = 1 << 28;

/// A runtime with large stacks, and how many of its threads have begun.
fn with_large_stacks(kind: Kind) -> (Runtime, Arc<AtomicUsize>) {
    let begun = Arc::new(AtomicUsize::new(0));
    let counts = begun.clone();
    let runtime = kind
        .builder()
        .thread_stack_size(LARGE_STACK)
        .on_thread_start(move || {
            counts.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    block_until(|| begun.load(SeqCst) == kind.workers());
    (runtime, begun)
}

/// For when all threads have begun: they take address space at their beginning.
fn forbid_large_stacks() {
    set_soft_limit(libc::RLIMIT_AS, vm_size() + LARGE_STACK as u64 / 2);
}

#[test]
fn a_runtime_that_gets_no_threads_says_so() {
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
fn a_runtime_that_gets_only_some_of_its_threads_ends_them() {
    in_own_process(
        "a_runtime_that_gets_only_some_of_its_threads_ends_them",
        || {
            let _watchdog = Watchdog::seconds("only some threads", 30);
            let (fds, threads) = (open_fds(), thread_ids());
            set_soft_limit(
                libc::RLIMIT_AS,
                vm_size() + 2 * LARGE_STACK as u64 + (64 << 20),
            );
            let error = Kind::MultiThread(4)
                .builder()
                .thread_stack_size(LARGE_STACK)
                .build()
                .map(drop);
            assert!(error.unwrap_err().raw_os_error().is_some());
            assert_eq!(open_fds(), fds);
            wait_for_only(&threads);
        },
    );
}

#[test]
fn a_closure_that_gets_no_thread_is_cancelled_and_the_runtime_goes_on() {
    in_own_process(
        "a_closure_that_gets_no_thread_is_cancelled_and_the_runtime_goes_on",
        || {
            for kind in KINDS {
                let _watchdog =
                    Watchdog::seconds(format!("no thread for a closure on {kind:?}"), 60);
                let (runtime, _) = with_large_stacks(kind);
                forbid_large_stacks();
                runtime.block_on(async {
                    for _ in 0..10 {
                        let closure = mini_rt::spawn_blocking(|| ());
                        assert!(closure.await.unwrap_err().is_cancelled());
                    }
                });
                assert_eq!(runtime.metrics().num_blocking_threads(), 0);
                assert_comes_to_rest();
                set_soft_limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
                assert_works(&runtime, kind);
                assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 8)).unwrap(), 8);
            }
        },
    );
}

#[test]
fn a_closure_that_gets_no_thread_waits_for_a_busy_one() {
    in_own_process("a_closure_that_gets_no_thread_waits_for_a_busy_one", || {
        for kind in KINDS {
            let _watchdog = Watchdog::seconds(format!("a busy thread on {kind:?}"), 60);
            let (runtime, begun) = with_large_stacks(kind);
            let (open, gate) = channel::<()>();
            let busy = runtime.spawn_blocking(move || gate.recv().unwrap());
            block_until(|| begun.load(SeqCst) == kind.workers() + 1);
            forbid_large_stacks();
            let waiting: Vec<_> = (0..10).map(|n| runtime.spawn_blocking(move || n)).collect();
            let metrics = runtime.metrics();
            block_until(|| metrics.blocking_queue_depth() == 10);
            assert_eq!(metrics.num_blocking_threads(), 1);
            assert_comes_to_rest();
            open.send(()).unwrap();
            runtime.block_on(async {
                busy.await.unwrap();
                for (n, closure) in waiting.into_iter().enumerate() {
                    assert_eq!(closure.await.unwrap(), n);
                }
            });
            set_soft_limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
        }
    });
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

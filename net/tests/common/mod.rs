//! What the tests share: running a scenario on both kinds of runtime under a watchdog, seeing that
//! tasks wait, and pairs of streams.

#![allow(dead_code)] // each test binary uses its part

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use mini_rt_net::{AsyncTcpListener, AsyncTcpSocket, AsyncTcpStream};
use mini_rt_runtime::runtime::{Builder, Runtime};
use mini_rt_runtime::spawn;
use mini_rt_runtime::task::JoinHandle;
use mini_rt_runtime::yield_now;

const TIME_LIMIT: Duration = Duration::from_secs(60);

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn two_workers() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

/// Runs `scenario` to its end on a current-thread runtime, then on one with two workers.
pub fn on_both_runtimes(scenario: impl AsyncFn() + Copy + Send + 'static) {
    under_watchdog(move || current_thread().block_on(scenario()));
    under_watchdog(move || two_workers().block_on(scenario()));
}

/// Fails the test, rather than hanging it, if `scenario` does not end in time.
fn under_watchdog(scenario: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel();
    let thread = thread::spawn(move || {
        scenario();
        done.send(()).unwrap();
    });
    match is_done.recv_timeout(TIME_LIMIT) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout) => panic!("not done after {TIME_LIMIT:?}"),
        Err(RecvTimeoutError::Disconnected) => resume_unwind(thread.join().unwrap_err()),
    }
}

/// Spawns `count` tasks and comes back when each of them has been polled and waits.
pub async fn spawn_waiting<F>(
    count: usize,
    mut future: impl FnMut() -> F,
) -> Vec<JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let waiting = Arc::new(AtomicUsize::new(0));
    let tasks = (0..count).map(|_| {
        let (future, waiting) = (future(), Arc::clone(&waiting));
        spawn(async move {
            let mut future = pin!(future);
            let mut first_poll = true;
            poll_fn(move |cx| {
                let poll = future.as_mut().poll(cx);
                if std::mem::take(&mut first_poll) {
                    assert!(poll.is_pending());
                    waiting.fetch_add(1, SeqCst);
                }
                poll
            })
            .await
        })
    });
    let tasks = tasks.collect();
    while waiting.load(SeqCst) < count {
        yield_now().await;
    }
    tasks
}

/// A name that does not resolve, which is known without asking the network: a label of a name has 63
/// characters at most.
pub fn impossible_name() -> String {
    format!("{}:80", "x".repeat(64))
}

/// An address where nobody listens, as long as the socket is kept: nobody else can bind it.
pub fn closed_port() -> (AsyncTcpSocket, SocketAddr) {
    let socket = AsyncTcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// A stream of ours and its peer, a blocking one of std's.
pub async fn stream_and_blocking_peer() -> (AsyncTcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = AsyncTcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(TIME_LIMIT)).unwrap();
    peer.set_write_timeout(Some(TIME_LIMIT)).unwrap();
    (stream, peer)
}

/// Two streams of ours that are connected to each other.
pub async fn stream_pair() -> (AsyncTcpStream, AsyncTcpStream) {
    let listener = AsyncTcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = AsyncTcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// `len` bytes that are hard to get right by accident.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

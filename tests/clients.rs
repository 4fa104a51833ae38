//! Clients as they come: that vanish, stop half-way, say nothing, or mark data as urgent.

mod support;

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use futures_util::future::join;
use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::task::JoinHandle;

use support::kinds::{on_every_kind, on_every_runtime};
use support::process::{affordable_connections, in_own_process};
use support::random::Random;
use support::sockets::{
    ask, connect, echo, listen, reset, send_urgent, serve_echo, stream_and_peer, wait_readable,
};
use support::tasks::{on_thread, poll_once, spawn_begun, until};

/// Accepts so many connections, and serves each in a task.
async fn serve<F: Future<Output: Send> + Send + 'static>(
    listener: &AsyncTcpListener,
    count: usize,
    handler: impl Fn(AsyncTcpStream) -> F,
) -> Vec<JoinHandle<F::Output>> {
    let mut handlers = Vec::new();
    for _ in 0..count {
        let (stream, _) = listener.accept().await.unwrap();
        handlers.push(mini_rt::spawn(handler(stream)));
    }
    handlers
}

/// What a read or write may say of a peer that is gone.
fn assert_is_gone(error: &io::Error) {
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(kinds.contains(&error.kind()), "{error}");
}

/// Reads to the end. A reset is the end as well.
async fn read_all(mut stream: AsyncTcpStream) -> Vec<u8> {
    let mut data = Vec::new();
    if let Err(error) = stream.read_to_end(&mut data).await {
        assert_is_gone(&error);
    }
    data
}

#[test]
fn clients_that_vanish_end_their_handlers() {
    const CLIENTS: usize = 100;
    on_every_runtime("clients that vanish", async |_| {
        let (listener, addr) = listen().await;
        let clients = thread::spawn(move || {
            for number in 0..CLIENTS {
                let mut client = connect(addr);
                // Before the server reads, while it waits for the rest, or before it writes.
                match number % 4 {
                    0 => {}
                    1 => client.write_all(b"half a requ").unwrap(),
                    2 => ask(&client, b"a whole request"),
                    _ => client.write_all(&[7; 100_000]).unwrap(),
                }
                reset(client);
            }
        });
        for handler in serve(&listener, CLIENTS, echo).await {
            match handler.await.unwrap() {
                Ok(echoed) => assert!(echoed <= 100_000),
                Err(error) => assert_is_gone(&error),
            }
        }
        clients.join().unwrap();
        // The server serves on.
        let last = thread::spawn(move || ask(&connect(addr), b"still there?"));
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(echo(stream).await.unwrap(), 12);
        last.join().unwrap();
    });
}

#[test]
fn a_client_that_vanishes_wakes_the_reader() {
    on_every_runtime("a client that vanishes wakes the reader", async |_| {
        for _ in 0..50 {
            let (mut stream, peer) = stream_and_peer();
            let reader = spawn_begun(async move { stream.read(&mut [0; 16]).await }).await;
            reset(peer);
            match reader.await.unwrap() {
                // libkqueue has taken the error.
                Ok(0) if cfg!(mini_rt_kqueue) => {}
                result => assert_is_gone(&result.unwrap_err()),
            }
        }
    });
}

#[test]
fn a_client_that_vanishes_wakes_the_writer() {
    on_every_runtime("a client that vanishes wakes the writer", async |_| {
        for _ in 0..20 {
            let (mut stream, peer) = stream_and_peer();
            let writer = spawn_begun(async move { write_for_ever(&mut stream).await }).await;
            reset(peer);
            assert_is_gone(&writer.await.unwrap().unwrap_err());
        }
    });
}

#[test]
fn clients_that_vanish_before_they_are_accepted_do_no_harm() {
    on_every_runtime("clients that vanish before accept", async |_| {
        let (listener, addr) = listen().await;
        on_thread(move || {
            (0..20).for_each(|_| reset(connect(addr)));
            // This one stays.
            let client = connect(addr);
            thread::spawn(move || ask(&client, b"hello"));
        })
        .await;
        // Linux hands out the dead ones too; they end at the first read.
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            match echo(stream).await {
                Ok(5) => break,
                Ok(count) => assert_eq!(count, 0),
                Err(error) => assert_is_gone(&error),
            }
        }
    });
}

#[test]
fn a_client_may_end_its_request_and_go_on_reading() {
    const REPLY: usize = 1 << 20;
    let reply = Random::for_test("half-close", 31).bytes(REPLY);
    on_every_runtime("half-close", async |_| {
        let (listener, addr) = listen().await;
        let expected = reply.clone();
        let client = thread::spawn(move || {
            let mut client = connect(addr);
            client.write_all(b"everything, please").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            assert!(received == expected);
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        stream.read_to_string(&mut request).await.unwrap();
        assert_eq!(request, "everything, please");
        // The end of one direction is seen again and again, and does not touch the other.
        for part in reply.chunks(REPLY / 8) {
            stream.write_all(part).await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        }
        stream.close().await.unwrap();
        client.join().unwrap();
    });
}

#[test]
fn our_side_may_end_its_request_and_go_on_reading() {
    on_every_runtime("our half-close", async |_| {
        let (mut stream, mut peer) = stream_and_peer();
        let server = thread::spawn(move || {
            let mut request = String::new();
            peer.read_to_string(&mut request).unwrap();
            assert_eq!(request, "from us");
            peer.write_all(&[9; 300_000]).unwrap();
        });
        stream.write_all(b"from us").await.unwrap();
        stream.close().await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        assert_eq!(reply, [9; 300_000]);
        assert_is_gone(&stream.write(b"too late").await.unwrap_err());
        server.join().unwrap();
    });
}

#[test]
fn clients_that_say_nothing_keep_nobody_waiting() {
    const TEST: &str = "clients_that_say_nothing_keep_nobody_waiting";
    in_own_process(TEST, || {
        let count = affordable_connections(200);
        on_every_runtime(TEST, async |_| keep_silent(count).await);
    });
}

async fn keep_silent(count: usize) {
    let (listener, addr) = listen().await;
    let connect_all = move || (0..count).map(|_| connect(addr)).collect::<Vec<_>>();
    // At the same time, for the system may let fewer connections wait to be accepted.
    let (silent, handlers) = join(on_thread(connect_all), serve(&listener, count, read_all)).await;
    let server = mini_rt::spawn(serve_echo(listener));
    on_thread(move || {
        for round in 0..20_u8 {
            ask(&connect(addr), &[round; 1_000]);
        }
    })
    .await;
    assert!(!handlers.iter().any(JoinHandle::is_finished));
    drop(silent);
    for handler in handlers {
        assert_eq!(handler.await.unwrap(), b"");
    }
    server.abort();
}

#[test]
fn a_connection_that_was_silent_for_long_still_works() {
    on_every_runtime("a silent connection", async |_| {
        let (stream, peer) = stream_and_peer();
        let echo = mini_rt::spawn(echo(stream));
        on_thread(move || {
            thread::sleep(Duration::from_millis(200));
            ask(&peer, b"at last");
        })
        .await;
        assert_eq!(echo.await.unwrap().unwrap(), 7);
    });
}

/// Reads, with buffers that have room for more, until so much has come or the end. A byte that was sent
/// as urgent is among the others once a later one has taken its place; so exclamation marks are left out.
async fn read_unmarked(stream: &mut AsyncTcpStream, len: usize) -> Vec<u8> {
    let (mut data, mut buffer) = (Vec::new(), [0; 64]);
    while data.len() < len {
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            count => data.extend(unmarked(&buffer[..count])),
        }
    }
    data
}

fn unmarked(data: &[u8]) -> Vec<u8> {
    data.iter().copied().filter(|&byte| byte != b'!').collect()
}

#[test]
fn a_read_that_ends_at_urgent_data_does_not_hide_what_is_behind_it() {
    let mut random = Random::for_test("urgent data", 32);
    on_every_kind("urgent data", 60, |kind| {
        let mut random = random.branch();
        kind.build().block_on(async {
            for _ in 0..100 {
                let (mut stream, mut peer) = stream_and_peer();
                let mut expected = Vec::new();
                if random.one_in(2) {
                    assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
                }
                for _ in 0..1 + random.below(3) {
                    let (before, behind) = (random.some_bytes(8), random.some_bytes(8));
                    peer.write_all(&before).unwrap();
                    send_urgent(&peer, b'!');
                    peer.write_all(&behind).unwrap();
                    expected.extend(unmarked(&[before, behind].concat()));
                    if random.one_in(2) {
                        assert_eq!(read_unmarked(&mut stream, expected.len()).await, expected);
                        expected.clear();
                    }
                }
                assert_eq!(read_unmarked(&mut stream, expected.len()).await, expected);
                drop(peer);
                assert_eq!(read_unmarked(&mut stream, 1).await, b"");
            }
        });
    });
}

#[test]
fn urgent_data_wakes_a_reader_that_waits_once_and_the_next_data_again() {
    on_every_runtime("urgent data while a reader waits", async |_| {
        let (mut stream, mut peer) = stream_and_peer();
        let reader = mini_rt::spawn(async move { read_unmarked(&mut stream, 6).await });
        for word in [b"abc", b"def"] {
            mini_rt::task::yield_now().await;
            send_urgent(&peer, b'!');
            mini_rt::task::yield_now().await;
            peer.write_all(word).unwrap();
        }
        assert_eq!(reader.await.unwrap(), b"abcdef");
    });
}

#[test]
fn what_a_client_sent_before_it_left_is_read_to_the_end() {
    let mut random = Random::for_test("data, then the end", 33);
    on_every_kind("data, then the end", 60, |kind| {
        let mut random = random.branch();
        kind.build().block_on(async {
            for round in 0..60 {
                let (mut stream, mut peer) = stream_and_peer();
                // The reader is there before the data, or comes when all has been sent: so much the system
                // takes without a reader.
                let all_before = round % 3 == 0;
                let data = random.some_bytes(if all_before { 10_000 } else { 100_000 });
                let expected = data.clone();
                if round % 2 == 0 {
                    assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
                }
                let client = thread::spawn(move || peer.write_all(&data).unwrap());
                if all_before {
                    until(|| client.is_finished()).await;
                }
                assert!(read_all(stream).await == expected);
                client.join().unwrap();
            }
        });
    });
}

#[test]
fn a_peer_sees_a_reset_if_we_leave_data_unread() {
    on_every_runtime("unread data", async |_| {
        let (stream, mut peer) = stream_and_peer();
        peer.write_all(b"never read").unwrap();
        wait_readable(&stream);
        drop(stream);
        let mut rest = Vec::new();
        let error = on_thread(move || peer.read_to_end(&mut rest))
            .await
            .unwrap_err();
        assert_is_gone(&error);
    });
}

/// Writes as long as the connection lasts.
async fn write_for_ever(stream: &mut AsyncTcpStream) -> io::Result<()> {
    loop {
        stream.write_all(&[0; 256 * 1024]).await?;
    }
}

/// Writes until the peer's absence shows.
async fn write_until_error(stream: &mut AsyncTcpStream, vectored: bool) -> io::Error {
    loop {
        let written = if vectored {
            stream
                .write_vectored(&[IoSlice::new(b"to "), IoSlice::new(b"nobody")])
                .await
        } else {
            stream.write(b"to nobody").await
        };
        if let Err(error) = written {
            return error;
        }
    }
}

#[test]
fn a_write_to_a_dead_peer_is_an_error_and_no_signal_kills() {
    in_own_process(
        "a_write_to_a_dead_peer_is_an_error_and_no_signal_kills",
        || {
            // The standard library ignores the signal in Rust programs; a program need not be one.
            // SAFETY: no handler of ours is installed.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            on_every_runtime("a write to a dead peer", async |_| {
                for vectored in [false, true] {
                    let (mut stream, peer) = stream_and_peer();
                    drop(peer);
                    assert_is_gone(&write_until_error(&mut stream, vectored).await);
                    // Ever after the pipe is broken, whichever way it is tried.
                    let errors = [
                        stream.write(b"x").await.unwrap_err(),
                        stream
                            .write_vectored(&[IoSlice::new(b"x")])
                            .await
                            .unwrap_err(),
                        stream.try_write(b"x").unwrap_err(),
                        stream
                            .try_write_vectored(&[IoSlice::new(b"x")])
                            .unwrap_err(),
                    ];
                    for error in errors {
                        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
                    }
                    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
                }
            });
        },
    );
}

#[test]
fn a_client_that_reads_slowly_gets_every_byte() {
    const LEN: usize = 2 << 20;
    on_every_runtime("a client that reads slowly", async |_| {
        let (mut stream, peer) = stream_and_peer();
        let sent = Random::for_test("a client that reads slowly", 34).bytes(LEN);
        let expected = sent.clone();
        let client = thread::spawn(move || read_slowly(peer));
        stream.write_all(&sent).await.unwrap();
        drop(stream);
        assert!(client.join().unwrap() == expected);
    });
}

fn read_slowly(mut peer: TcpStream) -> Vec<u8> {
    let (mut data, mut buffer) = (Vec::new(), vec![0; 50_000]);
    loop {
        match peer.read(&mut buffer).unwrap() {
            0 => return data,
            count => data.extend_from_slice(&buffer[..count]),
        }
        thread::sleep(Duration::from_micros(200));
    }
}

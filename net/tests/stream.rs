//! Reading and writing streams, against blocking peers of std's.

mod common;

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{noise, on_both_runtimes, spawn_waiting, stream_and_blocking_peer, stream_pair};
use futures_util::future::join;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use mini_rt_net::AsyncTcpStream;
use mini_rt_runtime::io::Interest;
use mini_rt_runtime::spawn;

const MANY: usize = 3 << 20;

fn echo_until_eof(mut peer: TcpStream) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buf = vec![0; 10_000];
        loop {
            match peer.read(&mut buf).unwrap() {
                0 => return,
                n => peer.write_all(&buf[..n]).unwrap(),
            }
        }
    })
}

#[test]
fn every_byte_comes_back() {
    on_both_runtimes(async || {
        let (stream, peer) = stream_and_blocking_peer().await;
        let peer = echo_until_eof(peer);
        let sent = noise(MANY);
        let mut received = Vec::new();
        let (mut reader, mut writer) = (&stream, &stream);
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.close().await.unwrap();
        };
        join(write, async {
            reader.read_to_end(&mut received).await.unwrap()
        })
        .await;
        assert!(received == sent);
        peer.join().unwrap();
    });
}

#[test]
fn two_tasks_read_and_write_one_stream() {
    on_both_runtimes(async || {
        let (stream, peer) = stream_and_blocking_peer().await;
        let peer = echo_until_eof(peer);
        let stream = Arc::new(stream);
        let writer = Arc::clone(&stream);
        let writing = spawn(async move {
            (&*writer).write_all(&noise(MANY)).await.unwrap();
            (&*writer).close().await.unwrap();
        });
        let mut received = Vec::new();
        (&*stream).read_to_end(&mut received).await.unwrap();
        writing.await.unwrap();
        assert!(received == noise(MANY));
        peer.join().unwrap();
    });
}

#[test]
fn vectored_operations_use_every_buffer() {
    on_both_runtimes(async || {
        let (mut stream, mut peer) = stream_and_blocking_peer().await;
        let bufs = [
            IoSlice::new(b"one"),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
            IoSlice::new(b"three"),
        ];
        assert_eq!(stream.write_vectored(&bufs).await.unwrap(), 11);
        assert_eq!(stream.try_write_vectored(&bufs).unwrap(), 11);
        let mut received = [0; 22];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"onetwothreeonetwothree");

        peer.write_all(b"abcdefgh").unwrap();
        let (mut first, mut second) = ([0; 3], [0; 9]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(stream.read_vectored(&mut bufs).await.unwrap(), 8);
        assert_eq!((&first, &second[..5]), (b"abc", &b"defgh"[..]));
    });
}

#[test]
fn more_buffers_than_a_call_takes_arrive_whole() {
    on_both_runtimes(async || {
        let (mut stream, mut peer) = stream_and_blocking_peer().await;
        let sent = noise(5000);
        let mut bufs: Vec<_> = sent
            .iter()
            .map(|byte| IoSlice::new(std::slice::from_ref(byte)))
            .collect();
        let mut rest = &mut bufs[..];
        while !rest.is_empty() {
            let n = stream.write_vectored(rest).await.unwrap();
            assert!(n > 0);
            IoSlice::advance_slices(&mut rest, n);
        }
        let mut received = vec![0; sent.len()];
        peer.read_exact(&mut received).unwrap();
        assert!(received == sent);

        peer.write_all(&sent).unwrap();
        let mut received = vec![0; sent.len()];
        let mut filled = 0;
        while filled < received.len() {
            let mut bytes: Vec<_> = received[filled..]
                .chunks_mut(1)
                .map(IoSliceMut::new)
                .collect();
            let n = stream.read_vectored(&mut bytes).await.unwrap();
            assert!(n > 0);
            filled += n;
        }
        assert!(received == sent);
    });
}

#[test]
fn peeking_takes_nothing() {
    on_both_runtimes(async || {
        let (mut stream, mut peer) = stream_and_blocking_peer().await;
        let late = thread::spawn(move || {
            peer.write_all(b"data").unwrap();
            peer
        });
        let mut buf = [0; 16];
        for _ in 0..3 {
            assert_eq!(stream.peek(&mut buf).await.unwrap(), 4);
            assert_eq!(
                poll_fn(|cx| stream.poll_peek(cx, &mut buf)).await.unwrap(),
                4
            );
            assert_eq!(&buf[..4], b"data");
        }
        assert_eq!(stream.read(&mut buf).await.unwrap(), 4);
        drop(late.join().unwrap());
        assert_eq!(stream.peek(&mut buf).await.unwrap(), 0);
    });
}

#[test]
fn many_tasks_that_peek_all_see_the_data() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let stream = Arc::new(stream);
        let tasks = spawn_waiting(20, || {
            let stream = Arc::clone(&stream);
            async move { stream.peek(&mut [0; 8]).await.unwrap() }
        })
        .await;
        peer.write_all(b"all").unwrap();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 3);
        }
    });
}

#[test]
fn closing_ends_one_direction_and_may_be_repeated() {
    on_both_runtimes(async || {
        let (mut stream, mut peer) = stream_and_blocking_peer().await;
        stream.write_all(b"request").await.unwrap();
        stream.flush().await.unwrap();
        stream.close().await.unwrap();
        stream.close().await.unwrap();
        let mut request = String::new();
        peer.read_to_string(&mut request).unwrap();
        assert_eq!(request, "request");

        peer.write_all(b"reply after the end").unwrap();
        drop(peer);
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert_eq!(reply, "reply after the end");
        assert_eq!(
            stream.read(&mut [0; 1]).await.unwrap(),
            0,
            "the end stays the end"
        );
        stream.close().await.unwrap();
        assert_eq!(
            stream.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn shutting_down_the_reading_direction_wakes_the_reader() {
    on_both_runtimes(async || {
        let (stream, _peer) = stream_and_blocking_peer().await;
        let stream = Arc::new(stream);
        let reading = spawn_waiting(1, || {
            let stream = Arc::clone(&stream);
            async move { (&*stream).read(&mut [0; 1]).await.unwrap() }
        });
        let reading = reading.await.remove(0);
        stream.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reading.await.unwrap(), 0);
    });
}

#[test]
fn a_reset_connection_is_an_error_and_no_signal() {
    // std ignores SIGPIPE before main; the default action would end the process if a write raised
    // it. SAFETY: no handler runs.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    on_both_runtimes(async || {
        let (mut stream, peer) = stream_pair().await;
        peer.set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        assert_eq!(
            stream.read(&mut [0; 1]).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        assert_eq!(
            stream.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        assert_eq!(
            stream.try_write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        let bufs = [IoSlice::new(b"x"), IoSlice::new(b"y")];
        assert_eq!(
            stream.write_vectored(&bufs).await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        stream.close().await.unwrap();
        assert_eq!(
            stream.shutdown(Shutdown::Write).unwrap_err().kind(),
            ErrorKind::NotConnected
        );
    });
}

#[test]
fn trying_without_waiting_says_would_block() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let mut buf = [0; 8];
        assert_eq!(
            stream.try_read(&mut buf).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let mut bufs = [IoSliceMut::new(&mut buf)];
        assert_eq!(
            stream.try_read_vectored(&mut bufs).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(
            stream
                .ready(Interest::READABLE | Interest::WRITABLE)
                .await
                .unwrap(),
            Interest::WRITABLE
        );
        peer.write_all(b"there").unwrap();
        assert_eq!(
            stream.ready(Interest::READABLE).await.unwrap(),
            Interest::READABLE
        );
        let n = loop {
            stream.readable().await.unwrap();
            match stream.try_read(&mut buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => break result.unwrap(),
            }
        };
        assert_eq!(&buf[..n], b"there");

        stream.writable().await.unwrap();
        let block = noise(1 << 16);
        let mut sent = 0;
        let error = loop {
            match stream.try_write(&block) {
                Ok(n) => sent += n,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let reading =
            thread::spawn(move || peer.read_exact(&mut vec![0; sent]).map(|()| peer).unwrap());
        loop {
            stream.ready(Interest::WRITABLE).await.unwrap();
            match stream.try_write(b"room again") {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => break assert_eq!(result.unwrap(), 10),
            }
        }
        let mut last = [0; 10];
        reading.join().unwrap().read_exact(&mut last).unwrap();
        assert_eq!(&last, b"room again");
    });
}

#[test]
fn operations_of_the_caller_wait_like_ours() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let shared = TcpStream::from(
            std::os::fd::AsFd::as_fd(&stream)
                .try_clone_to_owned()
                .unwrap(),
        );
        let receive = || (&shared).read(&mut [0; 8]);
        assert_eq!(
            stream
                .try_io(Interest::READABLE, receive)
                .unwrap_err()
                .kind(),
            ErrorKind::WouldBlock
        );
        let late = thread::spawn(move || peer.write_all(b"abc").unwrap());
        assert_eq!(
            stream.async_io(Interest::READABLE, receive).await.unwrap(),
            3
        );
        late.join().unwrap();
        poll_fn(|cx| stream.poll_write_ready(cx)).await.unwrap();
        poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
    });
}

#[test]
fn streams_come_from_std_and_go_back() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let local = stream.local_addr().unwrap();
        let std = stream.into_std().unwrap();
        assert_eq!(
            (&std).read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock,
            "still non-blocking"
        );
        std.set_nonblocking(false).unwrap();

        let mut stream = AsyncTcpStream::try_from(std).unwrap();
        assert_eq!(stream.local_addr().unwrap(), local);
        assert_eq!(stream.peer_addr().unwrap(), peer.local_addr().unwrap());
        assert_eq!(
            stream.try_read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let late = thread::spawn(move || peer.write_all(b"hello").unwrap());
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "hello");
        late.join().unwrap();
    });
}

#[test]
fn options_keep_what_was_set() {
    on_both_runtimes(async || {
        let (stream, _peer) = stream_and_blocking_peer().await;
        for on in [true, false] {
            stream.set_nodelay(on).unwrap();
            assert_eq!(stream.nodelay().unwrap(), on);
        }
        stream.set_ttl(42).unwrap();
        assert_eq!(stream.ttl().unwrap(), 42);
        stream.set_ttl(1000).unwrap_err();

        assert_eq!(stream.linger().unwrap(), None);
        let seconds = Duration::from_secs;
        for (set, kept) in [
            (Some(Duration::ZERO), Some(Duration::ZERO)),
            (Some(Duration::from_nanos(1)), Some(seconds(1))),
            (Some(Duration::from_millis(1001)), Some(seconds(2))),
            (Some(seconds(100)), Some(seconds(100))),
            (None, None),
        ] {
            stream.set_linger(set).unwrap();
            assert_eq!(stream.linger().unwrap(), kept);
        }
        assert!(stream.take_error().unwrap().is_none());
        assert!(format!("{stream:?}").starts_with("AsyncTcpStream(TcpStream {"));
    });
}

//! The halves of a stream.

mod common;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};

use common::{noise, on_both_runtimes, stream_and_blocking_peer, stream_pair};
use futures_util::future::join;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use mini_rt_net::AsyncTcpStream;
use mini_rt_runtime::spawn;

const MANY: usize = 2 << 20;

#[test]
fn borrowed_halves_work_side_by_side() {
    on_both_runtimes(async || {
        let (mut near, mut far) = stream_pair().await;
        let echoing = spawn(async move {
            let (reader, mut writer) = AsyncTcpStream::split(&mut far);
            futures_util::io::copy(reader, &mut writer).await.unwrap();
            writer.close().await.unwrap();
        });
        let sent = noise(MANY);
        let mut received = Vec::new();
        let (mut reader, mut writer) = AsyncTcpStream::split(&mut near);
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.close().await.unwrap();
        };
        join(write, async {
            reader.read_to_end(&mut received).await.unwrap()
        })
        .await;
        assert!(received == sent);
        echoing.await.unwrap();
    });
}

#[test]
fn owned_halves_work_in_different_tasks() {
    on_both_runtimes(async || {
        let (near, far) = stream_pair().await;
        let (far_reader, mut far_writer) = far.into_split();
        let echoing = spawn(async move {
            futures_util::io::copy(far_reader, &mut far_writer)
                .await
                .unwrap();
        });
        let (mut reader, mut writer) = near.into_split();
        let writing = spawn(async move {
            writer.write_all(&noise(MANY)).await.unwrap();
            writer.flush().await.unwrap();
        });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        assert!(received == noise(MANY));
        writing.await.unwrap();
        echoing.await.unwrap();
    });
}

#[test]
fn dropping_the_owned_writer_ends_the_stream_and_dropping_the_reader_does_not() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let (reader, mut writer) = stream.into_split();
        drop(reader);
        writer.write_all(b"still writing").await.unwrap();
        drop(writer);
        let mut received = String::new();
        peer.read_to_string(&mut received).unwrap();
        assert_eq!(received, "still writing");

        let (stream, mut peer) = stream_and_blocking_peer().await;
        let (mut reader, writer) = stream.into_split();
        drop(writer);
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
        peer.write_all(b"still reading").unwrap();
        let mut buf = [0; 13];
        reader.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"still reading");
    });
}

#[test]
fn a_forgotten_writer_leaves_its_direction_open() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let (reader, writer) = stream.into_split();
        writer.forget();
        let mut stream: &AsyncTcpStream = reader.as_ref();
        stream.write_all(b"open").await.unwrap();
        let mut received = [0; 4];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"open");
    });
}

#[test]
fn halves_of_one_stream_reunite_and_the_stream_is_whole() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let (reader, writer) = stream.into_split();
        let (reader, writer) = reader.reunite(writer).unwrap().into_split();
        let mut stream = writer.reunite(reader).unwrap();
        stream.write_all(b"whole").await.unwrap();
        let mut received = [0; 5];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"whole");
    });
}

#[test]
fn halves_of_different_streams_are_given_back_unharmed() {
    on_both_runtimes(async || {
        let (one, mut peer_of_one) = stream_and_blocking_peer().await;
        let (other, _peer_of_other) = stream_and_blocking_peer().await;
        let (reader, writer) = one.into_split();
        let (other_reader, other_writer) = other.into_split();
        let error = reader.reunite(other_writer).unwrap_err();
        assert_eq!(error.to_string(), "the two halves are of different streams");
        let (reader, other_writer) = (error.0, error.1);
        other_reader.reunite(other_writer).unwrap();
        let mut one = reader.reunite(writer).unwrap();
        one.write_all(b"ok").await.unwrap();
        let mut received = [0; 2];
        peer_of_one.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"ok");
    });
}

#[test]
fn a_closed_writer_still_reunites() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let (reader, mut writer) = stream.into_split();
        writer.close().await.unwrap();
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
        let mut stream = reader.reunite(writer).unwrap();
        assert_eq!(
            stream.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn halves_try_peek_and_know_their_addresses() {
    on_both_runtimes(async || {
        let (stream, mut peer) = stream_and_blocking_peer().await;
        let (local, remote) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        let (reader, writer) = stream.into_split();
        assert_eq!(
            (reader.local_addr().unwrap(), reader.peer_addr().unwrap()),
            (local, remote)
        );
        assert_eq!(
            (writer.local_addr().unwrap(), writer.peer_addr().unwrap()),
            (local, remote)
        );
        let mut buf = [0; 8];
        assert_eq!(
            reader.try_read(&mut buf).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );

        peer.write_all(b"abcdef").unwrap();
        reader.readable().await.unwrap();
        assert_eq!(reader.peek(&mut buf).await.unwrap(), 6);
        assert_eq!(reader.try_read(&mut buf[..2]).unwrap(), 2);
        let mut rest = [0; 8];
        assert_eq!(
            reader
                .try_read_vectored(&mut [IoSliceMut::new(&mut rest)])
                .unwrap(),
            4
        );
        assert_eq!((&buf[..2], &rest[..4]), (&b"ab"[..], &b"cdef"[..]));

        writer.writable().await.unwrap();
        assert_eq!(writer.try_write(b"12").unwrap(), 2);
        assert_eq!(
            writer
                .try_write_vectored(&[IoSlice::new(b"3"), IoSlice::new(b"4")])
                .unwrap(),
            2
        );
        let mut received = [0; 4];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"1234");
    });
}

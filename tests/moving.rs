//! Streams that move while they wait: to another task, another thread, another runtime.

mod support;

use std::io::Write;
use std::sync::Arc;
use std::thread;

use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;

use support::kinds::{Kind, on_every_kind, on_every_runtime};
use support::sockets::stream_and_peer;
use support::tasks::{Mailbox, on_thread, park_on, poll_once, spawn_begun};

/// Begins a read that does not end, for the task that calls this.
async fn begin_to_read(stream: &mut AsyncTcpStream) {
    let mut buffer = [0; 8];
    assert!(poll_once(&mut stream.read(&mut buffer)).await.is_pending());
}

#[test]
fn a_stream_moves_from_task_to_task_while_it_waits() {
    on_every_runtime("a stream moves from task to task", async |kind| {
        for hops in 0..2 * kind.cores() + 4 {
            let (mut stream, mut peer) = stream_and_peer();
            for _ in 0..hops {
                stream = mini_rt::spawn(async move {
                    begin_to_read(&mut stream).await;
                    stream
                })
                .await
                .unwrap();
            }
            let read = async move { stream.read(&mut [0; 8]).await.unwrap() };
            let last = spawn_begun(read).await;
            peer.write_all(b"there").unwrap();
            assert_eq!(last.await.unwrap(), 5);
        }
    });
}

#[test]
fn a_stream_moves_to_a_thread_without_runtime_while_it_waits() {
    on_every_runtime("a stream moves to a thread", async |_| {
        let (mut stream, mut peer) = stream_and_peer();
        begin_to_read(&mut stream).await;
        let reader = thread::spawn(move || {
            let mut word = [0; 5];
            for _ in 0..20 {
                park_on(stream.read_exact(&mut word)).unwrap();
                assert_eq!(&word, b"there");
            }
            stream
        });
        let mut stream = on_thread(move || {
            while !reader.is_finished() {
                // A write meets the reader before, in or after its wait.
                peer.write_all(b"there").unwrap();
                thread::sleep(std::time::Duration::from_millis(1));
            }
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            reader.join().unwrap()
        })
        .await;
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
}

#[test]
fn a_stream_moves_to_another_runtime_while_it_waits() {
    on_every_kind("a stream moves to another runtime", 60, |kind| {
        let home = kind.build();
        let away = Kind::CurrentThread.build();
        let over = Arc::new(Mailbox::new());
        thread::scope(|scope| {
            // Somebody must drive the runtime that the stream is registered with.
            let driver = scope.spawn(|| home.block_on(over.take()));
            let (mut stream, mut peer) = home.block_on(async {
                let (mut stream, peer) = stream_and_peer();
                begin_to_read(&mut stream).await;
                (stream, peer)
            });
            away.block_on(async {
                for _ in 0..20 {
                    let mut word = [0; 5];
                    begin_to_read(&mut stream).await;
                    peer.write_all(b"there").unwrap();
                    stream.read_exact(&mut word).await.unwrap();
                    assert_eq!(&word, b"there");
                }
            });
            drop(stream);
            over.put(());
            driver.join().unwrap();
        });
    });
}

//! Descriptors are registered with a poller late, for what they wait for, where they are used, and not a
//! moment longer than they live.

#![cfg(all(target_os = "linux", not(mini_rt_kqueue)))] // only epoll tells what it watches

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::runtime::Handle;

use support::kinds::{KINDS, Kind, on_every_runtime};
use support::process::{is_own_process, poller_flags, pollers_of, skip, trace_own_process};
use support::sockets::{connect, fill, listen, std_pair, stream_and_peer, wait_readable};
use support::tasks::{on_thread, poll_once, until};
use support::watchdog::Watchdog;

const READS: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
const WRITES: u32 = libc::EPOLLOUT as u32;
const EDGES: u32 = libc::EPOLLET as u32;

/// The flags of a descriptor's one registration.
fn flags(fd: &impl AsRawFd) -> u32 {
    match poller_flags(fd.as_raw_fd())[..] {
        [flags] => flags,
        ref registrations => panic!("{} registrations", registrations.len()),
    }
}

fn is_registered(fd: &impl AsRawFd) -> bool {
    !poller_flags(fd.as_raw_fd()).is_empty()
}

#[test]
fn a_descriptor_is_registered_at_its_first_wait_and_for_what_it_waits() {
    on_every_runtime("registered for what it waits", async |_| {
        let (mut stream, mut peer) = stream_and_peer();
        assert!(!is_registered(&stream));
        peer.write_all(b"x").unwrap();
        wait_readable(&stream);
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 1);
        stream.write_all(b"y").await.unwrap();
        assert!(!is_registered(&stream));

        assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
        assert_eq!(flags(&stream) & (READS | WRITES | EDGES), READS | EDGES);
        // Writing that does not wait changes nothing, and what waits is added once.
        let filler = fill(&stream);
        assert_eq!(flags(&stream) & (READS | WRITES), READS);
        assert!(poll_once(&mut stream.write(b"z")).await.is_pending());
        assert_eq!(
            flags(&stream) & (READS | WRITES | EDGES),
            READS | WRITES | EDGES
        );

        on_thread(move || {
            peer.read_exact(&mut vec![0; 1 + filler]).unwrap();
            peer
        })
        .await;
        stream.write_all(b"z").await.unwrap();
        assert_eq!(flags(&stream) & (READS | WRITES), READS | WRITES);
    });
}

#[test]
fn a_descriptor_that_waits_to_write_first_is_registered_for_that() {
    on_every_runtime("waits to write first", async |_| {
        let (mut stream, _peer) = stream_and_peer();
        fill(&stream);
        assert!(poll_once(&mut stream.write(b"x")).await.is_pending());
        assert_eq!(flags(&stream) & (READS | WRITES | EDGES), WRITES | EDGES);
        assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
        assert_eq!(flags(&stream) & (READS | WRITES), READS | WRITES);
    });
}

#[test]
fn a_descriptor_leaves_the_poller_with_its_owner_though_it_was_duplicated() {
    on_every_runtime("leaves the poller", async |_| {
        let (ours, mut peer) = std_pair();
        let duplicate = ours.try_clone().unwrap();
        let (fd, metrics) = (ours.as_raw_fd(), Handle::current().metrics());
        let mut stream = AsyncTcpStream::from_std(ours).unwrap();
        assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
        let pollers = pollers_of(fd);
        assert_eq!((pollers.len(), metrics.registered_fds()), (1, 1));
        drop(stream);
        // Another test may have a descriptor with this number by now, in a poller of its own.
        assert!(!pollers_of(fd).contains(&pollers[0]));
        assert_eq!(metrics.registered_fds(), 0);

        let mut stream = AsyncTcpStream::from_std(duplicate).unwrap();
        assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
        assert!(is_registered(&stream));
        let mut plain = stream.into_std().unwrap();
        assert!(!is_registered(&plain));
        assert_eq!(metrics.registered_fds(), 0);
        plain.set_nonblocking(false).unwrap();
        peer.write_all(b"x").unwrap();
        assert_eq!(plain.read(&mut [0; 8]).unwrap(), 1);
    });
}

/// Clients that have sent their requests.
fn clients_with_requests(listener: &AsyncTcpListener, count: usize) -> Vec<TcpStream> {
    let addr = listener.local_addr().unwrap();
    let client = |_| {
        let mut client = connect(addr);
        client.write_all(b"request").unwrap();
        client
    };
    (0..count).map(client).collect()
}

/// Reads a request, answers it and closes, like a server that keeps no connection.
async fn answer(mut stream: AsyncTcpStream) {
    let mut request = [0; 64];
    assert_eq!(stream.read(&mut request).await.unwrap(), 7);
    assert_eq!(Handle::current().metrics().registered_fds(), 0);
    stream.write_all(b"reply").await.unwrap();
    assert_eq!(Handle::current().metrics().registered_fds(), 0);
}

async fn answer_requests_that_are_there(count: usize) {
    let (listener, _) = listen().await;
    let clients = clients_with_requests(&listener, count);
    for mut client in clients {
        // Sent is not arrived yet.
        wait_readable(&listener);
        let (stream, _) = listener.accept().await.unwrap();
        wait_readable(&stream);
        mini_rt::spawn(answer(stream)).await.unwrap();
        let mut reply = String::new();
        on_thread(move || {
            client
                .read_to_string(&mut reply)
                .map(|_| assert_eq!(reply, "reply"))
        })
        .await
        .unwrap();
    }
}

#[test]
fn a_connection_whose_request_is_there_and_that_closes_is_never_registered() {
    const TEST: &str = "a_connection_whose_request_is_there_and_that_closes_is_never_registered";
    const CONNECTIONS: usize = 50;
    const WAITING: usize = 3;
    let scenario = || {
        on_every_runtime("requests that are there", async |_| {
            answer_requests_that_are_there(CONNECTIONS).await;
            // For comparison, some that have to wait.
            for _ in 0..WAITING {
                let (mut stream, mut peer) = stream_and_peer();
                assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
                peer.write_all(b"x").unwrap();
                assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
            }
        });
    };
    if is_own_process(TEST) {
        return scenario();
    }
    match trace_own_process(TEST, "epoll_ctl") {
        Err(reason) => {
            scenario();
            skip(TEST, &format!("system calls were not counted, {reason}"));
        }
        Ok(lines) => {
            // Pollers have other things to watch too, such as what wakes them up.
            let sockets = || lines.iter().filter(|line| line.contains("<socket:["));
            let count = |operation: &str| sockets().filter(|line| line.contains(operation)).count();
            let waiting = KINDS.len() * WAITING;
            assert_eq!(count("EPOLL_CTL_ADD"), waiting, "{lines:#?}");
            assert_eq!(count("EPOLL_CTL_DEL"), waiting, "{lines:#?}");
            assert_eq!(count("EPOLL_CTL_MOD"), 0, "{lines:#?}");
        }
    }
}

#[test]
fn a_descriptor_moves_to_the_core_that_uses_it() {
    let _watchdog = Watchdog::seconds("a descriptor moves", 60);
    let runtime = Kind::MultiThread(2).build();
    let (sender, receiver) = async_channel::bounded::<(AsyncTcpStream, TcpStream)>(1);
    let (over, is_over) = async_channel::bounded::<()>(1);
    thread::scope(|scope| {
        let runtime = &runtime;
        // Each of two callers holds one of the two cores.
        scope.spawn(move || {
            runtime.block_on(async {
                let (mut stream, peer) = stream_and_peer();
                until(|| Handle::current().metrics().num_alive_tasks() == 0).await;
                assert!(poll_once(&mut stream.read(&mut [0; 8])).await.is_pending());
                sender.send((stream, peer)).await.unwrap();
                is_over.recv().await.unwrap();
            });
        });
        scope.spawn(move || {
            runtime.block_on(async {
                let (mut stream, mut peer) = receiver.recv().await.unwrap();
                let first = pollers_of(stream.as_raw_fd());
                assert_eq!(first.len(), 1);
                let mut answer = [0; 1];
                // Until it has moved, for it does so only if it is used here again and again.
                while pollers_of(stream.as_raw_fd()) == first {
                    let asks = thread::spawn(move || {
                        peer.write_all(b"x").unwrap();
                        peer
                    });
                    stream.read_exact(&mut answer).await.unwrap();
                    peer = asks.join().unwrap();
                }
                assert_eq!(pollers_of(stream.as_raw_fd()).len(), 1);
                assert_eq!(Handle::current().metrics().registered_fds(), 1);
                // What comes, comes here.
                let asks = thread::spawn(move || {
                    peer.write_all(b"more").unwrap();
                    peer.shutdown(Shutdown::Write).unwrap();
                });
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"more");
                asks.join().unwrap();
                over.send(()).await.unwrap();
            });
        });
    });
}

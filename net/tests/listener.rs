//! Listening and accepting.

mod common;

use std::collections::HashSet;
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;

use common::{impossible_name, on_both_runtimes, spawn_waiting};
use futures_util::future::join;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use futures_util::stream::StreamExt;
use mini_rt_net::tcp::Incoming;
use mini_rt_net::{AsyncTcpListener, AsyncTcpSocket, AsyncTcpStream};

async fn listen() -> (AsyncTcpListener, SocketAddr) {
    let listener = AsyncTcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

#[test]
fn a_blocking_client_is_accepted_and_served() {
    on_both_runtimes(async || {
        let (listener, addr) = listen().await;
        let client = thread::spawn(move || {
            let mut client = TcpStream::connect(addr).unwrap();
            client.write_all(b"hello").unwrap();
            let mut reply = [0; 5];
            client.read_exact(&mut reply).unwrap();
            (reply, client.local_addr().unwrap())
        });
        let (mut stream, peer) = listener.accept().await.unwrap();
        let mut request = [0; 5];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(&request).await.unwrap();
        assert_eq!(client.join().unwrap(), (*b"hello", peer));
        assert_eq!(stream.peer_addr().unwrap(), peer);
        assert_eq!(stream.local_addr().unwrap(), addr);
    });
}

#[test]
fn ipv6_and_host_names_work_too() {
    on_both_runtimes(async || {
        for name in ["[::1]:0", "localhost:0"] {
            let listener = match AsyncTcpListener::bind(name).await {
                Ok(listener) => listener,
                // Some machines have no IPv6, or no name for themselves.
                Err(error) => {
                    let std = TcpListener::bind(name).unwrap_err();
                    assert_eq!(error.to_string(), std.to_string(), "{name}");
                    continue;
                }
            };
            let addr = listener.local_addr().unwrap();
            assert!(addr.ip().is_loopback());
            let (client, server) = join(AsyncTcpStream::connect(addr), listener.accept()).await;
            assert_eq!(server.unwrap().1, client.unwrap().local_addr().unwrap());
        }
    });
}

#[test]
fn tasks_that_accept_together_are_all_woken() {
    const TASKS: usize = 50;
    on_both_runtimes(async || {
        let (listener, addr) = listen().await;
        let listener = Arc::new(listener);
        let tasks = spawn_waiting(TASKS, || {
            let listener = Arc::clone(&listener);
            async move { listener.accept().await.unwrap().1 }
        })
        .await;
        let clients: Vec<_> = thread::spawn(move || {
            (0..TASKS)
                .map(|_| TcpStream::connect(addr).unwrap())
                .collect()
        })
        .join()
        .unwrap();
        let mut accepted = HashSet::new();
        for task in tasks {
            accepted.insert(task.await.unwrap());
        }
        assert_eq!(
            accepted,
            clients
                .iter()
                .map(|client: &TcpStream| client.local_addr().unwrap())
                .collect()
        );
    });
}

#[test]
fn incoming_streams_of_one_listener_do_not_starve_each_other() {
    on_both_runtimes(async || {
        let (listener, addr) = listen().await;
        let next = async |mut incoming: Incoming<'_>| {
            incoming.next().await.unwrap().unwrap().peer_addr().unwrap()
        };
        let both_wait = join(next(listener.incoming()), next(listener.incoming()));
        let client = async || AsyncTcpStream::connect(addr).await.unwrap();
        let ((first, second), clients) =
            join(both_wait, async { [client().await, client().await] }).await;
        let expected: HashSet<_> = clients
            .iter()
            .map(|client| client.local_addr().unwrap())
            .collect();
        assert_eq!(HashSet::from([first, second]), expected);
    });
}

#[test]
fn incoming_gives_one_connection_after_the_other() {
    on_both_runtimes(async || {
        let (listener, addr) = listen().await;
        let clients: Vec<_> = (0..10).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let incoming = listener.into_incoming();
        let peers: Vec<_> = incoming
            .take(10)
            .map(|stream| stream.unwrap().peer_addr().unwrap())
            .collect()
            .await;
        assert_eq!(
            peers,
            clients
                .iter()
                .map(|client| client.local_addr().unwrap())
                .collect::<Vec<_>>()
        );
    });
}

#[test]
fn poll_accept_accepts() {
    on_both_runtimes(async || {
        let (listener, addr) = listen().await;
        let accepting = poll_fn(|cx| listener.poll_accept(cx));
        let (accepted, client) = join(accepting, AsyncTcpStream::connect(addr)).await;
        assert_eq!(accepted.unwrap().1, client.unwrap().local_addr().unwrap());
    });
}

#[test]
fn an_address_in_use_is_an_error_and_the_next_is_tried() {
    on_both_runtimes(async || {
        let (_listener, taken) = listen().await;
        let error = AsyncTcpListener::bind(taken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);

        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = AsyncTcpListener::bind(&[taken, free][..]).await.unwrap();
        assert_ne!(listener.local_addr().unwrap(), taken);
    });
}

#[test]
fn addresses_that_are_none_are_errors() {
    on_both_runtimes(async || {
        assert_eq!(
            AsyncTcpListener::bind("127.0.0.1")
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::InvalidInput
        );
        assert_eq!(
            AsyncTcpListener::bind(&[][..]).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        AsyncTcpListener::bind(impossible_name()).await.unwrap_err();
        // An address reserved for documentation, so that no machine has it.
        assert_eq!(
            AsyncTcpListener::bind("192.0.2.1:0")
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::AddrNotAvailable
        );
    });
}

#[test]
fn a_port_can_be_bound_again_at_once() {
    on_both_runtimes(async || {
        let mut attempts = Vec::new();
        for _ in 0..5 {
            let (listener, addr) = listen().await;
            let (client, server) = join(AsyncTcpStream::connect(addr), listener.accept()).await;
            drop(server.unwrap()); // the server closes first, and its end waits in the system
            drop((client.unwrap(), listener));
            attempts.push(AsyncTcpListener::bind(addr).await.map(drop));
        }
        // Somebody else may be faster and take the port, but not each time.
        assert!(attempts.iter().any(Result::is_ok), "{attempts:?}");
    });
}

#[test]
fn sockets_take_options_before_they_live() {
    on_both_runtimes(async || {
        let socket = AsyncTcpSocket::new_v4().unwrap();
        for on in [true, false, true] {
            socket.set_reuseaddr(on).unwrap();
            socket.set_reuseport(on).unwrap();
            socket.set_keepalive(on).unwrap();
            socket.set_nodelay(on).unwrap();
            assert_eq!(socket.reuseaddr().unwrap(), on);
            assert_eq!(socket.reuseport().unwrap(), on);
            assert_eq!(socket.keepalive().unwrap(), on);
            assert_eq!(socket.nodelay().unwrap(), on);
        }
        socket.set_send_buffer_size(50_000).unwrap();
        socket.set_recv_buffer_size(60_000).unwrap();
        assert!((50_000..=100_000).contains(&socket.send_buffer_size().unwrap()));
        assert!((60_000..=120_000).contains(&socket.recv_buffer_size().unwrap()));
        socket
            .set_linger(Some(std::time::Duration::from_secs(3)))
            .unwrap();
        assert_eq!(
            socket.linger().unwrap(),
            Some(std::time::Duration::from_secs(3))
        );
        assert!(socket.take_error().unwrap().is_none());

        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = socket.local_addr().unwrap();
        let listener = socket.listen(10).unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr);

        let sharing = AsyncTcpSocket::new_v4().unwrap();
        sharing.set_reuseport(true).unwrap();
        sharing.bind(addr).unwrap();

        let client = AsyncTcpSocket::new_v4().unwrap();
        client.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let local = client.local_addr().unwrap();
        let (connected, accepted) = join(client.connect(addr), listener.accept()).await;
        assert_eq!(accepted.unwrap().1, local);
        assert_eq!(connected.unwrap().local_addr().unwrap(), local);
        match AsyncTcpSocket::new_v6() {
            Ok(socket) => assert!(socket.local_addr().unwrap().is_ipv6()),
            // Some systems have no IPv6 at all.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT)),
        }
    });
}

#[test]
fn listeners_come_from_std_and_go_back() {
    on_both_runtimes(async || {
        let std = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = std.as_raw_fd();
        let listener = AsyncTcpListener::try_from(std).unwrap();
        let addr = listener.local_addr().unwrap();
        let (accepted, client) = join(listener.accept(), AsyncTcpStream::connect(addr)).await;
        assert_eq!(accepted.unwrap().1, client.unwrap().local_addr().unwrap());

        listener.set_ttl(99).unwrap();
        assert_eq!(listener.ttl().unwrap(), 99);
        assert!(listener.take_error().unwrap().is_none());
        assert!(format!("{listener:?}").starts_with("AsyncTcpListener(TcpListener {"));

        let std = listener.into_std().unwrap();
        assert_eq!(std.as_raw_fd(), fd);
        assert_eq!(
            std.accept().unwrap_err().kind(),
            ErrorKind::WouldBlock,
            "still non-blocking"
        );
    });
}

//! Sockets made here, and how connecting to one ends.

use super::*;
use std::net::TcpListener;
use std::os::fd::AsFd;

#[test]
fn an_interrupted_call_is_repeated_and_other_results_are_not() {
    let mut calls = 0;
    let result = retry(Call::Receive, || {
        calls += 1;
        if calls < 3 {
            Err(io::ErrorKind::Interrupted.into())
        } else {
            Ok(calls)
        }
    });
    assert_eq!(result.unwrap(), 3);
    let mut calls = 0;
    let result: io::Result<()> = retry(Call::Receive, || {
        calls += 1;
        Err(io::ErrorKind::WouldBlock.into())
    });
    assert_eq!(
        (result.unwrap_err().kind(), calls),
        (io::ErrorKind::WouldBlock, 1)
    );
}

#[test]
fn sockets_are_non_blocking_and_close_on_exec() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = tcp_socket(libc::AF_INET).unwrap();
    start_connect(client.as_fd(), &listener.local_addr().unwrap()).unwrap();
    let (server, peer) = accept(listener.as_fd()).unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    for fd in [client.as_fd(), server.as_fd()] {
        // SAFETY: no memory is passed.
        let (status, flags) = unsafe {
            (
                libc::fcntl(fd.as_raw_fd(), libc::F_GETFL),
                libc::fcntl(fd.as_raw_fd(), libc::F_GETFD),
            )
        };
        assert_ne!(status & libc::O_NONBLOCK, 0);
        assert_ne!(flags & libc::FD_CLOEXEC, 0);
    }
}

fn wait_until_writable(stream: &TcpStream) {
    let mut poll = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one valid entry is passed.
    assert_eq!(unsafe { libc::poll(&mut poll, 1, 10_000) }, 1);
}

/// An address where nobody listens, as long as the socket is kept: nobody else can bind it.
fn closed_port() -> (TcpStream, SocketAddr) {
    let socket = tcp_socket(libc::AF_INET).unwrap();
    bind(socket.as_fd(), &"127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[test]
fn finish_connect_tells_connected_from_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = tcp_socket(libc::AF_INET).unwrap();
    start_connect(connected.as_fd(), &listener.local_addr().unwrap()).unwrap();
    wait_until_writable(&connected);
    finish_connect(&connected).unwrap();

    let (_socket, closed) = closed_port();
    let refused = tcp_socket(libc::AF_INET).unwrap();
    let result = start_connect(refused.as_fd(), &closed).and_then(|()| {
        wait_until_writable(&refused);
        finish_connect(&refused)
    });
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_failure_whose_reason_was_taken_is_still_a_failure() {
    let (_socket, closed) = closed_port();
    let refused = tcp_socket(libc::AF_INET).unwrap();
    if start_connect(refused.as_fd(), &closed).is_ok() {
        wait_until_writable(&refused);
        assert!(refused.take_error().unwrap().is_some());
        assert_eq!(
            finish_connect(&refused).unwrap_err().kind(),
            io::ErrorKind::NotConnected
        );
    }
}

/// A listener whose queue is full leaves the next connection undecided.
#[test]
#[cfg(target_os = "linux")]
fn finish_connect_would_block_while_undecided() {
    let listener = tcp_socket(libc::AF_INET).unwrap();
    bind(listener.as_fd(), &"127.0.0.1:0".parse().unwrap()).unwrap();
    listen(listener.as_fd(), 0).unwrap();
    let addr = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..4).map(|_| tcp_socket(libc::AF_INET).unwrap()).collect();
    let mut outcomes = clients.iter().map(|client| {
        start_connect(client.as_fd(), &addr).unwrap();
        finish_connect(client).map_err(|error| error.kind())
    });
    assert!(outcomes.any(|outcome| outcome == Err(io::ErrorKind::WouldBlock)));
}

//! Half-closes, closes and resets.

use std::net::{TcpListener, TcpStream};

use super::*;

/// Two ends of a TCP connection, the first of which does not block.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

/// Makes the connection end with a reset.
fn reset(stream: TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the option is that long, and lives through the call.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}

#[test]
fn a_half_close_is_the_end_of_reading() {
    let poller = Poller::new().unwrap();
    let (unix, to_unix) = pair();
    let (tcp, to_tcp) = tcp_pair();
    poller.add(unix.as_raw_fd(), 1, BOTH).unwrap();
    poller.add(tcp.as_raw_fd(), 2, BOTH).unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect(1, Ready::WRITE);
    observer.expect(2, Ready::WRITE);
    to_unix.shutdown(std::net::Shutdown::Write).unwrap();
    to_tcp.shutdown(std::net::Shutdown::Write).unwrap();
    for token in [1, 2] {
        observer.expect(token, Ready::READ.union(Ready::READ_CLOSED));
    }
    assert_eq!((&unix).read(&mut [0]).unwrap(), 0);
    assert_eq!((&tcp).read(&mut [0]).unwrap(), 0);
    assert_eq!((&unix).write(b"x").unwrap(), 1);
    assert_eq!((&tcp).write(b"x").unwrap(), 1);
}

#[test]
fn an_end_that_came_before_the_registration_is_reported() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = tcp_pair();
    theirs.write_all(b"x").unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    // The end is there when it has been read once.
    ours.set_nonblocking(false).unwrap();
    (&ours).read_exact(&mut [0]).unwrap();
    assert_eq!((&ours).read(&mut [0]).unwrap(), 0);
    ours.set_nonblocking(true).unwrap();
    poller.add(ours.as_raw_fd(), 1, Interest::READABLE).unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect(1, Ready::READ.union(Ready::READ_CLOSED));
}

#[test]
fn an_end_behind_data_is_reported_with_it_or_after_it() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(ours.as_raw_fd(), 1, Interest::READABLE).unwrap();
    let mut observer = Observer::new(&poller);
    theirs.write_all(b"x").unwrap();
    observer.expect(1, Ready::READ);
    observer.settle();
    drop(theirs);
    observer.expect(1, Ready::READ.union(Ready::READ_CLOSED));
}

#[test]
fn a_close_makes_both_directions_ready() {
    let poller = Poller::new().unwrap();
    let (ours, theirs) = pair();
    fill(&ours);
    poller.add(ours.as_raw_fd(), 1, BOTH).unwrap();
    let mut observer = Observer::new(&poller);
    observer.settle();
    drop(theirs);
    observer.expect(1, Ready::READ.union(Ready::WRITE));
    observer.expect(1, Ready::READ_CLOSED.union(Ready::WRITE_CLOSED));
    assert!((&ours).write(b"x").is_err());
}

#[test]
fn a_reset_makes_both_directions_ready_and_nothing_blocks_then() {
    let poller = Poller::new().unwrap();
    let (ours, theirs) = tcp_pair();
    poller.add(ours.as_raw_fd(), 1, BOTH).unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect(1, Ready::WRITE);
    observer.settle();
    reset(theirs);
    observer.expect(1, Ready::READ.union(Ready::WRITE));
    observer.expect(1, Ready::READ_CLOSED.union(Ready::WRITE_CLOSED));
    // The error itself may have gone to the poller.
    match (&ours).read(&mut [0]) {
        Ok(len) => assert_eq!(len, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!((&ours).write(b"x").is_err());
}

#[test]
fn a_reset_reaches_who_only_reads() {
    let poller = Poller::new().unwrap();
    let (ours, theirs) = tcp_pair();
    poller.add(ours.as_raw_fd(), 1, Interest::READABLE).unwrap();
    let mut observer = Observer::new(&poller);
    reset(theirs);
    observer.expect(1, Ready::READ.union(Ready::READ_CLOSED));
}

#[test]
fn a_close_reaches_who_only_writes() {
    let poller = Poller::new().unwrap();
    let (ours, theirs) = pair();
    poller.add(ours.as_raw_fd(), 1, Interest::WRITABLE).unwrap();
    drop(theirs);
    let mut observer = Observer::new(&poller);
    observer.expect(1, Ready::WRITE.union(Ready::WRITE_CLOSED));
}

#[test]
fn a_listener_is_ready_for_each_connection() {
    let poller = Poller::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    poller
        .add(listener.as_raw_fd(), 1, Interest::READABLE)
        .unwrap();
    let mut observer = Observer::new(&poller);
    for _ in 0..3 {
        observer.settle();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        observer.expect(1, Ready::READ);
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }
}

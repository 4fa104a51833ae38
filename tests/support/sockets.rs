//! Pairs of streams, and blocking peers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use mini_rt::net::{AsyncTcpListener, AsyncTcpSocket, AsyncTcpStream};
use mini_rt::prelude::*;

use super::random::Random;

/// A connection: its asynchronous end, to be used in a runtime, and a blocking one.
///
/// Must be called inside a runtime.
pub fn stream_and_peer() -> (AsyncTcpStream, TcpStream) {
    let (ours, theirs) = std_pair();
    (AsyncTcpStream::from_std(ours).expect("a stream"), theirs)
}

/// Two blocking ends of a connection that sends small writes at once.
pub fn std_pair() -> (TcpStream, TcpStream) {
    std_pairs(1).next().expect("one pair")
}

/// So many such connections, of one listener: a port for each would take the system long to find.
pub fn std_pairs(count: usize) -> impl Iterator<Item = (TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let addr = listener.local_addr().expect("an address");
    (0..count).map(move |_| {
        let theirs = connect(addr);
        let (ours, _) = listener.accept().expect("a connection");
        ours.set_nodelay(true).expect("an option");
        (ours, theirs)
    })
}

/// A listener, and where it listens.
pub async fn listen() -> (AsyncTcpListener, SocketAddr) {
    let listener = AsyncTcpListener::bind("127.0.0.1:0")
        .await
        .expect("a listener");
    let addr = listener.local_addr().expect("an address");
    (listener, addr)
}

/// An address where nobody listens, as long as the socket is kept: nobody else can bind it.
pub fn closed_port() -> (AsyncTcpSocket, SocketAddr) {
    let socket = AsyncTcpSocket::new_v4().expect("a socket");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(any).expect("a free port");
    let addr = socket.local_addr().expect("an address");
    (socket, addr)
}

pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// Serves every connection until its client ends it.
pub async fn serve_echo(listener: AsyncTcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        drop(mini_rt::spawn(async move {
            // A client may break off.
            let _ = echo(stream).await;
        }));
    }
}

/// Sends back what comes in, until the end of the stream. Returns how much that was.
pub async fn echo(mut stream: AsyncTcpStream) -> io::Result<usize> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(total),
            count => {
                total += count;
                stream.write_all(&buffer[..count]).await?;
            }
        }
    }
}

/// Sends a message to an echoing peer and checks that it comes back.
pub fn ask(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).expect("a peer that reads");
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).expect("a peer that answers");
    assert_eq!(answer, message);
}

/// Sends messages to an echo server and checks what comes back.
pub async fn ask_echo(addr: SocketAddr, rounds: usize, random: &mut Random) {
    let mut stream = AsyncTcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for _ in 0..rounds {
        let len = 1 + random.below(2_000);
        let message = random.bytes(len);
        stream.write_all(&message).await.unwrap();
        let mut answer = vec![0; len];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, message);
    }
}

/// Closes a connection at once, which its peer sees as a reset.
pub fn reset(stream: TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the option's value is a readable `linger` of the length given.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Sends one byte out of band.
pub fn send_urgent(stream: &TcpStream, byte: u8) {
    // SAFETY: the buffer is one readable byte.
    let sent = unsafe {
        libc::send(
            stream.as_raw_fd(),
            (&raw const byte).cast(),
            1,
            libc::MSG_OOB,
        )
    };
    assert_eq!(sent, 1, "{}", io::Error::last_os_error());
}

/// Writes until the connection takes no more. Returns how much it took. A moment later it may take more, when
/// the system has moved on what is on its way.
pub fn fill(stream: &AsyncTcpStream) -> usize {
    let chunk = [b'f'; 64 * 1024];
    let mut total = 0;
    loop {
        match stream.try_write(&chunk) {
            Ok(count) => total += count,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return total;
            }
        }
    }
}

/// Blocks until data or a connection has come, without the runtime knowing. What is sent over the loopback
/// interface need not have arrived when the call returns that sent it.
///
/// # Panics
///
/// If nothing comes for long.
pub fn wait_readable(fd: &impl AsRawFd) {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `poll` is one writable entry.
    let count = unsafe { libc::poll(&mut poll, 1, 30_000) };
    assert_eq!(count, 1, "nothing has come");
}

//! The system calls that `std::net` does not offer in the form needed here, and every difference
//! between the systems.
//!
//! Every socket made here is non-blocking and close-on-exec, and writing to it never raises
//! `SIGPIPE`. Where the system can, this takes the one call that makes the socket.

use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, sockaddr, sockaddr_storage, socklen_t};

use crate::sockaddr::{as_sockaddr, from_storage, to_storage};

pub(crate) use platform::{SO_LINGER_SECONDS, adopt, tcp_socket};

/// The most buffers one vectored call takes.
pub(crate) const MAX_BUFFERS: usize = 1024;

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Repeats `call` for as long as a signal interrupts it.
pub(crate) fn retry<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

pub(crate) fn bind(fd: BorrowedFd<'_>, addr: &SocketAddr) -> io::Result<()> {
    let (storage, len) = to_storage(addr);
    // SAFETY: `storage` outlives the call and holds an address of `len` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), as_sockaddr(&storage), len) }).map(drop)
}

pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    let backlog = c_int::try_from(backlog).unwrap_or(c_int::MAX);
    // SAFETY: no memory is passed.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// Starts to connect. [`finish_connect`] tells how that went, also when this returns `Ok`.
pub(crate) fn start_connect(fd: BorrowedFd<'_>, addr: &SocketAddr) -> io::Result<()> {
    let (storage, len) = to_storage(addr);
    // SAFETY: `storage` outlives the call and holds an address of `len` bytes.
    let result = check(unsafe { libc::connect(fd.as_raw_fd(), as_sockaddr(&storage), len) });
    match result {
        // An interrupted connect goes on in the background, exactly like one in progress; a second
        // call would fail.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => {
            Ok(())
        }
        result => result.map(drop),
    }
}

/// `Ok` once the socket is connected, the reason if that failed, `WouldBlock` while it is
/// undecided.
pub(crate) fn finish_connect(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        // Undecided, or failed and the reason has gone to somebody else who asked for it. Reading
        // tells: it would block, or is at the end.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            retry(|| stream.peek(&mut [0]))?;
            stream.peer_addr().map(drop)
        }
        result => result.map(drop),
    }
}

/// Takes one connection from the queue of `listener`.
///
/// A connection that its client gave up while it was queued is passed over.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        let mut storage = MaybeUninit::<sockaddr_storage>::zeroed();
        let mut len = size_of::<sockaddr_storage>() as socklen_t;
        // SAFETY: `storage` has room for `len` bytes.
        match unsafe { platform::accept(listener, storage.as_mut_ptr().cast(), &mut len) } {
            Ok(stream) => {
                // SAFETY: zero, then overwritten by the system: valid for plain data either way.
                let addr = from_storage(unsafe { storage.assume_init_ref() })?;
                return Ok((stream, addr));
            }
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ECONNABORTED)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// `writev` that never raises `SIGPIPE`. At most [`MAX_BUFFERS`] buffers.
pub(crate) fn send_vectored(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    debug_assert!(bufs.len() <= MAX_BUFFERS);
    // SAFETY: a `msghdr` is plain data for which zero is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // `IoSlice` has the layout of `iovec`; the system does not write through it.
    message.msg_iov = bufs.as_ptr().cast_mut().cast();
    message.msg_iovlen = bufs.len() as _;
    // SAFETY: `message` names only `bufs`, which outlive the call.
    let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &message, platform::SEND_FLAGS) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What a socket option can be made of.
///
/// # Safety
///
/// Every bit pattern is a valid value, and there is no padding.
pub(crate) unsafe trait OptionValue: Copy {}
// SAFETY: an integer.
unsafe impl OptionValue for c_int {}
// SAFETY: two integers of the same size.
unsafe impl OptionValue for libc::linger {}

pub(crate) fn set_option<V: OptionValue>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: V,
) -> io::Result<()> {
    let len = size_of::<V>() as socklen_t;
    // SAFETY: `value` outlives the call and has `len` bytes.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), len) })
        .map(drop)
}

pub(crate) fn option<V: OptionValue>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
) -> io::Result<V> {
    let mut value = MaybeUninit::<V>::zeroed();
    let mut len = size_of::<V>() as socklen_t;
    // SAFETY: `value` outlives the call and has room for `len` bytes.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &mut len,
        )
    })?;
    // SAFETY: every byte is zero or written by the system, and every bit pattern is valid.
    Ok(unsafe { value.assume_init() })
}

/// A socket that is not connected; a `TcpStream` for its methods and because it closes the
/// descriptor.
///
/// # Safety
///
/// `fd` has just been made, so that nobody else owns it.
unsafe fn own(fd: c_int) -> TcpStream {
    // SAFETY: the caller's promise.
    TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Systems where one call makes a socket with all its properties.
#[cfg(not(target_vendor = "apple"))]
mod platform {
    use super::*;

    pub(crate) const SO_LINGER_SECONDS: c_int = libc::SO_LINGER;
    pub(super) const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;
    const FLAGS: c_int = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;

    pub(crate) fn tcp_socket(domain: c_int) -> io::Result<TcpStream> {
        // SAFETY: no memory is passed, and a descriptor that comes back is new.
        unsafe { check(libc::socket(domain, libc::SOCK_STREAM | FLAGS, 0)).map(|fd| own(fd)) }
    }

    /// Gives a stream made elsewhere the properties of one made here.
    pub(crate) fn adopt(stream: &TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)
    }

    /// # Safety
    ///
    /// `addr` has room for `len` bytes.
    pub(super) unsafe fn accept(
        listener: BorrowedFd<'_>,
        addr: *mut sockaddr,
        len: &mut socklen_t,
    ) -> io::Result<TcpStream> {
        // SAFETY: the caller's promise, and a descriptor that comes back is new.
        unsafe { check(libc::accept4(listener.as_raw_fd(), addr, len, FLAGS)).map(|fd| own(fd)) }
    }
}

/// macOS and its relatives know neither `accept4` nor flags to `socket`, and std does not use their
/// `MSG_NOSIGNAL`: an option of the socket does its work.
#[cfg(target_vendor = "apple")]
mod platform {
    use super::*;
    use std::os::fd::AsFd;

    pub(crate) const SO_LINGER_SECONDS: c_int = libc::SO_LINGER_SEC;
    pub(super) const SEND_FLAGS: c_int = 0;

    pub(crate) fn tcp_socket(domain: c_int) -> io::Result<TcpStream> {
        // SAFETY: no memory is passed, and a descriptor that comes back is new.
        let stream =
            unsafe { check(libc::socket(domain, libc::SOCK_STREAM, 0)).map(|fd| own(fd)) }?;
        set_close_on_exec(&stream)?;
        adopt(&stream)?;
        Ok(stream)
    }

    /// Gives a stream made elsewhere the properties of one made here.
    pub(crate) fn adopt(stream: &TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        set_option(
            stream.as_fd(),
            libc::SOL_SOCKET,
            libc::SO_NOSIGPIPE,
            1 as c_int,
        )
    }

    /// A connection that has died in the queue comes without an address, or refuses its options.
    ///
    /// # Safety
    ///
    /// `addr` has room for `len` bytes.
    pub(super) unsafe fn accept(
        listener: BorrowedFd<'_>,
        addr: *mut sockaddr,
        len: &mut socklen_t,
    ) -> io::Result<TcpStream> {
        // SAFETY: the caller's promise, and a descriptor that comes back is new.
        let stream =
            unsafe { check(libc::accept(listener.as_raw_fd(), addr, len)).map(|fd| own(fd)) }?;
        set_close_on_exec(&stream)?;
        if *len == 0 || adopt(&stream).is_err() {
            return Err(io::Error::from_raw_os_error(libc::ECONNABORTED));
        }
        Ok(stream)
    }

    fn set_close_on_exec(stream: &TcpStream) -> io::Result<()> {
        // SAFETY: no memory is passed.
        check(unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    #[test]
    fn an_interrupted_call_is_repeated_and_other_results_are_not() {
        let mut calls = 0;
        let result = retry(|| {
            calls += 1;
            if calls < 3 {
                Err(io::ErrorKind::Interrupted.into())
            } else {
                Ok(calls)
            }
        });
        assert_eq!(result.unwrap(), 3);
        let mut calls = 0;
        let result: io::Result<()> = retry(|| {
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
}

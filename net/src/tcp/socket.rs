//! A TCP socket that neither listens nor is connected yet.
//!
//! Listeners and streams are made here and nowhere else, so that the way to do it is written down
//! once.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use libc::c_int;
use mini_rt_runtime::io::{AsyncFd, Interest};

use super::{AsyncTcpListener, AsyncTcpStream};
use crate::sys;

/// A TCP socket to be configured before it listens or connects.
///
/// [`AsyncTcpListener::bind`] and [`AsyncTcpStream::connect`] do what is needed most of the time;
/// this type is for options that have to be set first, such as buffer sizes or the local address of
/// a client.
///
/// A socket needs no runtime until it listens or connects.
///
/// # Example
///
/// ```
/// use mini_rt::net::AsyncTcpSocket;
///
/// mini_rt::block_on(async {
///     let socket = AsyncTcpSocket::new_v4()?;
///     socket.set_reuseaddr(true)?;
///     socket.set_recv_buffer_size(256 * 1024)?;
///     socket.bind("127.0.0.1:0".parse().unwrap())?;
///     let listener = socket.listen(64)?;
///
///     let client = AsyncTcpSocket::new_v4()?;
///     client.set_nodelay(true)?;
///     let stream = client.connect(listener.local_addr()?).await?;
///     assert!(stream.nodelay()?);
///     std::io::Result::Ok(())
/// })
/// .unwrap();
/// ```
pub struct AsyncTcpSocket {
    /// Connected by type only: std's methods for the options of a stream work on every TCP socket.
    socket: TcpStream,
}

impl AsyncTcpSocket {
    /// Makes an IPv4 socket.
    ///
    /// # Errors
    ///
    /// The system's, for example when the process has no descriptor left.
    pub fn new_v4() -> io::Result<Self> {
        sys::tcp_socket(libc::AF_INET).map(|socket| Self { socket })
    }

    /// Makes an IPv6 socket.
    ///
    /// # Errors
    ///
    /// The system's, for example when the process has no descriptor left or the system no IPv6.
    pub fn new_v6() -> io::Result<Self> {
        sys::tcp_socket(libc::AF_INET6).map(|socket| Self { socket })
    }

    pub(super) fn suited_to(addr: SocketAddr) -> io::Result<Self> {
        if addr.is_ipv4() {
            Self::new_v4()
        } else {
            Self::new_v6()
        }
    }

    /// Binds the socket to `addr`; port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// The system's, for example [`AddrInUse`](io::ErrorKind::AddrInUse) or
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied).
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        sys::bind(self.socket.as_fd(), &addr)
    }

    /// Turns the socket into a listener with room for `backlog` connections that wait to be
    /// accepted.
    ///
    /// The system cuts a larger `backlog` down to its own maximum. A socket that was not bound gets
    /// a port from the system.
    ///
    /// # Errors
    ///
    /// The system's, for example [`AddrInUse`](io::ErrorKind::AddrInUse).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    pub fn listen(self, backlog: u32) -> io::Result<AsyncTcpListener> {
        sys::listen(self.socket.as_fd(), backlog)?;
        let listener = TcpListener::from(OwnedFd::from(self.socket));
        Ok(AsyncTcpListener::from_fd(AsyncFd::lazy(listener)))
    }

    /// Connects to `addr`.
    ///
    /// # Errors
    ///
    /// The system's, for example [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) or
    /// [`TimedOut`](io::ErrorKind::TimedOut).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<AsyncTcpStream> {
        sys::start_connect(self.socket.as_fd(), &addr)?;
        let fd = AsyncFd::lazy(self.socket);
        fd.async_io(Interest::WRITABLE, sys::finish_connect).await?;
        Ok(AsyncTcpStream::from_fd(fd))
    }

    /// The address the socket is bound to; the unspecified address and port 0 if it is not.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

/// Options of the socket; they fail with the system's error, and only if the system does not have
/// them.
impl AsyncTcpSocket {
    /// Whether an address still occupied by connections that wait for their end may be bound
    /// (`SO_REUSEADDR`).
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.flag(libc::SO_REUSEADDR)
    }

    /// Sets [`reuseaddr`](Self::reuseaddr).
    pub fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        self.set(libc::SO_REUSEADDR, c_int::from(on))
    }

    /// Whether several sockets may be bound to one address (`SO_REUSEPORT`). On Linux they share
    /// its connections.
    pub fn reuseport(&self) -> io::Result<bool> {
        self.flag(libc::SO_REUSEPORT)
    }

    /// Sets [`reuseport`](Self::reuseport), which every socket of the address needs.
    pub fn set_reuseport(&self, on: bool) -> io::Result<()> {
        self.set(libc::SO_REUSEPORT, c_int::from(on))
    }

    /// Whether an idle connection is probed now and then (`SO_KEEPALIVE`).
    pub fn keepalive(&self) -> io::Result<bool> {
        self.flag(libc::SO_KEEPALIVE)
    }

    /// Sets [`keepalive`](Self::keepalive).
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.set(libc::SO_KEEPALIVE, c_int::from(on))
    }

    /// The size of the send buffer in bytes (`SO_SNDBUF`). Linux reports twice of what was set.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.size(libc::SO_SNDBUF)
    }

    /// Sets the size of the send buffer in bytes; the system keeps it within its own limits.
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.set_size(libc::SO_SNDBUF, bytes)
    }

    /// The size of the receive buffer in bytes (`SO_RCVBUF`). Linux reports twice of what was set.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.size(libc::SO_RCVBUF)
    }

    /// Sets the size of the receive buffer in bytes; the system keeps it within its own limits.
    pub fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.set_size(libc::SO_RCVBUF, bytes)
    }

    /// What closing the socket does with unsent data; see [`AsyncTcpStream::set_linger`].
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        linger(self.socket.as_fd())
    }

    /// Sets [`linger`](Self::linger); see [`AsyncTcpStream::set_linger`].
    pub fn set_linger(&self, wait: Option<Duration>) -> io::Result<()> {
        set_linger(self.socket.as_fd(), wait)
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`) rather than gathered.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.nodelay()
    }

    /// Sets [`nodelay`](Self::nodelay).
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket.set_nodelay(on)
    }

    fn set(&self, name: c_int, value: c_int) -> io::Result<()> {
        sys::set_option(self.socket.as_fd(), libc::SOL_SOCKET, name, value)
    }

    fn flag(&self, name: c_int) -> io::Result<bool> {
        sys::option::<c_int>(self.socket.as_fd(), libc::SOL_SOCKET, name).map(|value| value != 0)
    }

    fn set_size(&self, name: c_int, bytes: u32) -> io::Result<()> {
        self.set(name, c_int::try_from(bytes).unwrap_or(c_int::MAX))
    }

    fn size(&self, name: c_int) -> io::Result<u32> {
        sys::option::<c_int>(self.socket.as_fd(), libc::SOL_SOCKET, name).map(c_int::unsigned_abs)
    }
}

pub(super) fn linger(socket: BorrowedFd<'_>) -> io::Result<Option<Duration>> {
    let linger = sys::option::<libc::linger>(socket, libc::SOL_SOCKET, sys::SO_LINGER_SECONDS)?;
    let seconds = u64::from(linger.l_linger.unsigned_abs());
    Ok((linger.l_onoff != 0).then(|| Duration::from_secs(seconds)))
}

pub(super) fn set_linger(socket: BorrowedFd<'_>, wait: Option<Duration>) -> io::Result<()> {
    // Rounded up: a part of a second must not become zero, which means something else.
    let seconds = wait.map_or(0, |wait| {
        wait.as_secs()
            .saturating_add(u64::from(wait.subsec_nanos() > 0))
    });
    let linger = libc::linger {
        l_onoff: c_int::from(wait.is_some()),
        l_linger: c_int::try_from(seconds).unwrap_or(c_int::MAX),
    };
    sys::set_option(socket, libc::SOL_SOCKET, sys::SO_LINGER_SECONDS, linger)
}

impl AsFd for AsyncTcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for AsyncTcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl fmt::Debug for AsyncTcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncTcpSocket")
            .field("fd", &self.as_raw_fd())
            .finish()
    }
}

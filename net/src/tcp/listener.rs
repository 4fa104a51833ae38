//! A TCP socket that accepts connections.

use std::fmt;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use mini_rt_runtime::io::{AsyncFd, Interest};

use super::{AsyncTcpSocket, AsyncTcpStream, Incoming};
use crate::addr::{ToSocketAddrs, try_each};
use crate::sys;

/// Connections that may wait to be accepted; the system cuts this down to its own maximum.
const BACKLOG: u32 = 1024;

/// A TCP socket that accepts connections.
///
/// Any number of tasks may [`accept`](Self::accept) at once from one listener, through a shared
/// reference: an `Arc` or a scope will do.
///
/// # Example
///
/// ```
/// use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
/// use mini_rt::prelude::*;
///
/// mini_rt::block_on(async {
///     let listener = AsyncTcpListener::bind("127.0.0.1:0").await?;
///     let mut client = AsyncTcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, peer) = listener.accept().await?;
///     assert_eq!(peer, client.local_addr()?);
///
///     server.write_all(b"hello").await?;
///     drop(server);
///     let mut greeting = String::new();
///     client.read_to_string(&mut greeting).await?;
///     assert_eq!(greeting, "hello");
///     std::io::Result::Ok(())
/// })
/// .unwrap();
/// ```
pub struct AsyncTcpListener {
    fd: AsyncFd<TcpListener>,
}

impl AsyncTcpListener {
    pub(super) fn from_fd(fd: AsyncFd<TcpListener>) -> Self {
        Self { fd }
    }

    /// Listens at the first of the given addresses that can be bound.
    ///
    /// Port 0 lets the system choose one, which [`local_addr`](Self::local_addr) tells.
    /// `SO_REUSEADDR` is set, so that a server can be restarted at once; up to 1,024 connections,
    /// or the system's maximum, wait to be accepted. [`AsyncTcpSocket`] allows for other options.
    ///
    /// # Errors
    ///
    /// That of the last address tried, for example [`AddrInUse`](io::ErrorKind::AddrInUse) or
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied); that of
    /// [`lookup_host`](crate::lookup_host) if there is none to try, or
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for an empty list.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    pub async fn bind<A: ToSocketAddrs>(addrs: A) -> io::Result<Self> {
        try_each(addrs, |addr| ready(Self::bind_one(addr))).await
    }

    fn bind_one(addr: SocketAddr) -> io::Result<Self> {
        let socket = AsyncTcpSocket::suited_to(addr)?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    }

    /// Waits for a connection and gives it with the address it comes from.
    ///
    /// A connection that its client gave up before it was accepted is passed over.
    ///
    /// # Errors
    ///
    /// The system's, first of all that no descriptor is left (`EMFILE`, `ENFILE`). The listener
    /// stays usable: a loop that accepts should wait for a moment and go on.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost if the future is dropped.
    pub async fn accept(&self) -> io::Result<(AsyncTcpStream, SocketAddr)> {
        self.fd
            .async_io(Interest::READABLE, |listener| sys::accept(listener.as_fd()))
            .await
            .map(with_fd)
    }

    /// Polls for a connection. Several tasks may do so at once.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept).
    pub fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AsyncTcpStream, SocketAddr)>> {
        self.fd
            .poll_io(cx, Interest::READABLE, |listener| {
                sys::accept(listener.as_fd())
            })
            .map_ok(with_fd)
    }

    /// The connections of this listener as a stream that never ends.
    ///
    /// # Example
    ///
    /// ```
    /// use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
    /// use mini_rt::prelude::*;
    ///
    /// mini_rt::block_on(async {
    ///     let listener = AsyncTcpListener::bind("127.0.0.1:0").await?;
    ///     let client = AsyncTcpStream::connect(listener.local_addr()?).await?;
    ///     let server = listener.incoming().next().await.expect("the stream never ends")?;
    ///     assert_eq!(server.peer_addr()?, client.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })
    /// .unwrap();
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming::borrowing(self)
    }

    /// Like [`incoming`](Self::incoming), for a stream that keeps the listener.
    pub fn into_incoming(self) -> Incoming<'static> {
        Incoming::owning(self)
    }

    /// The address the listener is bound to.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().local_addr()
    }

    /// The time to live of the packets sent, in hops (`IP_TTL`). It has no effect on IPv6.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.fd.get_ref().ttl()
    }

    /// Sets [`ttl`](Self::ttl).
    ///
    /// # Errors
    ///
    /// The system's, if `ttl` is not in 1 to 255.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.fd.get_ref().set_ttl(ttl)
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.fd.get_ref().take_error()
    }

    /// Takes over a listener of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Example
    ///
    /// ```
    /// use mini_rt::net::AsyncTcpListener;
    ///
    /// let std = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// mini_rt::block_on(async {
    ///     let listener = AsyncTcpListener::from_std(std)?;
    ///     listener.into_std()?.set_nonblocking(false)
    /// })
    /// .unwrap();
    /// ```
    pub fn from_std(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::from_fd(AsyncFd::lazy(listener)))
    }

    /// Gives up the listener as one of the standard library. It is still non-blocking.
    ///
    /// # Errors
    ///
    /// None on the systems supported; the signature is tokio's.
    pub fn into_std(self) -> io::Result<TcpListener> {
        Ok(self.fd.into_inner())
    }
}

fn with_fd((stream, peer): (TcpStream, SocketAddr)) -> (AsyncTcpStream, SocketAddr) {
    (AsyncTcpStream::from_fd(AsyncFd::lazy(stream)), peer)
}

impl TryFrom<TcpListener> for AsyncTcpListener {
    type Error = io::Error;

    /// As [`AsyncTcpListener::from_std`].
    fn try_from(listener: TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl AsFd for AsyncTcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }
}

impl AsRawFd for AsyncTcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.get_ref().as_raw_fd()
    }
}

impl fmt::Debug for AsyncTcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncTcpListener")
            .field(self.fd.get_ref())
            .finish()
    }
}

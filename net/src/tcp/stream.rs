//! A TCP connection.
//!
//! Reading and writing stand in `transfer.rs`; here are connecting, waiting for readiness, and
//! options.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};
use std::time::Duration;

use mini_rt_runtime::io::{AsyncFd, Interest};

use super::socket::{linger, set_linger};
use super::{
    AsyncTcpSocket, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, split, split_owned,
};
use crate::addr::{ToSocketAddrs, try_each};
use crate::sys;

/// A TCP connection.
///
/// It reads and writes through [`AsyncRead`] and [`AsyncWrite`]; so does `&AsyncTcpStream`, which
/// is how two tasks read and write at the same time, with the stream in an `Arc`. With
/// [`split`](Self::split) and [`into_split`](Self::into_split) the types say which does what.
/// Closing it through [`AsyncWrite::poll_close`] ends the writing direction only.
///
/// Any number of tasks may read one stream at once, or write to it: all that wait are woken. What each
/// of them gets of the bytes is then a matter of chance.
///
/// A write to a connection that is gone gives [`BrokenPipe`](io::ErrorKind::BrokenPipe) and never a
/// `SIGPIPE`.
///
/// [`AsyncRead`]: futures_util::io::AsyncRead
/// [`AsyncWrite`]: futures_util::io::AsyncWrite
/// [`AsyncWrite::poll_close`]: futures_util::io::AsyncWrite::poll_close
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
///     let (mut server, _) = listener.accept().await?;
///
///     client.write_all(b"ping").await?;
///     let mut request = [0; 4];
///     server.read_exact(&mut request).await?;
///     assert_eq!(&request, b"ping");
///     std::io::Result::Ok(())
/// })
/// .unwrap();
/// ```
pub struct AsyncTcpStream {
    pub(super) fd: AsyncFd<TcpStream>,
}

impl AsyncTcpStream {
    pub(super) fn from_fd(fd: AsyncFd<TcpStream>) -> Self {
        Self { fd }
    }

    /// Connects to the first of the given addresses that answers, trying one after the other.
    ///
    /// # Errors
    ///
    /// That of the last address tried, for example
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) or
    /// [`TimedOut`](io::ErrorKind::TimedOut); that of [`lookup_host`](crate::lookup_host) if there
    /// is none to try, or [`InvalidInput`](io::ErrorKind::InvalidInput) for an empty list.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket that is connecting.
    pub async fn connect<A: ToSocketAddrs>(addrs: A) -> io::Result<Self> {
        try_each(addrs, async |addr| {
            AsyncTcpSocket::suited_to(addr)?.connect(addr).await
        })
        .await
    }

    /// Waits until the stream is ready in one of the directions of `interest`, and tells in which.
    ///
    /// Readiness is a hint: the operation tried next may still give
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). The end of the stream and an error count as
    /// ready.
    ///
    /// # Errors
    ///
    /// If the stream cannot be registered with the runtime, or the runtime is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn ready(&self, interest: Interest) -> io::Result<Interest> {
        let ready = self.fd.ready(interest).await?;
        Ok(match (ready.is_readable(), ready.is_writable()) {
            (true, true) => interest,
            (true, false) => Interest::READABLE,
            (false, _) => Interest::WRITABLE,
        })
    }

    /// Waits until there is something to read; see [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    ///
    /// # Example
    ///
    /// ```
    /// use mini_rt::net::AsyncTcpStream;
    /// use std::io;
    ///
    /// async fn receive(stream: &AsyncTcpStream) -> io::Result<Vec<u8>> {
    ///     loop {
    ///         stream.readable().await?;
    ///         let mut buf = vec![0; 4096]; // an idle connection holds no buffer
    ///         match stream.try_read(&mut buf) {
    ///             Ok(n) => {
    ///                 buf.truncate(n);
    ///                 return Ok(buf);
    ///             }
    ///             Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
    ///             Err(error) => return Err(error),
    ///         }
    ///     }
    /// }
    /// # use mini_rt::{net::AsyncTcpListener, prelude::*};
    /// # mini_rt::block_on(async {
    /// # let listener = AsyncTcpListener::bind("127.0.0.1:0").await?;
    /// # let mut client = AsyncTcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.write_all(b"x").await?;
    /// # assert_eq!(receive(&server).await?, b"x");
    /// # io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.fd.readable().await.map(drop)
    }

    /// Waits until there is room to write; see [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.fd.writable().await.map(drop)
    }

    /// Polls for something to read, on behalf of the one task that reads.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_read_ready(cx).map_ok(drop)
    }

    /// Polls for room to write, on behalf of the one task that writes.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_write_ready(cx).map_ok(drop)
    }

    /// Tries an operation of your own on the socket once.
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) tells the runtime that the stream is not ready, so
    /// `operation` must give it only if a system call on this socket did.
    ///
    /// # Errors
    ///
    /// Those of `operation`, and `WouldBlock` without trying if the stream is known not to be
    /// ready.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.fd.try_io(interest, |_| operation())
    }

    /// Repeats an operation of your own on the socket until it gives something else than
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), waiting for readiness in between.
    ///
    /// # Errors
    ///
    /// Those of `operation`, and those of [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// That of `operation`: it never runs again once the future is dropped.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.fd.async_io(interest, |_| operation()).await
    }

    /// Waits for data and copies it to `buf` without taking it from the stream.
    ///
    /// 0 bytes mean the end of the stream or an empty `buf`.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd
            .async_io(Interest::READABLE, |stream| sys::peek(stream, buf))
            .await
    }

    /// Polls to [`peek`](Self::peek), on behalf of the one task that reads.
    ///
    /// # Errors
    ///
    /// As for [`peek`](Self::peek).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.fd
            .poll_io(cx, Interest::READABLE, |stream| sys::peek(stream, buf))
    }

    /// Ends one direction or both. Who waits to read sees the end of the stream; the peer does
    /// after `Write`.
    ///
    /// # Errors
    ///
    /// The system's, [`NotConnected`](io::ErrorKind::NotConnected) if the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        sys::shutdown(self.fd.get_ref(), how)
    }

    /// Lends the two directions, to be used side by side within one task.
    ///
    /// `AsyncReadExt` has a `split` too, which takes the stream by value and puts a lock between
    /// its halves. With that trait in scope `stream.split()` calls it, unless `stream` is a
    /// reference: name the type, as below.
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
    ///     let (server, _) = listener.accept().await?;
    ///     mini_rt::spawn(async move { futures_util::io::copy(&server, &mut &server).await });
    ///
    ///     let (mut reader, mut writer) = AsyncTcpStream::split(&mut client);
    ///     let mut echo = [0; 5];
    ///     let (write, read) = (writer.write_all(b"hello"), reader.read_exact(&mut echo));
    ///     let (sent, received) = futures_util::future::join(write, read).await;
    ///     sent.and(received)?;
    ///     assert_eq!(&echo, b"hello");
    ///     std::io::Result::Ok(())
    /// })
    /// .unwrap();
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// Divides the stream into two halves that different tasks can own. [`OwnedReadHalf::reunite`]
    /// joins them again.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split(self)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// The system's, [`NotConnected`](io::ErrorKind::NotConnected) if the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().peer_addr()
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.fd.get_ref().take_error()
    }

    /// Takes over a stream of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    pub fn from_std(stream: TcpStream) -> io::Result<Self> {
        sys::adopt(&stream)?;
        Ok(Self::from_fd(AsyncFd::lazy(stream)))
    }

    /// Gives up the stream as one of the standard library. It is still non-blocking:
    /// [`set_nonblocking(false)`](TcpStream::set_nonblocking) makes it an ordinary one.
    ///
    /// # Errors
    ///
    /// None on the systems supported; the signature is tokio's.
    pub fn into_std(self) -> io::Result<TcpStream> {
        Ok(self.fd.into_inner())
    }
}

/// Options of the socket; they fail with the system's error, and only if the system does not take
/// the value.
impl AsyncTcpStream {
    /// Whether small writes are sent at once (`TCP_NODELAY`) rather than gathered.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.fd.get_ref().nodelay()
    }

    /// Sets [`nodelay`](Self::nodelay).
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.fd.get_ref().set_nodelay(on)
    }

    /// The time to live of the packets sent, in hops (`IP_TTL`). It has no effect on IPv6.
    pub fn ttl(&self) -> io::Result<u32> {
        self.fd.get_ref().ttl()
    }

    /// Sets [`ttl`](Self::ttl), 1 to 255.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.fd.get_ref().set_ttl(ttl)
    }

    /// What closing the socket does with data that is not sent yet (`SO_LINGER`); see
    /// [`set_linger`](Self::set_linger).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        linger(self.as_fd())
    }

    /// Sets what closing the socket does with data that is not sent yet.
    ///
    /// - `None`, the default: the system sends it in the background.
    /// - `Some(Duration::ZERO)`: it is thrown away, and the peer sees the connection reset.
    /// - any other duration, rounded up to whole seconds: dropping the stream *blocks its thread*
    ///   until the data is sent, for so long at most. In async code that is hardly ever wanted.
    pub fn set_linger(&self, wait: Option<Duration>) -> io::Result<()> {
        set_linger(self.as_fd(), wait)
    }
}

impl TryFrom<TcpStream> for AsyncTcpStream {
    type Error = io::Error;

    /// As [`AsyncTcpStream::from_std`].
    fn try_from(stream: TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl AsRef<AsyncTcpStream> for AsyncTcpStream {
    fn as_ref(&self) -> &AsyncTcpStream {
        self
    }
}

impl AsFd for AsyncTcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }
}

impl AsRawFd for AsyncTcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.get_ref().as_raw_fd()
    }
}

impl fmt::Debug for AsyncTcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncTcpStream")
            .field(self.fd.get_ref())
            .finish()
    }
}

//! Reading and writing: `try_read` and its like, and `AsyncRead` and `AsyncWrite` for everything
//! that is, or lends, an [`AsyncTcpStream`].
//!
//! The work is done for `&AsyncTcpStream`; the other types pass it on. An operation that moved
//! fewer bytes than it could have tells the runtime that the socket is drained or full, so buffers
//! beyond what one system call takes are cut off before, not counted as room that was left.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::io::{AsyncRead, AsyncWrite};
use mini_rt_runtime::io::Interest;

use super::{AsyncTcpStream, OwnedReadHalf, ReadHalf, WriteHalf};
use crate::sys;

/// Reading and writing without waiting.
impl AsyncTcpStream {
    /// Reads what is there, without waiting; 0 bytes mean the end of the stream or an empty `buf`.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is nothing to read, otherwise the
    /// system's.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd
            .try_io(Interest::READABLE, |stream| sys::receive(stream, buf))
    }

    /// Like [`try_read`](Self::try_read) into several buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.fd.try_io(Interest::READABLE, |stream| {
            sys::receive_vectored(stream, bufs)
        })
    }

    /// Writes as much as there is room for, without waiting, and gives the number of bytes.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room, otherwise the system's.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.fd
            .try_io(Interest::WRITABLE, |stream| sys::send(stream, buf))
    }

    /// Like [`try_write`](Self::try_write) from several buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As for [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let bufs = &bufs[..bufs.len().min(sys::MAX_BUFFERS)];
        self.fd.try_io(Interest::WRITABLE, |stream| {
            sys::send_vectored(stream, bufs)
        })
    }
}

impl AsyncRead for &AsyncTcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.fd
            .poll_transfer(cx, Interest::READABLE, buf.len(), |stream| {
                sys::receive(stream, buf)
            })
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = bufs.len().min(sys::MAX_BUFFERS);
        let bufs = &mut bufs[..count];
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.fd
            .poll_transfer(cx, Interest::READABLE, len, |stream| {
                sys::receive_vectored(stream, bufs)
            })
    }
}

impl AsyncWrite for &AsyncTcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.fd
            .poll_transfer(cx, Interest::WRITABLE, buf.len(), |stream| {
                sys::send(stream, buf)
            })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs = &bufs[..bufs.len().min(sys::MAX_BUFFERS)];
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.fd
            .poll_transfer(cx, Interest::WRITABLE, len, |stream| {
                sys::send_vectored(stream, bufs)
            })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

macro_rules! read_by_reference {
    ($($type:ty)*) => {$(
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut (*self).as_ref()).poll_read(cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut (*self).as_ref()).poll_read_vectored(cx, bufs)
            }
        }
    )*};
}

macro_rules! write_by_reference {
    ($($type:ty)*) => {$(
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut (*self).as_ref()).poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut (*self).as_ref()).poll_write_vectored(cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut (*self).as_ref()).poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut (*self).as_ref()).poll_close(cx)
            }
        }
    )*};
}

read_by_reference!(AsyncTcpStream ReadHalf<'_> OwnedReadHalf);
write_by_reference!(AsyncTcpStream WriteHalf<'_>);

//! The two directions of a stream, borrowed; and what borrowed and owned halves have in common.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;

use super::AsyncTcpStream;

pub(super) fn split(stream: &mut AsyncTcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf { stream }, WriteHalf { stream })
}

/// The reading half of a stream, lent by [`AsyncTcpStream::split`].
///
/// What is not offered here can be had from the stream behind it, through `AsRef`.
#[derive(Debug)]
pub struct ReadHalf<'a> {
    stream: &'a AsyncTcpStream,
}

/// The writing half of a stream, lent by [`AsyncTcpStream::split`].
///
/// Closing it ends the writing direction; dropping it does nothing. What is not offered here can be
/// had from the stream behind it, through `AsRef`.
#[derive(Debug)]
pub struct WriteHalf<'a> {
    stream: &'a AsyncTcpStream,
}

macro_rules! either_half {
    ($($half:ty)*) => {$(
        impl $half {
            /// The address of this end; see [`AsyncTcpStream::local_addr`].
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.stream.local_addr()
            }

            /// The address of the other end; see [`AsyncTcpStream::peer_addr`].
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<AsyncTcpStream> for $half {
            fn as_ref(&self) -> &AsyncTcpStream {
                &self.stream
            }
        }
    )*};
}
pub(super) use either_half;

macro_rules! read_half {
    ($half:ty) => {
        impl $half {
            /// Waits until there is something to read; see [`AsyncTcpStream::readable`].
            pub async fn readable(&self) -> io::Result<()> {
                self.stream.readable().await
            }

            /// Reads what is there, without waiting; see [`AsyncTcpStream::try_read`].
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.stream.try_read(buf)
            }

            /// Like [`try_read`](Self::try_read) into several buffers, one after the other.
            pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.stream.try_read_vectored(bufs)
            }

            /// Waits for data and copies it to `buf` without taking it from the stream; see
            /// [`AsyncTcpStream::peek`].
            pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.stream.peek(buf).await
            }
        }
    };
}
pub(super) use read_half;

macro_rules! write_half {
    ($half:ty) => {
        impl $half {
            /// Waits until there is room to write; see [`AsyncTcpStream::writable`].
            pub async fn writable(&self) -> io::Result<()> {
                self.stream.writable().await
            }

            /// Writes as much as there is room for, without waiting; see
            /// [`AsyncTcpStream::try_write`].
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.stream.try_write(buf)
            }

            /// Like [`try_write`](Self::try_write) from several buffers, one after the other.
            pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.stream.try_write_vectored(bufs)
            }
        }
    };
}
pub(super) use write_half;

either_half!(ReadHalf<'_> WriteHalf<'_>);
read_half!(ReadHalf<'_>);
write_half!(WriteHalf<'_>);

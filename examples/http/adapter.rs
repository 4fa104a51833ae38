//! What hyper needs of a runtime: its I/O traits over an `AsyncTcpStream`, and an executor.
//!
//! An [`Io`] hands out the bytes that were read before it was made, then those of its stream. Streams read only
//! into memory that is initialised, which hyper's is not, and to zero that for each read would cost more than the
//! few bytes of a request. So an [`Io`] has a buffer, zeroed once.

use std::future::Future;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use mini_rt::io::{AsyncRead, AsyncWrite};
use mini_rt::net::AsyncTcpStream;

/// As much as hyper has a connection read at first.
const BUFFER_SIZE: usize = 8 * 1024;

/// A stream as hyper wants it.
pub struct Io {
    stream: AsyncTcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was read and not handed out.
    unread: Range<usize>,
}

impl Io {
    /// Wraps `stream`, of which `already_read` has been read.
    pub fn new(stream: AsyncTcpStream, already_read: Vec<u8>) -> Self {
        let unread = 0..already_read.len();
        let mut buffer = already_read;
        buffer.resize(unread.len().max(BUFFER_SIZE), 0);
        Self {
            stream,
            buffer,
            unread,
        }
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.unread.is_empty() {
            let stream = Pin::new(&mut this.stream);
            this.unread = 0..ready!(stream.poll_read(cx, &mut this.buffer))?;
        }
        let len = this.unread.len().min(buf.remaining());
        buf.put_slice(&this.buffer[this.unread.start..][..len]);
        this.unread.start += len;
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Spawns what hyper wants to run beside a connection.
#[derive(Clone, Copy)]
pub struct Spawner;

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        mini_rt::spawn(future);
    }
}

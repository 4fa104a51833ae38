//! What hyper needs of a runtime: its I/O traits over an `AsyncTcpStream`, and an executor.
//!
//! An [`Io`] hands out the bytes that were read before it was made, then those of its stream.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use mini_rt::io::{AsyncRead, AsyncWrite};
use mini_rt::net::AsyncTcpStream;

/// A stream as hyper wants it.
pub struct Io {
    already_read: Vec<u8>,
    stream: AsyncTcpStream,
}

impl Io {
    /// Wraps `stream`, of which `already_read` has been read.
    pub fn new(stream: AsyncTcpStream, already_read: Vec<u8>) -> Self {
        Self {
            already_read,
            stream,
        }
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.already_read.is_empty() {
            let len = self.already_read.len().min(buf.remaining());
            buf.put_slice(&self.already_read[..len]);
            self.already_read.drain(..len);
            return Poll::Ready(Ok(()));
        }
        let stream = Pin::new(&mut self.stream);
        let read = ready!(stream.poll_read(cx, buf.initialize_unfilled()))?;
        // SAFETY: all of the unfilled part is initialised, and `read` is at most its length.
        unsafe { buf.advance(read) };
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

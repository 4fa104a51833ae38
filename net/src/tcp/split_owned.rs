//! The two directions of a stream, owned, so that different tasks can have them.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::io::AsyncWrite;

use super::AsyncTcpStream;
use super::split::{either_half, read_half, write_half};

pub(super) fn split(stream: AsyncTcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let read = OwnedReadHalf {
        stream: Arc::clone(&stream),
    };
    (
        read,
        OwnedWriteHalf {
            stream,
            shutdown_on_drop: true,
        },
    )
}

/// The reading half of a stream, made by [`AsyncTcpStream::into_split`].
///
/// Dropping it does not stop the peer from sending. What is not offered here can be had from the
/// stream behind it, through `AsRef`.
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<AsyncTcpStream>,
}

/// The writing half of a stream, made by [`AsyncTcpStream::into_split`].
///
/// Closing or dropping it ends the writing direction, which the peer sees as the end of the stream;
/// [`forget`](Self::forget) leaves it open. What is not offered here can be had from the stream
/// behind it, through `AsRef`.
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
///     let (server, _) = listener.accept().await?;
///     mini_rt::spawn(async move { futures_util::io::copy(&server, &mut &server).await });
///
///     let (mut reader, mut writer) = client.into_split();
///     mini_rt::spawn(async move { writer.write_all(b"over and out").await }); // dropped when done
///     let mut echo = String::new();
///     reader.read_to_string(&mut echo).await?;
///     assert_eq!(echo, "over and out");
///     std::io::Result::Ok(())
/// })
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<AsyncTcpStream>,
    shutdown_on_drop: bool,
}

either_half!(OwnedReadHalf OwnedWriteHalf);
read_half!(OwnedReadHalf);
write_half!(OwnedWriteHalf);

impl OwnedReadHalf {
    /// Joins two halves of one stream into the stream again.
    ///
    /// # Errors
    ///
    /// If they are of different streams; the error gives them back.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<AsyncTcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &write.stream) {
            return Err(ReuniteError(self, write));
        }
        write.forget();
        Ok(Arc::into_inner(self.stream).expect("a stream has two halves, and the other is gone"))
    }
}

impl OwnedWriteHalf {
    /// Joins two halves of one stream into the stream again.
    ///
    /// # Errors
    ///
    /// If they are of different streams; the error gives them back.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<AsyncTcpStream, ReuniteError> {
        read.reunite(self)
    }

    /// Drops the half without ending the writing direction.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // Fails only if the connection is gone, and then the peer knows.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

impl AsyncWrite for OwnedWriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut &*self.stream).poll_close(cx))?;
        self.shutdown_on_drop = false;
        Poll::Ready(Ok(()))
    }
}

/// The halves given to `reunite` are of different streams. It holds both.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are of different streams")
    }
}

impl Error for ReuniteError {}

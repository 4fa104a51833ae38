//! An HTTP server: hyper with HTTP/1.1 on each runtime, and what its client asks.
//!
//! tokio has the adapter of hyper-util, the others have one over the traits of futures-io.

use std::convert::Infallible;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use smol::io::{AsyncRead, AsyncWrite};

use crate::load::Exchange;
use crate::network::{Network, serve_each};
use crate::on_network;
use crate::peer::{MiniRt, MiniRtCurrent, Peer, Smol, Tokio, TokioCurrent};

const BODY: &[u8] = b"Hello, World!";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// As much as hyper has a connection read at first.
const BUFFER_SIZE: usize = 8 * 1024;

/// How long the first reply may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves `addr` on `workers` worker threads of `peer`, and prints its address once it listens.
///
/// # Errors
/// Returns only on an error: of the runtime's start, of `bind`, or of `accept`; at once for a peer that
/// is not a [`Network`].
pub fn serve(peer: Peer, workers: usize, addr: SocketAddr) -> io::Result<()> {
    on_network!(peer, N => N::run(workers, serve_each::<N, _>(addr, handle::<N>))?)
}

async fn handle<N: Http>(stream: N::Stream) -> io::Result<()> {
    let connection = http1::Builder::new().serve_connection(N::io(stream), service_fn(answer));
    connection.await.map_err(io::Error::other)
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(BODY))))
}

/// The adapter for a runtime's streams.
trait Http: Network {
    /// A stream as hyper wants it.
    type Io: Read + Write + Unpin + Send + 'static;

    fn io(stream: Self::Stream) -> Self::Io;
}

macro_rules! http {
    ($name:ident, $adapter:ident) => {
        impl Http for $name {
            type Io = $adapter<Self::Stream>;

            fn io(stream: Self::Stream) -> Self::Io {
                $adapter::new(stream)
            }
        }
    };
}

http!(MiniRt, FuturesIo);
http!(MiniRtCurrent, FuturesIo);
http!(Tokio, TokioIo);
http!(TokioCurrent, TokioIo);
http!(Smol, FuturesIo);

/// The adapter for streams with the traits of futures-io. They read only into memory that is initialised,
/// which hyper's is not, and to zero that would cost more than the few bytes of a request. So they read into a
/// buffer that was zeroed once.
struct FuturesIo<S> {
    stream: S,
    buffer: Box<[u8]>,
}

impl<S> FuturesIo<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER_SIZE].into(),
        }
    }
}

impl<S: AsyncRead + Unpin> Read for FuturesIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut destination: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, buffer } = &mut *self;
        let room = destination.remaining().min(buffer.len());
        let read = ready!(Pin::new(stream).poll_read(cx, &mut buffer[..room]))?;
        destination.put_slice(&buffer[..read]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for FuturesIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
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

/// The request that a client repeats, and the reply that the server at `addr` gives to it.
///
/// # Errors
/// When there is no reply, or it is not the one that is asked for.
pub fn first_exchange(addr: SocketAddr) -> io::Result<Exchange> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    let mut reply = Vec::new();
    while !reply.ends_with(BODY) {
        let mut part = [0; 1024];
        match stream.read(&mut part)? {
            0 => return Err(wrong(&reply)),
            read => reply.extend_from_slice(&part[..read]),
        }
    }
    let changing = date_of(&reply).ok_or_else(|| wrong(&reply))?;
    Ok(Exchange {
        request: REQUEST.to_vec(),
        reply,
        changing,
    })
}

fn wrong(reply: &[u8]) -> io::Error {
    let reason = format!("a wrong reply: {:?}", String::from_utf8_lossy(reply));
    io::Error::new(ErrorKind::InvalidData, reason)
}

/// Where the date stands in a reply with the right status, length and body.
fn date_of(reply: &[u8]) -> Option<Range<usize>> {
    let text = std::str::from_utf8(reply).ok()?.to_ascii_lowercase();
    let (head, _body) = text.split_once("\r\n\r\n")?;
    let body = &reply[head.len() + 4..];
    let length = format!("content-length: {}", body.len());
    let mut lines = head.split("\r\n");
    let is_right =
        lines.next()? == "http/1.1 200 ok" && lines.any(|line| line == length) && body == BODY;
    let start = head.find("\r\ndate: ")? + "\r\ndate: ".len();
    let end = start + head[start..].find("\r\n").unwrap_or(head[start..].len());
    is_right.then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Amount, Client, Load, Traffic};
    use crate::network::tests::serve_for_ever;
    use std::sync::Arc;

    const REPLY: &str = "HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 13\r\n\r\nHello, World!";

    #[test]
    fn the_date_is_found_in_a_right_reply_only() {
        let date = date_of(REPLY.as_bytes()).unwrap();
        assert_eq!(&REPLY[date], "today");
        let date_last = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nDate: now\r\n\r\nHello, World!";
        assert_eq!(&date_last[date_of(date_last.as_bytes()).unwrap()], "now");
        for (right, wrong) in [
            ("200", "500"),
            ("13", "14"),
            ("World", "world"),
            ("date", "day"),
        ] {
            let reply = REPLY.replace(right, wrong);
            assert_eq!(date_of(reply.as_bytes()), None, "{reply}");
        }
    }

    fn reply_on<N: Http>() -> io::Result<()> {
        const REQUESTS: u64 = 10;
        const CONNECTIONS: usize = 4;
        let addr = serve_for_ever::<N, _>(handle::<N>);
        let load = Load {
            addr,
            connections: CONNECTIONS,
            size: REQUEST.len(),
            threads: 1,
            amount: Amount::RequestsPerConnection(REQUESTS),
            server_pid: None,
        };
        let traffic = Traffic::Exchange(Arc::new(first_exchange(addr)?));
        let report = Client::open(&load, &traffic)?.run()?;
        assert_eq!(report.failures.first, None);
        assert_eq!(report.requests, CONNECTIONS as u64 * REQUESTS);
        Ok(())
    }

    #[test]
    fn every_network_replies_as_often_as_it_is_asked() {
        for peer in Peer::NETWORKS {
            let result: io::Result<()> = on_network!(peer, N => reply_on::<N>());
            result.unwrap();
        }
        let error = serve(Peer::Nio, 1, crate::network::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

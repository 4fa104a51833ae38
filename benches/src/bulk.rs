//! A server that only reads, and the client that fills its connections.
//!
//! When a connection ends, the server answers with the number of bytes that it has read.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::network::{Network, serve_each};
use crate::on_network;
use crate::peer::{Nio, Peer};
use crate::process::announce;

/// The bytes of a write of the client, and the most that the server reads at once.
pub const BLOCK_SIZE: usize = 64 * 1024;

/// How long the server may take for any step.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves `addr` on `workers` worker threads of `peer`, and prints its address once it listens.
///
/// # Errors
/// Returns only on an error: of the runtime's start, of `bind`, or of `accept`; at once for
/// [`Peer::Raw`], which has no such server.
pub fn serve(peer: Peer, workers: usize, addr: SocketAddr) -> io::Result<()> {
    match peer {
        Peer::Nio => Nio::start(workers)?.block_on(move || on_nio::serve(addr)),
        Peer::Threads => on_threads::serve(addr),
        peer => on_network!(peer, N => N::run(workers, serve_each::<N, _>(addr, sink::<N>))?),
    }
}

async fn sink<N: Network>(mut stream: N::Stream) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK_SIZE];
    let mut total: u64 = 0;
    loop {
        let received = N::read(&mut stream, &mut buffer).await?;
        if received == 0 {
            return N::write_all(&mut stream, &total.to_le_bytes()).await;
        }
        total += received as u64;
    }
}

/// A thread for each connection.
mod on_threads {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    pub(super) fn serve(addr: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind(addr)?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _peer) = listener.accept()?;
            stream.set_nodelay(true)?;
            thread::spawn(move || sink(stream));
        }
    }

    pub(super) fn sink(mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; BLOCK_SIZE];
        let mut total: u64 = 0;
        loop {
            let received = stream.read(&mut buffer)?;
            if received == 0 {
                return stream.write_all(&total.to_le_bytes());
            }
            total += received as u64;
        }
    }
}

/// As in the echo server, a connection is registered by its own task.
mod on_nio {
    use super::*;
    use nio::net::{TcpListener, TcpStream};
    use smol::io::AsyncWriteExt;

    pub(super) async fn serve(addr: SocketAddr) -> io::Result<()> {
        let mut listener = TcpListener::bind(addr).await?;
        announce(listener.local_addr()?);
        loop {
            let connection = listener.accept().await?;
            connection.set_nodelay(true)?;
            nio::spawn_pinned(move || async move { sink(connection.connect().await?).await });
        }
    }

    async fn sink(mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; BLOCK_SIZE];
        let mut total: u64 = 0;
        loop {
            let received = stream.read(&mut buffer).await?;
            if received == 0 {
                return stream.write_all(&total.to_le_bytes()).await;
            }
            total += received as u64;
        }
    }
}

/// A connection to be filled, on a thread of its own.
#[derive(Debug)]
pub struct Source {
    stream: TcpStream,
    block: Vec<u8>,
    blocks: u64,
}

impl Source {
    /// Connects to `addr`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            block: vec![b'x'; BLOCK_SIZE],
            blocks: 0,
        })
    }

    /// Writes a block.
    ///
    /// # Errors
    /// The system's; when the server does not read.
    pub fn write(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.block)?;
        self.blocks += 1;
        Ok(())
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// The system's; when the server has not read as much as was written, or does not say.
    pub fn finish(mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let mut answer = [0; 8];
        self.stream.read_exact(&mut answer)?;
        let (read, written) = (u64::from_le_bytes(answer), self.blocks * BLOCK_SIZE as u64);
        if read == written {
            return Ok(());
        }
        let reason = format!("of {written} bytes, {read} were read");
        Err(io::Error::new(io::ErrorKind::InvalidData, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::LOCALHOST;
    use crate::network::tests::serve_for_ever;
    use std::net::TcpListener;
    use std::thread;

    const BLOCKS: usize = 100;

    fn fill(addr: SocketAddr) -> io::Result<()> {
        let mut source = Source::open(addr)?;
        for _ in 0..BLOCKS {
            source.write()?;
        }
        source.finish()
    }

    #[test]
    fn every_network_reads_all() {
        for peer in Peer::NETWORKS {
            on_network!(peer, N => fill(serve_for_ever::<N, _>(sink::<N>))).unwrap();
        }
        let error = serve(Peer::Raw, 1, LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    /// What comes of filling a connection that is treated so.
    fn fill_against(serve: fn(TcpStream) -> io::Result<()>) -> io::Result<()> {
        let listener = TcpListener::bind(LOCALHOST)?;
        let addr = listener.local_addr()?;
        thread::spawn(move || serve(listener.accept()?.0));
        fill(addr)
    }

    #[test]
    fn a_byte_that_is_not_read_is_an_error() {
        fill_against(on_threads::sink).unwrap();
        let lossy = |mut stream: TcpStream| {
            stream.read_exact(&mut [0])?;
            on_threads::sink(stream)
        };
        let error = fill_against(lossy).unwrap_err();
        assert!(error.to_string().contains("were read"), "{error}");
    }
}

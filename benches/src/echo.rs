//! One echo server, on each runtime.
//!
//! The handler and the accept loop are generic over [`Network`], all but nio's, which are the same
//! text, and those of the peers that are no runtimes. Every connection has a task, a buffer of [`BUFFER_SIZE`] bytes and `TCP_NODELAY`.

use std::io;
use std::net::SocketAddr;

use crate::network::Network;
use crate::peer::{Nio, Peer};
use crate::process::announce;
use crate::{on_network, raw};

/// The bytes a connection reads at most before it writes them back.
pub const BUFFER_SIZE: usize = 4096;

/// Serves `addr` on `workers` worker threads of `peer`, and prints its address once it listens.
///
/// # Errors
/// Returns only on an error: of the runtime's start, of `bind`, or of `accept`.
pub fn serve(peer: Peer, workers: usize, addr: SocketAddr) -> io::Result<()> {
    match peer {
        Peer::Nio => Nio::start(workers)?.block_on(|| on_nio::serve(addr)),
        Peer::Raw => raw::serve(workers, addr),
        Peer::Threads => on_threads::serve(addr),
        peer => on_network!(peer, N => N::run(workers, serve_on::<N>(addr))?),
    }
}

async fn serve_on<N: Network>(addr: SocketAddr) -> io::Result<()> {
    let listener = N::bind(addr).await?;
    announce(N::local_addr(&listener)?);
    accept_all::<N>(listener).await
}

/// Accepts connections and spawns the handler of each.
///
/// # Errors
/// Returns only on an error of `accept`.
pub async fn accept_all<N: Network>(listener: N::Listener) -> io::Result<()> {
    loop {
        let stream = N::accept(&listener).await?;
        N::detach(N::spawn(echo::<N>(stream)));
    }
}

async fn echo<N: Network>(mut stream: N::Stream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        let received = N::read(&mut stream, &mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        N::write_all(&mut stream, &buffer[..received]).await?;
    }
}

/// A thread for each connection, which blocks in reads and writes.
mod on_threads {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    pub(super) fn serve(addr: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind(addr)?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _peer) = listener.accept()?;
            stream.set_nodelay(true)?;
            thread::spawn(move || echo(stream));
        }
    }

    fn echo(mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_SIZE];
        loop {
            let received = stream.read(&mut buffer)?;
            if received == 0 {
                return Ok(());
            }
            stream.write_all(&buffer[..received])?;
        }
    }
}

/// nio's streams stay on the thread that registers them, so an accepted connection is registered by
/// its own task, as nio's documentation has it.
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
            nio::spawn_pinned(move || async move { echo(connection.connect().await?).await });
        }
    }

    async fn echo(mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_SIZE];
        loop {
            let received = stream.read(&mut buffer).await?;
            if received == 0 {
                return Ok(());
            }
            stream.write_all(&buffer[..received]).await?;
        }
    }
}

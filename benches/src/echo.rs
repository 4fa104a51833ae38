//! One echo server, on each runtime.
//!
//! The handler and the accept loop are written once, in two macros, because the runtimes share
//! neither the traits nor the types that a generic function would need. Every connection has a task,
//! a buffer of [`BUFFER_SIZE`] bytes and `TCP_NODELAY`.

use std::io;
use std::net::SocketAddr;

use crate::peer::{Executor, MiniRt, Nio, Peer, Smol, Tokio};

/// The bytes a connection reads at most before it writes them back.
pub const BUFFER_SIZE: usize = 4096;

/// What stands before the address in the line that a server prints once it can be connected to.
pub const ANNOUNCEMENT: &str = "listening on ";

/// Serves `addr` on `workers` worker threads of `peer`, and prints its address once it listens.
///
/// # Errors
/// Returns only on an error: of the runtime's start, of `bind`, or of `accept`.
pub fn serve(peer: Peer, workers: usize, addr: SocketAddr) -> io::Result<()> {
    match peer {
        Peer::MiniRt => MiniRt::run(workers, on_mini_rt::serve(addr))?,
        Peer::Tokio => Tokio::run(workers, on_tokio::serve(addr))?,
        Peer::Smol => Smol::run(workers, on_smol::serve(addr))?,
        Peer::Nio => Nio::start(workers)?.block_on(|| on_nio::serve(addr)),
    }
}

fn announce(addr: SocketAddr) {
    println!("{ANNOUNCEMENT}{addr}");
}

macro_rules! echo_handler {
    ($stream:ty) => {
        async fn echo(mut stream: $stream) -> io::Result<()> {
            let mut buffer = vec![0; BUFFER_SIZE];
            loop {
                let received = stream.read(&mut buffer).await?;
                if received == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..received]).await?;
            }
        }
    };
}

macro_rules! accept_loop {
    ($listener:ty, $detach:expr) => {
        pub(super) async fn serve(addr: SocketAddr) -> io::Result<()> {
            let listener = <$listener>::bind(addr).await?;
            announce(listener.local_addr()?);
            loop {
                let (stream, _peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                $detach(echo(stream));
            }
        }
    };
}

mod on_mini_rt {
    use super::*;
    use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
    use mini_rt::prelude::*;

    echo_handler!(AsyncTcpStream);
    accept_loop!(AsyncTcpListener, |echo| drop(MiniRt::spawn(echo)));
}

mod on_tokio {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    echo_handler!(TcpStream);
    accept_loop!(TcpListener, |echo| drop(Tokio::spawn(echo)));
}

mod on_smol {
    use super::*;
    use smol::io::{AsyncReadExt, AsyncWriteExt};
    use smol::net::{TcpListener, TcpStream};

    echo_handler!(TcpStream);
    accept_loop!(TcpListener, |echo| Smol::spawn(echo).detach());
}

/// nio's streams stay on the thread that registers them, so an accepted connection is registered by
/// its own task, as nio's documentation has it.
mod on_nio {
    use super::*;
    use nio::net::{TcpListener, TcpStream};
    use smol::io::AsyncWriteExt;

    echo_handler!(TcpStream);

    pub(super) async fn serve(addr: SocketAddr) -> io::Result<()> {
        let mut listener = TcpListener::bind(addr).await?;
        announce(listener.local_addr()?);
        loop {
            let connection = listener.accept().await?;
            connection.set_nodelay(true)?;
            nio::spawn_pinned(move || async move { echo(connection.connect().await?).await });
        }
    }
}

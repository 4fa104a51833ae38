//! A proxy on each runtime: every connection to it becomes one to another server, and what comes on
//! either goes to the other.
//!
//! tokio has its own function for that. On the others it is two copies at once, as their
//! documentation has it, by the same functions over the traits of futures-io.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::network::{Network, serve_each};
use crate::on_network;
use crate::peer::{MiniRt, MiniRtCurrent, Peer, Smol, Tokio, TokioCurrent};

/// Forwards connections to `addr` on to `target`, on `workers` worker threads of `peer`, and prints its
/// address once it listens.
///
/// # Errors
/// Returns only on an error: of the runtime's start, of `bind`, or of `accept`; at once for a peer that
/// is not a [`Network`].
pub fn serve(peer: Peer, workers: usize, addr: SocketAddr, target: SocketAddr) -> io::Result<()> {
    on_network!(peer, N => {
        N::run(workers, serve_each::<N, _>(addr, move |stream| forward::<N>(stream, target)))?
    })
}

async fn forward<N: Proxy>(client: N::Stream, target: SocketAddr) -> io::Result<()> {
    let server = N::connect(target).await?;
    N::copy_both_ways(client, server).await
}

trait Proxy: Network {
    /// Copies until both connections have ended or one has failed. The end of one direction is passed on
    /// while the other goes on.
    fn copy_both_ways(
        client: Self::Stream,
        server: Self::Stream,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

macro_rules! two_copies {
    ($name:ident, $handle:expr) => {
        impl Proxy for $name {
            async fn copy_both_ways(client: Self::Stream, server: Self::Stream) -> io::Result<()> {
                let there = copy($handle(&client), $handle(&server));
                let back = copy($handle(&server), $handle(&client));
                smol::future::try_zip(there, back).await.map(drop)
            }
        }
    };
}

// One future reads and another writes, through references to a stream or clones of it.
two_copies!(MiniRt, std::convert::identity);
two_copies!(MiniRtCurrent, std::convert::identity);
two_copies!(Smol, Clone::clone);

async fn copy<R, W>(from: R, mut to: W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    smol::io::copy(from, &mut to).await?;
    to.close().await
}

macro_rules! one_call {
    ($name:ident) => {
        impl Proxy for $name {
            async fn copy_both_ways(
                mut client: Self::Stream,
                mut server: Self::Stream,
            ) -> io::Result<()> {
                let copied = tokio::io::copy_bidirectional(&mut client, &mut server);
                copied.await.map(drop)
            }
        }
    };
}

one_call!(Tokio);
one_call!(TokioCurrent);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{self, Amount, Load};
    use crate::network::LOCALHOST;
    use crate::network::tests::serve_for_ever;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    const CONNECTIONS: usize = 4;
    const REQUESTS: u64 = 10;
    const PATIENCE: Duration = Duration::from_secs(60);

    /// An echo server on threads of this process.
    fn echo_for_ever() -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(LOCALHOST)?;
        let addr = listener.local_addr()?;
        let echo = |stream: TcpStream| io::copy(&mut &stream, &mut &stream);
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || echo(stream?));
            }
        });
        Ok(addr)
    }

    fn load_through<N: Proxy>() -> io::Result<()> {
        let target = echo_for_ever()?;
        let addr = serve_for_ever::<N, _>(move |client| forward::<N>(client, target));
        let report = load::run(&Load {
            addr,
            connections: CONNECTIONS,
            size: 20_000,
            threads: 1,
            amount: Amount::RequestsPerConnection(REQUESTS),
            server_pid: None,
        })?;
        assert_eq!(report.failures.first, None);
        assert_eq!(report.requests, CONNECTIONS as u64 * REQUESTS);
        half_close_through(addr)
    }

    /// What comes back after the end of what was sent is complete.
    fn half_close_through(addr: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"the last words")?;
        stream.shutdown(Shutdown::Write)?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        assert_eq!(reply, "the last words");
        Ok(())
    }

    #[test]
    fn every_network_copies_both_ways() {
        for peer in Peer::NETWORKS {
            let result: io::Result<()> = on_network!(peer, N => load_through::<N>());
            result.unwrap();
        }
        let error = serve(Peer::Nio, 1, LOCALHOST, LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}

//! TCP on the runtimes whose connections any of their tasks can use.
//!
//! As in [`Executor`], each method is one call of the runtime's own function, and what it returns is
//! the runtime's own future, so that servers are written once and what is measured is the runtime.
//! nio is missing: its streams stay on the thread that registers them, so its tasks cannot be moved.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::peer::{Executor, MiniRt, MiniRtCurrent, Smol, Tokio, TokioCurrent};
use crate::process::announce;

/// A free port of 127.0.0.1.
pub const LOCALHOST: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The operations of a runtime that servers and clients use.
pub trait Network: Executor {
    /// A listening socket.
    type Listener: Send + Sync;

    /// A connection.
    type Stream: Send;

    /// Starts a runtime with `workers` worker threads and waits for `main` on the calling thread, as
    /// the root future of the runtime's `block_on`, which is no task.
    ///
    /// # Errors
    /// The runtime's own when it cannot start.
    fn block_on<F: Future>(workers: usize, main: F) -> io::Result<F::Output>;

    /// Listens on `addr`.
    fn bind(addr: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Where a listener listens.
    ///
    /// # Errors
    /// The system's.
    fn local_addr(listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// Waits for a connection, which gets `TCP_NODELAY`.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Connects, with `TCP_NODELAY`.
    fn connect(addr: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads what is there, or waits until something is; zero at the end of the stream.
    fn read<'a>(
        stream: &'a mut Self::Stream,
        buffer: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all of `bytes`.
    fn write_all<'a>(
        stream: &'a mut Self::Stream,
        bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits on the runtime's own timer.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    /// As [`sleep`](Self::sleep), and can be moved: in a box, if the runtime's own cannot.
    fn movable_sleep(duration: Duration) -> impl Future<Output = ()> + Send + Unpin;
}

/// Fills `message`; false if the stream has ended before its first byte.
///
/// # Errors
/// The system's; [`io::ErrorKind::UnexpectedEof`] if the stream ends within the message.
pub async fn receive<N: Network>(stream: &mut N::Stream, message: &mut [u8]) -> io::Result<bool> {
    let mut received = 0;
    while received < message.len() {
        match N::read(stream, &mut message[received..]).await? {
            0 if received == 0 => return Ok(false),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => received += bytes,
        }
    }
    Ok(true)
}

/// Listens on `addr`, prints the address, and spawns what `handle` makes of each connection.
///
/// # Errors
/// Returns only on an error, of `bind` or of `accept`.
pub async fn serve_each<N: Network, F>(
    addr: SocketAddr,
    handle: impl Fn(N::Stream) -> F + Send + Sync,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = N::bind(addr).await?;
    announce(N::local_addr(&listener)?);
    accept_each::<N, F>(listener, handle).await
}

async fn accept_each<N: Network, F>(
    listener: N::Listener,
    handle: impl Fn(N::Stream) -> F + Send + Sync,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        let stream = N::accept(&listener).await?;
        N::detach(N::spawn(handle(stream)));
    }
}

/// What all networks have in common, given the types of their sockets.
macro_rules! tcp {
    ($listener:ty, $stream:ty) => {
        type Listener = $listener;
        type Stream = $stream;

        fn bind(addr: SocketAddr) -> impl Future<Output = io::Result<$listener>> + Send {
            <$listener>::bind(addr)
        }

        fn local_addr(listener: &$listener) -> io::Result<SocketAddr> {
            listener.local_addr()
        }

        async fn accept(listener: &$listener) -> io::Result<$stream> {
            let (stream, _peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }

        async fn connect(addr: SocketAddr) -> io::Result<$stream> {
            let stream = <$stream>::connect(addr).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }

        fn read<'a>(
            stream: &'a mut $stream,
            buffer: &'a mut [u8],
        ) -> impl Future<Output = io::Result<usize>> + Send {
            stream.read(buffer)
        }

        fn write_all<'a>(
            stream: &'a mut $stream,
            bytes: &'a [u8],
        ) -> impl Future<Output = io::Result<()>> + Send {
            stream.write_all(bytes)
        }
    };
}

mod on_mini_rt {
    use super::*;
    use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
    use mini_rt::prelude::*;

    macro_rules! network {
        ($name:ident) => {
            impl Network for $name {
                tcp!(AsyncTcpListener, AsyncTcpStream);

                fn block_on<F: Future>(workers: usize, main: F) -> io::Result<F::Output> {
                    Ok(Self::start(workers)?.block_on(main))
                }

                fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
                    mini_rt::time::sleep(duration)
                }

                fn movable_sleep(duration: Duration) -> impl Future<Output = ()> + Send + Unpin {
                    mini_rt::time::sleep(duration)
                }
            }
        };
    }

    network!(MiniRt);
    network!(MiniRtCurrent);
}

mod on_tokio {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    macro_rules! network {
        ($name:ident) => {
            impl Network for $name {
                tcp!(TcpListener, TcpStream);

                fn block_on<F: Future>(workers: usize, main: F) -> io::Result<F::Output> {
                    Ok(Self::start(workers)?.block_on(main))
                }

                fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
                    tokio::time::sleep(duration)
                }

                fn movable_sleep(duration: Duration) -> impl Future<Output = ()> + Send + Unpin {
                    Box::pin(tokio::time::sleep(duration))
                }
            }
        };
    }

    network!(Tokio);
    network!(TokioCurrent);
}

mod on_smol {
    use super::*;
    use smol::io::{AsyncReadExt, AsyncWriteExt};
    use smol::net::{TcpListener, TcpStream};
    use std::future::poll_fn;
    use std::pin::Pin;

    impl Network for Smol {
        tcp!(TcpListener, TcpStream);

        fn block_on<F: Future>(workers: usize, main: F) -> io::Result<F::Output> {
            Self::start(workers)?;
            Ok(smol::block_on(main))
        }

        async fn sleep(duration: Duration) {
            smol::Timer::after(duration).await;
        }

        fn movable_sleep(duration: Duration) -> impl Future<Output = ()> + Send + Unpin {
            let mut timer = smol::Timer::after(duration);
            poll_fn(move |cx| Pin::new(&mut timer).poll(cx).map(drop))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    /// Where a server listens that runs for ever, on two worker threads, in this process.
    pub(crate) fn serve_for_ever<N: Network, F>(
        handle: impl Fn(N::Stream) -> F + Send + Sync + 'static,
    ) -> SocketAddr
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (listening, addr) = channel();
        let main = async move {
            let listener = N::bind(LOCALHOST).await?;
            let _ = listening.send(N::local_addr(&listener)?);
            accept_each::<N, F>(listener, handle).await
        };
        thread::spawn(|| N::run(2, main)?);
        addr.recv().expect("the server starts")
    }
}

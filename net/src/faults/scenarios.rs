//! What sockets do while calls fail: together, everything that makes one.
//!
//! What always holds: an operation that gives an error is tried again, if the failure is one that ends, and what
//! it was for comes about all the same.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::select;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use mini_rt_runtime::JoinSet;
use mini_rt_runtime::runtime::Builder;

use crate::sys::faults::{attempt, begin, end};
use crate::{AsyncTcpListener, AsyncTcpSocket, AsyncTcpStream};

/// Clients and servers, several at a time.
pub(super) const LIFE: &str = "life";
/// The same, where clients close their streams by `poll_close`.
pub(super) const CLOSE: &str = "close";
/// Operations on sockets that are not registered yet, one after the other. Each could be done at once.
pub(super) const FIRST: &str = "first";

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    CurrentThread,
    TwoWorkers,
}

/// How a client ends its own half of a connection.
#[derive(Clone, Copy)]
enum End {
    Shutdown,
    Close,
}

type Scenario = fn(Kind) -> io::Result<()>;

/// What happens at a place, and the kinds of runtime on which it does.
pub(super) fn at(place: &str) -> (&'static [Kind], Scenario) {
    let scenario: Scenario = match place {
        LIFE => |kind| in_a_runtime(kind, async || live(End::Shutdown).await),
        CLOSE => |kind| in_a_runtime(kind, async || live(End::Close).await),
        FIRST => |kind| in_a_runtime(kind, try_first),
        _ => unreachable!("{place} is no place"),
    };
    (&[Kind::CurrentThread, Kind::TwoWorkers], scenario)
}

/// Lets something happen with faults, and then once more without: the runtime is as good as before.
fn in_a_runtime(kind: Kind, scenario: impl AsyncFn() -> io::Result<()>) -> io::Result<()> {
    let mut builder = match kind {
        Kind::CurrentThread => Builder::new_current_thread(),
        Kind::TwoWorkers => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).build()?;
    begin();
    let result = runtime.block_on(scenario());
    end();
    runtime.block_on(scenario())?;
    result
}

const PAIRS: usize = 3;
const ROUNDS: usize = 3;
const QUESTION: &[u8; 8] = b"question";

/// Pairs of a client and a server, at the same time; the first error ends them all.
async fn live(end: End) -> io::Result<()> {
    let mut pairs = JoinSet::new();
    for _ in 0..PAIRS {
        pairs.spawn(async move {
            let listener = attempt!(listen())?;
            let addr = listener.local_addr()?;
            let (client, server) = (pin!(ask(addr, end)), pin!(serve(listener)));
            select(client, server).await.factor_first().0
        });
    }
    while let Some(result) = pairs.join_next().await {
        result.map_err(io::Error::other)??;
    }
    Ok(())
}

fn listen() -> io::Result<AsyncTcpListener> {
    let socket = AsyncTcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    assert!(socket.reuseaddr()?);
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    socket.listen(16)
}

/// Serves one connection after the other. A client that fails leaves one behind.
async fn serve(listener: AsyncTcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = attempt!(listener.accept().await)?;
        echo(stream).await?;
    }
}

/// Sends back what comes in, until the end.
async fn echo(mut stream: AsyncTcpStream) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        let count = attempt!(stream.read(&mut buffer).await)?;
        if count == 0 {
            return Ok(());
        }
        write_all(&mut stream, &buffer[..count]).await?;
    }
}

async fn write_all(stream: &mut AsyncTcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = attempt!(stream.write(bytes).await)?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Sends some messages and hears their echoes, and then the end, after it has ended its own half.
async fn ask(addr: SocketAddr, end: End) -> io::Result<()> {
    let mut stream = attempt!(AsyncTcpStream::connect(addr).await)?;
    attempt!(stream.set_linger(Some(Duration::from_secs(1))))?;
    assert!(attempt!(stream.linger())?.is_some());
    attempt!(stream.set_linger(None))?;
    for _ in 0..ROUNDS {
        write_all(&mut stream, QUESTION).await?;
        attempt!(stream.peek(&mut [0; 8]).await)?;
        hear(&mut stream).await?;

        let (head, mut rest) = QUESTION.split_at(2);
        let parts = [IoSlice::new(head), IoSlice::new(rest)];
        let sent = attempt!(stream.write_vectored(&parts).await)?;
        rest = &QUESTION[sent..];
        write_all(&mut stream, rest).await?;
        hear(&mut stream).await?;
    }
    match end {
        End::Shutdown => attempt!(stream.shutdown(Shutdown::Write))?,
        End::Close => attempt!(stream.close().await)?,
    }
    assert_eq!(attempt!(stream.read(&mut [0; 8]).await)?, 0);
    Ok(())
}

/// Reads the echo of a question.
async fn hear(stream: &mut AsyncTcpStream) -> io::Result<()> {
    let mut answer = [0; QUESTION.len()];
    let mut heard = 0;
    while heard < answer.len() {
        let count = attempt!(read_parts(stream, &mut answer[heard..]).await)?;
        assert!(count > 0, "the server has ended the connection");
        heard += count;
    }
    assert_eq!(&answer, QUESTION);
    Ok(())
}

/// Reads into two halves of a buffer.
async fn read_parts(stream: &mut AsyncTcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (near, far) = buffer.split_at_mut(buffer.len() / 2);
    let mut parts = [IoSliceMut::new(near), IoSliceMut::new(far)];
    stream.read_vectored(&mut parts).await
}

/// Does each operation on a socket of its own.
async fn try_first() -> io::Result<()> {
    for _ in 0..6 {
        let mut ends = connection().await?;
        assert_eq!(ends.0.write(b"1").await?, 1);
        assert_eq!(ends.1.read(&mut [0; 4]).await?, 1);

        let mut ends = connection().await?;
        let parts = [IoSlice::new(b"1"), IoSlice::new(b"2")];
        assert_eq!(ends.0.write_vectored(&parts).await?, 2);
        assert_eq!(ends.1.peek(&mut [0; 4]).await?, 2);

        let mut ends = connection().await?;
        assert_eq!(ends.0.write(b"1").await?, 1);
        assert_eq!(read_parts(&mut ends.1, &mut [0; 4]).await?, 1);
    }
    Ok(())
}

/// A client and a server.
async fn connection() -> io::Result<(AsyncTcpStream, AsyncTcpStream)> {
    let listener = AsyncTcpListener::bind("127.0.0.1:0").await?;
    let client = AsyncTcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

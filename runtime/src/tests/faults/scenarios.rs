//! What a runtime does while calls fail: together, everything that makes one.
//!
//! What always holds: an operation that gives an error is tried again, if the failure is one that ends, and what
//! it was for comes about all the same.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use futures_util::future::join;

use crate::io::{AsyncFd, Interest};
use crate::runtime::{Builder, Runtime};
use crate::spawn::{JoinSet, block_in_place, spawn, spawn_blocking};
use crate::sys::faults::{attempt, begin, end};
use crate::task::JoinHandle;
use crate::time;

/// From before a runtime is built until after it is dropped.
pub(super) const BUILD: &str = "build";
/// In a runtime, with sockets, timers and blocking closures.
pub(super) const LIFE: &str = "life";
/// While a source is used on another core, and moves there.
pub(super) const MOVING: &str = "moving";
/// While a worker is blocked.
pub(super) const RESCUE: &str = "rescue";

/// Whether workers can be pinned to CPUs.
pub(super) const PINS: bool = cfg!(any(target_os = "linux", target_os = "android"));

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    CurrentThread,
    TwoWorkers,
}

use Kind::{CurrentThread, TwoWorkers};

type Scenario = fn(Kind) -> io::Result<()>;

/// What happens at a place, and the kinds of runtime on which it does.
pub(super) fn at(place: &str) -> (&'static [Kind], Scenario) {
    match place {
        BUILD => (&[CurrentThread, TwoWorkers], build_and_drop),
        LIFE => (&[CurrentThread, TwoWorkers], |kind| {
            in_a_runtime(kind, live)
        }),
        MOVING => (&[TwoWorkers], |kind| {
            in_a_runtime(kind, async |_| move_over().await)
        }),
        RESCUE => (&[TwoWorkers], |kind| {
            in_a_runtime(kind, async |_| be_rescued().await)
        }),
        _ => unreachable!("{place} is no place"),
    }
}

fn build(kind: Kind) -> io::Result<Runtime> {
    let mut builder = match kind {
        CurrentThread => Builder::new_current_thread(),
        TwoWorkers => Builder::new_multi_thread(),
    };
    builder.worker_threads(2).pin_cores(PINS).build()
}

fn build_and_drop(kind: Kind) -> io::Result<()> {
    begin();
    let runtime = attempt!(build(kind))?;
    runtime.block_on(async {
        let (ours, theirs) = UnixStream::pair()?;
        let ours = Arc::new(ours);
        let waits = attempt!(AsyncFd::new(ours.clone()))?;
        spawn(async move {
            let _theirs = theirs;
            let _ = waits.readable().await.map(drop);
        });
        time::sleep(Duration::from_millis(1)).await;
        spawn(async {}).await.map_err(io::Error::other)
    })?;
    drop(runtime);
    end();
    Ok(())
}

/// Lets something happen with faults, from where it says, and then once more without: the runtime is as good as
/// before.
fn in_a_runtime(kind: Kind, scenario: impl AsyncFn(Kind) -> io::Result<()>) -> io::Result<()> {
    let runtime = build(kind)?;
    let result = runtime.block_on(scenario(kind));
    end();
    runtime.block_on(scenario(kind))?;
    result
}

/// All of these at the same time; the first error ends the others.
async fn all(mut tasks: JoinSet<io::Result<()>>) -> io::Result<()> {
    while let Some(result) = tasks.join_next().await {
        result.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn live(kind: Kind) -> io::Result<()> {
    begin();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve());
    tasks.spawn(fill_a_buffer());
    tasks.spawn(async move {
        for _ in 0..3 {
            time::sleep(Duration::from_millis(1)).await;
            let closure = spawn_blocking(|| thread::sleep(Duration::from_millis(1)));
            closure.await.map_err(io::Error::other)?;
        }
        if let TwoWorkers = kind {
            block_in_place(|| thread::sleep(Duration::from_millis(1)));
        }
        Ok(())
    });
    all(tasks).await
}

const CONNECTIONS: usize = 4;
/// So few that no source moves.
const ROUNDS: usize = 3;

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let (addr, listener) = (listener.local_addr()?, Arc::new(listener));
    let listener = attempt!(AsyncFd::new(listener.clone()))?;
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(ask(addr));
    }
    for _ in 0..CONNECTIONS {
        let accept = |listener: &Arc<TcpListener>| listener.accept();
        let (stream, _) = attempt!(listener.async_io(Interest::READABLE, accept).await)?;
        stream.set_nonblocking(true)?;
        tasks.spawn(echo(AsyncFd::lazy(stream)));
    }
    all(tasks).await
}

async fn read(stream: &AsyncFd<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
    attempt!(
        stream
            .async_io(Interest::READABLE, |mut stream| stream.read(buffer))
            .await
    )
}

async fn write_all(stream: &AsyncFd<TcpStream>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let write = |mut stream: &TcpStream| stream.write(bytes);
        let count = attempt!(stream.async_io(Interest::WRITABLE, write).await)?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Sends back what comes in, until the end.
async fn echo(stream: AsyncFd<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        match read(&stream, &mut buffer).await? {
            0 => return Ok(()),
            count => write_all(&stream, &buffer[..count]).await?,
        }
    }
}

/// Sends some messages and hears their echoes, and then the end, after it has ended its own half.
async fn ask(addr: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nonblocking(true)?;
    let stream = AsyncFd::lazy(stream);
    let mut answer = [0; 8];
    for _ in 0..ROUNDS {
        write_all(&stream, b"question").await?;
        let mut heard = 0;
        while heard < answer.len() {
            heard += read(&stream, &mut answer[heard..]).await?;
        }
        assert_eq!(&answer, b"question");
    }
    stream.get_ref().shutdown(Shutdown::Write)?;
    assert_eq!(read(&stream, &mut answer).await?, 0);
    Ok(())
}

/// Waits for room to write on a source that waits for something to read already.
async fn fill_a_buffer() -> io::Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let ours = Arc::new(ours);
    let source = attempt!(AsyncFd::new(ours.clone()))?;
    let mut sent = 0;
    loop {
        // Not through the source, so that it does not know.
        match (&*ours).write(&[1; 4096]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    let write = async {
        attempt!(
            source
                .async_io(Interest::WRITABLE, |stream| (&**stream).write(&[1]))
                .await
        )
    };
    let drain = async {
        let drain = move || theirs.read_exact(&mut vec![0; sent]).map(|()| theirs);
        spawn_blocking(drain).await.map_err(io::Error::other)?
    };
    let (written, drained) = join(write, drain).await;
    let mut theirs = drained?;
    assert_eq!(written?, 1);
    let answer = async {
        attempt!(
            source
                .async_io(Interest::READABLE, |stream| (&**stream).read(&mut [0; 4]))
                .await
        )
    };
    let (answered, answer) = join(answer, async { theirs.write(&[1]) }).await;
    assert_eq!((answered?, answer?), (1, 1));
    Ok(())
}

/// A source that was registered with another core, for its task was run there.
async fn source_from_elsewhere(ours: Arc<UnixStream>) -> io::Result<AsyncFd<Arc<UnixStream>>> {
    let (bring, brought) = channel();
    let task: JoinHandle<()> = spawn(async move {
        let _ = bring.send(AsyncFd::new(ours));
    });
    // This core is blocked, so the task is not run here.
    let source = brought.recv().map_err(io::Error::other)?;
    task.await.map_err(io::Error::other)?;
    source
}

/// Uses a source on a core where it was not registered.
async fn move_over() -> io::Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let source = source_from_elsewhere(Arc::new(ours)).await?;
    begin();
    for _ in 0..40 {
        let read = source.async_io(Interest::READABLE, |stream| (&**stream).read(&mut [0; 4]));
        // The read comes first, and waits.
        let (read, written) = join(read, async { theirs.write(&[1]) }).await;
        assert_eq!((read?, written?), (1, 1));
    }
    Ok(())
}

/// Blocks a worker in a task that waits for another, which sits in the same queue and reads from a source of
/// the same core.
async fn be_rescued() -> io::Result<()> {
    begin();
    for _ in 0..3 {
        let (ours, mut theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = Arc::new(ours);
        let (begin, begun) = channel();
        let blocked: JoinHandle<io::Result<()>> = spawn(async move {
            let source = attempt!(AsyncFd::new(ours.clone()))?;
            let (tell, told) = channel();
            let reader = spawn(async move {
                let read = |stream: &Arc<UnixStream>| (&**stream).read(&mut [0; 4]);
                let _ = tell.send(source.async_io(Interest::READABLE, read).await);
            });
            let _ = begin.send(());
            assert_eq!(told.recv().map_err(io::Error::other)??, 1);
            reader.await.map_err(io::Error::other)
        });
        begun.recv().map_err(io::Error::other)?;
        time::sleep(Duration::from_millis(5)).await;
        theirs.write_all(&[1])?;
        blocked.await.map_err(io::Error::other)??;
    }
    Ok(())
}

//! What runtimes do with tasks, behind one trait.
//!
//! The trait adds no layer, so that what is measured is the runtime: each method is one call of the
//! runtime's own function of that name, and a handle is the runtime's own.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::thread;

#[cfg(doc)]
use super::Peer;

/// The operations of a runtime that the workloads use.
pub trait Executor: 'static {
    /// A spawned task, to be awaited.
    type Handle<T: Send + 'static>: Future<Output = Self::Joined<T>> + Send;

    /// What awaiting a task gives: its output, or why there is none.
    type Joined<T: Send + 'static>;

    /// What spawns from any thread; cheap to clone.
    type Spawner: Clone + Send + 'static;

    /// Starts a runtime with `workers` worker threads and runs `main` on it as a spawned task, for
    /// which the calling thread waits.
    ///
    /// # Errors
    /// The runtime's own when it cannot start.
    fn run<F>(workers: usize, main: F) -> io::Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns a task from within a task.
    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// The spawner of the runtime whose task calls this.
    fn spawner() -> Self::Spawner;

    /// Spawns a task from any thread.
    fn spawn_from<F>(spawner: &Self::Spawner, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Runs `closure` where it may block, from within a task.
    fn spawn_blocking<F, T>(closure: F) -> Self::Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// Gives up a handle, and lets its task run on.
    fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }

    /// The output of an awaited task.
    ///
    /// # Panics
    /// If the task panicked.
    fn output<T: Send + 'static>(joined: Self::Joined<T>) -> T;

    /// Lets the other runnable tasks run first.
    fn yield_now() -> impl Future<Output = ()> + Send;
}

const TASK_FAILED: &str = "a task of the workload failed";

macro_rules! executor {
    ($name:ident, $runtime:ident) => {
        impl Executor for $name {
            type Handle<T: Send + 'static> = $runtime::task::JoinHandle<T>;
            type Joined<T: Send + 'static> = Result<T, $runtime::task::JoinError>;
            type Spawner = $runtime::runtime::Handle;

            fn run<F>(workers: usize, main: F) -> io::Result<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                let runtime = Self::start(workers)?;
                Ok(runtime.block_on(runtime.spawn(main)).expect(TASK_FAILED))
            }

            fn spawn<F>(future: F) -> Self::Handle<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                $runtime::spawn(future)
            }

            fn spawner() -> Self::Spawner {
                $runtime::runtime::Handle::current()
            }

            fn spawn_from<F>(spawner: &Self::Spawner, future: F) -> Self::Handle<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                spawner.spawn(future)
            }

            fn spawn_blocking<F, T>(closure: F) -> Self::Handle<T>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                $runtime::task::spawn_blocking(closure)
            }

            fn output<T: Send + 'static>(joined: Self::Joined<T>) -> T {
                joined.expect(TASK_FAILED)
            }

            fn yield_now() -> impl Future<Output = ()> + Send {
                $runtime::task::yield_now()
            }
        }
    };
}

/// [`Peer::MiniRt`].
#[derive(Debug)]
pub struct MiniRt;

impl MiniRt {
    /// A runtime with `workers` worker threads.
    pub(crate) fn start(workers: usize) -> io::Result<mini_rt::runtime::Runtime> {
        mini_rt::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .build()
    }
}

executor!(MiniRt, mini_rt);

/// [`Peer::MiniRtCurrent`].
#[derive(Debug)]
pub struct MiniRtCurrent;

impl MiniRtCurrent {
    /// A runtime that runs on the thread which waits for it.
    pub(crate) fn start(_workers: usize) -> io::Result<mini_rt::runtime::Runtime> {
        mini_rt::runtime::Builder::new_current_thread().build()
    }
}

executor!(MiniRtCurrent, mini_rt);

/// [`Peer::Tokio`].
#[derive(Debug)]
pub struct Tokio;

impl Tokio {
    /// A runtime with `workers` worker threads.
    pub(crate) fn start(workers: usize) -> io::Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
    }
}

executor!(Tokio, tokio);

/// [`Peer::TokioCurrent`].
#[derive(Debug)]
pub struct TokioCurrent;

impl TokioCurrent {
    /// A runtime that runs on the thread which waits for it.
    pub(crate) fn start(_workers: usize) -> io::Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    }
}

executor!(TokioCurrent, tokio);

/// [`Peer::Smol`].
///
/// The executor and its threads are those that `smol::spawn` sets up, with the number of threads as
/// an argument instead of an environment variable.
#[derive(Debug)]
pub struct Smol;

static SMOL_EXECUTOR: smol::Executor<'static> = smol::Executor::new();

impl Smol {
    /// Starts `workers` threads that run the executor for ever.
    pub(crate) fn start(workers: usize) -> io::Result<()> {
        for id in 0..workers {
            thread::Builder::new()
                .name(format!("smol-{id}"))
                .spawn(|| smol::block_on(SMOL_EXECUTOR.run(pending::<()>())))?;
        }
        Ok(())
    }
}

impl Executor for Smol {
    type Handle<T: Send + 'static> = smol::Task<T>;
    type Joined<T: Send + 'static> = T;
    type Spawner = &'static smol::Executor<'static>;

    fn run<F>(workers: usize, main: F) -> io::Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Self::start(workers)?;
        Ok(smol::block_on(Self::spawn(main)))
    }

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        SMOL_EXECUTOR.spawn(future)
    }

    fn spawner() -> Self::Spawner {
        &SMOL_EXECUTOR
    }

    fn spawn_from<F>(spawner: &Self::Spawner, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawner.spawn(future)
    }

    fn spawn_blocking<F, T>(closure: F) -> Self::Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        smol::unblock(closure)
    }

    fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
        handle.detach();
    }

    fn output<T: Send + 'static>(joined: Self::Joined<T>) -> T {
        joined
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }
}

/// [`Peer::Nio`], which has no yield of its own: it takes smol's, which works on any runtime.
#[derive(Debug)]
pub struct Nio;

impl Nio {
    /// A runtime with `workers` worker threads.
    ///
    /// # Errors
    /// The system's when a poller cannot be made; [`io::ErrorKind::InvalidInput`] for more workers
    /// than nio can count.
    pub fn start(workers: usize) -> io::Result<nio::Runtime> {
        let workers = u8::try_from(workers)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        nio::RuntimeBuilder::new().worker_threads(workers).rt()
    }
}

impl Executor for Nio {
    type Handle<T: Send + 'static> = nio::JoinHandle<T>;
    type Joined<T: Send + 'static> = Result<T, nio::JoinError>;
    type Spawner = Arc<nio::RuntimeContext>;

    fn run<F>(workers: usize, main: F) -> io::Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(Self::start(workers)?.block_on(move || main))
    }

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        nio::spawn(future)
    }

    fn spawner() -> Self::Spawner {
        nio::RuntimeContext::current()
    }

    fn spawn_from<F>(spawner: &Self::Spawner, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawner.spawn(future)
    }

    fn spawn_blocking<F, T>(closure: F) -> Self::Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        nio::spawn_blocking(closure)
    }

    fn output<T: Send + 'static>(joined: Self::Joined<T>) -> T {
        joined.expect(TASK_FAILED)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }
}

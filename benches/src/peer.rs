//! The runtimes under comparison, behind one trait.
//!
//! The trait adds no layer, so that what is measured is the runtime: each method is one call of the
//! runtime's own function of that name, and a handle is the runtime's own. [`on_executor!`](crate::on_executor) chooses the
//! implementation by name.

use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::str::FromStr;
use std::thread;

/// The name of something that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// This project's runtime, multi-thread flavour.
    MiniRt,
    /// This project's runtime, current-thread flavour.
    MiniRtCurrent,
    /// tokio, multi-thread flavour.
    Tokio,
    /// tokio, current-thread flavour.
    TokioCurrent,
    /// smol: an executor on as many threads, and its one reactor.
    Smol,
    /// nio, multi-thread flavour.
    Nio,
    /// No runtime: a loop over epoll written by hand, on each thread.
    Raw,
    /// No runtime: a thread of the system for each task or connection.
    Threads,
}

impl Peer {
    /// Every peer, in the order in which tables show them.
    pub const ALL: [Peer; 8] = [
        Peer::MiniRt,
        Peer::MiniRtCurrent,
        Peer::Tokio,
        Peer::TokioCurrent,
        Peer::Smol,
        Peer::Nio,
        Peer::Raw,
        Peer::Threads,
    ];

    /// Those that run tasks: they have an [`Executor`].
    pub const EXECUTORS: [Peer; 6] = [
        Peer::MiniRt,
        Peer::MiniRtCurrent,
        Peer::Tokio,
        Peer::TokioCurrent,
        Peer::Smol,
        Peer::Nio,
    ];

    /// Those whose connections and timers any task can use: they have a
    /// [`Network`](crate::network::Network).
    pub const NETWORKS: [Peer; 5] = [
        Peer::MiniRt,
        Peer::MiniRtCurrent,
        Peer::Tokio,
        Peer::TokioCurrent,
        Peer::Smol,
    ];

    /// The name used on command lines and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Peer::MiniRt => "mini_rt",
            Peer::MiniRtCurrent => "mini_rt-current",
            Peer::Tokio => "tokio",
            Peer::TokioCurrent => "tokio-current",
            Peer::Smol => "smol",
            Peer::Nio => "nio",
            Peer::Raw => "raw",
            Peer::Threads => "threads",
        }
    }

    /// Whether it has one thread only, whatever number of workers is asked for.
    pub fn is_single_threaded(self) -> bool {
        matches!(self, Peer::MiniRtCurrent | Peer::TokioCurrent)
    }
}

/// The error for a `peer` that cannot do what it is asked for.
pub fn unable(peer: Peer) -> io::Error {
    let reason = format!("{peer} cannot do that");
    io::Error::new(io::ErrorKind::Unsupported, reason)
}

/// Evaluates an expression of type `io::Result` with a type name that stands for the
/// [`Executor`](crate::peer::Executor) of a peer; an error for a peer that has none.
#[macro_export]
macro_rules! on_executor {
    ($peer:expr, $executor:ident => $result:expr) => {
        match $peer {
            $crate::peer::Peer::Nio => {
                #[allow(unused_imports)]
                use $crate::peer::Executor as _;
                type $executor = $crate::peer::Nio;
                $result
            }
            peer => $crate::on_network!(peer, $executor => $result),
        }
    };
}

/// As [`on_executor`], for the [`Network`](crate::network::Network) of a peer.
#[macro_export]
macro_rules! on_network {
    ($peer:expr, $network:ident => $result:expr) => {{
        #[allow(unused_imports)]
        use $crate::peer::Executor as _;
        match $peer {
            $crate::peer::Peer::MiniRt => {
                type $network = $crate::peer::MiniRt;
                $result
            }
            $crate::peer::Peer::MiniRtCurrent => {
                type $network = $crate::peer::MiniRtCurrent;
                $result
            }
            $crate::peer::Peer::Tokio => {
                type $network = $crate::peer::Tokio;
                $result
            }
            $crate::peer::Peer::TokioCurrent => {
                type $network = $crate::peer::TokioCurrent;
                $result
            }
            $crate::peer::Peer::Smol => {
                type $network = $crate::peer::Smol;
                $result
            }
            peer => Err($crate::peer::unable(peer)),
        }
    }};
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Peer::ALL
            .into_iter()
            .find(|peer| peer.name() == name)
            .ok_or_else(|| format!("no runtime is called {name:?}"))
    }
}

/// The operations of a runtime that the workloads use.
pub trait Executor: 'static {
    /// A spawned task, to be awaited.
    type Handle<T: Send + 'static>: Future<Output = Self::Joined<T>> + Send;

    /// What awaiting a task gives: its output, or why there is none.
    type Joined<T: Send + 'static>;

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

    fn output<T: Send + 'static>(joined: Self::Joined<T>) -> T {
        joined.expect(TASK_FAILED)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }
}

//! Runtimes: how to build one, enter it, and end it.
//!
//! | file | one idea |
//! |---|---|
//! | `builder.rs` | what can be chosen |
//! | `hooks.rs` | what a runtime tells of |
//! | `threads.rs` | how its threads are made, and how many there are |
//! | `handle.rs` | a runtime's address, to spawn on from anywhere |
//! | `metrics.rs`, `snapshot.rs` | numbers about a running runtime: one by one, and all at once |
//! | `dump.rs` | what its tasks do |
//! | `shutdown.rs` | its end |

mod builder;
mod dump;
mod handle;
mod hooks;
mod metrics;
mod shutdown;
mod snapshot;
mod threads;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

pub use self::builder::Builder;
pub use self::dump::{Dump, TaskDump, TaskState};
pub(crate) use self::handle::spawn_blocking;
pub use self::handle::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
pub use self::metrics::RuntimeMetrics;
pub use self::snapshot::{MetricsSnapshot, WorkerSnapshot};
pub use crate::scheduler::{BlockedTask, TaskMeta};

use self::threads::{Role, Threads};
use crate::sync::thread;
use crate::task::{JoinHandle, Origin};

/// Runs tasks on threads of its own (multi-thread) or on the thread that calls
/// [`block_on`](Self::block_on) (current-thread).
///
/// Dropping it drops every task's future, waits for the threads to end, and so for closures that
/// [`spawn_blocking`](Self::spawn_blocking) has begun; those that have not begun are cancelled. A task that
/// blocks its thread is waited for too. [`shutdown_timeout`](Self::shutdown_timeout) and
/// [`shutdown_background`](Self::shutdown_background) limit how long.
///
/// # Panics
///
/// The drop panics inside async code, where it would block the thread that should run the tasks; the
/// runtime ends all the same.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::runtime::Builder;
///
/// let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
/// let sum = runtime.block_on(async {
///     let task = mini_rt_runtime::spawn(async { 1 + 2 });
///     task.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    handle: Handle,
    workers: Vec<thread::JoinHandle<()>>,
    threads: Arc<Threads>,
    is_ending: bool,
}

impl Runtime {
    fn without_workers(handle: Handle, threads: Arc<Threads>) -> Self {
        Self {
            handle,
            workers: Vec::new(),
            threads,
            is_ending: false,
        }
    }

    fn start_workers(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let shared = self.handle.shared.clone();
            let work = Box::new(move || shared.work());
            self.workers.push(self.threads.start(Role::Worker, work)?);
        }
        Ok(())
    }

    /// A multi-thread runtime with a worker per available core.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = mini_rt_runtime::runtime::Runtime::new()?;
    /// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().build()
    }

    /// Runs a future on this thread until it is ready, and tasks beside it.
    ///
    /// The calling thread borrows one of the runtime's cores, so what the future awaits is as fast as in
    /// a task. Several threads may call it at once; those for which there is no core poll their future
    /// when it is woken, and leave tasks and sockets to the others.
    ///
    /// # Panics
    ///
    /// If the future panics, and if the thread is running async tasks already.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let greeting = String::from("hello");
    /// // The future may borrow.
    /// assert_eq!(runtime.block_on(async { greeting.len() }), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.shared.block_on(future)
    }

    /// Starts a task. It runs whether or not its handle is awaited.
    ///
    /// On a current-thread runtime it runs only while somebody is in [`block_on`](Self::block_on).
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    /// let task = runtime.spawn(async { 6 * 7 });
    /// assert_eq!(runtime.block_on(task)?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.shared.spawn(future, Origin::here())
    }

    /// Runs a closure on a thread where it may block. It runs whether or not its handle is awaited, but once
    /// the runtime is shut down it does not begin any more; then it is cancelled.
    ///
    /// If the system gives no more threads the closure waits for one that is busy, and is cancelled if there
    /// is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let sum = runtime.spawn_blocking(|| (1..=1_000_000_u64).sum::<u64>());
    /// assert_eq!(runtime.block_on(sum)?, 500_000_500_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(closure)
    }

    /// Numbers about the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = runtime.spawn(async {});
    /// assert_eq!(runtime.metrics().num_alive_tasks(), 1);
    /// runtime.block_on(task)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// The runtime's address.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    /// let handle = runtime.handle().clone();
    /// let spawner = std::thread::spawn(move || handle.spawn(async { 42 }));
    /// assert_eq!(runtime.block_on(spawner.join().unwrap())?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Makes this the runtime that code on this thread uses, until the guard is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    /// let _guard = runtime.enter();
    /// let task = mini_rt_runtime::spawn(async { 42 });
    /// assert_eq!(runtime.block_on(task)?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

//! Runtimes: how to build one, enter it, and end it.
//!
//! | file | one idea |
//! |---|---|
//! | `builder.rs` | what can be chosen |
//! | `handle.rs` | a runtime's address, to spawn on from anywhere |
//! | `metrics.rs` | numbers about a running runtime |

mod builder;
mod handle;
mod metrics;

use std::fmt;
use std::future::Future;

pub use self::builder::Builder;
pub(crate) use self::handle::spawn_blocking;
pub use self::handle::{EnterGuard, Handle, TryCurrentError};
pub use self::metrics::RuntimeMetrics;

use crate::scheduler::context;
use crate::sync::thread;
use crate::task::{JoinHandle, Origin};

/// Runs tasks on threads of its own (multi-thread) or on the thread that calls
/// [`block_on`](Self::block_on) (current-thread).
///
/// Dropping it drops every task's future, waits for the threads to end, and so for closures that
/// [`spawn_blocking`](Self::spawn_blocking) has begun; those that have not begun are cancelled.
///
/// # Panics
///
/// The drop panics inside async code, where it would block the thread that should run the tasks.
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
    threads: Vec<thread::JoinHandle<()>>,
}

impl Runtime {
    fn with_threads(handle: Handle, threads: Vec<thread::JoinHandle<()>>) -> Self {
        Self { handle, threads }
    }

    /// A multi-thread runtime with a worker per available core.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> std::io::Result<Self> {
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
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.shared.block_on(future)
    }

    /// Starts a task. It runs whether or not its handle is awaited.
    ///
    /// On a current-thread runtime it runs only while somebody is in [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.shared.spawn(future, Origin::here())
    }

    /// Runs a closure on a thread where it may block.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(closure)
    }

    /// Numbers about the runtime.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// The runtime's address.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Makes this the runtime that code on this thread uses, until the guard is dropped.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if context::is_driving() {
            // The threads end all the same; only nobody waits for them.
            self.handle.shared.shut_down();
            self.handle.shared.blocking.close();
            if thread::panicking() {
                return;
            }
            panic!(
                "a runtime was dropped inside async code, where waiting for its threads would block: \
                 drop it outside, or move it to `spawn_blocking`"
            );
        }
        self.handle.shared.shut_down();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.handle.shared.blocking.shut_down();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

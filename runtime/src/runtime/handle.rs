//! A runtime's address, to spawn on from anywhere.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::RuntimeMetrics;
use crate::blocking;
use crate::scheduler::{Shared, context};
use crate::task::{JoinHandle, Origin};

/// A runtime's address: cheap to clone, and good for spawning from any thread.
///
/// It does not keep the runtime running. What is spawned after the runtime's end is cancelled at once.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::runtime::{Builder, Handle};
///
/// let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
/// let answer = runtime.block_on(async {
///     let handle = Handle::current();
///     let spawner = std::thread::spawn(move || handle.spawn(async { 42 }));
///     spawner.join().unwrap().await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// There is no runtime on this thread.
#[derive(Debug)]
pub struct TryCurrentError(());

/// The scope of [`Handle::enter`].
///
/// Guards must be dropped in the reverse order of their making.
#[must_use = "the runtime is entered only until this guard is dropped"]
pub struct EnterGuard<'a> {
    before: Option<Arc<Shared>>,
    handle: PhantomData<&'a Handle>,
    not_send: PhantomData<*const ()>,
}

impl Handle {
    /// The runtime that code on this thread uses.
    ///
    /// # Panics
    ///
    /// Outside a runtime; see [`try_current`](Self::try_current).
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime that code on this thread uses.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::current()
            .map(|shared| Self { shared })
            .ok_or(TryCurrentError(()))
    }

    /// As [`Runtime::spawn`](super::Runtime::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.spawn(future, Origin::here())
    }

    /// As [`Runtime::spawn_blocking`](super::Runtime::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_blocking(&self.shared, closure, Origin::here())
    }

    /// Numbers about the runtime.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self)
    }

    /// Makes this the runtime that code on this thread uses, until the guard is dropped.
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            before: context::set_current(Some(self.shared.clone())),
            handle: PhantomData,
            not_send: PhantomData,
        }
    }
}

/// Brings a closure to the pool. While it runs, its thread has the runtime as the current one.
pub(crate) fn spawn_blocking<F, R>(
    shared: &Arc<Shared>,
    closure: F,
    origin: Origin,
) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let handle = Handle {
        shared: shared.clone(),
    };
    let entered = move || {
        let _guard = handle.enter();
        closure()
    };
    let (job, join_handle) = blocking::new(entered, origin);
    shared.blocking.spawn(job);
    join_handle
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        context::set_current(self.before.take());
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("cores", &self.shared.cores())
            .field("workers", &self.shared.has_workers())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnterGuard")
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(context::NO_RUNTIME)
    }
}

impl std::error::Error for TryCurrentError {}

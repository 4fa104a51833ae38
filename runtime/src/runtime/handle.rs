//! A runtime's address, to spawn on from anywhere.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::RuntimeMetrics;
use crate::blocking;
use crate::scheduler::{Shared, context};
use crate::sync::thread;
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

/// What kind of runtime it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// Tasks run on the thread that is in `block_on`.
    CurrentThread,
    /// Tasks run on worker threads.
    MultiThread,
}

/// There is no runtime on this thread.
#[derive(Debug)]
pub struct TryCurrentError(());

/// The scope of [`Handle::enter`].
///
/// # Panics
///
/// Guards must be dropped in the reverse order of their making, and inside a `block_on` those that were made
/// there; the drop of another panics.
#[must_use = "the runtime is entered only until this guard is dropped"]
pub struct EnterGuard<'a> {
    scope: context::Scope,
    handle: PhantomData<&'a Handle>,
    not_send: PhantomData<*const ()>,
}

impl Handle {
    /// The runtime that code on this thread uses.
    ///
    /// # Panics
    ///
    /// Outside a runtime; see [`try_current`](Self::try_current).
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::{Builder, Handle};
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = runtime.block_on(async { Handle::current().spawn(async { 42 }) });
    /// assert_eq!(runtime.block_on(task)?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::{Builder, Handle};
    ///
    /// assert!(Handle::try_current().is_err());
    /// let runtime = Builder::new_current_thread().build()?;
    /// assert!(runtime.block_on(async { Handle::try_current().is_ok() }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::current()
            .map(|shared| Self { shared })
            .ok_or(TryCurrentError(()))
    }

    /// As [`Runtime::block_on`](super::Runtime::block_on), also on a current-thread runtime. After the
    /// runtime's end the future runs alone: what it spawns is cancelled.
    ///
    /// # Panics
    ///
    /// If the future panics, and if the thread is running async tasks already; a blocking closure, or one in
    /// [`block_in_place`](crate::block_in_place), may call it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::{Builder, Handle};
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    /// let sum = runtime.spawn_blocking(|| Handle::current().block_on(async { 1 + 2 }));
    /// assert_eq!(runtime.block_on(sum)?, 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.shared.block_on(future)
    }

    /// What kind of runtime it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::{Builder, RuntimeFlavor};
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// assert_eq!(runtime.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        if self.shared.has_workers() {
            RuntimeFlavor::MultiThread
        } else {
            RuntimeFlavor::CurrentThread
        }
    }

    /// As [`Runtime::spawn`](super::Runtime::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = runtime.handle().spawn(async { 42 });
    /// assert_eq!(runtime.block_on(task)?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.spawn(future, Origin::here())
    }

    /// As [`Runtime::spawn_blocking`](super::Runtime::spawn_blocking).
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let sum = runtime.handle().spawn_blocking(|| 1 + 2);
    /// assert_eq!(runtime.block_on(sum)?, 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_blocking(&self.shared, closure, Origin::here())
    }

    /// Numbers about the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// assert_eq!(runtime.handle().metrics().num_workers(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self)
    }

    /// Makes this the runtime that code on this thread uses, until the guard is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let handle = runtime.handle().clone();
    /// let task = {
    ///     let _guard = handle.enter();
    ///     mini_rt_runtime::spawn(async { 42 })
    /// };
    /// assert_eq!(runtime.block_on(task)?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            scope: context::enter(self.shared.clone()),
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
    shared.hold_time();
    let held = shared.clone();
    let (job, join_handle) = blocking::new(entered, move || held.release_time(), origin);
    shared.blocking.spawn(job);
    join_handle
}

impl Drop for EnterGuard<'_> {
    #[track_caller]
    fn drop(&mut self) {
        if self.scope.is_innermost() {
            return self.scope.leave();
        }
        assert!(
            thread::panicking(),
            "a guard of `enter` was dropped out of order: guards must be dropped in the reverse order of \
             their making"
        );
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

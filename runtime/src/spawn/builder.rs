//! A task with a name.

use std::future::Future;

use super::local_set::{LocalSet, spawn_local_as};
use crate::runtime::{self, Handle};
use crate::scheduler::{self, context};
use crate::task::{JoinHandle, Origin};

/// Spawns a task that has a name, by which task dumps and reports of blocked workers call it.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::TaskBuilder;
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let ticker = TaskBuilder::new().name("ticker").spawn(async { 7 });
///     assert_eq!(ticker.await.unwrap(), 7);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder spawns nothing by itself"]
pub struct TaskBuilder {
    name: Option<String>,
}

impl TaskBuilder {
    /// A task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the task.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// As [`spawn`](crate::spawn).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let origin = self.origin();
        scheduler::spawn(future, origin).expect(context::NO_RUNTIME)
    }

    /// As [`Handle::spawn`].
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        handle.shared.spawn(future, self.origin())
    }

    /// As [`spawn_local`](crate::spawn_local).
    ///
    /// # Panics
    ///
    /// Where nothing runs local tasks.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_local_as(self.origin(), future)
    }

    /// As [`LocalSet::spawn_local`].
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, set: &LocalSet) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        set.spawn_local_as(self.origin(), future)
    }

    /// As [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let origin = self.origin();
        context::with_current(|shared| runtime::spawn_blocking(shared, closure, origin))
            .expect(context::NO_RUNTIME)
    }

    /// As [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, closure: F, handle: &Handle) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        runtime::spawn_blocking(&handle.shared, closure, self.origin())
    }

    #[track_caller]
    fn origin(self) -> Origin {
        let origin = Origin::here();
        match self.name {
            Some(name) => origin.named(name),
            None => origin,
        }
    }
}

//! A member with a name.

use std::fmt;
use std::future::Future;

use super::JoinSet;
use crate::runtime::Handle;
use crate::spawn::{LocalSet, TaskBuilder};
use crate::task::AbortHandle;

/// Spawns a task that has a name into a [`JoinSet`]; made by [`JoinSet::build_task`].
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::JoinSet;
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let mut set = JoinSet::new();
///     for n in 0..3 {
///         set.build_task().name(format!("part {n}")).spawn(async move { n });
///     }
///     assert_eq!(set.join_all().await.len(), 3);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder spawns nothing by itself"]
pub struct JoinSetBuilder<'a, T> {
    set: &'a mut JoinSet<T>,
    task: TaskBuilder,
}

impl<'a, T: 'static> JoinSetBuilder<'a, T> {
    pub(super) fn new(set: &'a mut JoinSet<T>) -> Self {
        Self {
            set,
            task: TaskBuilder::new(),
        }
    }

    /// Names the task.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.task = self.task.name(name);
        self
    }

    /// As [`JoinSet::spawn`].
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.set.insert(self.task.spawn(future))
    }

    /// As [`JoinSet::spawn_on`].
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.set.insert(self.task.spawn_on(future, handle))
    }

    /// As [`JoinSet::spawn_local`].
    ///
    /// # Panics
    ///
    /// Where nothing runs local tasks.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.set.insert(self.task.spawn_local(future))
    }

    /// As [`JoinSet::spawn_local_on`].
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.set.insert(self.task.spawn_local_on(future, local_set))
    }

    /// As [`JoinSet::spawn_blocking`].
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(self, closure: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.set.insert(self.task.spawn_blocking(closure))
    }

    /// As [`JoinSet::spawn_blocking_on`].
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, closure: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.set
            .insert(self.task.spawn_blocking_on(closure, handle))
    }
}

impl<T> fmt::Debug for JoinSetBuilder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSetBuilder")
            .field("task", &self.task)
            .field("set", &self.set)
            .finish()
    }
}

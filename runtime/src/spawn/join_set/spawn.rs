//! The ways into a set.

use std::future::Future;

use super::{JoinSet, JoinSetBuilder};
use crate::runtime::Handle;
use crate::spawn::LocalSet;
use crate::task::AbortHandle;

impl<T: 'static> JoinSet<T> {
    /// Spawns a task into the set, as [`spawn`](crate::spawn) does.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(crate::spawn::spawn(future))
    }

    /// Spawns a task of any runtime into the set, as [`Handle::spawn`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::{JoinSet, block_on};
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    /// let mut set = JoinSet::new();
    /// set.spawn_on(async { 1 }, runtime.handle());
    /// assert_eq!(block_on(set.join_all()), [1]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(future))
    }

    /// Spawns a task that stays on this thread into the set, as [`spawn_local`](crate::spawn_local) does.
    ///
    /// # Panics
    ///
    /// Where nothing runs local tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use mini_rt_runtime::{JoinSet, block_on};
    ///
    /// block_on(async {
    ///     let (mut set, text) = (JoinSet::new(), Rc::new("not Send"));
    ///     for _ in 0..2 {
    ///         let text = text.clone();
    ///         set.spawn_local(async move { text.len() });
    ///     }
    ///     assert_eq!(set.join_all().await, [8, 8]);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(crate::spawn::spawn_local(future))
    }

    /// Spawns a task of a [`LocalSet`] into the set.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, future: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(future))
    }

    /// Runs a closure that may block, as [`spawn_blocking`](crate::spawn_blocking) does, and has its output
    /// in the set. Once begun, neither an abort nor the drop of the set stops it.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// runtime.block_on(async {
    ///     let mut set = JoinSet::new();
    ///     for name in ["Cargo.toml", "src/lib.rs"] {
    ///         set.spawn_blocking(move || std::fs::metadata(name).unwrap().len());
    ///     }
    ///     assert!(set.join_all().await.into_iter().all(|len| len > 0));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, closure: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(crate::spawn::spawn_blocking(closure))
    }

    /// As [`spawn_blocking`](Self::spawn_blocking), on the threads of any runtime.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, closure: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(closure))
    }

    /// Gives the next task of the set a name.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// runtime.block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.build_task().name("answer").spawn(async { 42 });
    ///     assert_eq!(set.join_all().await, [42]);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build_task(&mut self) -> JoinSetBuilder<'_, T> {
        JoinSetBuilder::new(self)
    }
}

impl<F> Extend<F> for JoinSet<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Spawns each of the futures into the set.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

impl<F> FromIterator<F> for JoinSet<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Spawns each of the futures into a new set.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

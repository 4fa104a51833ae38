//! Tasks that stay on the thread that spawns them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::runtime::Runtime;
use crate::scheduler::local::{self, Entered, OwnedSet, Poller};
use crate::task::{JoinHandle, Origin};

/// Starts a task that stays on this thread, so that its future need not be `Send`.
///
/// The task belongs to the [`LocalSet`] that is entered here: by [`LocalSet::run_until`], by
/// [`LocalSet::enter`], or because the caller is one of its tasks. Anywhere else inside `block_on` of a
/// current-thread runtime, in its tasks too, the local task belongs to this thread and the runtime: it runs
/// whenever the thread is in that runtime's `block_on`, and is dropped when the thread drops the runtime,
/// or ends.
///
/// # Panics
///
/// Where there is neither.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// mini_rt_runtime::block_on(async {
///     let text = Rc::new("not Send".to_owned());
///     let task = mini_rt_runtime::spawn_local({
///         let text = text.clone();
///         async move { text.len() }
///     });
///     assert_eq!(task.await.unwrap(), text.len());
/// });
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_as(Origin::here(), future)
}

/// As [`spawn_local`], for a task whose origin is known.
#[track_caller]
pub(super) fn spawn_local_as<F>(origin: Origin, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let set = local::current().expect(local::NO_SET);
    set.spawn(future, origin)
}

/// Tasks that run where the set is polled, on the thread that made it. Their futures need not be `Send`.
///
/// The set is polled by [`run_until`](Self::run_until), by [`block_on`](Self::block_on), or by awaiting the
/// set itself, which is over when all its tasks are. Meanwhile other threads may wake and abort its tasks,
/// and await their handles. A set can be used in any future that stays on one thread: that of `block_on`, on
/// runtimes of either kind, or a local task.
///
/// Each time it is polled a bounded number of its tasks run, so that a busy set leaves turns to others.
///
/// Dropping a set drops the futures of all its tasks, and awaiting their handles then says that they were
/// cancelled. What their destructors spawn is cancelled too.
///
/// # Panics
///
/// Code without `unsafe` cannot bring a set to another thread. If other code does, polling the set there
/// panics, and so do spawning and dropping.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// use mini_rt_runtime::{LocalSet, runtime::Builder, spawn_local};
///
/// let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
/// let sum = Rc::new(Cell::new(0));
/// let set = LocalSet::new();
/// for n in 1..=10 {
///     let sum = sum.clone();
///     set.spawn_local(async move {
///         spawn_local(async move { sum.set(sum.get() + n) }).await.unwrap();
///     });
/// }
/// runtime.block_on(set);
/// assert_eq!(sum.get(), 55);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It cannot leave its thread:
///
/// ```compile_fail,E0277
/// let set = mini_rt_runtime::LocalSet::new();
/// std::thread::spawn(move || drop(set));
/// ```
///
/// and neither can a future that polls it:
///
/// ```compile_fail
/// # let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().build()?;
/// runtime.spawn(async {
///     mini_rt_runtime::LocalSet::new().run_until(async {}).await;
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalSet {
    tasks: OwnedSet,
    /// Who awaits the set.
    awaiting: Poller,
}

/// The scope of [`LocalSet::enter`].
///
/// Guards must be dropped in the reverse order of their making.
#[must_use = "the set is entered only until this guard is dropped"]
pub struct LocalEnterGuard {
    _entered: Entered,
}

impl LocalSet {
    /// A set without tasks, for the calling thread.
    pub fn new() -> Self {
        let tasks = OwnedSet::new(Arc::default());
        Self {
            awaiting: tasks.set().poller(),
            tasks,
        }
    }

    /// Starts a task in this set. It runs when the set is polled.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_local_as(Origin::here(), future)
    }

    /// As [`spawn_local`](Self::spawn_local), for a task whose origin is known.
    pub(super) fn spawn_local_as<F>(&self, origin: Origin, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.tasks.set().spawn(future, origin)
    }

    /// Runs a future, and the tasks of the set beside it until it is ready. In it, [`spawn_local`] spawns to
    /// this set.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped, so is the one given. The tasks stay in the set and go on when it is
    /// polled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::{LocalSet, spawn_local};
    ///
    /// mini_rt_runtime::block_on(async {
    ///     let set = LocalSet::new();
    ///     let task = set.run_until(async { spawn_local(async { 7 }).await }).await;
    ///     assert_eq!(task.unwrap(), 7);
    /// });
    /// ```
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        self.tasks.run_until(future).await
    }

    /// As [`run_until`](Self::run_until), in [`Runtime::block_on`].
    ///
    /// # Panics
    ///
    /// As `Runtime::block_on`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::{LocalSet, runtime::Builder, spawn_local};
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = LocalSet::new().block_on(&runtime, async { spawn_local(async { 7 }).await });
    /// assert_eq!(task.unwrap(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(self.run_until(future))
    }

    /// Makes this the set that [`spawn_local`] on this thread spawns to, until the guard is dropped. That
    /// alone runs no task.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::{LocalSet, spawn_local};
    ///
    /// let set = LocalSet::new();
    /// let task = {
    ///     let _guard = set.enter();
    ///     spawn_local(async { 7 })
    /// };
    /// mini_rt_runtime::block_on(set);
    /// assert!(task.is_finished());
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard {
            _entered: Entered::new(self.tasks.set().clone()),
        }
    }
}

/// Ready when all tasks of the set are over.
///
/// # Cancel safety
///
/// Awaiting `&mut set` and giving up loses nothing.
impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.awaiting.turn(cx).run();
        if self.tasks.set().len() == 0 {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet")
            .field("tasks", &self.tasks.set().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalEnterGuard")
    }
}

//! Tasks that are awaited together.
//!
//! What always holds:
//! - Each member has an index, under which its join handle is kept, and a waker of its own that brings this
//!   index to the queue in `finished.rs` when the member is over. So joining looks at no member but the
//!   one that has finished, however many there are.
//! - An index is given to another member only after its notice was taken from the queue. Who lets go of
//!   members in another way ([`JoinSet::detach_all`]) leaves the queue to their notices, and takes a new one.
//! - Only the owner of the set touches the handles; members touch the queue alone. So it does not matter to
//!   them whether the set is polled, moved or dropped meanwhile.
//!
//! | file | one idea |
//! |---|---|
//! | `finished.rs` | who has finished, and who waits for the next |
//! | `spawn.rs` | the ways into a set |
//! | `stream.rs` | a set as a stream of outputs |
//! | `builder.rs` | a member with a name |

mod builder;
mod finished;
mod spawn;
mod stream;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

pub use self::builder::JoinSetBuilder;

use self::finished::Finished;
use crate::contain::contain;
use crate::coop;
use crate::task::{AbortHandle, Id, JoinError, JoinHandle};

/// A set of tasks with outputs of one type, which are awaited in the order in which they finish.
///
/// Dropping the set aborts its tasks. A set is also a [`Stream`](futures_core::Stream) of its outputs, which
/// ends when the set is empty and goes on when something is spawned into it again.
///
/// Each output that is taken counts as one operation of the task's cooperative budget.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::JoinSet;
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
/// runtime.block_on(async {
///     let mut set = JoinSet::new();
///     for n in 1..=4 {
///         set.spawn(async move { n * n });
///     }
///     let mut sum = 0;
///     while let Some(result) = set.join_next().await {
///         sum += result.unwrap();
///     }
///     assert_eq!(sum, 1 + 4 + 9 + 16);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinSet<T> {
    /// By index. Vacant places are those that `vacant` names.
    members: Vec<Option<Member<T>>>,
    vacant: Vec<usize>,
    finished: Arc<Finished>,
}

/// A task whose output was not taken yet.
enum Member<T> {
    Spawned(JoinHandle<T>),
    /// It was over when it came in. Nobody locks this: it lets the set be shared whenever `T` may be sent.
    Over(Box<Mutex<(Id, Result<T, JoinError>)>>),
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            members: Vec::new(),
            vacant: Vec::new(),
            finished: Arc::default(),
        }
    }

    /// The number of tasks in the set: those that run, and those whose output was not taken.
    pub fn len(&self) -> usize {
        self.members.len() - self.vacant.len()
    }

    /// Whether there is no task in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until a task of the set finishes, and takes its output; `None` if the set is empty.
    ///
    /// # Errors
    ///
    /// If that task panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// A call that is given up has taken nothing from the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the task's identifier beside its output. An error
    /// [knows its task](JoinError::id) anyway.
    ///
    /// # Errors
    ///
    /// If the task panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// A call that is given up has taken nothing from the set.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// runtime.block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let task = set.spawn(async { 1 });
    ///     assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (task.id(), 1));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes the output of a task that has finished; `None` if none has, or the set is empty.
    ///
    /// # Errors
    ///
    /// If that task panicked or was aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    /// runtime.block_on(async {
    ///     let mut set: JoinSet<_> = (0..10).map(|n| async move { n }).collect();
    ///     let mut batches = Vec::new();
    ///     while let Some(first) = set.join_next().await {
    ///         let mut batch = vec![first.unwrap()];
    ///         while let Some(next) = set.try_join_next() {
    ///             batch.push(next.unwrap());
    ///         }
    ///         batches.push(batch);
    ///     }
    ///     assert_eq!(batches.concat().len(), 10);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.finished.pop().map(|index| self.take(index).1)
    }

    /// As [`try_join_next`](Self::try_join_next), with the task's identifier beside its output.
    ///
    /// # Errors
    ///
    /// If the task panicked or was aborted.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.finished.pop().map(|index| with_id(self.take(index)))
    }

    /// As [`join_next`](Self::join_next), for a hand-written future. The waker of the latest call is woken
    /// when there is more.
    ///
    /// # Errors
    ///
    /// If the task panicked or was aborted.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_take(cx)
            .map(|taken| taken.map(|(_, result)| result))
    }

    /// As [`join_next_with_id`](Self::join_next_with_id), for a hand-written future. The waker of the latest
    /// call is woken when there is more.
    ///
    /// # Errors
    ///
    /// If the task panicked or was aborted.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        self.poll_take(cx).map(|taken| taken.map(with_id))
    }

    /// Waits for all tasks, and gives their outputs in the order in which they finished.
    ///
    /// # Panics
    ///
    /// If a task panicked, with the same panic, and if one was aborted. The others are aborted then.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// runtime.block_on(async {
    ///     let set: JoinSet<_> = (0..3).map(|n| async move { n * 10 }).collect();
    ///     assert_eq!(set.join_all().await.into_iter().sum::<u32>(), 0 + 10 + 20);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(panic)) => resume_unwind(panic),
                Err(Err(cancelled)) => panic!("{cancelled}"),
            }
        }
        outputs
    }

    /// Asks every task to stop, as [`JoinHandle::abort`] does. They stay in the set until they are joined.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// runtime.block_on(async {
    ///     let mut set: JoinSet<_> = (0..3).map(|_| std::future::pending::<()>()).collect();
    ///     set.abort_all();
    ///     while let Some(result) = set.join_next().await {
    ///         assert!(result.unwrap_err().is_cancelled());
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort_all(&mut self) {
        for member in self.members.iter().flatten() {
            if let Member::Spawned(handle) = member {
                handle.abort();
            }
        }
    }

    /// Empties the set and lets its tasks run on.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// runtime.block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async move { sender.send("done").unwrap() });
    ///     set.detach_all();
    ///     assert!(set.join_next().await.is_none());
    ///     let received = mini_rt_runtime::spawn_blocking(move || receiver.recv());
    ///     assert_eq!(received.await.unwrap(), Ok("done"));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn detach_all(&mut self) {
        self.finished = Arc::default();
        self.let_go();
    }

    /// Aborts every task and waits until all are over. What they gave, and their panics, are dropped.
    ///
    /// # Cancel safety
    ///
    /// Given up, the tasks are aborted all the same, and those that were not over are still in the set.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::JoinSet;
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// runtime.block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Takes a task in, and asks it to give notice when it is over.
    fn insert(&mut self, mut handle: JoinHandle<T>) -> AbortHandle {
        let abort_handle = handle.abort_handle();
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        let notice = self.finished.notice(index);
        let polled = poll_unconstrained(&mut handle, &notice);
        let place = &mut self.members[index];
        match polled {
            Poll::Pending => *place = Some(Member::Spawned(handle)),
            Poll::Ready(result) => {
                let taken = Mutex::new((handle.id(), result));
                *place = Some(Member::Over(Box::new(taken)));
                notice.wake();
            }
        }
        abort_handle
    }

    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let progress = ready!(coop::poll_proceed(cx));
        let index = ready!(self.finished.poll_pop(cx));
        progress.made_progress();
        Poll::Ready(Some(self.take(index)))
    }

    /// Takes out the member whose index came from the queue.
    fn take(&mut self, index: usize) -> (Id, Result<T, JoinError>) {
        let member = self.members[index].take();
        self.vacant.push(index);
        match member.expect("a member gives notice once") {
            Member::Over(taken) => taken.into_inner().expect("nobody locked it"),
            Member::Spawned(mut handle) => match poll_unconstrained(&mut handle, Waker::noop()) {
                Poll::Ready(result) => (handle.id(), result),
                Poll::Pending => unreachable!("a member that gave notice is over"),
            },
        }
    }

    /// Drops all members. None of their outputs keeps another member here by a panic in its drop.
    fn let_go(&mut self) {
        self.vacant.clear();
        for member in self.members.drain(..) {
            contain(|| drop(member));
        }
    }
}

/// Polls a member outside the budget of the current task, to which it need not be of any interest.
fn poll_unconstrained<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    let _scope = coop::Scope::unconstrained();
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

fn with_id<T>((id, result): (Id, Result<T, JoinError>)) -> Result<(Id, T), JoinError> {
    result.map(|output| (id, output))
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
        self.let_go();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

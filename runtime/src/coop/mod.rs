//! Cooperative scheduling: the budget that keeps one task from holding its core for ever.
//!
//! A task leaves its core when its future returns `Pending`. A loop over operations that are always ready,
//! such as reads from a socket whose peer writes faster, would never do so. Therefore each poll of a task,
//! and of the future of `block_on`, begins with a budget of 128 units. An operation on a socket, an
//! [`AsyncFd`](crate::io::AsyncFd) or a [`JoinHandle`](crate::task::JoinHandle) costs one unit if it gets
//! on. If there is no unit left it returns `Pending`, ready or not, and wakes its task, which so goes
//! behind the others that are ready.
//!
//! Tasks that wait only for what the runtime has need not think of this. For others there are:
//!
//! | what | for |
//! |---|---|
//! | [`poll_proceed`] | a future of one's own that waits for events, such as those of a queue |
//! | [`cooperative`] | such a future of somebody else |
//! | [`consume_budget`] | a long computation |
//! | [`unconstrained`] | a future that must not be refused anything |
//! | [`has_budget_remaining`] | a future that wants to know why another is pending |
//!
//! Where no task is polled, as in `spawn_blocking` or on threads of another kind, there is no limit. Inside a
//! task, another executor may take `Pending` and a wake for "poll again at once". It gets on as well: a poll
//! that was refused some hundreds of units gets a new budget.

// `budget.rs` has the word in which a thread counts, `wrappers.rs` the futures that poll another.

mod budget;
mod wrappers;

use std::cell::Cell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::{Context, Poll};

pub(crate) use self::budget::{Scope, renew, take_forced_yields};
pub use self::wrappers::{Coop, Unconstrained, cooperative, unconstrained};

/// Takes a unit of the budget, for an operation that is about to be tried.
///
/// `Pending` says that no unit is left. The task is woken already, so the caller returns `Pending` too, and
/// need not keep the waker. Otherwise the caller tries its operation, and says with
/// [`made_progress`](RestoreOnPending::made_progress) that it was done. If not, the unit goes back when the
/// [`RestoreOnPending`] is dropped. Where there is no limit, the answer is always `Ready`.
///
/// This is for futures that poll no others: with those that do, the inner ones pay.
///
/// # Examples
///
/// A queue whose reader takes part:
///
/// ```
/// use std::collections::VecDeque;
/// use std::future::poll_fn;
/// use std::sync::Mutex;
/// use std::task::{Context, Poll, Waker, ready};
///
/// use mini_rt_runtime::coop;
///
/// #[derive(Default)]
/// struct Queue {
///     items: VecDeque<u32>,
///     reader: Option<Waker>,
/// }
///
/// fn poll_next(queue: &Mutex<Queue>, cx: &mut Context<'_>) -> Poll<u32> {
///     let unit = ready!(coop::poll_proceed(cx));
///     let mut queue = queue.lock().unwrap();
///     match queue.items.pop_front() {
///         Some(item) => {
///             unit.made_progress();
///             Poll::Ready(item)
///         }
///         None => {
///             queue.reader = Some(cx.waker().clone());
///             Poll::Pending
///         }
///     }
/// }
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// let queue = Mutex::new(Queue::default());
/// queue.lock().unwrap().items.extend(0..1_000);
/// let sum = runtime.block_on(async {
///     let mut sum = 0;
///     for _ in 0..1_000 {
///         sum += poll_fn(|cx| poll_next(&queue, cx)).await;
///     }
///     sum
/// });
/// assert_eq!(sum, 499_500);
/// # Ok::<(), std::io::Error>(())
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    if budget::take() {
        Poll::Ready(RestoreOnPending {
            is_spent: Cell::new(false),
            of_this_thread: PhantomData,
        })
    } else {
        budget::refuse(cx.waker());
        Poll::Pending
    }
}

/// A unit of the budget, from [`poll_proceed`]: it goes back on drop, unless
/// [`made_progress`](Self::made_progress) was called.
#[derive(Debug)]
#[must_use = "without `made_progress` the unit goes back"]
pub struct RestoreOnPending {
    is_spent: Cell<bool>,
    of_this_thread: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// Says that the operation was done, so that the unit is spent.
    #[inline]
    pub fn made_progress(&self) {
        self.is_spent.set(true);
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        if !self.is_spent.get() {
            budget::give_back();
        }
    }
}

/// Whether the poll in progress has a unit left; true where there is no limit.
///
/// This spends nothing. A future that polls several others can tell by it whether one is pending only
/// because those before have used up the budget.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::coop;
///
/// assert!(coop::has_budget_remaining());
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     for _ in 0..128 {
///         assert!(coop::has_budget_remaining());
///         coop::consume_budget().await;
///     }
///     assert!(!coop::has_budget_remaining());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[inline]
pub fn has_budget_remaining() -> bool {
    budget::has_units()
}

/// Spends a unit of the budget, and lets other tasks run first if there is none.
///
/// In the loop of a long computation it lets others run every 128th time, and otherwise costs next to
/// nothing. [`yield_now`](crate::yield_now) lets others run each time.
///
/// # Cancel safety
///
/// Giving up loses nothing.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::coop;
///
/// async fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
///     let mut sum = 0;
///     for number in numbers {
///         sum += number;
///         coop::consume_budget().await;
///     }
///     sum
/// }
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// # assert_eq!(runtime.block_on(sum(0..1_000)), 499_500);
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn consume_budget() {
    poll_fn(|cx| poll_proceed(cx).map(|unit| unit.made_progress())).await;
}

//! Blocking where one is.

use crate::scheduler;

/// Runs a closure that blocks, while another thread goes on with the tasks of this one.
///
/// The thread lends its core for as long as the closure takes, and so the closure may borrow from the
/// task, which [`spawn_blocking`](crate::spawn_blocking) does not allow. It may also call
/// [`Handle::block_on`](crate::runtime::Handle::block_on). What runs beside the call *in the same task*,
/// as in a `join!`, waits for it. Afterwards the task goes on, without a core until its poll is over if
/// the core is busy elsewhere.
///
/// Outside a runtime, in blocking closures and in a nested call the closure simply runs. If the system
/// gives no thread to go on with the tasks, they wait for the closure, unless a sibling rescues them.
///
/// # Panics
///
/// On the thread of a current-thread runtime; and with the closure.
///
/// # Examples
///
/// ```
/// # let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let mut lines = vec![3, 1, 2];
///     mini_rt_runtime::block_in_place(|| lines.sort());
///     assert_eq!(lines, [1, 2, 3]);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn block_in_place<R>(closure: impl FnOnce() -> R) -> R {
    scheduler::block_in_place(closure)
}

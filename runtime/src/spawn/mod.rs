//! Starting tasks on the current runtime.
//!
//! | file | one idea |
//! |---|---|
//! | `builder.rs` | a task with a name |
//! | `block_in_place.rs` | blocking where one is |
//! | `join_set.rs` | tasks that are awaited together |
//! | `local_set.rs` | tasks that stay on one thread |
//! | `task_local.rs` | values that belong to a task |
//! | `yield_now.rs` | giving way to other tasks |

mod block_in_place;
mod builder;
mod join_set;
mod local_set;
mod task_local;
mod yield_now;

use std::future::Future;

pub use self::block_in_place::block_in_place;
pub use self::builder::TaskBuilder;
pub use self::join_set::{JoinSet, JoinSetBuilder};
pub use self::local_set::{LocalEnterGuard, LocalSet, spawn_local};
pub use self::task_local::{AccessError, LocalKey, TaskLocalFuture};
pub use self::yield_now::yield_now;

use crate::runtime;
use crate::scheduler::{self, context};
use crate::task::{JoinHandle, Origin};

/// Starts a task on the current runtime. It runs whether or not its handle is awaited.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let tasks: Vec<_> = (0..3).map(|n| mini_rt_runtime::spawn(async move { n * n })).collect();
///     for (n, task) in tasks.into_iter().enumerate() {
///         assert_eq!(task.await.unwrap(), n * n);
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let origin = Origin::here();
    scheduler::spawn(future, origin).expect(context::NO_RUNTIME)
}

/// Runs a closure on a thread where it may block: file access, name resolution, long computations.
///
/// Once begun, it cannot be aborted. The runtime's end waits for it.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let text = mini_rt_runtime::spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
///     assert!(text.await.unwrap().unwrap().contains("[package]"));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(closure: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let origin = Origin::here();
    context::with_current(|shared| runtime::spawn_blocking(shared, closure, origin))
        .expect(context::NO_RUNTIME)
}

/// Runs a future on this thread, in a current-thread runtime of its own.
///
/// # Panics
///
/// If the future panics, if the thread is running async tasks already, and if the system gives no
/// descriptors for the runtime's poller.
///
/// # Examples
///
/// ```
/// assert_eq!(mini_rt_runtime::block_on(async { 1 + 1 }), 2);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = runtime::Builder::new_current_thread().build();
    runtime
        .expect("the runtime's poller could not be made")
        .block_on(future)
}

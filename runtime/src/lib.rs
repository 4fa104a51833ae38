//! Tasks, scheduler and reactor of `mini_rt`: everything but sockets.
//!
//! Users take the facade crate `mini_rt`; who builds sockets or other I/O of their own needs only this
//! crate, and [`io::AsyncFd`] in particular, which is all that `mini_rt`'s own sockets are built on.
//!
//! A folder here is a floor, and imports only from floors below it:
//!
//! | floor | folder | what lives there |
//! |---|---|---|
//! | 1 | `sys` | the operating system's poller |
//! | 1 | `task` | a task and its handles |
//! | 1 | `queue` | where ready tasks wait |
//! | 2 | `reactor` | from events to wakers |
//! | 2 | `timer` | what time it is, and whom to wake when |
//! | 3 | `blocking` | threads for closures that block |
//! | 3 | `scheduler` | cores, and the threads that hold them |
//! | 4 | `runtime` | building, entering and ending a runtime |
//! | 5 | `io`, `spawn`, `time` | what users call |
//!
//! Beside them stand `sync`, the primitives that models replace, [`coop`], the budget of a poll, and
//! `contain`, which keeps foreign panics out.

mod blocking;
mod contain;
pub mod coop;
pub mod io;
mod queue;
mod reactor;
pub mod runtime;
mod scheduler;
mod spawn;
mod sync;
mod sys;
pub mod task;
#[cfg(all(test, not(loom)))]
mod tests;
pub mod time;
mod timer;

pub use self::spawn::{
    AccessError, JoinSet, JoinSetBuilder, LocalEnterGuard, LocalKey, LocalSet, TaskBuilder,
    TaskLocalFuture, block_in_place, block_on, spawn, spawn_blocking, spawn_local, yield_now,
};

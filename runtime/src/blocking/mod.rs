//! Threads for closures that block.
//!
//! | file | one idea |
//! |---|---|
//! | `pool.rs` | threads that come when there is work and go when there is none |
//! | `task.rs` | a closure as a task, so that it has a join handle like any other |

mod pool;
mod task;

#[cfg(all(test, loom))]
mod models;

pub(crate) use self::pool::{Config, Pool, StartThread};
pub(crate) use self::task::new;

//! What the integration tests share: the part of the facade's that needs no sockets.

#![allow(dead_code)] // each test binary uses its part

use mini_rt_runtime::runtime;

mod task {
    pub use mini_rt_runtime::task::*;
    pub use mini_rt_runtime::yield_now;
}

#[path = "../../../tests/support/kinds.rs"]
pub mod kinds;
#[path = "../../../tests/support/process.rs"]
pub mod process;
#[path = "../../../tests/support/random.rs"]
pub mod random;
#[path = "../../../tests/support/tasks.rs"]
pub mod tasks;
#[path = "../../../tests/support/watchdog.rs"]
pub mod watchdog;

//! What the integration tests share.
//!
//! | file | what it is for |
//! |---|---|
//! | `watchdog.rs` | a test that hangs ends the process and says where |
//! | `random.rs` | numbers that a seed repeats |
//! | `kinds.rs` | the runtimes that each scenario runs on |
//! | `process.rs` | what the system says about this process, and tests in a process of their own |
//! | `sockets.rs` | pairs of streams, and blocking peers |
//! | `health.rs` | whether a runtime still works |
//! | `faults.rs` | system calls that fail; included by the tests inside the crates |
//! | `tasks.rs` | threads, wakers and drops that a test can watch |

#![allow(dead_code)] // each test binary uses its part

use mini_rt::{runtime, task};

pub mod health;
pub mod kinds;
pub mod process;
pub mod random;
pub mod sockets;
pub mod tasks;
pub mod watchdog;

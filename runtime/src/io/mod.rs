//! Asynchronous input and output over any file descriptor.
//!
//! | file | one idea |
//! |---|---|
//! | `async_fd.rs` | a descriptor with its registration, and operations repeated until they do not block |
//! | `ready.rs` | readiness as a value: waiting for it, and saying that it was used up |

mod async_fd;
mod ready;

pub use self::async_fd::AsyncFd;
pub use self::ready::{Readiness, ReadyGuard, TryIoError};
pub use crate::sys::Interest;

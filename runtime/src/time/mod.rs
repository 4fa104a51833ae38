//! Time: sleeping, time limits, intervals, and a clock that tests can hold.
//!
//! Timers go by the runtime's clock, in nanoseconds, and never fire early. A timer belongs to the runtime in
//! which it is polled for the first time; outside a runtime that panics.
//!
//! | file | one idea |
//! |---|---|
//! | `instant.rs` | a point in time |
//! | `sleep.rs` | waiting until then |
//! | `timeout.rs` | waiting for something else, but no longer |
//! | `interval.rs` | waiting again and again |
//! | `pause.rs` | the test's hand on the clock |

mod instant;
mod interval;
mod pause;
mod sleep;
mod timeout;

pub use std::time::Duration;

pub use self::instant::Instant;
pub use self::interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use self::pause::{advance, pause, resume};
pub use self::sleep::{Sleep, sleep, sleep_until};
pub use self::timeout::{Elapsed, Timeout, timeout, timeout_at};

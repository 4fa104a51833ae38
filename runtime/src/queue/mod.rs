//! Where what is ready waits for its turn.
//!
//! | file | one idea |
//! |---|---|
//! | `ring.rs` | a core's own queue: 256 slots, one producer, stealable by all |
//! | `slot.rs` | a place for the one item to run next |
//! | `injector.rs` | the queue all cores share, for what comes from outside |
//!
//! Nothing here knows what it carries.

mod injector;
mod ring;
mod slot;

#[cfg(all(test, loom))]
mod models;

pub(crate) use self::injector::Injector;
pub(crate) use self::ring::{Full, Local, Ring};
pub(crate) use self::slot::Slot;

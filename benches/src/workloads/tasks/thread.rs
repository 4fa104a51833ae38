//! Threads that are no part of a runtime.

use std::convert::Infallible;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// A thread that does its work and then stays until this is dropped, for what a thread has used is
/// counted only while it lives.
pub(super) struct KeptThread {
    _release: Sender<Infallible>,
}

impl KeptThread {
    /// Has a new thread do `work`.
    ///
    /// # Panics
    /// When there can be no more threads.
    pub(super) fn start(work: impl FnOnce() + Send + 'static) -> Self {
        let (release, released) = channel();
        thread::spawn(move || {
            work();
            // An error: nothing is sent, and the sender is gone.
            let _ = released.recv();
        });
        Self { _release: release }
    }
}

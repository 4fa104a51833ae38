//! What models share: how far they are explored, and a thread that waits for its waker.
//!
//! A wake-up that is lost leaves its thread asleep for ever, which loom reports as a deadlock. What is
//! never dropped is found by [`Track`], which loom looks at when an execution ends.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use loom::alloc::Track;

use super::{Condvar, Mutex};

/// Explores a model, and prints in how many interleavings. `LOOM_MAX_PREEMPTIONS` changes how often a thread
/// may be interrupted.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 5_000;
    let explored = Arc::new(AtomicU64::new(0));
    let count = explored.clone();
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    println!("{} interleavings", explored.load(Relaxed));
}

/// A waker that a thread can wait for.
#[derive(Debug)]
pub(crate) struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
    _leak: Track<()>,
}

impl Signal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: Mutex::new(false),
            changed: Condvar::default(),
            _leak: Track::new(()),
        })
    }

    /// Waits for a wake since the last wait.
    pub(crate) fn wait(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            woken = self.changed.wait(woken);
        }
        *woken = false;
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }
}

/// Runs a future, and sleeps whenever it is pending.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let signal = Signal::new();
    let waker = Waker::from(signal.clone());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => signal.wait(),
        }
    }
}

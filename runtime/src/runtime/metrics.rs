//! Numbers about a running runtime.

use std::fmt;
use std::sync::Arc;

use super::Handle;
use crate::scheduler::Shared;

/// Numbers about a running runtime, read when asked for.
///
/// # Examples
///
/// ```
/// let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
/// let metrics = runtime.metrics();
/// assert_eq!(metrics.num_workers(), 2);
/// assert_eq!(metrics.num_alive_tasks(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RuntimeMetrics {
    shared: Arc<Shared>,
}

impl RuntimeMetrics {
    pub(super) fn new(handle: &Handle) -> Self {
        Self {
            shared: handle.shared.clone(),
        }
    }

    /// Cores: worker threads, or 1 for a current-thread runtime.
    pub fn num_workers(&self) -> usize {
        self.shared.cores()
    }

    /// Tasks that are not over. Blocking closures do not count.
    pub fn num_alive_tasks(&self) -> usize {
        self.shared.alive_tasks()
    }

    /// Tasks in the queue that all cores share.
    pub fn global_queue_depth(&self) -> usize {
        self.shared.injected()
    }

    /// Descriptors that are registered with a poller.
    pub fn registered_fds(&self) -> usize {
        self.shared.reactors.sources()
    }

    /// Threads for blocking closures, busy and idle.
    pub fn num_blocking_threads(&self) -> usize {
        self.shared.blocking.load().0
    }

    /// Blocking closures that wait for a thread.
    pub fn blocking_queue_depth(&self) -> usize {
        self.shared.blocking.load().1
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("num_workers", &self.num_workers())
            .field("num_alive_tasks", &self.num_alive_tasks())
            .field("global_queue_depth", &self.global_queue_depth())
            .field("registered_fds", &self.registered_fds())
            .field("num_blocking_threads", &self.num_blocking_threads())
            .field("blocking_queue_depth", &self.blocking_queue_depth())
            .finish()
    }
}

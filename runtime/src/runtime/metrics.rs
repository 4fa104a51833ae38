//! Numbers about a running runtime.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{BlockedTask, Handle, MetricsSnapshot, WorkerSnapshot};
use crate::scheduler::Shared;

/// Numbers about a running runtime, read when asked for. They are always counted, and reading them stops
/// nobody; so numbers that belong together may be of slightly different moments.
///
/// Counters begin at 0 with the runtime. A worker's are brought up to date whenever it looks at its sockets,
/// which a worker with nothing but tasks to run does about every millisecond.
///
/// Shown with `{}` it is a table for people; [`snapshot`](Self::snapshot) has the same as plain data.
///
/// # Panics
///
/// Functions that take the number of a worker panic if there is none with this number. A current-thread
/// runtime has one, which is whoever is in `block_on`.
///
/// # Examples
///
/// ```
/// let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
/// runtime.block_on(runtime.spawn(async {}))?;
/// let metrics = runtime.metrics();
/// assert_eq!(metrics.num_workers(), 2);
/// assert_eq!(metrics.spawned_tasks_count(), 1);
/// println!("{metrics}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RuntimeMetrics {
    pub(super) shared: Arc<Shared>,
}

impl RuntimeMetrics {
    pub(super) fn new(handle: &Handle) -> Self {
        Self {
            shared: handle.shared.clone(),
        }
    }

    /// All numbers at once.
    pub fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot::take(self)
    }

    /// Cores: worker threads, or 1 for a current-thread runtime.
    pub fn num_workers(&self) -> usize {
        self.shared.cores()
    }

    /// Workers in a poll that has blocked them for 5 ms or longer. If it is all of them, nothing runs.
    pub fn num_blocked_workers(&self) -> usize {
        let workers = 0..self.num_workers();
        workers
            .filter(|&worker| self.worker_blocked_duration(worker).is_some())
            .count()
    }

    /// Tasks that are not over. Neither blocking closures nor the tasks of a `LocalSet` count.
    pub fn num_alive_tasks(&self) -> usize {
        self.shared.alive_tasks()
    }

    /// Tasks that were ever spawned. Neither blocking closures nor the tasks of a `LocalSet` count.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.shared.spawned_tasks()
    }

    /// Tasks in the queue that all cores share.
    pub fn global_queue_depth(&self) -> usize {
        self.shared.injected()
    }

    /// Polls that were made to yield because their [budget](crate::coop) was spent.
    pub fn budget_forced_yield_count(&self) -> u64 {
        let workers = (0..self.num_workers()).map(|worker| self.shared.activity(worker));
        workers.map(|activity| activity.forced_yields.get()).sum()
    }

    /// Polls that were found to have blocked their worker for 5 ms or longer.
    ///
    /// It is another worker that notices, so with a single one there are none.
    pub fn blocked_polls_count(&self) -> u64 {
        self.shared.blocked_polls().0
    }

    /// The last of those polls, at most 16.
    pub fn last_blocked_polls(&self) -> Vec<BlockedTask> {
        self.shared.blocked_polls().1
    }

    /// Descriptors that are registered with a poller.
    pub fn registered_fds(&self) -> usize {
        self.shared.reactors.sources()
    }

    /// Timers that have yet to fire: sleeps, time limits and intervals that were polled and are waited for.
    pub fn num_timers(&self) -> usize {
        self.shared.timers.len()
    }

    /// Threads for blocking closures, busy and idle.
    pub fn num_blocking_threads(&self) -> usize {
        self.shared.blocking.load().threads
    }

    /// Threads for blocking closures that wait for one.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.shared.blocking.load().idle
    }

    /// Blocking closures that wait for a thread.
    pub fn blocking_queue_depth(&self) -> usize {
        self.shared.blocking.load().queued
    }

    /// Since when a worker has been in a poll that blocks it, if that is 5 ms or longer.
    pub fn worker_blocked_duration(&self, worker: usize) -> Option<Duration> {
        self.shared.blocked_for(worker)
    }

    /// Tasks that are ready on a worker.
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.shared.ready(worker)
    }

    /// Polls of tasks, and of futures of `block_on`, on a worker.
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.shared.activity(worker).polls()
    }

    /// How long a worker was not asleep.
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.shared.activity(worker).busy.get())
    }

    /// How often a worker went to sleep.
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.shared.activity(worker).parks.get()
    }

    /// How often a worker has stolen tasks from another.
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.shared.activity(worker).steals.get()
    }

    /// How often a worker has taken over what waited for another, blocked one.
    pub fn worker_rescue_count(&self, worker: usize) -> u64 {
        self.shared.activity(worker).rescues.get()
    }

    /// How often a worker has asked the system for events.
    pub fn worker_turn_count(&self, worker: usize) -> u64 {
        self.shared.activity(worker).turns.get()
    }

    /// Events that a worker was told of.
    pub fn worker_event_count(&self, worker: usize) -> u64 {
        self.shared.activity(worker).events.get()
    }

    pub(super) fn worker(&self, index: usize) -> WorkerSnapshot {
        WorkerSnapshot {
            blocked: self.worker_blocked_duration(index),
            local_queue_depth: self.worker_local_queue_depth(index),
            polls: self.worker_poll_count(index),
            busy: self.worker_total_busy_duration(index),
            parks: self.worker_park_count(index),
            steals: self.worker_steal_operations(index),
            rescues: self.worker_rescue_count(index),
            turns: self.worker_turn_count(index),
            events: self.worker_event_count(index),
        }
    }
}

impl fmt::Display for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuntimeMetrics")
            .field(&self.snapshot())
            .finish()
    }
}

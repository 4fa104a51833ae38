//! All numbers about a runtime at once, as plain data and as a table.

use std::fmt;
use std::time::Duration;

use super::RuntimeMetrics;

/// What [`RuntimeMetrics`] says, at some moment.
///
/// Shown with `{}` it is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// Tasks that are not over.
    pub num_alive_tasks: usize,
    /// Tasks that were ever spawned.
    pub spawned_tasks_count: u64,
    /// Tasks in the queue that all cores share.
    pub global_queue_depth: usize,
    /// Polls that were made to yield because their budget was spent.
    pub budget_forced_yield_count: u64,
    /// Polls that were found to have blocked their worker.
    pub blocked_polls_count: u64,
    /// Descriptors that are registered with a poller.
    pub registered_fds: usize,
    /// Timers that have yet to fire.
    pub num_timers: usize,
    /// Threads for blocking closures, busy and idle.
    pub num_blocking_threads: usize,
    /// Those of them that wait for a closure.
    pub num_idle_blocking_threads: usize,
    /// Blocking closures that wait for a thread.
    pub blocking_queue_depth: usize,
    /// The workers, from 0 on.
    pub workers: Vec<WorkerSnapshot>,
}

/// What [`RuntimeMetrics`] says about one worker, at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// Since when it has been in a poll that blocks it, if that is 5 ms or longer.
    pub blocked: Option<Duration>,
    /// Tasks that are ready on it.
    pub local_queue_depth: usize,
    /// Polls of tasks, and of futures of `block_on`.
    pub polls: u64,
    /// How long it was not asleep.
    pub busy: Duration,
    /// How often it went to sleep.
    pub parks: u64,
    /// How often it has stolen tasks from another.
    pub steals: u64,
    /// How often it has taken over what waited for another, blocked one.
    pub rescues: u64,
    /// How often it has asked the system for events.
    pub turns: u64,
    /// Events that it was told of.
    pub events: u64,
}

impl MetricsSnapshot {
    pub(super) fn take(metrics: &RuntimeMetrics) -> Self {
        let workers = 0..metrics.num_workers();
        Self {
            num_alive_tasks: metrics.num_alive_tasks(),
            spawned_tasks_count: metrics.spawned_tasks_count(),
            global_queue_depth: metrics.global_queue_depth(),
            budget_forced_yield_count: metrics.budget_forced_yield_count(),
            blocked_polls_count: metrics.blocked_polls_count(),
            registered_fds: metrics.registered_fds(),
            num_timers: metrics.num_timers(),
            num_blocking_threads: metrics.num_blocking_threads(),
            num_idle_blocking_threads: metrics.num_idle_blocking_threads(),
            blocking_queue_depth: metrics.blocking_queue_depth(),
            workers: workers.map(|worker| metrics.worker(worker)).collect(),
        }
    }

    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "tasks: {} alive of {} spawned, {} in the shared queue; {} descriptors and {} timers registered",
            self.num_alive_tasks,
            self.spawned_tasks_count,
            self.global_queue_depth,
            self.registered_fds,
            self.num_timers,
        )?;
        writeln!(
            f,
            "blocking threads: {}, {} of them idle, {} closures wait",
            self.num_blocking_threads, self.num_idle_blocking_threads, self.blocking_queue_depth,
        )?;
        writeln!(
            f,
            "polls that blocked a worker: {}, that the budget ended: {}",
            self.blocked_polls_count, self.budget_forced_yield_count,
        )
    }
}

impl fmt::Display for MetricsSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        write!(
            f,
            "{:>6} {:>6} {:>12} {:>12} {:>10} {:>10} {:>8} {:>12} {:>12}  state",
            "worker", "ready", "polls", "busy s", "parks", "steals", "rescues", "turns", "events",
        )?;
        for (index, worker) in self.workers.iter().enumerate() {
            write!(
                f,
                "\n{index:>6} {:>6} {:>12} {:>12.3} {:>10} {:>10} {:>8} {:>12} {:>12}  ",
                worker.local_queue_depth,
                worker.polls,
                worker.busy.as_secs_f64(),
                worker.parks,
                worker.steals,
                worker.rescues,
                worker.turns,
                worker.events,
            )?;
            match worker.blocked {
                None => f.write_str("ok")?,
                Some(blocked) => write!(f, "blocked for {} ms", blocked.as_millis())?,
            }
        }
        Ok(())
    }
}

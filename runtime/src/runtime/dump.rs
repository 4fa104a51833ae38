//! A list of what the tasks of a runtime do.

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::Handle;
use crate::scheduler::Shared;
use crate::task::{Header, Id};

/// The tasks of a runtime that were not over at some moment; made by [`Handle::dump`].
///
/// Shown with `{}` it is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dump {
    /// Running ones first, the longest of them at the top, then ready ones, then those that wait; otherwise
    /// by identifier.
    pub tasks: Vec<TaskDump>,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskDump {
    /// Its identifier.
    pub id: Id,
    /// The name that a [`TaskBuilder`](crate::TaskBuilder) has given it.
    pub name: Option<String>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it does.
    pub state: TaskState,
    /// How often it was polled, modulo 2^32.
    pub polls: u32,
    /// How long its polls took, but for one that is under way; `None` unless
    /// [`Builder::measure_task_time`](super::Builder::measure_task_time) says that it is measured.
    pub busy: Option<Duration>,
}

/// Whether a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is being polled.
    Running {
        /// By this worker.
        worker: usize,
        /// For so long at most: since the worker has looked at its sockets.
        duration: Duration,
    },
    /// It will be polled as soon as there is a worker for it.
    Ready,
    /// It waits to be woken.
    Waiting,
}

impl Handle {
    /// A list of the runtime's tasks, and of what they do.
    ///
    /// No task is stopped for it, but tasks that are spawned or end wait for as long as it takes to read the
    /// list of a worker, so a dump of a million tasks can be felt. The tasks of a
    /// [`LocalSet`](crate::LocalSet) and blocking closures are not in it, nor is the future of `block_on`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::{Builder, TaskState};
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let waits = runtime.spawn(std::future::pending::<()>());
    /// runtime.block_on(mini_rt_runtime::yield_now());
    /// let dump = runtime.handle().dump();
    /// assert_eq!(dump.tasks[0].id, waits.id());
    /// assert_eq!(dump.tasks[0].state, TaskState::Waiting);
    /// println!("{dump}");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dump(&self) -> Dump {
        Dump::take(&self.shared)
    }
}

impl Dump {
    fn take(shared: &Shared) -> Self {
        let mut tasks = Vec::with_capacity(shared.alive_tasks());
        shared.for_each_task(|task| tasks.push(TaskDump::new(task)));
        // After the list: a task that has begun to run meanwhile is found to run.
        let running: HashMap<_, _> = (0..shared.cores())
            .filter_map(|worker| {
                let (id, duration) = shared.running(worker)?;
                Some((id, TaskState::Running { worker, duration }))
            })
            .collect();
        for task in &mut tasks {
            if let (TaskState::Ready, Some(state)) = (task.state, running.get(&task.id)) {
                task.state = *state;
            }
        }
        tasks.sort_unstable_by_key(|task| (task.state.rank(), task.id));
        Self { tasks }
    }

    fn count(&self, is_it: impl Fn(TaskState) -> bool) -> usize {
        self.tasks.iter().filter(|task| is_it(task.state)).count()
    }
}

impl TaskDump {
    fn new(task: &Header) -> Self {
        let state = match task.is_waiting() {
            true => TaskState::Waiting,
            false => TaskState::Ready,
        };
        Self {
            id: task.id(),
            name: task.origin().name().map(str::to_owned),
            spawned_at: task.origin().location,
            state,
            polls: task.polls(),
            busy: task.busy(),
        }
    }
}

impl TaskState {
    /// What comes first, and among running tasks the one that runs longest.
    fn rank(self) -> (u8, std::cmp::Reverse<Duration>) {
        let (rank, duration) = match self {
            Self::Running { duration, .. } => (0, duration),
            Self::Ready => (1, Duration::ZERO),
            Self::Waiting => (2, Duration::ZERO),
        };
        (rank, std::cmp::Reverse(duration))
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self.count(|state| state == TaskState::Ready);
        let waiting = self.count(|state| state == TaskState::Waiting);
        let running = self.tasks.len() - ready - waiting;
        writeln!(
            f,
            "{} tasks: {running} running, {ready} ready, {waiting} waiting",
            self.tasks.len()
        )?;
        write!(
            f,
            "{:>8} {:<24} {:>10} {:>10}  {:<16} spawned at",
            "id", "state", "polls", "busy ms", "name"
        )?;
        for task in &self.tasks {
            let state = task.state.to_string();
            let busy = match task.busy {
                Some(busy) => format!("{:.3}", busy.as_secs_f64() * 1_000.0),
                None => "-".to_owned(),
            };
            write!(
                f,
                "\n{:>8} {state:<24} {:>10} {busy:>10}  {:<16} {}",
                task.id,
                task.polls,
                task.name.as_deref().unwrap_or("-"),
                task.spawned_at,
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { worker, duration } => {
                let millis = duration.as_secs_f64() * 1_000.0;
                write!(f, "running on {worker}, {millis:.1} ms")
            }
            Self::Ready => f.write_str("ready"),
            Self::Waiting => f.write_str("waiting"),
        }
    }
}

//! A list of what the tasks of a runtime do.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::Handle;
use crate::scheduler::{Running, Shared};
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
    /// How many more there were, which are only counted: those that were not polled yet, or are in their first
    /// poll inside [`block_in_place`](crate::block_in_place).
    pub new: usize,
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
    /// No task is stopped for it, but tasks that wait for the first time, or end after that, wait for as long as
    /// it takes to read the list of a worker, so a dump of a million tasks can be felt.
    ///
    /// A task that was not polled yet is only [counted](Dump::new), unless it has a
    /// [name](crate::TaskBuilder::name) or the time of polls is
    /// [measured](super::Builder::measure_task_time). The tasks of a [`LocalSet`](crate::LocalSet) and blocking
    /// closures are not in a dump, nor is the future of `block_on`.
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
        let running = || (0..shared.cores()).filter_map(|worker| shared.running(worker));
        let ran_before: HashSet<_> = running().map(|poll| poll.task).collect();
        let mut tasks = Vec::with_capacity(shared.alive_tasks());
        shared.for_each_task(|task| tasks.push(TaskDump::new(task)));
        // After the list: a task that has begun to run meanwhile is found to run.
        let mut running: HashMap<_, _> = running().map(|poll| (poll.task, poll)).collect();
        for task in &mut tasks {
            if let (Some(poll), TaskState::Ready) = (running.remove(&task.id), task.state) {
                task.state = TaskState::running(&poll);
            }
        }
        // One that ran all the time and is in no list is in its first poll.
        let first_polls = running.into_values();
        let first_polls = first_polls.filter(|poll| ran_before.contains(&poll.task));
        tasks.extend(first_polls.map(TaskDump::in_first_poll));
        tasks.sort_unstable_by_key(|task| (task.state.rank(), task.id));
        let new = shared.alive_tasks().saturating_sub(tasks.len());
        Self { tasks, new }
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

    /// A task that is in no list yet, so it has no name, and its polls are not timed.
    fn in_first_poll(poll: Running) -> Self {
        Self {
            id: poll.task,
            name: None,
            spawned_at: poll.spawned_at,
            state: TaskState::running(&poll),
            polls: 1,
            busy: None,
        }
    }
}

impl TaskState {
    fn running(poll: &Running) -> Self {
        Self::Running {
            worker: poll.worker,
            duration: poll.duration,
        }
    }

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
            "{} tasks: {running} running, {ready} ready, {waiting} waiting, {} new",
            self.tasks.len() + self.new,
            self.new
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

//! What users want to be told of: the functions that a builder was given, and what they are told.
//!
//! They are foreign code, called from the scheduler's own: a panic in one is contained.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::contain::contain;
use crate::task::{Header, Id};

pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;
pub(crate) type TaskCallback = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;
pub(crate) type BlockedCallback = Arc<dyn Fn(&BlockedTask) + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) thread_park: Option<Callback>,
    pub(crate) thread_unpark: Option<Callback>,
    pub(crate) task_spawn: Option<TaskCallback>,
    pub(crate) task_terminate: Option<TaskCallback>,
    /// Called for tasks that have blocked their thread for so long at least.
    pub(crate) blocked: Option<(Duration, BlockedCallback)>,
}

/// A task, as a hook sees it.
#[derive(Clone, Copy, Debug)]
pub struct TaskMeta<'a> {
    id: Id,
    name: Option<&'a str>,
    spawned_at: &'static Location<'static>,
}

/// A task that has blocked the thread it ran on.
///
/// Given to the function of [`Builder::on_blocked`](crate::runtime::Builder::on_blocked).
#[derive(Clone, Debug)]
pub struct BlockedTask {
    pub(super) id: Option<Id>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) worker: usize,
    pub(super) duration: Duration,
}

impl Hooks {
    pub(super) fn call(hook: &Option<Callback>) {
        if let Some(hook) = hook {
            contain(|| hook());
        }
    }

    #[inline]
    pub(super) fn call_with_task(hook: &Option<TaskCallback>, task: &Header) {
        if let Some(hook) = hook {
            contain(|| hook(&TaskMeta::new(task)));
        }
    }
}

impl<'a> TaskMeta<'a> {
    fn new(task: &'a Header) -> Self {
        Self {
            id: task.id(),
            name: task.origin().name(),
            spawned_at: task.origin().location,
        }
    }

    /// The task's identifier.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name that a [`TaskBuilder`](crate::TaskBuilder) has given it.
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

impl BlockedTask {
    /// The task's identifier, even if it is over; `None` for a future that was given to `block_on`.
    pub fn id(&self) -> Option<Id> {
        self.id
    }

    /// Where it was spawned, or where `block_on` was called.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// The worker that it has blocked, from 0 on.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// How long the poll took, to within a few milliseconds.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

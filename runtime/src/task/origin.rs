//! Where a task comes from, and what few tasks have beside that.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The place of a spawn, and what was asked for there.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) location: &'static Location<'static>,
    extras: Option<Box<Extras>>,
}

/// What most tasks do without, so that a header has room for no more than a pointer.
#[derive(Debug, Default)]
struct Extras {
    name: Option<Box<str>>,
    /// How long the polls took, in nanoseconds. Relaxed: only observers read it.
    busy: Option<AtomicU64>,
}

impl Origin {
    /// A task without a name, spawned by the caller of the caller.
    #[track_caller]
    #[inline]
    pub(crate) fn here() -> Self {
        Self {
            location: Location::caller(),
            extras: None,
        }
    }

    /// Names the task.
    pub(crate) fn named(mut self, name: String) -> Self {
        self.extras.get_or_insert_default().name = Some(name.into());
        self
    }

    /// Has the task's polls timed.
    #[cold]
    pub(crate) fn timed(mut self) -> Self {
        self.extras.get_or_insert_default().busy = Some(AtomicU64::new(0));
        self
    }

    /// Whether somebody wants to look at the task.
    pub(crate) fn is_marked(&self) -> bool {
        self.extras.is_some()
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.extras.as_ref()?.name.as_deref()
    }

    /// How long the polls took, if they are timed.
    pub(super) fn busy(&self) -> Option<Duration> {
        let busy = self.extras.as_ref()?.busy.as_ref()?;
        Some(Duration::from_nanos(busy.load(Relaxed)))
    }

    /// Adds the time that a poll took, if polls are timed.
    pub(super) fn add_busy(&self, took: Duration) {
        let busy = self.extras.as_ref().and_then(|extras| extras.busy.as_ref());
        if let Some(busy) = busy {
            busy.fetch_add(took.as_nanos() as u64, Relaxed);
        }
    }
}

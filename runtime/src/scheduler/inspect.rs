//! What observers read: numbers of cores, and the list of tasks.
//!
//! Nobody is stopped for it, so numbers that belong together may be of slightly different moments.

use std::panic::Location;
use std::sync::Weak;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use std::time::Duration;

use super::activity::Activity;
use super::census::{self, Tally};
use super::hooks::BlockedTask;
use super::local::{OwnedSet, Set};
use super::rescue::BLOCKED;
use super::{Arc, Shared};
use crate::sync::Mutex;
use crate::task::{Header, Id};

/// A poll that is under way.
pub(crate) struct Running {
    pub(crate) task: Id,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) worker: usize,
    /// For how long at most.
    pub(crate) duration: Duration,
}

/// The sets of local tasks that go with a runtime.
#[derive(Default)]
pub(super) struct LocalSets {
    sets: Mutex<Vec<Weak<Set>>>,
    /// Tasks that were ever spawned there.
    spawned: Arc<AtomicU64>,
}

impl LocalSets {
    /// A new one.
    pub(super) fn make(&self) -> OwnedSet {
        let owned = OwnedSet::new(self.spawned.clone());
        let mut sets = self.sets.lock();
        sets.retain(|set| set.strong_count() > 0);
        sets.push(Arc::downgrade(owned.set()));
        owned
    }

    fn each(&self) -> Vec<Arc<Set>> {
        let sets = self.sets.lock();
        sets.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Shared {
    pub(crate) fn cores(&self) -> usize {
        self.cores.len()
    }

    pub(crate) fn activity(&self, core: usize) -> &Activity {
        &self.cores[core].activity
    }

    /// Tasks that are not complete.
    pub(crate) fn alive_tasks(&self) -> usize {
        let local: usize = self.local.each().iter().map(|set| set.tasks().len()).sum();
        local + self.alive_on_cores()
    }

    /// Tasks that were ever spawned.
    pub(crate) fn spawned_tasks(&self) -> u64 {
        self.local.spawned.load(Relaxed) + census::spawned(&self.outside, self.tallies())
    }

    /// As [`alive_tasks`](Self::alive_tasks), without local ones.
    pub(super) fn alive_on_cores(&self) -> usize {
        census::alive(&self.outside, self.tallies())
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> + Clone {
        self.cores.iter().map(|core| &core.tally)
    }

    /// Looks at every task that has waited, and is not complete. Those of one core neither enter nor end
    /// meanwhile.
    pub(crate) fn for_each_task(&self, mut look: impl FnMut(&Header)) {
        for core in &self.cores {
            core.owned.for_each(&mut look);
        }
        for set in self.local.each() {
            set.tasks().for_each(&mut look);
        }
    }

    /// Tasks in the injector.
    pub(crate) fn injected(&self) -> usize {
        self.injector.len()
    }

    /// Tasks that are ready on a core.
    pub(crate) fn ready(&self, core: usize) -> usize {
        let remote = &self.cores[core];
        remote.ring.len() as usize + usize::from(!remote.next.is_empty())
    }

    /// The task that a worker is polling. A worker that does something between two polls is taken to be still
    /// in the first, unless that has ended the task.
    pub(crate) fn running(&self, worker: usize) -> Option<Running> {
        let poll = self.activity(worker).poll().filter(|poll| !poll.is_over)?;
        Some(Running {
            task: Id::from_u64(poll.task)?,
            spawned_at: poll.spawned_at?,
            worker,
            duration: self.busy_for(worker)?,
        })
    }

    /// Since when a core has been in a poll that blocks it, if it is.
    pub(crate) fn blocked_for(&self, core: usize) -> Option<Duration> {
        self.busy_for(core)
            .filter(|busy| *busy >= Duration::from_nanos(BLOCKED))
    }

    /// How many polls were found to have blocked their core, and the last of them.
    pub(crate) fn blocked_polls(&self) -> (u64, Vec<BlockedTask>) {
        self.watch.blocked()
    }

    /// Since when a core that somebody holds has not looked outside, if it is not asleep.
    ///
    /// *Ordering:* acquire; the partner is the release in `Shared::awaken`, which notes the time before.
    fn busy_for(&self, core: usize) -> Option<Duration> {
        let rests = self.idle.is_idle(core) || self.cores[core].dormant.load(Acquire);
        let since = self.activity(core).turned_at.load(Relaxed);
        let busy = self.clock.now().saturating_sub(since);
        (!rests).then(|| Duration::from_nanos(busy))
    }
}

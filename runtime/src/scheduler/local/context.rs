//! The set that the code on this thread spawns to.
//!
//! That is the one that is entered: by the guard of its user, or because one of its tasks is running. Where
//! none is, it is the set that goes with a current-thread runtime, for as long as the thread is inside that
//! runtime's `block_on`.
//!
//! Such a set is made when it is first needed. It belongs to the thread and the runtime both, because
//! several threads may call `block_on` of one runtime, in turn or at once: its tasks run whenever its
//! thread is in there, and rest meanwhile. They end when the thread drops the runtime, or when the thread
//! ends.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::turn::Turn;
use super::{OwnedSet, Poller, Set};
use crate::scheduler::{Shared, context};

/// The sentence for whoever spawns a local task where there is no set.
pub(crate) const NO_SET: &str = "`spawn_local` was called where nothing runs local tasks: call it inside \
     `LocalSet::run_until`, in a local task, or inside `block_on` of a current-thread runtime";

crate::sync::thread_local! {
    /// Without a destructor, so that the tasks which end with their thread find their set, too.
    static ENTERED: Cell<Option<ManuallyDrop<Arc<Set>>>> = const { Cell::new(None) };
}

crate::sync::thread_local! {
    static DRIVEN: RefCell<Option<Driven>> = const { RefCell::new(None) };
}

crate::sync::thread_local! {
    /// The sets that go with runtimes.
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// The current-thread runtime whose `block_on` this thread is in.
struct Driven {
    runtime: Weak<Shared>,
    /// The waker of the future of `block_on`, known from its first poll on.
    root: Option<Waker>,
    /// That future as a poller of the runtime's set, if there is one.
    poller: Option<Poller>,
}

/// A set that goes with a runtime.
struct Kept {
    runtime: Weak<Shared>,
    owned: OwnedSet,
}

/// The set that code on this thread spawns to.
pub(crate) fn current() -> Option<Arc<Set>> {
    entered().or_else(driven)
}

fn entered() -> Option<Arc<Set>> {
    let set = replace_entered(None);
    replace_entered(set.clone());
    set
}

fn replace_entered(set: Option<Arc<Set>>) -> Option<Arc<Set>> {
    let set = set.map(ManuallyDrop::new);
    let before = ENTERED.try_with(|entered| entered.replace(set));
    before.ok().flatten().map(ManuallyDrop::into_inner)
}

/// The scope in which code on this thread spawns to a set.
pub(crate) struct Entered {
    before: Option<Arc<Set>>,
    not_send: PhantomData<*const ()>,
}

impl Entered {
    pub(crate) fn new(set: Arc<Set>) -> Self {
        Self {
            before: replace_entered(Some(set)),
            not_send: PhantomData,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(replace_entered(self.before.take()));
    }
}

/// The set that goes with the runtime whose `block_on` this thread is in. It is made here if need be.
fn driven() -> Option<Arc<Set>> {
    DRIVEN
        .try_with(|driven| driven.borrow_mut().as_mut().and_then(Driven::set))
        .ok()
        .flatten()
}

impl Driven {
    fn set(&mut self) -> Option<Arc<Set>> {
        if self.poller.is_none() {
            let poller = keep(&self.runtime)?;
            if let Some(root) = &self.root {
                poller.wait(root);
            }
            self.poller = Some(poller);
        }
        self.poller.as_ref().map(|poller| poller.set.clone())
    }
}

/// Makes the set that goes with a runtime, unless the thread is about to end.
fn keep(runtime: &Weak<Shared>) -> Option<Poller> {
    KEPT.try_with(|all| {
        let mut all = all.borrow_mut();
        // Those of runtimes that other threads have dropped. Tasks that are left run no destructor here.
        all.retain(|kept| kept.runtime.strong_count() > 0 || kept.owned.set().len() > 0);
        let owned = runtime.upgrade()?.local.make();
        let poller = owned.set().poller();
        all.push(Kept {
            runtime: runtime.clone(),
            owned,
        });
        Some(poller)
    })
    .ok()
    .flatten()
}

/// The scope of a `block_on`, in which local tasks run beside its future.
pub(crate) struct Beside {
    before: Option<Driven>,
}

impl Beside {
    pub(crate) fn enter(shared: &Arc<Shared>) -> Self {
        let driven = (!shared.has_workers()).then(|| Driven {
            runtime: Arc::downgrade(shared),
            root: None,
            poller: find_kept(shared),
        });
        let before = DRIVEN.try_with(|current| current.replace(driven));
        Self {
            before: before.ok().flatten(),
        }
    }

    /// Polls the future of the `block_on`, and after it the local tasks.
    #[inline]
    pub(crate) fn poll<F: Future>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let begun = turn(cx);
        let poll = future.poll(cx);
        if poll.is_pending() {
            // The poll may have spawned the first local task.
            let turn = begun.or_else(|| turn(cx));
            turn.iter().for_each(Turn::run);
        }
        poll
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(DRIVEN.try_with(|current| current.replace(self.before.take())));
    }
}

fn find_kept(shared: &Arc<Shared>) -> Option<Poller> {
    KEPT.try_with(|all| {
        let all = all.borrow();
        let kept = all.iter().find(|kept| kept.goes_with(shared));
        kept.map(|kept| kept.owned.set().poller())
    })
    .ok()
    .flatten()
}

/// Begins a turn of the set that goes with the driven runtime, if there is one.
#[inline]
fn turn(cx: &Context<'_>) -> Option<Turn> {
    let known = DRIVEN.try_with(|driven| {
        let mut driven = driven.borrow_mut();
        let driven = driven.as_mut()?;
        driven.root.get_or_insert_with(|| cx.waker().clone());
        let poller = driven.poller.as_ref()?;
        Some((poller.set.clone(), poller.id))
    });
    let (set, poller) = known.ok().flatten()?;
    Some(set.turn(poller, cx))
}

/// Ends the tasks of the set that goes with a runtime, if this thread has one. Should the set be polled just
/// then, its tasks end with the thread.
pub(crate) fn runtime_dropped(shared: &Arc<Shared>) {
    let taken = KEPT.try_with(|all| {
        let mut all = all.borrow_mut();
        let ends = |kept: &Kept| kept.goes_with(shared) && !kept.owned.set().is_polled();
        let position = all.iter().position(ends)?;
        Some(all.swap_remove(position))
    });
    drop(taken);
}

impl Kept {
    fn goes_with(&self, shared: &Arc<Shared>) -> bool {
        self.runtime.as_ptr() == Arc::as_ptr(shared)
    }
}

impl Drop for Kept {
    /// Destructors find the runtime, if it is still there.
    fn drop(&mut self) {
        let before = context::set_current(self.runtime.upgrade());
        self.owned.close();
        context::set_current(before);
    }
}

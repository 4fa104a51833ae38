//! Which thread holds which core.
//!
//! A core is held by a worker thread, by a caller of `block_on`, or by nobody: then it is *dormant*, with
//! no work and nothing registered. All cores start dormant, so the first `block_on` takes one without
//! asking. A caller who finds none dormant queues up and wakes a sleeping worker, who hands its core over
//! and waits for another. If every worker is busy the caller polls its future without a core meanwhile,
//! and gets the first core whose worker runs out of work.
//!
//! There are as many worker threads as cores, so while somebody else holds a core a worker is spare, and
//! drives the core when it comes back with work or sources. A worker that goes [away](Shared::lend), into
//! `block_in_place`, is replaced by another thread, which ends when there are too many and nothing to do.
//!
//! What always holds: a core that is dormant has its idle bit set, or somebody has claimed it and is on
//! the way to [`rouse`](Shared::rouse) it. And there are as many workers as cores, not counting those away.

mod borrowers;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use self::borrowers::Borrower;
use super::context::{self, Driving};
use super::core::Core;
use super::local::Beside;
use super::root::{NoRoot, Root, RootFuture};
use super::worker::{Holder, Stop, Worker};
use super::{Shared, shutdown};
use crate::blocking::StartThread;
use crate::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, Release, SeqCst},
};
use crate::sync::monitor::{Condvar, Mutex};
use crate::sync::thread::{self, JoinHandle};

pub(super) struct Lending {
    state: Mutex<State>,
    /// Where spare workers wait.
    spare: Condvar,
    /// The length of `State::borrowers`.
    wanted: AtomicUsize,
    /// Starts a worker thread, if the runtime has any.
    start_worker: Option<Box<StartThread>>,
}

struct State {
    dormant: Vec<Core>,
    /// Cores for the next spare workers.
    to_drive: VecDeque<Core>,
    borrowers: VecDeque<Arc<Borrower>>,
    /// Worker threads that are there, waiting or holding a core.
    workers: usize,
    /// The threads that were started to replace others.
    replacements: Vec<JoinHandle<()>>,
    closed: bool,
}

/// How long a worker that is not needed waits for a core before it ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

impl Lending {
    pub(super) fn new(cores: Vec<Core>, start_worker: Option<Box<StartThread>>) -> Self {
        let state = State {
            workers: cores.len(),
            replacements: Vec::new(),
            // The first core is taken first.
            dormant: cores.into_iter().rev().collect(),
            to_drive: VecDeque::new(),
            borrowers: VecDeque::new(),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            spare: Condvar::default(),
            wanted: AtomicUsize::new(0),
            start_worker,
        }
    }

    pub(super) fn has_workers(&self) -> bool {
        self.start_worker.is_some()
    }

    /// Whether somebody waits for the first core that is free.
    ///
    /// *Ordering:* sequentially consistent, as all in [`idle`](super::idle): who wants a core counts itself
    /// and then looks for idle ones, who falls asleep announces itself idle and then looks here.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(SeqCst) > 0
    }

    /// Ends the waits of workers that nobody needs.
    #[cfg(all(test, loom))]
    pub(super) fn let_time_pass(&self) {
        self.spare.let_time_pass();
    }
}

impl Shared {
    /// The life of a worker thread.
    pub(crate) fn work(self: &Arc<Self>) {
        let _driving = Driving::enter(self);
        while let Some(core) = self.next_core() {
            if self.drive(core, &mut NoRoot) == Stop::Lent {
                self.lending.state.lock().workers += 1;
                self.collected.look_again();
            }
        }
        shutdown::collect_free(self);
        shutdown::finish(self);
    }

    /// Runs a future on the calling thread, with a core as soon as one can be had.
    #[track_caller]
    pub(crate) fn block_on<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let _left = Left(self);
        let _driving = Driving::enter(self);
        let beside = Beside::enter(self);
        let mut future = pin!(future);
        let future = pin!(poll_fn(|cx| beside.poll(future.as_mut(), cx)));
        let mut root = RootFuture::new(future, self);
        // After a shutdown there is no core any more: then the root is polled without.
        while let Some(core) = self.core_for(&mut root) {
            self.cores[core.index()].borrowed.store(true, SeqCst);
            root.sit_at(Some(core.index()));
            if self.drive(core, &mut root) == Stop::RootReady {
                break;
            }
            root.sit_at(None);
            self.collected.look_again();
        }
        root.into_output()
    }

    /// Drives a core until something stops it, and puts it back, also if a root panics.
    fn drive(self: &Arc<Self>, core: Core, root: &mut impl Root) -> Stop {
        let drive = Drive {
            worker: Some(Worker::new(self.clone(), core, root.holder())),
        };
        let worker = drive.worker.as_ref().expect("it was just put there");
        context::as_worker(worker, || worker.run(root))
    }

    /// Ends a core's dormancy. If somebody has claimed it, the core has that searcher's token.
    fn awaken(&self, core: Core) -> Core {
        let remote = &self.cores[core.index()];
        // It has not been busy since it was held last. Release, so that who finds it held finds that, too.
        remote.activity.turned_at.store(self.clock.now(), Relaxed);
        remote.dormant.store(false, Release);
        if !self.idle.leave(core.index()) {
            core.searching.set(true);
        }
        core
    }

    /// Has somebody come for work that others have overlooked, relying on the caller; or for the watch.
    fn look_for_work(&self) {
        if self.has_visible_work() || self.lacks_watch() {
            self.wake_searcher();
        }
    }

    /// The next core for a worker thread; `None` at shutdown, and when there are too many workers.
    fn next_core(&self) -> Option<Core> {
        let mut state = self.lending.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(core) = state.to_drive.pop_front() {
                return Some(core);
            }
            if state.workers <= self.cores.len() {
                state = self.lending.spare.wait(state);
                continue;
            }
            let timed_out;
            (state, timed_out) = self.lending.spare.wait_timeout(state, KEEP_ALIVE);
            if timed_out && state.to_drive.is_empty() && state.workers > self.cores.len() {
                state.workers -= 1;
                let own = thread::current().id();
                state
                    .replacements
                    .retain(|other| other.thread().id() != own);
                return None;
            }
        }
    }

    /// Lends the core of a thread that is going to block, so that others may run its tasks meanwhile; the
    /// thread comes back with [`reclaim`](Self::reclaim). Gives the core back if nobody could take it.
    pub(super) fn lend(self: &Arc<Self>, core: Core, holder: Holder) -> Option<Core> {
        let by_worker = holder == Holder::Thread;
        let mut state = self.lending.state.lock();
        if state.closed {
            return Some(core);
        }
        let replaced = by_worker && state.workers == self.cores.len();
        state.workers -= usize::from(by_worker && !replaced);
        drop(state);
        if replaced {
            if let Err(_no_thread) = self.start_replacement() {
                return Some(core);
            }
        }
        self.cores[core.index()].borrowed.store(false, SeqCst);
        self.pass_on(core)
    }

    /// Starts a worker in the place of one that goes away.
    fn start_replacement(self: &Arc<Self>) -> io::Result<()> {
        let shared = self.clone();
        self.start_thread(Box::new(move || shared.work()))
    }

    /// Starts another thread, if the runtime has threads at all.
    pub(super) fn start_thread(&self, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let start = self.lending.start_worker.as_ref();
        let start = start.ok_or(io::ErrorKind::Unsupported)?;
        let thread = start(body)?;
        let mut state = self.lending.state.lock();
        state.replacements.push(thread);
        Ok(())
    }

    /// Takes back a core that was lent, if nobody has come for it yet.
    pub(super) fn reclaim(&self, index: usize, holder: Holder) -> Option<Core> {
        let by_worker = holder == Holder::Thread;
        let mut state = self.lending.state.lock();
        let is_mine = |core: &Core| core.index() == index;
        let core = match state.to_drive.iter().position(is_mine) {
            Some(position) => state.to_drive.remove(position),
            None => {
                let position = state.dormant.iter().position(is_mine)?;
                let core = state.dormant.swap_remove(position);
                Some(self.awaken(core))
            }
        };
        state.workers += usize::from(by_worker);
        if state.workers > self.cores.len() {
            // One of those who wait is not needed any more.
            self.lending.spare.notify_all();
        }
        self.cores[index].borrowed.store(!by_worker, SeqCst);
        drop(state);
        // The rest of the poll may take long, so it is no search.
        let token = core.as_ref().is_some_and(|core| core.searching.take());
        if token && self.idle.stop_searching() {
            self.look_for_work();
        }
        core
    }

    /// The worker threads that were started after the runtime was built.
    pub(crate) fn take_replacements(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.lending.state.lock().replacements)
    }

    /// Lets go of a core: to who waits for one, to a spare worker if there is something to do, or to rest.
    pub(super) fn put_back(self: &Arc<Self>, core: Core) {
        if let Some(core) = self.pass_on(core) {
            shutdown::collect(self, core);
        }
    }

    /// As [`put_back`](Self::put_back), but gives the core back if the runtime is being shut down.
    fn pass_on(&self, core: Core) -> Option<Core> {
        let mut state = self.lending.state.lock();
        if state.closed {
            return Some(core);
        }
        if let Some(borrower) = state.borrowers.pop_front() {
            self.lending.wanted.fetch_sub(1, SeqCst);
            // Under the lock: a borrower who has left the queue finds the core.
            borrower.give(core);
            return None;
        }
        let index = core.index();
        // Before the look at its sources: who registers one later finds the core dormant, and rouses it.
        self.cores[index].dormant.store(true, Release);
        if self.lending.has_workers() && self.needs_driver(&core) {
            self.cores[index].dormant.store(false, Release);
            state.to_drive.push_back(core);
            self.lending.spare.notify_one();
            return None;
        }
        let token = core.searching.replace(false);
        state.dormant.push(core);
        // Under the lock: who takes the core from here finds its bit, or a token.
        self.idle.enter(index);
        drop(state);
        if !token || self.idle.stop_searching() {
            self.look_for_work();
        }
        None
    }

    /// Whether a core would miss something if nobody held it.
    fn needs_driver(&self, core: &Core) -> bool {
        core.ring.len() > 0
            || !self.cores[core.index()].next.is_empty()
            || self.reactors.get(core.index()).has_sources()
            || core.timers.next().is_some()
    }

    /// Lets a spare worker drive a core, if it is dormant. Otherwise its holder is made to look.
    pub(super) fn rouse(&self, index: usize) {
        let mut state = self.lending.state.lock();
        let position = state.dormant.iter().position(|core| core.index() == index);
        match position {
            Some(position) if self.lending.has_workers() => {
                let core = state.dormant.swap_remove(position);
                state.to_drive.push_back(self.awaken(core));
                self.lending.spare.notify_one();
            }
            // It waits for the next `block_on`.
            Some(_) => {}
            None => self.reactors.get(index).notify(),
        }
    }

    /// Makes sure that a core's reactor is being turned, after a source was registered there from outside.
    pub(crate) fn ensure_driven(&self, core: usize) {
        if self.lending.has_workers() && self.cores[core].dormant.load(SeqCst) {
            self.rouse(core);
        }
    }

    /// Begins shutdown: spare workers leave.
    pub(super) fn close_lending(&self) {
        let mut state = self.lending.state.lock();
        state.closed = true;
        // Under the lock: who hears of it and brings a core back finds the lending closed.
        self.shut_down.store(true, SeqCst);
        self.lending.spare.notify_all();
    }

    /// After shutdown has begun: the cores that nobody holds.
    pub(super) fn take_free(&self) -> Vec<Core> {
        let mut state = self.lending.state.lock();
        if !state.closed {
            return Vec::new();
        }
        let State {
            dormant, to_drive, ..
        } = &mut *state;
        dormant.drain(..).chain(to_drive.drain(..)).collect()
    }
}

/// Puts the core back when this is dropped, unless it was lent.
struct Drive {
    worker: Option<Worker>,
}

impl Drop for Drive {
    fn drop(&mut self) {
        let parts = self.worker.take().map(Worker::into_parts);
        if let Some((shared, Some(core))) = parts {
            shared.cores[core.index()].borrowed.store(false, SeqCst);
            shared.put_back(core);
        }
    }
}

/// A caller of `block_on` on the way out. The cores may all be back by then, the last of them from inside
/// a poll, where nothing could be ended.
struct Left<'a>(&'a Arc<Shared>);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if self.0.shut_down.load(SeqCst) {
            shutdown::finish(self.0);
        }
    }
}

//! The scheduler: cores, the threads that hold them, and what flows between them.
//!
//! | file | one idea |
//! |---|---|
//! | `core.rs` | a core: its holder's side and everybody's side |
//! | `worker.rs` | the loop of a thread that holds a core |
//! | `precedence.rs` | whether the task woken last goes first |
//! | `pace.rs` | when a busy core looks at the outside |
//! | `strain.rs` | whether a core needs help, or has time to help |
//! | `timers.rs` | what cores do for their timers |
//! | `rescue.rs` | what waits for a blocked core is taken over |
//! | `activity.rs` | what a core lets others know of itself |
//! | `census.rs` | how many tasks there are |
//! | `idle.rs` | which cores are idle, who searches, whom to wake |
//! | `inspect.rs` | what observers read |
//! | `lending.rs` | which thread holds which core |
//! | `local.rs` | tasks that stay on one thread |
//! | `in_place.rs` | a thread lends its core while it blocks |
//! | `root.rs` | the future of `block_on` |
//! | `shutdown.rs` | the end: every future dropped |
//! | `context.rs` | what the current thread is to a runtime |
//! | `hooks.rs` | what users want to be told of |
//!
//! The life of a task here: a wake on a worker puts it into that core's LIFO slot, whence it displaces
//! another into the ring; a wake from elsewhere puts it into the injector. A core runs its slot, its
//! ring, then the injector, then what it can steal, then sleeps in its reactor.

mod activity;
mod census;
pub(crate) mod context;
mod core;
mod hooks;
mod idle;
mod in_place;
mod inspect;
mod lending;
pub(crate) mod local;
mod pace;
mod precedence;
mod rescue;
mod root;
mod shutdown;
mod strain;
mod timers;
mod worker;

#[cfg(all(test, loom))]
mod models;

use std::future::Future;
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use self::core::{Core, Remote};
pub(crate) use self::hooks::Hooks;
pub use self::hooks::{BlockedTask, TaskMeta};
use self::idle::Idle;
pub(crate) use self::in_place::block_in_place;
pub(crate) use self::inspect::Running;
use self::lending::Lending;
use self::rescue::Watch;
pub(crate) use self::timers::{Started, reset_timer, start_timer};
use self::worker::Worker;
use crate::blocking::{self, StartThread};
use crate::queue::Injector;
use crate::reactor::Reactors;
use crate::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, SeqCst},
    fence,
};
use crate::task::{self, Header, JoinHandle, Origin, Place, Runnable, Schedule};
use crate::timer::{Clock, Timers};

/// What a runtime is made from.
pub(crate) struct Config {
    pub(crate) cores: usize,
    /// Starts a thread that is to hold cores; `None` if only callers of `block_on` do.
    pub(crate) start_worker: Option<Box<StartThread>>,
    pub(crate) hooks: Hooks,
    /// Whether the polls of tasks are timed.
    pub(crate) measure_task_time: bool,
}

/// What all threads of a runtime share.
pub(crate) struct Shared {
    cores: Box<[Arc<Remote>]>,
    injector: Injector<Runnable>,
    idle: Idle,
    lending: Lending,
    pub(crate) reactors: Reactors,
    pub(crate) blocking: blocking::Pool,
    hooks: Hooks,
    measure_task_time: bool,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    watch: Watch,
    shut_down: AtomicBool,
    /// Futures are being dropped, and no new ones wanted. A thread outside may hear of it late.
    refuses: AtomicBool,
    collected: shutdown::Collected,
    /// Where timers from outside are started.
    next_in_turn: AtomicUsize,
    outside: census::Outside,
    /// What time must not jump over.
    holding_time: AtomicUsize,
    local: inspect::LocalSets,
}

/// Makes a task of a future in the current runtime; `None` if there is none.
pub(crate) fn spawn<F>(future: F, origin: Origin) -> Option<JoinHandle<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    context::with_current_and_worker(|shared, worker| shared.spawn_from(worker, future, origin))
}

/// A task's way back to its scheduler.
struct Home {
    shared: Arc<Shared>,
}

impl Shared {
    pub(crate) fn new(config: Config, blocking: blocking::Pool) -> io::Result<Arc<Self>> {
        let cores = config.cores;
        let reactors = Reactors::new(cores)?;
        Ok(Arc::new_cyclic(|shared: &Weak<Self>| {
            let timers = Timers::new(cores, shared.clone());
            let core = |index| Core::new(index, timers.of(index).clone());
            let (locals, remotes): (Vec<_>, Vec<_>) = (0..cores).map(core).unzip();
            Self {
                cores: remotes.into(),
                injector: Injector::new(),
                idle: Idle::new(cores),
                lending: Lending::new(locals, config.start_worker),
                reactors,
                blocking,
                hooks: config.hooks,
                measure_task_time: config.measure_task_time,
                clock: Clock::new(),
                timers,
                watch: Watch::new(),
                shut_down: AtomicBool::new(false),
                refuses: AtomicBool::new(false),
                collected: shutdown::Collected::default(),
                next_in_turn: AtomicUsize::new(0),
                outside: census::Outside::new(),
                holding_time: AtomicUsize::new(0),
                local: inspect::LocalSets::default(),
            }
        }))
    }

    /// Makes a task of a future. After shutdown it is cancelled at once.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        context::with_worker(self, |worker| self.spawn_from(worker, future, origin))
    }

    /// As [`spawn`](Self::spawn), from this thread's worker or from outside.
    #[inline]
    fn spawn_from<F>(
        self: &Arc<Self>,
        worker: Option<&Worker>,
        future: F,
        mut origin: Origin,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.measure_task_time {
            origin = origin.timed();
        }
        let home = Home {
            shared: self.clone(),
        };
        let (task, handle) = task::new(future, home, origin);
        self.announce(worker, task.header());
        let is_marked = task.header().origin().is_marked();
        if self.refuses.load(Relaxed) || (is_marked && !self.list(worker, &task)) {
            task.refuse();
        } else if let Some(worker) = worker {
            worker.remote().tally.spawned();
            worker.push(task);
        } else {
            self.inject_new(task);
        }
        handle
    }

    /// Enters a task into this core's list, or from outside into the first; false if they are closed.
    fn list(&self, worker: Option<&Worker>, task: &Runnable) -> bool {
        let core = worker.map_or(0, Worker::core_index);
        self.cores[core].owned.insert(task)
    }

    /// A core for something from outside.
    fn next_core_in_turn(&self) -> usize {
        self.next_in_turn.fetch_add(1, Relaxed) % self.cores.len()
    }

    /// Tells the hook for it that there is a new task.
    fn announce(&self, worker: Option<&Worker>, task: &Header) {
        if self.hooks.task_spawn.is_none() {
            return;
        }
        let call = || Hooks::call_with_task(&self.hooks.task_spawn, task);
        match worker {
            Some(worker) => worker.keep_core(call),
            None => call(),
        }
    }

    /// The core of this runtime that the current thread holds.
    pub(crate) fn current_core(&self) -> Option<usize> {
        context::with_worker(self, |worker| worker.map(|worker| worker.core_index()))
    }

    /// Whether threads of its own hold the cores, and not only callers of `block_on`.
    pub(crate) fn has_workers(&self) -> bool {
        self.lending.has_workers()
    }

    /// Brings a task that was spawned outside. Counted before it is pushed, so that whoever ends the runtime
    /// waits for it, or this thread learns of the end.
    fn inject_new(&self, task: Runnable) {
        self.outside.spawned();
        if self.shut_down.load(Relaxed) {
            self.inject_at_the_end(task);
        } else {
            self.inject(task);
        }
    }

    /// Brings a task from outside.
    ///
    /// *Ordering:* the fence puts the push before the looks at who is idle and at shutdown, as
    /// [`idle`](self::idle) demands.
    fn inject(&self, task: Runnable) {
        self.injector.push(task);
        fence(SeqCst);
        if self.shut_down.load(SeqCst) {
            self.collected.look_again();
        } else {
            self.wake_searcher();
        }
    }

    /// Wakes an idle core to look for work, unless one is searching.
    fn wake_searcher(&self) {
        if let Some(core) = self.idle.claim_searcher() {
            self.wake_core(core);
        }
    }

    /// Brings a core to somebody's attention that the caller has claimed.
    fn wake_core(&self, core: usize) {
        if self.cores[core].dormant.load(Acquire) {
            self.rouse(core);
        } else {
            self.reactors.get(core).notify();
        }
    }

    /// Whether there is work that any core could take.
    ///
    /// *Ordering:* the fence puts the looks after what the caller did before, as [`idle`](self::idle)
    /// demands.
    fn has_visible_work(&self) -> bool {
        fence(SeqCst);
        !self.injector.is_empty() || self.cores.iter().any(|core| core.ring.len() > 0)
    }
}

impl Home {
    /// Brings a task to the worker that this thread is, or else to the injector.
    ///
    /// # Safety
    ///
    /// `this` is the scheduler of `task`.
    #[inline]
    unsafe fn bring(this: NonNull<Self>, task: Runnable, push: impl FnOnce(&Worker, Runnable)) {
        // SAFETY: the task is alive until it is passed on, and with it its scheduler.
        let shared = unsafe { &this.as_ref().shared };
        let from_outside = context::with_worker(shared, |worker| match worker {
            Some(worker) => {
                push(worker, task);
                None
            }
            None => Some(task),
        });
        if let Some(task) = from_outside {
            // SAFETY: the caller's promise.
            unsafe { Self::bring_from_outside(this, task) };
        }
    }

    /// Brings a task to the injector. Not inlined, so that the way to a worker needs no stack.
    ///
    /// # Safety
    ///
    /// As [`bring`](Self::bring).
    #[inline(never)]
    unsafe fn bring_from_outside(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the task is alive until it is passed on, and with it its scheduler.
        let shared = unsafe { this.as_ref() }.shared.clone();
        // The task may have been what kept the runtime alive.
        shared.inject(task);
    }
}

impl Schedule for Home {
    #[inline]
    unsafe fn schedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the caller's promise.
        unsafe { Self::bring(this, task, Worker::push) };
    }

    unsafe fn reschedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the caller's promise.
        unsafe { Self::bring(this, task, Worker::push_behind) };
    }

    fn keep(&self, task: &Runnable) -> bool {
        context::with_worker(&self.shared, |worker| self.shared.list(worker, task))
    }

    fn release(&self, task: &Header) {
        Hooks::call_with_task(&self.shared.hooks.task_terminate, task);
        match task.place() {
            Place::Unlisted => {}
            Place::List(number) => self.shared.cores[number].owned.remove(task),
            Place::Refused => return,
        }
        context::with_worker(&self.shared, |worker| match worker {
            Some(worker) => worker.has_ended(task),
            None => self.shared.outside.ended(),
        });
    }
}

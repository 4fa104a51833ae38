//! A runtime's threads: how they are made, what runs at their beginning and end, and how many there are.
//!
//! What always holds: a thread counts from before it is started until its last hook has run. So when none
//! is left, nothing of the runtime runs on a thread of its own any more, but for destructors of
//! thread-locals, for which one joins.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::Handle;
use crate::contain::{contain, discard};
use crate::scheduler::Shared;
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::monitor::{Condvar, Mutex};
use crate::sync::thread::{self, JoinHandle};
use crate::sys::CpuSet;

/// What can be chosen about threads.
#[derive(Clone)]
pub(super) struct ThreadConfig {
    pub(super) name: Arc<dyn Fn() -> String + Send + Sync>,
    pub(super) stack_size: Option<usize>,
    pub(super) on_start: Option<Hook>,
    pub(super) on_stop: Option<Hook>,
}

pub(super) type Hook = Arc<dyn Fn() + Send + Sync>;

/// The threads of one runtime.
pub(super) struct Threads {
    config: ThreadConfig,
    pins: Option<Pins>,
    /// Set before the first thread is started.
    runtime: OnceLock<Weak<Shared>>,
    running: Mutex<usize>,
    ended: Condvar,
}

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Worker,
    Blocking,
}

/// Where workers are pinned, one after the other.
pub(super) struct Pins {
    all: CpuSet,
    singles: Vec<CpuSet>,
    /// Counts those who ask. Relaxed: it orders nothing, and each gets another number all the same.
    next: AtomicUsize,
}

/// The CPUs for a new thread.
enum Place {
    /// Where the thread runs that starts it.
    Inherited,
    /// Tells whether that could be done, and ends the thread if not.
    Pinned(CpuSet, SyncSender<io::Result<()>>),
    /// Where the runtime was built; a thread that a pinned one starts would share its CPU.
    Free(CpuSet),
}

crate::sync::thread_local! {
    /// Whose thread this is, by address, and what for.
    static SELF: Cell<(*const Threads, Role)> = const { Cell::new((std::ptr::null(), Role::Worker)) };
}

impl Threads {
    pub(super) fn new(config: ThreadConfig, pins: Option<Pins>) -> Arc<Self> {
        Arc::new(Self {
            config,
            pins,
            runtime: OnceLock::new(),
            running: Mutex::new(0),
            ended: Condvar::default(),
        })
    }

    /// Says whose threads these are.
    pub(super) fn belong_to(&self, shared: &Arc<Shared>) {
        let known = self.runtime.set(Arc::downgrade(shared));
        debug_assert!(known.is_ok());
    }

    /// Starts a thread.
    ///
    /// # Errors
    ///
    /// The system's, and if the function that names threads panics.
    pub(super) fn start(
        self: &Arc<Self>,
        role: Role,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<JoinHandle<()>> {
        let builder = self.builder()?;
        let (place, report) = match (&self.pins, role) {
            (None, _) => (Place::Inherited, None),
            (Some(pins), Role::Blocking) => (Place::Free(pins.all.clone()), None),
            (Some(pins), Role::Worker) => {
                let (sender, report) = sync_channel(1);
                (Place::Pinned(pins.next(), sender), Some(report))
            }
        };
        *self.running.lock() += 1;
        let threads = self.clone();
        let run = move || threads.run(role, place, body);
        let thread = spawn(builder, run).inspect_err(|_| self.end_one())?;
        if let Some(report) = report {
            let report = report.recv();
            if let Err(error) = report.expect("a thread that is pinned says so first") {
                let _ = thread.join();
                return Err(error);
            }
        }
        Ok(thread)
    }

    fn builder(&self) -> io::Result<thread::Builder> {
        let name = catch_unwind(AssertUnwindSafe(|| (self.config.name)())).map_err(|payload| {
            discard(payload);
            io::Error::other("the function that names the runtime's threads panicked")
        })?;
        if name.contains('\0') {
            let message = "the name for the runtime's threads has a NUL character";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let builder = thread::Builder::new().name(name);
        Ok(match self.config.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        })
    }

    /// The life of a thread.
    fn run(&self, role: Role, place: Place, body: Box<dyn FnOnce() + Send>) {
        struct Stop<'a>(&'a Threads);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.call(&self.0.config.on_stop);
                let _ = SELF.try_with(|own| own.set((std::ptr::null(), Role::Worker)));
            }
        }
        struct End<'a>(&'a Threads);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.end_one();
            }
        }
        let _end = End(self);
        if !place.take() {
            return;
        }
        SELF.with(|own| own.set((self, role)));
        let _stop = Stop(self);
        self.call(&self.config.on_start);
        body();
    }

    /// Calls a hook, with the runtime as the current one if it is there.
    fn call(&self, hook: &Option<Hook>) {
        let Some(hook) = hook else {
            return;
        };
        let shared = self.runtime.get().and_then(Weak::upgrade);
        let handle = shared.map(|shared| Handle { shared });
        let _guard = handle.as_ref().map(Handle::enter);
        contain(|| hook());
    }

    fn end_one(&self) {
        *self.running.lock() -= 1;
        self.ended.notify_all();
    }

    /// What the calling thread is for, if it is one of these.
    pub(super) fn own_role(&self) -> Option<Role> {
        let (threads, role) = SELF.try_with(Cell::get).ok()?;
        std::ptr::eq(threads, self).then_some(role)
    }

    /// Waits until all threads have ended, but for the calling one, and no longer than `limit`. False if
    /// some have not.
    pub(super) fn wait(&self, limit: Option<Duration>) -> bool {
        let own = usize::from(self.own_role().is_some());
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut running = self.running.lock();
        while *running > own {
            let Some(deadline) = deadline else {
                running = self.ended.wait(running);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (running, _) = self.ended.wait_timeout(running, left);
        }
        true
    }
}

/// Starts a thread. Where std panics, for instance at a stack size that no system would take, this gives
/// an error.
fn spawn(
    builder: thread::Builder,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    catch_unwind(AssertUnwindSafe(|| builder.spawn(run))).unwrap_or_else(|payload| {
        discard(payload);
        let message = "the system refuses threads such as the runtime's builder describes them";
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    })
}

impl Pins {
    /// The CPUs that the calling thread may use, for so many workers.
    ///
    /// # Errors
    ///
    /// The system's; on other systems than Linux that this cannot be done.
    pub(super) fn new(workers: usize) -> io::Result<Self> {
        /// Runtimes with few workers should not all crowd on the first CPUs.
        static PINNED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let all = CpuSet::of_this_thread()?;
        Ok(Self {
            singles: all.singles(),
            all,
            next: AtomicUsize::new(PINNED.fetch_add(workers, Relaxed)),
        })
    }

    fn next(&self) -> CpuSet {
        let next = self.next.fetch_add(1, Relaxed);
        self.singles[next % self.singles.len()].clone()
    }
}

impl Place {
    /// Brings the calling thread there; false if it should end instead.
    fn take(self) -> bool {
        match self {
            Self::Inherited => true,
            Self::Free(cpus) => {
                // Should those CPUs have been taken from the process, any will do.
                let _ = cpus.hold_this_thread();
                true
            }
            Self::Pinned(cpu, report) => {
                let held = cpu.hold_this_thread();
                let goes_on = held.is_ok();
                let _ = report.send(held);
                goes_on
            }
        }
    }
}

//! Threads that come when there is work and go when there is none.
//!
//! What always holds: while jobs wait, a thread is on its way to them, woken or just started; or all threads
//! are busy and no more can be had, and then the first that is done looks at the queue before it rests. If
//! there is no thread at all and none can be started, the jobs are cancelled, and their handles say so.
//!
//! Whoever takes a job and leaves others behind sees to it, before the job begins, that somebody comes for
//! them. So whoever brings a hundred jobs wakes one thread and goes on. If jobs are short, that thread does
//! them all. If they block, the threads on their way may be as many as those that are busy, so that they
//! double until there are enough. A thread woken for each job was rejected: short jobs cost ten times as much.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::monitor::{Condvar, Mutex, MutexGuard};
use crate::sync::thread::JoinHandle;
use crate::task::Runnable;

/// Starts a thread that runs the closure. Does not panic.
pub(crate) type StartThread =
    dyn Fn(Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> + Send + Sync;

/// How the pool makes and keeps threads.
pub(crate) struct Config {
    pub(crate) max_threads: usize,
    /// How long a thread waits for work before it ends.
    pub(crate) keep_alive: Duration,
    pub(crate) start_thread: Box<StartThread>,
}

/// What a pool has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Threads that exist.
    pub(crate) threads: usize,
    /// Those of them that wait for a job.
    pub(crate) idle: usize,
    /// Jobs that wait for a thread.
    pub(crate) queued: usize,
}

/// Threads that whoever takes a job starts at most before the job begins: two, so that threads double.
const STARTED_AT_ONCE: usize = 2;

/// A pool of threads.
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    work: Condvar,
    started: Condvar,
    config: Config,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Runnable>,
    /// Threads that wait, less those that were called.
    idle: usize,
    /// Calls that no thread has heard yet.
    calls: usize,
    /// Threads that were started and have not looked at the queue yet.
    newcomers: usize,
    threads: BTreeMap<u64, Option<JoinHandle<()>>>,
    /// Threads that have ended since the shutdown, to be joined.
    ended: Vec<JoinHandle<()>>,
    last_thread: u64,
    /// Threads that exist perhaps, though not with their handle in `threads`.
    starting: usize,
    shut_down: bool,
}

impl Pool {
    pub(crate) fn new(config: Config) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Inner {
            state,
            work: Condvar::default(),
            started: Condvar::default(),
            config,
        }))
    }

    /// Brings a job. After shutdown it is cancelled.
    pub(crate) fn spawn(&self, job: Runnable) {
        let mut state = self.0.state.lock();
        if state.shut_down {
            drop(state);
            return job.cancel();
        }
        state.jobs.push_back(job);
        self.0.call_threads(state);
    }

    pub(crate) fn load(&self) -> Load {
        let state = self.0.state.lock();
        Load {
            threads: state.threads.len(),
            idle: state.idle,
            queued: state.jobs.len(),
        }
    }

    /// Ends the waits of idle threads, as the keep-alive time would.
    #[cfg(all(test, loom))]
    pub(super) fn let_time_pass(&self) {
        self.0.work.let_time_pass();
    }

    /// Cancels the jobs that have not begun, and those that come from now on.
    pub(crate) fn close(&self) {
        let jobs = {
            let mut state = self.0.state.lock();
            state.shut_down = true;
            self.0.work.notify_all();
            std::mem::take(&mut state.jobs)
        };
        jobs.into_iter().for_each(Runnable::cancel);
    }

    /// Lets go of the threads: nobody is going to join them.
    pub(crate) fn let_go(&self) {
        let mut state = self.0.state.lock();
        state.ended.clear();
        state.threads.values_mut().for_each(|thread| *thread = None);
    }

    /// Closes the pool and waits for the jobs that have begun, except for one that makes this very call.
    pub(crate) fn shut_down(&self) {
        self.close();
        let threads = {
            let mut state = self.0.state.lock();
            while state.starting > 0 {
                state = self.0.started.wait(state);
            }
            let running = std::mem::take(&mut state.threads);
            let ended = std::mem::take(&mut state.ended);
            running.into_values().flatten().chain(ended)
        };
        let own = crate::sync::thread::current().id();
        for thread in threads {
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

impl State {
    /// Whether too few threads are on their way to the jobs that wait.
    fn needs_threads(&self) -> bool {
        let coming = self.calls + self.newcomers;
        let busy = self.threads.len() - self.idle - coming;
        coming < self.jobs.len() && coming <= busy
    }

    /// Counts calls to those who wait, if too few threads are on their way. Returns how many are to be made.
    fn call_idle(&mut self) -> usize {
        let mut calls = 0;
        while self.idle > 0 && self.needs_threads() {
            self.idle -= 1;
            self.calls += 1;
            calls += 1;
        }
        calls
    }

    /// Keeps the handle of a thread that has ended, if it is going to be joined.
    fn note_end(&mut self, thread: JoinHandle<()>) {
        if self.shut_down {
            self.ended.push(thread);
        }
    }
}

impl Inner {
    /// Has threads come for the jobs that wait, if too few are on their way.
    fn call_threads(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let calls = state.call_idle();
        let mut lacks_threads = self.may_start(&state);
        drop(state);
        (0..calls).for_each(|_| self.work.notify_one());
        for _ in 0..STARTED_AT_ONCE {
            if !lacks_threads {
                return;
            }
            let state = self.state.lock();
            lacks_threads = self.may_start(&state);
            if lacks_threads {
                self.start_thread(state);
            }
        }
    }

    /// Whether too few threads are on their way and another may be started.
    fn may_start(&self, state: &State) -> bool {
        state.threads.len() < self.config.max_threads && state.needs_threads()
    }

    /// Starts a thread. If that fails the jobs wait for another; if there is none they are cancelled.
    fn start_thread(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        state.last_thread += 1;
        let id = state.last_thread;
        state.threads.insert(id, None);
        state.newcomers += 1;
        state.starting += 1;
        drop(state);
        let inner = self.clone();
        let started = (self.config.start_thread)(Box::new(move || inner.run(id)));
        let mut state = self.state.lock();
        state.starting -= 1;
        self.started.notify_all();
        match started {
            Ok(thread) => match state.threads.get_mut(&id) {
                Some(place) => *place = Some(thread),
                None => state.note_end(thread),
            },
            Err(_) => {
                state.threads.remove(&id);
                state.newcomers -= 1;
                if state.threads.is_empty() {
                    let stranded = std::mem::take(&mut state.jobs);
                    drop(state);
                    stranded.into_iter().for_each(Runnable::cancel);
                } else {
                    // Somebody may have fallen idle who relied on this thread.
                    let calls = state.call_idle();
                    drop(state);
                    (0..calls).for_each(|_| self.work.notify_one());
                }
            }
        }
    }

    /// The life of a thread.
    fn run(self: &Arc<Self>, id: u64) {
        let mut state = self.state.lock();
        state.newcomers -= 1;
        loop {
            while let Some(job) = state.jobs.pop_front() {
                self.call_threads(state);
                job.run();
                state = self.state.lock();
            }
            if state.shut_down {
                break;
            }
            let called;
            (state, called) = self.wait(state);
            if !called {
                break;
            }
        }
        if let Some(Some(own)) = state.threads.remove(&id) {
            state.note_end(own);
        }
    }

    /// Waits for a call; false if the thread should end instead.
    fn wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        state.idle += 1;
        loop {
            let timed_out;
            (state, timed_out) = self.work.wait_timeout(state, self.config.keep_alive);
            if state.calls > 0 {
                state.calls -= 1;
                return (state, true);
            }
            if state.shut_down || timed_out {
                state.idle -= 1;
                return (state, false);
            }
        }
    }
}

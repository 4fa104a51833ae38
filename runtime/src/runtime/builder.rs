//! What can be chosen about a runtime.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::{Handle, Runtime};
use crate::blocking::{self, StartThread};
use crate::reactor::MAX_CORES;
use crate::scheduler::{Config, Hooks, Shared};
use crate::sync::thread;

/// Builds a [`Runtime`].
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::runtime::Builder;
///
/// let runtime = Builder::new_multi_thread()
///     .worker_threads(2)
///     .thread_name("server")
///     .build()?;
/// runtime.block_on(async { /* … */ });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    flavor: Flavor,
    worker_threads: Option<usize>,
    max_blocking_threads: usize,
    thread_keep_alive: Duration,
    threads: ThreadConfig,
    start_paused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavor {
    CurrentThread,
    MultiThread,
}

/// How the runtime's threads are made.
#[derive(Clone)]
struct ThreadConfig {
    name: Arc<dyn Fn() -> String + Send + Sync>,
    stack_size: Option<usize>,
}

impl Builder {
    /// A runtime whose tasks run on the thread that calls [`Runtime::block_on`], with no threads of its own
    /// but for blocking closures.
    pub fn new_current_thread() -> Self {
        Self::new(Flavor::CurrentThread)
    }

    /// A runtime whose tasks run on worker threads that share the work.
    pub fn new_multi_thread() -> Self {
        Self::new(Flavor::MultiThread)
    }

    fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            worker_threads: None,
            max_blocking_threads: 512,
            thread_keep_alive: Duration::from_secs(10),
            threads: ThreadConfig {
                name: Arc::new(|| "mini_rt-worker".to_owned()),
                stack_size: None,
            },
            start_paused: false,
        }
    }

    /// How many worker threads there are, each with a core of its own: a run queue and a reactor. By
    /// default as many as the process may use at once. A current-thread runtime has none, whatever is set.
    ///
    /// # Panics
    ///
    /// If `count` is 0 or above 4,096.
    #[track_caller]
    pub fn worker_threads(&mut self, count: usize) -> &mut Self {
        assert!(
            count > 0,
            "`worker_threads` must be at least 1: with 0 nothing would ever run"
        );
        assert!(
            count <= MAX_CORES,
            "`worker_threads` must be at most {MAX_CORES}"
        );
        self.worker_threads = Some(count);
        self
    }

    /// How many threads may run blocking closures at once; more closures wait. 512 by default.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, count: usize) -> &mut Self {
        assert!(
            count > 0,
            "`max_blocking_threads` must be at least 1: with 0 no closure would ever run"
        );
        self.max_blocking_threads = count;
        self
    }

    /// How long a thread for blocking closures waits for the next one before it ends. 10 s by default.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.thread_keep_alive = duration;
        self
    }

    /// The name of the runtime's threads. `mini_rt-worker` by default.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.thread_name_fn(move || name.clone())
    }

    /// A function that names each thread when it is made.
    pub fn thread_name_fn(
        &mut self,
        name: impl Fn() -> String + Send + Sync + 'static,
    ) -> &mut Self {
        self.threads.name = Arc::new(name);
        self
    }

    /// The stack size of the runtime's threads, in bytes. The standard library's default by default.
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.threads.stack_size = Some(bytes);
        self
    }

    /// Whether the runtime's clock stands still at first, for tests. Takes effect with timers.
    pub fn start_paused(&mut self, paused: bool) -> &mut Self {
        self.start_paused = paused;
        self
    }

    /// Builds the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// The system's, if it gives no more descriptors (two are needed per core) or threads.
    pub fn build(&mut self) -> io::Result<Runtime> {
        let (cores, workers) = match self.flavor {
            Flavor::CurrentThread => (1, 0),
            Flavor::MultiThread => {
                let count = self.worker_threads.unwrap_or_else(default_workers);
                (count, count)
            }
        };
        let threads = self.threads.clone();
        let config = Config {
            cores,
            start_worker: (workers > 0)
                .then(|| -> Box<StartThread> { Box::new(move |run| threads.start(run)) }),
            hooks: Hooks::default(),
        };
        let shared = Shared::new(config, self.blocking_pool())?;
        let mut threads = Vec::with_capacity(workers);
        for _ in 0..workers {
            let worker = shared.clone();
            match self.threads.start(Box::new(move || worker.work())) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    shared.shut_down();
                    // They have run nothing yet, so this is no wait.
                    threads.into_iter().for_each(|thread| drop(thread.join()));
                    return Err(error);
                }
            }
        }
        Ok(Runtime::with_threads(Handle { shared }, threads))
    }

    fn blocking_pool(&self) -> blocking::Pool {
        let threads = self.threads.clone();
        blocking::Pool::new(blocking::Config {
            max_threads: self.max_blocking_threads,
            keep_alive: self.thread_keep_alive,
            start_thread: Box::new(move |run| threads.start(run)),
        })
    }
}

fn default_workers() -> usize {
    std::thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .min(MAX_CORES)
}

impl ThreadConfig {
    fn start(&self, run: Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>> {
        let mut builder = thread::Builder::new().name((self.name)());
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(run)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("flavor", &self.flavor)
            .field("worker_threads", &self.worker_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_keep_alive", &self.thread_keep_alive)
            .field("thread_stack_size", &self.threads.stack_size)
            .field("start_paused", &self.start_paused)
            .finish_non_exhaustive()
    }
}

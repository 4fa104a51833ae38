//! What can be chosen about a runtime.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::threads::{Pins, Role, ThreadConfig, Threads};
use super::{Handle, Runtime, RuntimeFlavor};
use crate::blocking::{self, StartThread};
use crate::reactor::MAX_CORES;
use crate::scheduler::{Config, Hooks, Shared};

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
    flavor: RuntimeFlavor,
    worker_threads: Option<usize>,
    max_blocking_threads: usize,
    thread_keep_alive: Duration,
    pin_cores: bool,
    pub(super) threads: ThreadConfig,
    pub(super) hooks: Hooks,
    measure_task_time: bool,
    start_paused: bool,
}

impl Builder {
    /// A runtime whose tasks run on the thread that calls [`Runtime::block_on`], with no threads of its own
    /// but for blocking closures.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new_current_thread() -> Self {
        Self::new(RuntimeFlavor::CurrentThread)
    }

    /// A runtime whose tasks run on worker threads that share the work.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().build()?;
    /// let task = runtime.spawn(async { 1 + 1 });
    /// assert_eq!(runtime.block_on(task)?, 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new_multi_thread() -> Self {
        Self::new(RuntimeFlavor::MultiThread)
    }

    fn new(flavor: RuntimeFlavor) -> Self {
        Self {
            flavor,
            worker_threads: None,
            max_blocking_threads: 512,
            thread_keep_alive: Duration::from_secs(10),
            pin_cores: false,
            threads: ThreadConfig {
                name: Arc::new(|| "mini_rt-worker".to_owned()),
                stack_size: None,
                on_start: None,
                on_stop: None,
            },
            hooks: Hooks::default(),
            measure_task_time: false,
            start_paused: false,
        }
    }

    /// How many worker threads there are, each with a core of its own: a run queue and a reactor. By
    /// default as many as the process may use at once. A current-thread runtime has none, whatever is set.
    ///
    /// # Panics
    ///
    /// If `count` is 0 or above 4,096.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(3).build()?;
    /// assert_eq!(runtime.metrics().num_workers(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().max_blocking_threads(1).build()?;
    /// let closures = [1, 2].map(|number| runtime.spawn_blocking(move || number));
    /// for (closure, number) in closures.into_iter().zip(1..) {
    ///     assert_eq!(runtime.block_on(closure)?, number);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .thread_keep_alive(Duration::from_millis(100))
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.thread_keep_alive = duration;
        self
    }

    /// The name of the runtime's threads. `mini_rt-worker` by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().thread_name("files").build()?;
    /// let name = runtime.spawn_blocking(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(runtime.block_on(name)?.as_deref(), Some("files"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.thread_name_fn(move || name.clone())
    }

    /// A function that names each thread when it is made, on the thread that starts it.
    ///
    /// If it panics, or the name has a NUL character, that is as if the system gave no thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let count = AtomicUsize::new(0);
    /// let runtime = Builder::new_multi_thread()
    ///     .thread_name_fn(move || format!("server-{}", count.fetch_add(1, Relaxed)))
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_name_fn(
        &mut self,
        name: impl Fn() -> String + Send + Sync + 'static,
    ) -> &mut Self {
        self.threads.name = Arc::new(name);
        self
    }

    /// The stack size of the runtime's threads, in bytes. The standard library's default by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().thread_stack_size(8 << 20).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.threads.stack_size = Some(bytes);
        self
    }

    /// Whether the runtime's clock stands still at first, as after [`time::pause`](crate::time::pause). For
    /// tests, and for current-thread runtimes only: others are not built.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().start_paused(true).build()?;
    /// runtime.block_on(mini_rt_runtime::time::sleep(Duration::from_secs(3_600)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start_paused(&mut self, paused: bool) -> &mut Self {
        self.start_paused = paused;
        self
    }

    /// Whether each worker thread is pinned to one CPU, in turn to those that the thread which calls
    /// [`build`](Self::build) may use. Off by default. On Linux only.
    ///
    /// That keeps a core's data in the caches of one CPU, and is worth it if the machine does little else.
    /// Threads for blocking closures, and callers of [`Runtime::block_on`], may run anywhere. A thread that
    /// a task starts by itself inherits the CPU of its worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().pin_cores(true).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pin_cores(&mut self, pin: bool) -> &mut Self {
        self.pin_cores = pin;
        self
    }

    /// Whether the polls of each task are timed, for [`Handle::dump`]. Off by default: it reads the clock
    /// twice per poll and takes a second allocation per task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().measure_task_time(true).build()?;
    /// runtime.block_on(async {
    ///     mini_rt_runtime::spawn(std::future::pending::<()>());
    ///     mini_rt_runtime::yield_now().await;
    ///     let dump = mini_rt_runtime::runtime::Handle::current().dump();
    ///     assert!(dump.tasks[0].busy > Some(Duration::ZERO));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn measure_task_time(&mut self, measure: bool) -> &mut Self {
        self.measure_task_time = measure;
        self
    }

    /// Builds the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// The system's, if it gives no more descriptors (two are needed per core) or threads, or refuses to
    /// [pin](Self::pin_cores) them, which on other systems than Linux is an error of the kind
    /// [`Unsupported`](io::ErrorKind::Unsupported). And [`InvalidInput`](io::ErrorKind::InvalidInput) if a
    /// runtime with workers is to [start paused](Self::start_paused), and an error if the function that names threads
    /// panics. Threads that were started already have ended when this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
    /// runtime.block_on(async { /* … */ });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build(&mut self) -> io::Result<Runtime> {
        let (cores, workers) = match self.flavor {
            RuntimeFlavor::CurrentThread => (1, 0),
            RuntimeFlavor::MultiThread => {
                let count = self.worker_threads.unwrap_or_else(default_workers);
                (count, count)
            }
        };
        if self.start_paused && workers > 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "`start_paused` is for current-thread runtimes: the clock of one with workers cannot stand",
            ));
        }
        let pins = self.pin_cores.then(|| Pins::new(workers)).transpose()?;
        let threads = Threads::new(self.threads.clone(), pins);
        let config = Config {
            cores,
            start_worker: (workers > 0).then(|| start_thread(&threads, Role::Worker)),
            hooks: self.hooks.clone(),
            measure_task_time: self.measure_task_time,
        };
        let pool = blocking::Pool::new(blocking::Config {
            max_threads: self.max_blocking_threads,
            keep_alive: self.thread_keep_alive,
            start_thread: start_thread(&threads, Role::Blocking),
        });
        let shared = Shared::new(config, pool)?;
        if self.start_paused {
            shared.clock.stop();
        }
        threads.belong_to(&shared);
        let mut runtime = Runtime::without_workers(Handle { shared }, threads);
        match runtime.start_workers(workers) {
            Ok(()) => Ok(runtime),
            Err(error) => {
                runtime.end();
                Err(error)
            }
        }
    }
}

fn default_workers() -> usize {
    std::thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .min(MAX_CORES)
}

fn start_thread(threads: &Arc<Threads>, role: Role) -> Box<StartThread> {
    let threads = threads.clone();
    Box::new(move |run| threads.start(role, run))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("flavor", &self.flavor)
            .field("worker_threads", &self.worker_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_keep_alive", &self.thread_keep_alive)
            .field("thread_stack_size", &self.threads.stack_size)
            .field("pin_cores", &self.pin_cores)
            .field("start_paused", &self.start_paused)
            .finish_non_exhaustive()
    }
}

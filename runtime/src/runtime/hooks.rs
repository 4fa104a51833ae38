//! What a runtime tells of: functions that are called at turning points of its threads and tasks.

use std::sync::Arc;
use std::time::Duration;

use super::Builder;
use crate::scheduler::{BlockedTask, TaskMeta};

/// # Hooks
///
/// Functions that the runtime calls. They run where things happen, and others wait meanwhile: they should
/// be short and must not block. Of each kind there is one; the last one given counts. The runtime is the
/// current one in them, so they may spawn. Should one panic, the panic is reported as any other and the
/// thread goes on.
impl Builder {
    /// A function that each thread of the runtime calls when it begins, workers and threads for blocking
    /// closures alike. Threads that call [`Runtime::block_on`](super::Runtime::block_on) are not the
    /// runtime's.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .worker_threads(1)
    ///     .on_thread_start(|| println!("a thread begins"))
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_start(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.threads.on_start = Some(Arc::new(hook));
        self
    }

    /// A function that each thread of the runtime calls before it ends, workers and threads for blocking
    /// closures alike.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let ended = Arc::new(AtomicUsize::new(0));
    /// let count = ended.clone();
    /// let runtime = Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .on_thread_stop(move || drop(count.fetch_add(1, SeqCst)))
    ///     .build()?;
    /// drop(runtime);
    /// assert_eq!(ended.load(SeqCst), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_stop(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.threads.on_stop = Some(Arc::new(hook));
        self
    }

    /// A function that a thread calls before it goes to sleep because there is nothing to do: a worker, or
    /// a caller of [`Runtime::block_on`](super::Runtime::block_on) that runs tasks beside its future.
    ///
    /// What the function spawns runs before the thread sleeps, or soon after on another.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .on_thread_park(|| println!("nothing to do"))
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_park(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.hooks.thread_park = Some(Arc::new(hook));
        self
    }

    /// A function that a thread calls when it has woken from a sleep that
    /// [`on_thread_park`](Self::on_thread_park) tells of.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .on_thread_unpark(|| println!("something to do"))
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_unpark(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.hooks.thread_unpark = Some(Arc::new(hook));
        self
    }

    /// A function that is called for each task, on the thread that spawns it and before it runs. Blocking
    /// closures and the futures of `block_on` are no tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .on_task_spawn(|task| println!("task {} from {}", task.id(), task.spawned_at()))
    ///     .build()?;
    /// runtime.block_on(async { mini_rt_runtime::spawn(async {}).await.unwrap() });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_spawn(
        &mut self,
        hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    ) -> &mut Self {
        self.hooks.task_spawn = Some(Arc::new(hook));
        self
    }

    /// A function that is called for each task when it is over: it returned, panicked or was cancelled,
    /// and its future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .on_task_terminate(|task| println!("task {} is over", task.id()))
    ///     .build()?;
    /// runtime.block_on(async { mini_rt_runtime::spawn(async {}).await.unwrap() });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_terminate(
        &mut self,
        hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    ) -> &mut Self {
        self.hooks.task_terminate = Some(Arc::new(hook));
        self
    }

    /// A function that is called for each poll that has blocked its worker for `threshold` or longer, when
    /// that poll is over and on the thread that was blocked.
    ///
    /// It is another worker, one that is idle or looks after its siblings between tasks, that notices a
    /// blocked one. So a runtime with a single worker, or with all of them blocked at once, reports
    /// nothing. A poll shorter than 5 ms is never reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .on_blocked(Duration::from_millis(50), |task| {
    ///         eprintln!(
    ///             "worker {} was blocked for {:?} by what {} has spawned",
    ///             task.worker(),
    ///             task.duration(),
    ///             task.spawned_at(),
    ///         );
    ///     })
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_blocked(
        &mut self,
        threshold: Duration,
        hook: impl Fn(&BlockedTask) + Send + Sync + 'static,
    ) -> &mut Self {
        self.hooks.blocked = Some((threshold, Arc::new(hook)));
        self
    }
}

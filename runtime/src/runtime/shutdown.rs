//! The end of a runtime: by dropping it, or with a limit to how long its threads are waited for.
//!
//! What always holds: the end is begun once, and nothing after that can keep it from going on. Who waits
//! for the threads only learns when it is over.

use std::time::Duration;

use super::Runtime;
use super::threads::Role;
use crate::scheduler::{context, local};
use crate::sync::thread;

impl Runtime {
    /// Ends the runtime, and waits no longer than `duration` for its threads.
    ///
    /// As when it is dropped, every task's future is dropped, and blocking closures that have not begun are
    /// cancelled. A thread that is still in a poll or in a closure by then is let go: it ends after that
    /// poll or closure, and what it holds up is dropped then. With a current-thread runtime the futures
    /// are dropped by the calling thread, however long their destructors take.
    ///
    /// # Panics
    ///
    /// Inside async code, where it would block the thread that should run the tasks, unless `duration` is
    /// zero. The runtime ends all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use mini_rt_runtime::runtime::Builder;
    ///
    /// let begin = Instant::now();
    /// let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
    /// runtime.spawn_blocking(|| std::thread::sleep(Duration::from_secs(1_000)));
    /// runtime.shutdown_timeout(Duration::from_millis(10));
    /// assert!(begin.elapsed() < Duration::from_secs(900));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn shutdown_timeout(mut self, duration: Duration) {
        self.begin_end();
        if !duration.is_zero()
            && self.may_wait(
                "`shutdown_timeout` was called inside async code, where waiting for the runtime's threads \
                 would block: call `shutdown_background` there",
            )
        {
            self.await_end(Some(duration));
        }
    }

    /// Ends the runtime without waiting for its threads, and so can be called inside async code.
    ///
    /// The same as [`shutdown_timeout`](Self::shutdown_timeout) with a duration of zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use mini_rt_runtime::runtime::{Builder, Runtime};
    ///
    /// let outer = Builder::new_current_thread().build()?;
    /// let inner = Runtime::new()?;
    /// outer.block_on(async {
    ///     let answer = inner.spawn(async { 42 }).await;
    ///     inner.shutdown_background();
    ///     assert_eq!(answer.unwrap(), 42);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_background(mut self) {
        self.begin_end();
    }

    /// Ends the runtime and waits for its threads, wherever that is done.
    pub(super) fn end(&mut self) {
        self.begin_end();
        self.await_end(None);
    }

    fn begin_end(&mut self) {
        self.is_ending = true;
        local::runtime_dropped(&self.handle.shared);
        self.handle.shared.shut_down();
        self.handle.shared.blocking.close();
    }

    /// Whether the calling thread may wait for the others.
    ///
    /// # Panics
    ///
    /// With this message if not, unless it is panicking already.
    #[track_caller]
    fn may_wait(&self, refusal: &str) -> bool {
        let in_a_poll = context::is_driving() || context::has_left(&self.handle.shared);
        if !in_a_poll && self.threads.own_role() != Some(Role::Worker) {
            return true;
        }
        assert!(thread::panicking(), "{refusal}");
        false
    }

    /// Waits for the threads, but for the calling one, and no longer than `limit`.
    fn await_end(&mut self, limit: Option<Duration>) {
        if !self.threads.wait(limit) {
            return;
        }
        let shared = &self.handle.shared;
        let own = thread::current().id();
        for worker in self.workers.drain(..).chain(shared.take_replacements()) {
            if worker.thread().id() != own {
                let _ = worker.join();
            }
        }
        shared.blocking.shut_down();
    }

    /// Lets go of the threads that were not waited for.
    fn let_go(&mut self) {
        self.workers.clear();
        self.handle.shared.take_replacements().clear();
        self.handle.shared.blocking.let_go();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.is_ending {
            self.begin_end();
            if self.may_wait(
                "a runtime was dropped inside async code, where waiting for its threads would block: drop \
                 it outside, move it to `spawn_blocking`, or call `shutdown_background`",
            ) {
                self.await_end(None);
            }
        }
        self.let_go();
    }
}

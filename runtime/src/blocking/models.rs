//! Loom models of the pool: every job that is brought runs or is cancelled, and its handle says which.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use loom::sync::Notify;
use loom::thread;

use super::{Config, Pool, new};
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::sync::model::{block_on, check};
use crate::task::{JoinHandle, Origin};

/// A pool that may start so many threads, and fails to start those that do not `start`.
fn pool(max_threads: usize, start: impl Fn(usize) -> bool + Send + Sync + 'static) -> Arc<Pool> {
    let attempts = AtomicUsize::new(0);
    Arc::new(Pool::new(Config {
        max_threads,
        keep_alive: Duration::from_secs(1),
        start_thread: Box::new(move |run| {
            if start(attempts.fetch_add(1, SeqCst)) {
                thread::Builder::new().spawn(run)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }),
    }))
}

fn spawn<R: Send + 'static>(
    pool: &Pool,
    closure: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    let (job, handle) = new(closure, || (), Origin::here());
    pool.spawn(job);
    handle
}

/// A job that comes while the only thread falls idle is done by it.
#[test]
fn a_job_meets_a_thread_that_falls_idle() {
    check(3, || {
        let pool = pool(1, |_| true);
        assert_eq!(block_on(spawn(&pool, || 1)).unwrap(), 1);
        assert_eq!(block_on(spawn(&pool, || 2)).unwrap(), 2);
        pool.shut_down();
        assert_eq!(pool.load().threads, 0);
    });
}

/// Jobs of two spawners are both done, though there may be but one thread.
#[test]
fn two_spawners_share_a_thread() {
    check(3, || {
        let pool = pool(1, |_| true);
        let other = thread::spawn({
            let pool = pool.clone();
            move || block_on(spawn(&pool, || 1)).unwrap()
        });
        assert_eq!(block_on(spawn(&pool, || 2)).unwrap(), 2);
        assert_eq!(other.join().unwrap(), 1);
        pool.shut_down();
    });
}

/// A job that blocks until the one behind it has run does not keep it from running: whoever takes the first
/// sees to the second.
#[test]
fn a_job_waits_for_the_next() {
    check(2, || {
        let pool = pool(2, |_| true);
        let done = Arc::new(Notify::new());
        let first = spawn(&pool, {
            let done = done.clone();
            move || done.wait()
        });
        let second = spawn(&pool, move || done.notify());
        block_on(first).unwrap();
        block_on(second).unwrap();
        pool.shut_down();
    });
}

/// A job that comes while the time of an idle thread runs out is done, by that thread or another.
#[test]
fn a_job_meets_the_end_of_a_thread() {
    check(3, || {
        let pool = pool(1, |_| true);
        block_on(spawn(&pool, || ())).unwrap();
        let clock = thread::spawn({
            let pool = pool.clone();
            move || pool.let_time_pass()
        });
        block_on(spawn(&pool, || ())).unwrap();
        clock.join().unwrap();
        pool.shut_down();
        assert_eq!(pool.load().threads, 0);
    });
}

/// Shutdown waits for a job that has begun, also on a thread that is just being started, and one that has
/// not begun is cancelled.
#[test]
fn a_job_meets_the_shutdown() {
    check(3, || {
        let pool = pool(1, |_| true);
        let progress = Arc::new(AtomicUsize::new(0));
        let spawner = thread::spawn({
            let (pool, progress) = (pool.clone(), progress.clone());
            move || {
                let job = spawn(&pool, move || {
                    progress.fetch_add(1, SeqCst);
                    progress.fetch_add(1, SeqCst);
                });
                block_on(job)
            }
        });
        pool.shut_down();
        let seen = progress.load(SeqCst);
        let result = spawner.join().unwrap();
        match result {
            Ok(()) => assert_eq!(seen, 2),
            Err(error) => assert!(error.is_cancelled() && seen == 0),
        }
    });
}

/// If some thread cannot be started its job is left to another, and cancelled if there is none: nobody
/// waits for ever.
#[test]
fn a_thread_cannot_be_started() {
    check(2, || {
        let pool = pool(2, |attempt| attempt == 0);
        let other = thread::spawn({
            let pool = pool.clone();
            move || block_on(spawn(&pool, || ()))
        });
        let results = [block_on(spawn(&pool, || ())), other.join().unwrap()];
        assert!(results.iter().any(Result::is_ok));
        pool.shut_down();
    });
}

/// If no thread can be started every job is cancelled.
#[test]
fn no_thread_can_be_started() {
    check(3, || {
        let pool = pool(2, |_| false);
        let other = thread::spawn({
            let pool = pool.clone();
            move || block_on(spawn(&pool, || ()))
        });
        assert!(block_on(spawn(&pool, || ())).unwrap_err().is_cancelled());
        assert!(other.join().unwrap().unwrap_err().is_cancelled());
        assert_eq!(pool.load().threads, 0);
    });
}

/// A thread that falls idle while another is being started, which then cannot be, does what the other was for.
#[test]
fn a_thread_cannot_be_started_while_another_falls_idle() {
    check(3, || {
        let pool = pool(2, |attempt| attempt == 0);
        let first = spawn(&pool, || ());
        let other = thread::spawn({
            let pool = pool.clone();
            move || block_on(spawn(&pool, || ())).unwrap()
        });
        block_on(spawn(&pool, || ())).unwrap();
        block_on(first).unwrap();
        other.join().unwrap();
        pool.shut_down();
    });
}

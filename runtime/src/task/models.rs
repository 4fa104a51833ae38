//! Loom models of a task's life: no wake is lost, nobody polls beside another, and future, output and
//! allocation end exactly once.
//!
//! Tasks here go to a queue that any thread may serve. Loom watches the future's place and the waker's, so
//! it reports whoever touches them out of turn; if that is in a poll, as the task's panic.

mod end;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use loom::alloc::Track;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use super::{Header, JoinHandle, Origin, Owned, Place, Runnable, Schedule};
use crate::sync::UnsafeCell;
use crate::sync::model::{Signal, block_on, check};
use crate::sync::monitor::{Condvar, Mutex};

/// Where the tasks of a model wait, and the list they are in, if it is used.
#[derive(Default)]
struct Queue {
    ready: Mutex<VecDeque<Runnable>>,
    changed: Condvar,
    owned: Option<Owned>,
}

/// A task's way back to the queue. Read by whoever schedules the task, written when it is freed: loom
/// reports it if the one is not known to come before the other.
struct Home {
    queue: UnsafeCell<Arc<Queue>>,
    _leak: Track<()>,
}

// SAFETY: the cell is written only when the task is freed.
unsafe impl Sync for Home {}

impl Queue {
    fn push(&self, task: Runnable) {
        self.ready.lock().push_back(task);
        self.changed.notify_one();
    }

    fn try_next(&self) -> Option<Runnable> {
        self.ready.lock().pop_front()
    }

    /// Waits for a task. If it was not woken this is a deadlock, which loom reports.
    fn next(&self) -> Runnable {
        let mut ready = self.ready.lock();
        loop {
            if let Some(task) = ready.pop_front() {
                return task;
            }
            ready = self.changed.wait(ready);
        }
    }

    /// Runs what comes until so many values were dropped. A look at a handle instead would see more of
    /// what other threads did than a worker does.
    fn run_until_dropped(&self, dropped: &Drops, count: usize) {
        while dropped.count() < count {
            self.next().run();
        }
    }

    fn task<F>(self: &Arc<Self>, future: F) -> (Runnable, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let home = Home {
            queue: UnsafeCell::new(self.clone()),
            _leak: Track::new(()),
        };
        super::new(future, home, Origin::here())
    }
}

impl Schedule for Home {
    unsafe fn schedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the task keeps its scheduler alive until it is passed on.
        let home = unsafe { this.as_ref() };
        // SAFETY: nobody writes as long as the task is alive.
        let queue = home.queue.with(|queue| unsafe { (*queue).clone() });
        queue.push(task);
    }

    unsafe fn reschedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the caller's promise.
        unsafe { Self::schedule(this, task) };
    }

    fn keep(&self, task: &Runnable) -> bool {
        // SAFETY: nobody writes as long as the task is alive.
        let queue = self.queue.with(|queue| unsafe { (*queue).clone() });
        let owned = queue.owned.as_ref();
        owned.is_none_or(|owned| owned.insert(task))
    }

    fn release(&self, task: &Header) {
        // SAFETY: nobody writes as long as the task is alive.
        let queue = self.queue.with(|queue| unsafe { (*queue).clone() });
        if let (Some(owned), Place::List(_)) = (&queue.owned, task.place()) {
            owned.remove(task);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.queue.with_mut(|_| ());
    }
}

/// Counts how often the values it made were dropped. Not loom's atomics: it must not order anything.
#[derive(Clone, Debug, Default)]
struct Drops(Arc<AtomicUsize>);

#[derive(Debug)]
struct Counted(Drops, #[expect(dead_code)] Track<()>);

impl Drops {
    fn value(&self) -> Counted {
        Counted(self.clone(), Track::new(()))
    }

    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Wakers of a task, as its future hands them out.
#[derive(Clone, Default)]
struct Wakers(Arc<std::sync::Mutex<Vec<Waker>>>);

impl Wakers {
    fn take(&self) -> Vec<Waker> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Is ready when all flags are up, and hands out one waker for each when it is first polled. The flags are
/// relaxed: only the task's own ordering makes a poll see them.
struct Flags {
    flags: Arc<[AtomicBool]>,
    wakers: Wakers,
    polled: bool,
    _dropped: Counted,
}

impl Flags {
    fn new(count: usize, dropped: &Drops) -> (Self, Arc<[AtomicBool]>, Wakers) {
        let flags: Arc<[_]> = (0..count).map(|_| AtomicBool::new(false)).collect();
        let wakers = Wakers::default();
        let future = Self {
            flags: flags.clone(),
            wakers: wakers.clone(),
            polled: false,
            _dropped: dropped.value(),
        };
        (future, flags, wakers)
    }
}

impl Future for Flags {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.polled, true) {
            let wakers = self.flags.iter().map(|_| cx.waker().clone());
            self.wakers.0.lock().unwrap().extend(wakers);
        }
        if self.flags.iter().all(|flag| flag.load(Relaxed)) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Polls a new task while another thread, with one of its wakers, wakes it; and again until it is ready.
fn wake_beside_poll(wake: fn(Waker)) {
    check(4, move || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let (future, flags, wakers) = Flags::new(1, &dropped);
        let (task, handle) = queue.task(future);
        task.run();
        let waker = wakers.take().remove(0);
        waker.wake_by_ref();
        let waking = thread::spawn(move || {
            flags[0].store(true, Relaxed);
            wake(waker);
        });
        queue.run_until_dropped(&dropped, 1);
        block_on(handle).unwrap();
        waking.join().unwrap();
        assert!(queue.try_next().is_none());
    });
}

/// A wake by reference during a poll leads to another poll, which sees what the waker did before.
#[test]
fn wake_by_ref_during_poll() {
    wake_beside_poll(|waker| waker.wake_by_ref());
}

/// As does a wake by value.
#[test]
fn wake_by_value_during_poll() {
    wake_beside_poll(Waker::wake);
}

/// Two threads that both wake an idle task make one `Runnable`, and both are heard.
#[test]
fn two_threads_wake() {
    check(3, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let (future, flags, wakers) = Flags::new(2, &dropped);
        let (task, handle) = queue.task(future);
        task.run();
        let threads = [0, 1].map(|index| {
            let (flags, waker) = (flags.clone(), wakers.0.lock().unwrap().pop().unwrap());
            thread::spawn(move || {
                flags[index].store(true, Relaxed);
                waker.wake();
            })
        });
        queue.run_until_dropped(&dropped, 1);
        block_on(handle).unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(queue.try_next().is_none());
    });
}

/// Wakes beyond the limit of the count are taken back without one being lost, and without the count ever
/// saying that the task is idle while it is not.
#[test]
fn surplus_wakes() {
    check(2, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let (future, flags, wakers) = Flags::new(2, &dropped);
        let (task, handle) = queue.task(future);
        task.run();
        let threads = [0, 1].map(|index| {
            let (flags, waker) = (flags.clone(), wakers.0.lock().unwrap().pop().unwrap());
            thread::spawn(move || {
                waker.wake_by_ref();
                waker.wake_by_ref();
                flags[index].store(true, Relaxed);
                let clone = waker.clone();
                clone.wake();
                waker
            })
        });
        queue.run_until_dropped(&dropped, 1);
        block_on(handle).unwrap();
        drop(threads.map(|thread| thread.join().unwrap()));
        assert!(queue.try_next().is_none());
    });
}

/// A task that wakes itself goes from worker to worker, and each sees what the one before left.
#[test]
fn polls_on_two_workers() {
    check(4, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let value = dropped.value();
        let mut polls = 0;
        let (task, handle) = queue.task(poll_fn(move |cx| {
            let _owned = &value;
            polls += 1;
            if polls == 3 {
                return Poll::Ready(polls);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        queue.push(task);
        let other = thread::spawn({
            let queue = queue.clone();
            move || queue.next().run()
        });
        queue.next().run();
        queue.next().run();
        assert_eq!(block_on(handle).unwrap(), 3);
        other.join().unwrap();
        assert_eq!(dropped.count(), 1);
    });
}

/// A `Runnable` that was made by a wake during a poll, or right after it, is dropped by a thread that has
/// heard of the poll through nothing but the waker: it sees the future as the poll left it.
#[test]
fn cancel_after_poll_elsewhere() {
    check(4, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let (sender, receiver) = (Arc::new(Mutex::new(None)), Signal::new());
        let notify = Waker::from(receiver.clone());
        let (sent, counted, mut values) = (sender.clone(), dropped.clone(), Vec::new());
        let (task, handle) = queue.task(poll_fn(move |cx| {
            *sent.lock() = Some(cx.waker().clone());
            notify.wake_by_ref();
            values.push(counted.value());
            Poll::<()>::Pending
        }));
        let poller = thread::spawn(|| task.run());
        receiver.wait();
        let waker: Waker = sender.lock().take().unwrap();
        waker.wake();
        drop(queue.next());
        assert_eq!(dropped.count(), 1);
        assert!(block_on(handle).unwrap_err().is_cancelled());
        poller.join().unwrap();
    });
}

//! How tasks end: aborted, joined, let go of, or with their runtime.

use std::future::pending;

use super::*;

/// What `poll` of a handle says once.
fn poll_once<T>(handle: &mut JoinHandle<T>, signal: &Arc<Signal>) -> Option<T> {
    let waker = Waker::from(signal.clone());
    match Pin::new(handle).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(result) => Some(result.unwrap()),
        Poll::Pending => None,
    }
}

/// What only an abort drops. It sees what the aborter did before, by the task's own ordering.
struct SeesAborter {
    flag: Arc<AtomicBool>,
    _dropped: Counted,
}

impl Drop for SeesAborter {
    fn drop(&mut self) {
        assert!(self.flag.load(Relaxed));
    }
}

/// An abort during a poll, or before it, cancels a task that does not get ready.
#[test]
fn abort_during_poll() {
    check(4, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let flag = Arc::new(AtomicBool::new(false));
        let owned = SeesAborter {
            flag: flag.clone(),
            _dropped: dropped.value(),
        };
        let (task, handle) = queue.task(async move {
            let _owned = owned;
            pending::<()>().await
        });
        let aborter = handle.abort_handle();
        let aborting = thread::spawn(move || {
            flag.store(true, Relaxed);
            aborter.abort();
        });
        task.run();
        queue.run_until_dropped(&dropped, 1);
        assert!(block_on(handle).unwrap_err().is_cancelled());
        aborting.join().unwrap();
        assert!(queue.try_next().is_none());
    });
}

/// An abort beside the last poll leaves either the output or the error, and each of the two aborters may
/// come first.
#[test]
fn abort_while_completing() {
    check(3, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let value = dropped.value();
        let (task, handle) = queue.task(async move { value });
        let aborting = [handle.abort_handle(), handle.abort_handle()]
            .map(|aborter| thread::spawn(move || aborter.abort()));
        task.run();
        let result = block_on(handle);
        assert_eq!(dropped.count(), usize::from(result.is_err()));
        drop(result);
        for thread in aborting {
            thread.join().unwrap();
        }
        assert!(queue.try_next().is_none());
        assert_eq!(dropped.count(), 1);
    });
}

/// Of an abort and a wake that meet at an idle task one makes the `Runnable`, and the abort is heard.
#[test]
fn abort_beside_wake() {
    check(3, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let (future, _, wakers) = Flags::new(1, &dropped);
        let (task, handle) = queue.task(future);
        task.run();
        let waker = wakers.take().remove(0);
        let waking = thread::spawn(move || waker.wake());
        let aborter = handle.abort_handle();
        let aborting = thread::spawn(move || aborter.abort());
        queue.run_until_dropped(&dropped, 1);
        assert!(block_on(handle).unwrap_err().is_cancelled());
        waking.join().unwrap();
        aborting.join().unwrap();
        assert!(queue.try_next().is_none());
    });
}

/// Whoever waits for a task while it completes is woken, and gets the output.
#[test]
fn join_while_completing() {
    check(6, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let value = dropped.value();
        let (task, handle) = queue.task(async move { value });
        let joining = thread::spawn(|| block_on(handle).unwrap());
        task.run();
        let output = joining.join().unwrap();
        assert_eq!(dropped.count(), 0);
        drop(output);
        assert_eq!(dropped.count(), 1);
    });
}

/// So is whoever takes over the wait with a waker of its own.
#[test]
fn join_with_another_waker() {
    check(6, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let value = dropped.value();
        let (task, mut handle) = queue.task(async move { value });
        let first = poll_once(&mut handle, &Signal::new());
        assert!(first.is_none());
        let joining = thread::spawn(move || {
            poll_once(&mut handle, &Signal::new()).unwrap_or_else(|| block_on(handle).unwrap())
        });
        task.run();
        drop(joining.join().unwrap());
        assert_eq!(dropped.count(), 1);
    });
}

/// A task may wait for another that runs elsewhere, and is then itself woken from there.
#[test]
fn tasks_join_tasks() {
    check(4, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let value = dropped.value();
        let (inner, inner_handle) = queue.task(async move { value });
        let (outer, outer_handle) = queue.task(async { drop(inner_handle.await.unwrap()) });
        let elsewhere = thread::spawn(|| inner.run());
        outer.run();
        queue.run_until_dropped(&dropped, 1);
        block_on(outer_handle).unwrap();
        elsewhere.join().unwrap();
    });
}

/// A handle that is dropped while the task completes leaves the output to one of the two.
fn detach_while_completing(before: fn(&mut JoinHandle<Counted>)) {
    check(8, move || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let value = dropped.value();
        let (task, mut handle) = queue.task(async move { value });
        before(&mut handle);
        let detaching = thread::spawn(|| drop(handle));
        task.run();
        detaching.join().unwrap();
        assert_eq!(dropped.count(), 1);
    });
}

/// The handle of a new task.
#[test]
fn detach_new() {
    detach_while_completing(|_| ());
}

/// A handle with a waker in the task.
#[test]
fn detach_waiting() {
    detach_while_completing(|handle| assert!(poll_once(handle, &Signal::new()).is_none()));
}

/// A handle that was waited with, dropped, and then the task's wakers and abort handles go in any order
/// beside its completion: the last one frees it.
#[test]
fn last_reference() {
    check(4, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let (future, flags, wakers) = Flags::new(1, &dropped);
        let (task, handle) = queue.task(future);
        let aborter = handle.abort_handle();
        drop(handle);
        task.run();
        let waker = wakers.take().remove(0);
        flags[0].store(true, Relaxed);
        waker.wake_by_ref();
        let waking = thread::spawn(move || waker.wake());
        let letting_go = thread::spawn(move || drop(aborter));
        queue.next().run();
        assert_eq!(dropped.count(), 1);
        waking.join().unwrap();
        letting_go.join().unwrap();
        assert!(queue.try_next().is_none());
    });
}

/// A `Runnable` that is dropped tells whoever waits that the task was cancelled, also beside a wake.
#[test]
fn drop_of_the_runnable() {
    check(3, || {
        let (queue, dropped) = (Arc::new(Queue::default()), Drops::default());
        let (future, _, wakers) = Flags::new(1, &dropped);
        let (task, handle) = queue.task(future);
        task.run();
        let waker = wakers.take().remove(0);
        waker.wake_by_ref();
        let waking = thread::spawn(move || waker.wake());
        let joining = thread::spawn(move || block_on(handle).unwrap_err().is_cancelled());
        drop(queue.next());
        assert_eq!(dropped.count(), 1);
        assert!(joining.join().unwrap());
        waking.join().unwrap();
        assert!(queue.try_next().is_none());
    });
}

/// A queue whose tasks are listed.
fn listed() -> Arc<Queue> {
    Arc::new(Queue {
        owned: Some(Owned::default()),
        ..Queue::default()
    })
}

impl Queue {
    fn owned(&self) -> &Owned {
        self.owned.as_ref().unwrap()
    }

    fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let (task, _) = self.task(future);
        if self.owned().insert(&task) {
            self.push(task);
        }
    }

    /// Runs what is there. After a wake or a spawn of its own this is what a thread must do that cannot
    /// rely on others, like the scheduler's `inject`.
    fn run_all(&self) {
        while let Some(task) = self.try_next() {
            task.run();
        }
    }
}

/// Closing a list while a task of it completes and another enters: in the end every future is dropped
/// and the list is empty.
#[test]
fn close_beside_insert_and_remove() {
    check(4, || {
        let (queue, dropped) = (listed(), Drops::default());
        let values = [dropped.value(), dropped.value()];
        for value in values {
            queue.spawn(async move { drop(value) });
        }
        let (waiting, ..) = Flags::new(1, &dropped);
        queue.spawn(waiting);
        let late = dropped.value();
        let worker = thread::spawn({
            let queue = queue.clone();
            move || {
                queue.next().run();
                queue.spawn(async move { drop(late) });
                queue.run_all();
            }
        });
        queue.owned().close();
        worker.join().unwrap();
        assert_eq!((dropped.count(), queue.owned().len()), (4, 0));
    });
}

/// Closing a list while a task waits for the first time, and another thread looks at who is in it: the task enters
/// and is cancelled with the others, or is refused and ends by itself.
#[test]
fn close_beside_first_wait() {
    check(4, || {
        let (queue, dropped) = (listed(), Drops::default());
        let (future, _, wakers) = Flags::new(1, &dropped);
        let (task, handle) = queue.task(future);
        let worker = thread::spawn({
            let queue = queue.clone();
            move || {
                task.run();
                queue.run_all();
            }
        });
        let looking = thread::spawn({
            let queue = queue.clone();
            move || queue.owned().for_each(|task| assert_eq!(task.polls(), 1))
        });
        queue.owned().close();
        queue.run_all();
        worker.join().unwrap();
        looking.join().unwrap();
        assert_eq!((dropped.count(), queue.owned().len()), (1, 0));
        assert!(handle.is_finished());
        drop(wakers);
    });
}

/// A task wakes itself in its first poll, and is aborted meanwhile: it has entered the list once, and leaves it on
/// whichever thread it ends.
#[test]
fn first_wait_beside_wake_and_abort() {
    check(3, || {
        let (queue, dropped) = (listed(), Drops::default());
        let value = dropped.value();
        let (task, handle) = queue.task(poll_fn(move |cx| {
            let _owned = &value;
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let aborting = thread::spawn({
            let queue = queue.clone();
            move || {
                handle.abort();
                queue.run_all();
            }
        });
        task.run();
        queue.try_next().into_iter().for_each(Runnable::run);
        aborting.join().unwrap();
        queue.run_all();
        assert_eq!((dropped.count(), queue.owned().len()), (1, 0));
    });
}

/// Closing a list while a waiting task of it is woken, and another aborted: one of the two drops each.
#[test]
fn close_beside_wake_and_abort() {
    check(3, || {
        let (queue, dropped) = (listed(), Drops::default());
        let (future, _, wakers) = Flags::new(1, &dropped);
        queue.spawn(future);
        let value = dropped.value();
        let (task, handle) = queue.task(async move {
            let _owned = value;
            pending::<()>().await
        });
        assert!(queue.owned().insert(&task));
        task.run();
        queue.run_all();
        let aborter = handle.abort_handle();
        let waker = wakers.take().remove(0);
        let threads = [
            Box::new(move || waker.wake()) as Box<dyn FnOnce()>,
            Box::new(move || aborter.abort()),
        ]
        .map(|disturb| {
            let queue = queue.clone();
            thread::spawn(move || {
                disturb();
                queue.run_all();
            })
        });
        queue.owned().close();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((dropped.count(), queue.owned().len()), (2, 0));
        assert!(queue.try_next().is_none());
    });
}

/// Looking at the tasks of a list while one completes and its handle goes: whichever of the two frees it does so
/// after the look, or the look does not find it.
#[test]
fn look_beside_the_last_reference() {
    check(3, || {
        let (queue, dropped) = (listed(), Drops::default());
        let value = dropped.value();
        let (task, handle) = queue.task(async move { drop(value) });
        assert!(queue.owned().insert(&task));
        let looking = thread::spawn({
            let queue = queue.clone();
            move || {
                let mut found = 0;
                queue.owned().for_each(|task| {
                    task.is_waiting();
                    found += task.polls().max(1);
                });
                found
            }
        });
        let letting_go = thread::spawn(move || {
            handle.is_finished();
            drop(handle);
        });
        task.run();
        letting_go.join().unwrap();
        assert!(looking.join().unwrap() <= 1);
        assert_eq!((dropped.count(), queue.owned().len()), (1, 0));
    });
}

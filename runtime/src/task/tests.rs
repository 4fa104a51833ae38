//! A task's life on one thread: polls, wakes, aborts, and handles that come and go.

mod panics;

use std::any::Any;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::{
    AbortHandle, Header, Id, JoinError, JoinHandle, Origin, Owned, Place, Runnable, Schedule,
};

#[derive(Default)]
struct Queue {
    scheduled: Mutex<VecDeque<Runnable>>,
    rescheduled: Mutex<VecDeque<Runnable>>,
    owned: Owned,
}

struct Home(Arc<Queue>);

impl Schedule for Home {
    unsafe fn schedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the task keeps its scheduler alive until it is passed on.
        let queue = unsafe { this.as_ref() }.0.clone();
        queue.scheduled.lock().unwrap().push_back(task);
    }

    unsafe fn reschedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: as above.
        let queue = unsafe { this.as_ref() }.0.clone();
        queue.rescheduled.lock().unwrap().push_back(task);
    }

    fn keep(&self, task: &Runnable) -> bool {
        self.0.owned.insert(task)
    }

    fn release(&self, task: &Header) {
        if task.place() != Place::Unlisted {
            self.0.owned.remove(task);
        }
    }
}

impl Queue {
    fn task<F>(self: &Arc<Self>, future: F) -> (Runnable, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        super::new(future, Home(self.clone()), Origin::here())
    }

    fn scheduled(&self) -> Option<Runnable> {
        self.scheduled.lock().unwrap().pop_front()
    }

    fn rescheduled(&self) -> Option<Runnable> {
        self.rescheduled.lock().unwrap().pop_front()
    }

    /// Tasks that are not freed: each holds on to its queue.
    fn tasks(self: &Arc<Self>) -> usize {
        Arc::strong_count(self) - 1
    }
}

fn task<F>(future: F) -> (Arc<Queue>, Runnable, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let queue = Arc::new(Queue::default());
    let (task, handle) = queue.task(future);
    (queue, task, handle)
}

/// Counts its drops, and panics in the first if told so.
#[derive(Clone)]
struct Dropped {
    count: Arc<AtomicUsize>,
    panics: bool,
}

/// What [`Dropped`] counts.
struct Value(Dropped);

impl Dropped {
    fn quietly() -> Self {
        Self {
            count: Arc::default(),
            panics: false,
        }
    }

    fn with_a_panic() -> Self {
        Self {
            panics: true,
            ..Self::quietly()
        }
    }

    fn value(&self) -> Value {
        Value(self.clone())
    }

    fn count(&self) -> usize {
        self.count.load(Relaxed)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Relaxed);
        if self.0.panics {
            panic!("dropped");
        }
    }
}

/// Wakes its task and is pending, the first time.
async fn wake_and_wait_once() {
    let mut woken = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut woken, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn poll<T>(handle: &mut JoinHandle<T>) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(Waker::noop()))
}

/// What the handle of a finished task gives.
fn join<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match poll(&mut handle) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task is not finished"),
    }
}

fn message<T>(result: Result<T, JoinError>) -> &'static str {
    let error = result.err().expect("the task failed");
    *error.into_panic().downcast().expect("the panic is a text")
}

#[test]
fn output_reaches_the_handle() {
    let (queue, task, mut handle) = task(async { 42 });
    assert!(!handle.is_finished());
    assert!(poll(&mut handle).is_pending());
    task.run();
    assert!(handle.is_finished());
    assert_eq!(join(handle).unwrap(), 42);
    assert_eq!(queue.tasks(), 0);
}

#[test]
#[should_panic(expected = "a JoinHandle was polled after it was ready")]
fn handle_is_ready_once() {
    let (_queue, task, mut handle) = task(async {});
    task.run();
    assert!(poll(&mut handle).is_ready());
    let _ = poll(&mut handle);
}

#[test]
fn future_goes_before_its_references() {
    let dropped = Dropped::quietly();
    let (value, slot) = (dropped.value(), Arc::new(Mutex::new(None)));
    let stored = slot.clone();
    let (queue, task, handle) = task(poll_fn(move |cx| {
        let _owned = &value;
        *stored.lock().unwrap() = Some(cx.waker().clone());
        Poll::Ready(())
    }));
    drop(handle);
    task.run();
    assert_eq!((dropped.count(), queue.tasks()), (1, 1));
    let waker = slot.lock().unwrap().take().unwrap();
    waker.wake_by_ref();
    assert!(queue.scheduled().is_none());
    waker.wake();
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn wakes_during_a_poll_put_the_task_behind() {
    let (queue, task, handle) = task(poll_fn(|cx| {
        for _ in 0..3 {
            let waker = cx.waker().clone();
            waker.wake_by_ref();
            waker.wake();
        }
        Poll::<()>::Pending
    }));
    task.run();
    assert!(queue.scheduled().is_none());
    let again = queue.rescheduled().expect("the task woke itself");
    assert!(queue.rescheduled().is_none());
    drop(again);
    assert!(join(handle).unwrap_err().is_cancelled());
}

#[test]
fn wakes_of_a_waiting_task_make_one_runnable() {
    let slot = Arc::new(Mutex::new(None));
    let stored = slot.clone();
    let (queue, task, handle) = task(poll_fn(move |cx| {
        *stored.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    task.run();
    assert!(queue.scheduled().is_none());
    let waker: Waker = slot.lock().unwrap().take().unwrap();
    assert!(waker.will_wake(&waker.clone()));
    waker.wake_by_ref();
    waker.wake();
    handle.abort();
    let runnable = queue.scheduled().expect("the task was woken");
    assert!(queue.scheduled().is_none());
    runnable.run();
    assert!(join(handle).unwrap_err().is_cancelled());
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn join_waker_is_the_last_one() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let (_queue, task, mut handle) = task(async {});
    let counts = [0, 0, 0].map(|count| Arc::new(Count(AtomicUsize::new(count))));
    for count in &counts {
        let waker = Waker::from(count.clone());
        for _ in 0..2 {
            let poll = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
            assert!(poll.is_pending());
        }
    }
    task.run();
    let counts = counts.map(|count| (count.0.load(Relaxed), Arc::strong_count(&count)));
    assert_eq!(counts, [(0, 1), (0, 1), (1, 1)]);
}

#[test]
fn abort_before_the_first_poll() {
    let dropped = Dropped::quietly();
    let value = dropped.value();
    let (queue, task, handle) = task(async move {
        let _owned = value;
        panic!("an aborted task was polled");
    });
    handle.abort();
    handle.abort();
    assert_eq!(dropped.count(), 0);
    assert!(queue.scheduled().is_none());
    task.run();
    assert_eq!(dropped.count(), 1);
    assert!(join::<()>(handle).unwrap_err().is_cancelled());
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn abort_from_inside() {
    let dropped = Dropped::quietly();
    let (value, seen) = (dropped.value(), dropped.clone());
    let slot = Arc::new(Mutex::new(None::<AbortHandle>));
    let own = slot.clone();
    let (queue, task, handle) = task(async move {
        let _owned = value;
        own.lock().unwrap().take().unwrap().abort();
        assert_eq!(seen.count(), 0);
        pending::<()>().await
    });
    *slot.lock().unwrap() = Some(handle.abort_handle());
    task.run();
    assert_eq!(dropped.count(), 1);
    assert!(queue.scheduled().is_none() && queue.rescheduled().is_none());
    assert!(join(handle).unwrap_err().is_cancelled());
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn abort_after_the_end() {
    let (queue, task, handle) = task(async { 42 });
    let aborter = handle.abort_handle();
    task.run();
    aborter.abort();
    handle.abort();
    assert!(queue.scheduled().is_none());
    assert_eq!(join(handle).unwrap(), 42);
    assert_eq!(queue.tasks(), 1);
    assert!(aborter.clone().is_finished());
    drop(aborter);
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn dropped_handle_detaches() {
    let dropped = Dropped::quietly();
    let value = dropped.value();
    let (queue, task, mut handle) = task(async move {
        wake_and_wait_once().await;
        drop(value);
    });
    task.run();
    assert!(poll(&mut handle).is_pending());
    drop(handle);
    assert_eq!(dropped.count(), 0);
    queue.rescheduled().expect("the task yielded").run();
    assert_eq!((dropped.count(), queue.tasks()), (1, 0));
}

#[test]
fn task_may_own_its_handles() {
    let slot = Arc::new(Mutex::new(None));
    let own = slot.clone();
    let (queue, task, handle) = task(async move {
        let mut handles = None;
        poll_fn(|_| {
            handles = own.lock().unwrap().take();
            Poll::<()>::Pending
        })
        .await
    });
    let aborter = handle.abort_handle();
    *slot.lock().unwrap() = Some((handle, aborter.clone()));
    task.run();
    aborter.abort();
    drop(aborter);
    assert_eq!(queue.tasks(), 1);
    queue.scheduled().expect("the task was aborted").run();
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn closing_a_list_ends_its_tasks() {
    let queue = Arc::new(Queue::default());
    let mut handles = Vec::new();
    let mut runnables: Vec<_> = (0..5)
        .map(|_| {
            let (task, handle) = queue.task(pending::<()>());
            assert!(queue.owned.insert(&task));
            handles.push(handle);
            task
        })
        .collect();
    // In the list stand 4, 3, 2, 1, 0. One leaves at the end, one at the head, one between.
    for (place, left) in [(0, 4), (3, 3), (1, 2)] {
        runnables.remove(place).cancel();
        assert_eq!(queue.owned.len(), left);
    }
    assert!(handles[0].is_finished() && handles[4].is_finished() && handles[2].is_finished());
    // Of the two that are left one waits, and the other has a `Runnable`.
    runnables.remove(0).run();
    queue.owned.close();
    assert_eq!(queue.owned.len(), 1);
    runnables.remove(0).run();
    assert_eq!(queue.owned.len(), 0);
    for handle in handles {
        assert!(join(handle).unwrap_err().is_cancelled());
    }
    let (late, _handle) = queue.task(async {});
    assert!(!queue.owned.insert(&late));
    drop(late);
    assert_eq!(queue.owned.len(), 0);
}

#[test]
fn identifiers_grow_and_differ() {
    let ids: Vec<_> = (0..3000).map(|_| Id::next()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let elsewhere = std::thread::spawn(Id::next).join().unwrap();
    assert!(!ids.contains(&elsewhere));
    let (_queue, _task, handle) = task(async {});
    assert_eq!(handle.id(), handle.abort_handle().id());
    assert!(format!("{handle:?}").contains(&format!("id: {:?}", handle.id())));
    assert!(format!("{handle:?}").contains(file!()));
}

#[test]
fn errors_say_what_happened() {
    let id = Id::next();
    let cancelled = JoinError::new(id, None);
    assert!(cancelled.is_cancelled() && !cancelled.is_panic());
    assert_eq!(cancelled.id(), id);
    assert_eq!(cancelled.to_string(), format!("task {id} was cancelled"));
    assert_eq!(
        format!("{cancelled:?}"),
        format!("JoinError::Cancelled({id})")
    );
    assert!(cancelled.try_into_panic().unwrap_err().is_cancelled());

    let texts: [Box<dyn Any + Send>; 2] = [Box::new("boom"), Box::new(String::from("boom"))];
    for text in texts {
        let error = JoinError::new(id, Some(text));
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.to_string(), format!("task {id} panicked: \"boom\""));
        assert_eq!(
            format!("{error:?}"),
            format!("JoinError::Panic({id}, \"boom\")")
        );
    }

    let error = JoinError::new(id, Some(Box::new(7)));
    assert_eq!(error.to_string(), format!("task {id} panicked"));
    assert_eq!(format!("{error:?}"), format!("JoinError::Panic({id}, ..)"));
    let error = io::Error::from(error);
    assert_eq!(error.to_string(), format!("task {id} panicked"));
    let error: JoinError = error.downcast().expect("it was wrapped");
    assert_eq!(*error.into_panic().downcast::<i32>().unwrap(), 7);
}

#[test]
#[should_panic(expected = "the task was cancelled and has no panic")]
fn cancelled_tasks_have_no_panic() {
    let _ = JoinError::new(Id::next(), None).into_panic();
}

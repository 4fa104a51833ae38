//! What other threads do to local tasks, against what their own thread does.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;

use super::*;
use crate::scheduler::local::{self, OwnedSet};
use crate::sync::model::Signal;
use crate::sync::thread::current;

/// Something that may be dropped only on the thread that made it: only that is counted. Not `Send`.
struct Bound {
    thread: thread::ThreadId,
    dropped: Cell<Option<Counted>>,
    _not_send: Rc<()>,
}

impl Bound {
    fn new(dropped: &Count) -> Self {
        Self {
            thread: current().id(),
            dropped: Cell::new(Some(dropped.counted())),
            _not_send: Rc::new(()),
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if current().id() != self.thread {
            std::mem::forget(self.dropped.take());
        }
    }
}

fn spawn_local<F>(owned: &OwnedSet, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    owned.set().spawn(future, Origin::here())
}

/// A task that waits for a flag, with something on board that stays on this thread.
fn waiting(owned: &OwnedSet, flag: &Arc<Flag>, dropped: &Count) -> JoinHandle<()> {
    let (flag, bound) = (flag.clone(), Bound::new(dropped));
    spawn_local(owned, async move {
        let _bound = bound;
        flag.wait().await;
    })
}

/// Gives a set one turn.
fn run_once(owned: &OwnedSet) {
    let waker = Waker::from(Signal::new());
    let poller = owned.set().poller();
    poller.turn(&Context::from_waker(&waker)).run();
}

/// A task that is woken while its set is being polled runs.
#[test]
fn a_wake_meets_a_poll() {
    check(3, || {
        let (owned, flag, dropped) = (OwnedSet::new(Arc::default()), Flag::new(), Count::new());
        let task = waiting(&owned, &flag, &dropped);
        let waker = thread::spawn(move || flag.set());
        block_on(owned.run_until(task)).unwrap();
        assert_eq!(dropped.get(), 1);
        waker.join().unwrap();
    });
}

/// Two threads wake a task each: the second may rely on the first to tell who polls.
#[test]
fn two_wakes_meet_a_poll() {
    check(2, || {
        let (owned, dropped) = (OwnedSet::new(Arc::default()), Count::new());
        let flags = [Flag::new(), Flag::new()];
        let tasks = flags.each_ref().map(|flag| waiting(&owned, flag, &dropped));
        let wakers = flags.map(|flag| thread::spawn(move || flag.set()));
        block_on(owned.run_until(async {
            for task in tasks {
                task.await.unwrap();
            }
        }));
        assert_eq!(dropped.get(), 2);
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// A task that wakes another on the set's own thread, out of a turn, has it run.
#[test]
fn a_wake_from_here_and_one_from_elsewhere() {
    check(3, || {
        let (owned, dropped) = (OwnedSet::new(Arc::default()), Count::new());
        let flags = [Flag::new(), Flag::new()];
        let tasks = flags.each_ref().map(|flag| waiting(&owned, flag, &dropped));
        let [here, elsewhere] = flags;
        let waker = thread::spawn(move || elsewhere.set());
        run_once(&owned);
        here.set();
        block_on(owned.run_until(async {
            for task in tasks {
                task.await.unwrap();
            }
        }));
        waker.join().unwrap();
        assert_eq!(dropped.get(), 2);
    });
}

/// Whoever polled a set and gives up takes no wake with it that others wait for.
#[test]
fn a_poller_gives_up_while_a_task_is_woken() {
    check(3, || {
        let (owned, flag, dropped) = (OwnedSet::new(Arc::default()), Flag::new(), Count::new());
        let task = waiting(&owned, &flag, &dropped);
        let waker = thread::spawn(move || flag.set());
        let signal = Waker::from(Signal::new());
        let other = owned.set().poller();
        let mut other = Some(other);
        other
            .iter()
            .for_each(|other| other.turn(&Context::from_waker(&signal)).run());
        let mut task = std::pin::pin!(task);
        block_on(owned.run_until(poll_fn(|cx| {
            let poll = task.as_mut().poll(cx);
            drop(other.take());
            poll
        })))
        .unwrap();
        waker.join().unwrap();
    });
}

/// A turn that ends with tasks left is followed by another, while one more task is woken from elsewhere.
#[test]
fn a_wake_meets_the_end_of_a_turn() {
    check(3, || {
        let (owned, flag, dropped) = (OwnedSet::new(Arc::default()), Flag::new(), Count::new());
        let ready = [(); 3].map(|()| {
            let bound = Bound::new(&dropped);
            spawn_local(&owned, async move { drop(bound) })
        });
        let task = waiting(&owned, &flag, &dropped);
        let waker = thread::spawn(move || flag.set());
        block_on(owned.run_until(async {
            task.await.unwrap();
            for task in ready {
                task.await.unwrap();
            }
        }));
        assert_eq!(dropped.get(), 4);
        waker.join().unwrap();
    });
}

/// A task that is woken while its set is dropped ends there, and on the set's thread.
#[test]
fn a_wake_meets_the_drop() {
    check(3, || {
        let (owned, flag, dropped) = (OwnedSet::new(Arc::default()), Flag::new(), Count::new());
        let task = waiting(&owned, &flag, &dropped);
        run_once(&owned);
        let waker = thread::spawn(move || flag.set());
        drop(owned);
        assert_eq!(dropped.get(), 1);
        assert!(task.is_finished());
        waker.join().unwrap();
    });
}

/// So does one that is aborted, and woken, by two threads.
#[test]
fn a_wake_and_an_abort_meet_the_drop() {
    check(2, || {
        let (owned, flag, dropped) = (OwnedSet::new(Arc::default()), Flag::new(), Count::new());
        let task = waiting(&owned, &flag, &dropped);
        run_once(&owned);
        let waker = thread::spawn(move || flag.set());
        let aborter = task.abort_handle();
        let aborter = thread::spawn(move || aborter.abort());
        drop(task);
        drop(owned);
        assert_eq!(dropped.get(), 1);
        waker.join().unwrap();
        aborter.join().unwrap();
    });
}

/// A task that another thread aborts is dropped by its own thread.
#[test]
fn an_abort_meets_a_poll() {
    check(3, || {
        let (owned, dropped) = (OwnedSet::new(Arc::default()), Count::new());
        let task = waiting(&owned, &Flag::new(), &dropped);
        let aborter = task.abort_handle();
        let aborter = thread::spawn(move || aborter.abort());
        let error = block_on(owned.run_until(task)).unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(dropped.get(), 1);
        aborter.join().unwrap();
    });
}

/// An output that may travel is had by another thread, however the task and that thread meet.
#[test]
fn a_handle_is_awaited_elsewhere() {
    check(3, || {
        let (owned, dropped) = (OwnedSet::new(Arc::default()), Count::new());
        let bound = Bound::new(&dropped);
        let task = spawn_local(&owned, async move {
            drop(bound);
            7
        });
        let other = thread::spawn(move || block_on(task).unwrap());
        run_once(&owned);
        assert_eq!(dropped.get(), 1);
        drop(owned);
        assert_eq!(other.join().unwrap(), 7);
    });
}

/// In `block_on` of a current-thread runtime a task woken from elsewhere runs, while the thread may be on its
/// way to sleep in the reactor.
#[test]
fn a_wake_meets_block_on() {
    check(2, || {
        let (shared, flag, dropped) = (shared(1, false), Flag::new(), Count::new());
        let waker = thread::spawn({
            let flag = flag.clone();
            move || flag.set()
        });
        shared.block_on(async {
            let (flag, bound) = (flag.clone(), Bound::new(&dropped));
            let set = local::current().expect("a current-thread runtime runs local tasks");
            let task = async move {
                let _bound = bound;
                flag.wait().await;
            };
            set.spawn(task, Origin::here()).await.unwrap();
        });
        assert_eq!(dropped.get(), 1);
        waker.join().unwrap();
        local::runtime_dropped(&shared);
        shared.shut_down();
    });
}

/// A local task that `block_on` left waits for its thread to come back, and for the runtime's end, whoever is
/// in there meanwhile.
#[test]
fn a_wake_meets_the_end_of_block_on() {
    check(2, || {
        let (shared, flag, dropped) = (shared(1, false), Flag::new(), Count::new());
        let task = shared.block_on(async {
            let (flag, bound) = (flag.clone(), Bound::new(&dropped));
            let set = local::current().expect("a current-thread runtime runs local tasks");
            let task = async move {
                let _bound = bound;
                flag.wait().await;
            };
            let task = set.spawn(task, Origin::here());
            yield_to_tasks().await;
            task
        });
        let other = thread::spawn({
            let shared = shared.clone();
            move || shared.block_on(async { flag.set() })
        });
        shared.block_on(async {});
        local::runtime_dropped(&shared);
        assert_eq!(dropped.get(), 1);
        assert!(task.is_finished());
        other.join().unwrap();
        shared.shut_down();
    });
}

/// Is pending once, so that local tasks get a turn.
async fn yield_to_tasks() {
    let mut pending = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut pending, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

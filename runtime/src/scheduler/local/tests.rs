//! What cannot be seen from outside: budgets, turns, who is woken, and threads that have no business here.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use super::turn::{READINGS, TASKS_PER_TURN};
use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Wakes {
    fn take(&self) -> usize {
        self.0.swap(0, SeqCst)
    }
}

/// A set and somebody who polls it.
struct Fixture {
    owned: OwnedSet,
    poller: Poller,
    wakes: Arc<Wakes>,
}

impl Fixture {
    fn new() -> Self {
        let owned = OwnedSet::new(Arc::default());
        Self {
            poller: owned.set().poller(),
            owned,
            wakes: Arc::default(),
        }
    }

    fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        self.owned.set().spawn(future, Origin::here())
    }

    fn run(&self) {
        let waker = Waker::from(self.wakes.clone());
        self.poller.turn(&Context::from_waker(&waker)).run();
    }
}

/// Operations that are allowed until one is refused.
fn spend(cx: &mut Context<'_>) -> usize {
    let mut allowed = 0;
    while let Poll::Ready(progress) = coop::poll_proceed(cx) {
        progress.made_progress();
        allowed += 1;
    }
    allowed
}

#[test]
fn each_task_has_a_budget_of_its_own_and_the_outer_one_stays() {
    let fixture = Fixture::new();
    let allowed = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let allowed = allowed.clone();
        drop(fixture.spawn(poll_fn(move |cx| {
            allowed.set(allowed.get() + spend(cx));
            Poll::Ready(())
        })));
    }
    let mut cx = Context::from_waker(Waker::noop());
    let _scope = coop::Scope::constrained();
    let budget = spend(&mut cx);
    coop::renew();
    for _ in 0..5 {
        let unit = coop::poll_proceed(&mut cx);
        assert!(unit.map(|unit| unit.made_progress()).is_ready());
    }
    fixture.run();
    assert_eq!(allowed.get(), 3 * budget);
    assert_eq!(spend(&mut cx), budget - 5);
}

#[test]
fn a_turn_runs_a_bounded_number_of_tasks_and_asks_for_another() {
    let fixture = Fixture::new();
    let ran = Rc::new(Cell::new(0));
    for _ in 0..TASKS_PER_TURN + 1 {
        let ran = ran.clone();
        drop(fixture.spawn(async move { ran.set(ran.get() + 1) }));
    }
    assert_eq!(fixture.wakes.take(), 0);
    fixture.run();
    assert_eq!((ran.get(), fixture.wakes.take()), (TASKS_PER_TURN, 1));
    fixture.run();
    assert_eq!(ran.get(), TASKS_PER_TURN + 1);
}

#[test]
fn a_turn_of_long_tasks_ends_early() {
    fn block() {
        thread::sleep(Duration::from_micros(1_100));
    }
    let fixture = Fixture::new();
    for _ in 0..5 {
        drop(fixture.spawn(async { block() }));
    }
    fixture.run();
    assert_eq!((fixture.owned.set().len(), fixture.wakes.take()), (3, 1));

    // The same for tasks that become ready one after the other.
    let fixture = Fixture::new();
    let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
    let blocked = Rc::new(Cell::new(0));
    for own in 0..2 {
        let (wakers, blocked) = (wakers.clone(), blocked.clone());
        drop(fixture.spawn(poll_fn(move |cx| -> Poll<()> {
            let mut wakers = wakers.borrow_mut();
            if wakers.len() < 2 {
                wakers.push(cx.waker().clone());
            } else {
                block();
                blocked.set(blocked.get() + 1);
                wakers[1 - own].wake_by_ref();
            }
            Poll::Pending
        })));
    }
    fixture.run();
    wakers.borrow()[0].wake_by_ref();
    assert_eq!(fixture.wakes.take(), 1);
    fixture.run();
    assert_eq!((blocked.get(), fixture.wakes.take()), (READINGS[1], 1));
}

#[test]
fn who_polls_is_woken_once_for_all_that_becomes_ready_and_for_the_end() {
    let fixture = Fixture::new();
    let wakers = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..3 {
        let wakers = wakers.clone();
        let mut first = true;
        drop(fixture.spawn(poll_fn(move |cx| {
            if mem::take(&mut first) {
                wakers.borrow_mut().push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })));
    }
    fixture.run();
    assert_eq!(fixture.wakes.take(), 0);
    let wakers = wakers.take();
    // Here, elsewhere, and here again.
    wakers[0].wake_by_ref();
    assert_eq!(fixture.wakes.take(), 1);
    let elsewhere = wakers[1].clone();
    thread::spawn(move || elsewhere.wake()).join().unwrap();
    wakers[2].wake_by_ref();
    assert_eq!(fixture.wakes.take(), 0);
    assert_eq!(fixture.owned.set().len(), 3);
    fixture.run();
    assert_eq!(fixture.owned.set().len(), 0);
    assert_eq!(fixture.wakes.take(), 1);
    fixture.run();
    assert_eq!(fixture.wakes.take(), 0);
}

#[test]
fn every_poller_is_woken_and_none_that_is_gone() {
    let fixture = Fixture::new();
    let all: Vec<_> = (0..4)
        .map(|_| (fixture.owned.set().poller(), Arc::new(Wakes::default())))
        .collect();
    for (poller, wakes) in &all {
        let waker = Waker::from(wakes.clone());
        // The later waker of a poller takes the place of the one before.
        drop(poller.turn(&Context::from_waker(Waker::noop())));
        drop(poller.turn(&Context::from_waker(&waker)));
    }
    let mut all = all;
    let gone = [all.remove(2), all.remove(0)].map(|(_, wakes)| wakes);
    drop(fixture.spawn(async {}));
    let woken = |wakes: &Arc<Wakes>| (wakes.take(), Arc::strong_count(wakes));
    assert!(all.iter().all(|(_, wakes)| woken(wakes) == (1, 1)));
    assert!(gone.iter().all(|wakes| woken(wakes) == (0, 1)));
}

/// What code with `unsafe` may do.
struct Smuggled<T>(T);

// SAFETY: not given; the test shows that nothing comes of it.
unsafe impl<T> Send for Smuggled<T> {}

impl<T> Smuggled<T> {
    fn open(self) -> T {
        self.0
    }
}

#[test]
fn a_set_that_is_smuggled_to_another_thread_leaves_its_tasks_alone() {
    struct Bound(Arc<AtomicUsize>);
    impl Drop for Bound {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let fixture = Fixture::new();
    let bound = Bound(dropped.clone());
    let task = fixture.spawn(async move {
        let _bound = bound;
        pending::<()>().await;
    });
    let set = fixture.owned.set().clone();
    let smuggled = Smuggled(fixture);
    let thread = thread::spawn(move || {
        let fixture = smuggled.open();
        let polled = catch_unwind(AssertUnwindSafe(|| fixture.run()));
        let spawned = catch_unwind(AssertUnwindSafe(|| drop(fixture.spawn(async {}))));
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(fixture)));
        [polled, spawned, dropped].map(|result| *result.unwrap_err().downcast::<String>().unwrap())
    });
    let texts = thread.join().unwrap();
    for (text, what) in texts.iter().zip(["polled", "used", "dropped"]) {
        assert!(
            text.starts_with(&format!("`LocalSet` {what} on another thread")),
            "{text}"
        );
        assert!(!text.contains(". "), "{text}");
    }
    assert_eq!((set.len(), dropped.load(SeqCst)), (1, 0));
    assert!(!task.is_finished());
    // Its own thread is still there to end it.
    set.close(set.own("used"));
    assert_eq!((set.len(), dropped.load(SeqCst)), (0, 1));
}

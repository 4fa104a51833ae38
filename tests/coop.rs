//! The budget of a poll: who spends of it, who is refused, and who need not care.

mod support;

use std::collections::VecDeque;
use std::future::{Ready, pending, poll_fn, ready};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use mini_rt::io::{AsyncFd, Interest};
use mini_rt::prelude::*;
use mini_rt::task::coop::{
    self, consume_budget, cooperative, has_budget_remaining, poll_proceed, unconstrained,
};
use mini_rt::task::{JoinHandle, yield_now};

use support::kinds::{Kind, on_every_kind, on_every_runtime};
use support::tasks::{Mailbox, on_thread, panic_of, park_on, poll_once, quiet_panic, until};
use support::watchdog::Watchdog;

/// Units that a poll begins with.
const BUDGET: usize = 128;

/// Counts what a task does.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn add_one(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// How many operations a future does in each of its polls, from the first operation on.
async fn operations_per_poll<F: Future>(scenario: impl FnOnce(Counter) -> F) -> Vec<usize> {
    let done = Counter::default();
    let mut scenario = pin!(scenario(done.clone()));
    let mut polls = Vec::new();
    // The poll in progress may have spent of its budget already.
    yield_now().await;
    poll_fn(|cx| {
        let before = done.get();
        let poll = scenario.as_mut().poll(cx);
        polls.push(done.get() - before);
        poll.map(drop)
    })
    .await;
    polls.into_iter().skip_while(|&count| count == 0).collect()
}

/// Checks how many operations a future does in each of its polls, in `block_on` and in a task.
fn assert_polls<F>(
    what: &str,
    expected: &[usize],
    scenario: impl Fn(Counter) -> F + Clone + Send + 'static,
) where
    F: Future + Send,
{
    on_every_runtime(what, async |kind| {
        let polls = operations_per_poll(&scenario).await;
        assert_eq!(polls, expected, "{what}, in `block_on` on {kind:?}");
        let scenario = scenario.clone();
        let task = mini_rt::spawn(async move { operations_per_poll(scenario).await });
        let polls = task.await.unwrap();
        assert_eq!(polls, expected, "{what}, in a task on {kind:?}");
    });
}

/// What 300 operations come to if each costs one unit.
const THREE_POLLS: [usize; 3] = [BUDGET, BUDGET, 300 - 2 * BUDGET];

async fn consume(units: usize, done: &Counter) {
    for _ in 0..units {
        consume_budget().await;
        done.add_one();
    }
}

#[test]
fn a_loop_that_consumes_its_budget_yields_every_128_times() {
    assert_polls("consuming", &THREE_POLLS, async |done| {
        consume(300, &done).await
    });
}

/// A queue that this test has written, as another crate would.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    items: VecDeque<usize>,
    reader: Option<Waker>,
}

impl Queue {
    fn with_items(count: usize) -> Self {
        let queue = Self::default();
        queue.0.lock().unwrap().items.extend(0..count);
        queue
    }

    fn push(&self, item: usize) {
        let mut contents = self.0.lock().unwrap();
        contents.items.push_back(item);
        let reader = contents.reader.take();
        drop(contents);
        reader.into_iter().for_each(Waker::wake);
    }

    fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let unit = ready!(poll_proceed(cx));
        let mut contents = self.0.lock().unwrap();
        match contents.items.pop_front() {
            Some(item) => {
                unit.made_progress();
                Poll::Ready(item)
            }
            None => {
                contents.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    async fn pop(&self) -> usize {
        poll_fn(|cx| self.poll_pop(cx)).await
    }
}

#[test]
fn a_future_of_another_crate_takes_part() {
    assert_polls("a queue", &THREE_POLLS, async |done| {
        let queue = Queue::with_items(300);
        for n in 0..300 {
            assert_eq!(queue.pop().await, n);
            done.add_one();
        }
    });
}

#[test]
fn a_future_of_another_crate_that_waits_is_woken_and_has_spent_nothing() {
    on_every_runtime("a queue that is empty", async |_| {
        let queue = Queue::default();
        yield_now().await;
        poll_fn(|cx| {
            for _ in 0..10 * BUDGET {
                assert!(queue.poll_pop(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert!(has_budget_remaining(), "waiting spends nothing");
        let filled = queue.clone();
        let outside = on_thread(move || (0..1_000).for_each(|n| filled.push(n)));
        let reader = mini_rt::spawn(async move {
            for n in 0..1_000 {
                assert_eq!(queue.pop().await, n);
            }
        });
        outside.await;
        reader.await.unwrap();
    });
}

#[test]
fn a_channel_that_knows_nothing_of_budgets_takes_part_when_it_is_wrapped() {
    assert_polls("a channel", &THREE_POLLS, async |done| {
        let (sender, receiver) = async_channel::bounded(300);
        (0..300).for_each(|n| sender.try_send(n).unwrap());
        for n in 0..300 {
            assert_eq!(cooperative(receiver.recv()).await, Ok(n));
            done.add_one();
        }
    });
}

#[test]
fn a_wrapped_future_that_waits_spends_nothing() {
    on_every_runtime("a wrapped future that waits", async |_| {
        let mut waits = cooperative(pending::<()>());
        yield_now().await;
        for _ in 0..10 * BUDGET {
            assert!(poll_once(&mut waits).await.is_pending());
        }
        assert!(has_budget_remaining());
    });
}

#[test]
fn writing_and_reading_in_turn_spends_units_of_one_budget() {
    assert_polls("writing and reading", &THREE_POLLS, async |done| {
        let (left, right) = UnixStream::pair().unwrap();
        let [left, right] = [left, right].map(|end| {
            end.set_nonblocking(true).unwrap();
            AsyncFd::lazy(end)
        });
        let write = |mut end: &UnixStream| end.write(b"x");
        let read = |mut end: &UnixStream| end.read(&mut [0]);
        for _ in 0..150 {
            poll_fn(|cx| left.poll_io(cx, Interest::WRITABLE, write))
                .await
                .unwrap();
            done.add_one();
            poll_fn(|cx| right.poll_io(cx, Interest::READABLE, read))
                .await
                .unwrap();
            done.add_one();
        }
    });
}

async fn finished_tasks(count: usize) -> Vec<JoinHandle<()>> {
    let tasks: Vec<_> = (0..count).map(|_| mini_rt::spawn(ready(()))).collect();
    until(|| tasks.iter().all(|task| task.is_finished())).await;
    tasks
}

#[test]
fn taking_outputs_spends_units() {
    assert_polls("joining", &THREE_POLLS, async |done| {
        for task in finished_tasks(300).await {
            task.await.unwrap();
            done.add_one();
        }
    });
}

#[test]
fn operations_of_all_kinds_spend_of_one_budget() {
    assert_polls("all kinds", &THREE_POLLS, async |done| {
        let queue = Queue::with_items(100);
        for task in finished_tasks(100).await {
            queue.pop().await;
            done.add_one();
            task.await.unwrap();
            done.add_one();
            consume(1, &done).await;
        }
    });
}

#[test]
fn an_unconstrained_future_is_refused_nothing() {
    assert_polls("unconstrained", &[2_000], async |done| {
        let tasks = finished_tasks(1_000).await;
        unconstrained(async {
            for task in tasks {
                task.await.unwrap();
                done.add_one();
                consume(1, &done).await;
                assert!(has_budget_remaining());
            }
        })
        .await;
    });
}

#[test]
fn an_unconstrained_future_that_waits_stays_unconstrained() {
    assert_polls("unconstrained, waiting", &[1_000, 1_000], async |done| {
        unconstrained(async {
            consume(1_000, &done).await;
            yield_now().await;
            consume(1_000, &done).await;
        })
        .await;
    });
}

#[test]
fn an_unconstrained_future_leaves_the_budget_around_it_as_it_was() {
    let expected = [100 + 1_000 + 28, BUDGET, 44];
    assert_polls("around unconstrained", &expected, async |done| {
        consume(100, &done).await;
        unconstrained(consume(1_000, &done)).await;
        consume(200, &done).await;
    });
    assert_polls("unconstrained, refused", &[BUDGET + 1_000], async |done| {
        consume(BUDGET, &done).await;
        assert!(!has_budget_remaining());
        unconstrained(consume(1_000, &done)).await;
        assert!(!has_budget_remaining());
    });
}

#[test]
fn an_unconstrained_future_that_panics_leaves_the_budget_as_it_was() {
    let expected = [100 + 1_000 + 28, BUDGET, 44];
    assert_polls("a panic in unconstrained", &expected, async |done| {
        consume(100, &done).await;
        let mut panics = Box::pin(unconstrained(async {
            consume(1_000, &done).await;
            quiet_panic("inside");
        }));
        let mut poll = |cx: &mut Context<'_>| panics.as_mut().poll(cx);
        let caught = poll_fn(|cx| {
            let caught = catch_unwind(AssertUnwindSafe(|| poll(cx)));
            Poll::Ready(caught.is_err())
        });
        assert!(caught.await);
        consume(200, &done).await;
    });
}

/// Takes a unit, which the poll in progress must have.
async fn unit() -> coop::RestoreOnPending {
    poll_fn(|cx| {
        let unit = poll_proceed(cx);
        assert!(unit.is_ready(), "no unit is left");
        unit
    })
    .await
}

async fn is_refused() -> bool {
    poll_fn(|cx| Poll::Ready(poll_proceed(cx).is_pending())).await
}

#[test]
fn a_unit_goes_back_unless_there_was_progress() {
    on_every_runtime("units that go back", async |_| {
        yield_now().await;
        for _ in 0..10 * BUDGET {
            drop(unit().await);
        }
        for _ in 0..BUDGET {
            let unit = unit().await;
            unit.made_progress();
            unit.made_progress();
        }
        assert!(is_refused().await);
    });
}

#[test]
fn a_unit_is_taken_as_long_as_it_may_be_spent() {
    on_every_runtime("units that are held", async |_| {
        yield_now().await;
        let mut units = Vec::new();
        for _ in 0..BUDGET {
            assert!(has_budget_remaining());
            units.push(unit().await);
        }
        assert!(!has_budget_remaining());
        assert!(is_refused().await);
        units.pop();
        assert!(has_budget_remaining());
        unit().await.made_progress();
        assert!(is_refused().await);
        drop(units);
        for _ in 0..BUDGET - 1 {
            unit().await.made_progress();
        }
        assert!(is_refused().await);
    });
}

#[test]
fn each_poll_has_its_budget() {
    on_every_runtime("a poll has its budget", async |_| {
        for _ in 0..10 {
            yield_now().await;
            for _ in 0..BUDGET {
                assert!(has_budget_remaining());
                consume_budget().await;
            }
            assert!(!has_budget_remaining());
        }
    });
}

fn assert_no_limit() {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10 * BUDGET {
        assert!(has_budget_remaining());
        match poll_proceed(&mut cx) {
            Poll::Ready(unit) => unit.made_progress(),
            Poll::Pending => panic!("refused, where there is no task"),
        }
        assert!(pin!(consume_budget()).as_mut().poll(&mut cx).is_ready());
        assert!(
            Pin::new(&mut cooperative(ready(())))
                .poll(&mut cx)
                .is_ready()
        );
    }
}

#[test]
fn where_no_task_is_polled_there_is_no_limit() {
    assert_no_limit();
    on_every_kind("no limit", 60, |kind| {
        let runtime = kind.build();
        let _guard = runtime.enter();
        assert_no_limit();
        runtime.block_on(consume(BUDGET, &Counter::default()));
        assert_no_limit();
        let panics = || runtime.block_on(async { quiet_panic("in `block_on`") });
        assert_eq!(panic_of(panics), "in `block_on`");
        assert_no_limit();
        park_on(runtime.spawn_blocking(assert_no_limit)).unwrap();
    });
}

#[test]
fn futures_that_one_future_polls_get_on() {
    on_every_runtime("futures inside of one", async |_| {
        let done = Counter::default();
        let futures: FuturesUnordered<_> = (0..1_000).map(|_| consume(200, &done)).collect();
        assert_eq!(futures.count().await, 1_000);
        join_all((0..1_000).map(|_| consume(200, &done))).await;
        assert_eq!(done.get(), 400_000);
    });
}

#[test]
fn another_executor_inside_a_task_gets_on() {
    on_every_runtime("another executor", async |_| {
        let task = mini_rt::spawn(async {
            let done = Counter::default();
            park_on(consume(10_000, &done));
            done.get()
        });
        assert_eq!(task.await.unwrap(), 10_000);
    });
}

#[test]
fn a_foreign_executor_has_no_limit() {
    let _watchdog = Watchdog::seconds("a future on a foreign thread", 60);
    let runtime = Kind::MultiThread(2).build();
    let mailbox = Arc::new(Mailbox::new());
    let answers = mailbox.clone();
    drop(runtime.spawn(async move { answers.put(finished_tasks(1_000).await) }));
    let polls = park_on(async {
        let tasks = mailbox.take().await;
        operations_per_poll(async |done| {
            for task in tasks {
                task.await.unwrap();
                done.add_one();
            }
        })
        .await
    });
    assert_eq!(polls, [1_000]);
}

#[test]
fn the_wrappers_have_names() {
    struct Named(coop::Unconstrained<coop::Coop<Ready<u8>>>);
    let mut named = Named(unconstrained(cooperative(ready(7))));
    assert_eq!(park_on(&mut named.0), 7);
}

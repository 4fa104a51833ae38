//! Which task runs where and when: queues overflow, idle cores find work, nobody starves.

mod support;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;

use futures_util::task::AtomicWaker;
use mini_rt_runtime::runtime::Handle;
use mini_rt_runtime::task::JoinHandle;
use mini_rt_runtime::{spawn, yield_now};

use support::kinds::{Kind, on_every_kind};
use support::tasks::{Mailbox, block_until, park_on, until};
use support::watchdog::Watchdog;

async fn join_all<T>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}

/// Two tasks that wake each other, and call `turn` at each of their turns until that says false.
fn ping_pong(turn: impl Fn() -> bool + Clone + Send + 'static) -> [JoinHandle<()>; 2] {
    let (ping, pong) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
    let (asks, answers, asking) = (ping.clone(), pong.clone(), turn.clone());
    let asker = spawn(async move {
        while asking() {
            asks.put(Some(()));
            answers.take().await;
        }
        asks.put(None);
    });
    let answerer = spawn(async move {
        while ping.take().await.is_some() {
            turn();
            pong.put(());
        }
    });
    [asker, answerer]
}

async fn yield_times(times: usize) -> usize {
    for _ in 0..times {
        yield_now().await;
    }
    times
}

#[test]
fn ten_thousand_tasks_that_yield_overflow_the_queue_and_all_end() {
    on_every_kind("ten thousand tasks that yield", 60, |kind| {
        let runtime = kind.build();
        let sum = runtime.block_on(async {
            // From a task they go to its core's own queue, which has room for 256.
            let tasks = spawn(async {
                let tasks: Vec<_> = (0..10_000).map(|_| spawn(yield_times(10))).collect();
                join_all(tasks).await.into_iter().sum::<usize>()
            });
            tasks.await.unwrap()
        });
        assert_eq!(sum, 100_000);
        let metrics = runtime.metrics();
        assert_eq!(metrics.global_queue_depth(), 0);
        block_until(|| metrics.num_alive_tasks() == 0);
    });
}

#[test]
fn tasks_that_spawn_tasks_all_end() {
    fn tree(depth: usize) -> std::pin::Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let (left, right) = (spawn(tree(depth - 1)), spawn(tree(depth - 1)));
            left.await.unwrap() + right.await.unwrap()
        })
    }
    on_every_kind("tasks that spawn tasks", 60, |kind| {
        assert_eq!(kind.build().block_on(tree(12)), 1 << 12);
    });
}

#[test]
fn sixteen_threads_spawn_at_once() {
    on_every_kind("sixteen threads spawn at once", 60, |kind| {
        let runtime = kind.build();
        let ran = Arc::new(AtomicUsize::new(0));
        let spawners: Vec<_> = (0..16)
            .map(|_| {
                let (handle, ran) = (runtime.handle().clone(), ran.clone());
                thread::spawn(move || spawn_a_thousand(&handle, &ran))
            })
            .collect();
        runtime.block_on(until(|| ran.load(SeqCst) == 16_000));
        for spawner in spawners {
            runtime.block_on(join_all(spawner.join().unwrap()));
        }
        block_until(|| runtime.metrics().num_alive_tasks() == 0);
    });
}

fn spawn_a_thousand(handle: &Handle, ran: &Arc<AtomicUsize>) -> Vec<JoinHandle<()>> {
    let task = |_| {
        let ran = ran.clone();
        handle.spawn(async move {
            yield_now().await;
            ran.fetch_add(1, SeqCst);
        })
    };
    (0..1_000).map(task).collect()
}

#[test]
fn workers_run_tasks_though_nobody_is_in_block_on() {
    for workers in [1, 2, 4] {
        let _watchdog = Watchdog::seconds(format!("{workers} workers without block_on"), 30);
        let runtime = Kind::MultiThread(workers).build();
        let task = runtime.spawn(async {
            let tasks: Vec<_> = (0..100).map(|_| spawn(yield_times(3))).collect();
            join_all(tasks).await.len()
        });
        assert_eq!(park_on(task).unwrap(), 100);
    }
}

#[test]
fn every_worker_takes_part() {
    // As many tasks as workers, each of which blocks its worker until all of them run.
    for workers in [1, 2, 4] {
        let _watchdog = Watchdog::seconds(format!("each of {workers} workers takes part"), 60);
        let runtime = Kind::MultiThread(workers).build();
        for _ in 0..500 {
            let barrier = Arc::new(Barrier::new(workers));
            let tasks: Vec<_> = (0..workers)
                .map(|_| {
                    let barrier = barrier.clone();
                    runtime.spawn(async move { barrier.wait().is_leader() })
                })
                .collect();
            let leaders = park_on(join_all(tasks));
            assert_eq!(leaders.into_iter().filter(|&leader| leader).count(), 1);
        }
    }
}

#[test]
fn tasks_behind_one_that_blocks_its_worker_are_stolen() {
    const BEHIND: usize = 40;
    let _watchdog = Watchdog::seconds("tasks behind one that blocks", 60);
    let runtime = Kind::MultiThread(2).build();
    for _ in 0..500 {
        let ran = Arc::new(AtomicUsize::new(0));
        let blocks = runtime.spawn({
            let ran = ran.clone();
            async move {
                let behind: Vec<_> = (0..BEHIND)
                    .map(|_| {
                        let ran = ran.clone();
                        spawn(async move { ran.fetch_add(1, SeqCst) })
                    })
                    .collect();
                // The one that was spawned last is next on this worker, and stays there.
                while ran.load(SeqCst) < BEHIND - 1 {
                    thread::yield_now();
                }
                behind
            }
        });
        let behind = park_on(blocks).unwrap();
        assert_eq!(park_on(join_all(behind)).len(), BEHIND);
    }
}

/// Counts the turns of busy tasks for as long as another measures.
#[derive(Default)]
struct Turns {
    count: AtomicUsize,
    over: AtomicBool,
}

impl Turns {
    /// Counts a turn; true if there is to be another.
    fn add_one(&self) -> bool {
        self.count.fetch_add(1, SeqCst);
        !self.over.load(SeqCst)
    }

    /// Gives way a hundred times, and tells how many turns of others came in between, at most.
    async fn most_between(&self) -> usize {
        let mut most = 0;
        for _ in 0..100 {
            let before = self.count.load(SeqCst);
            yield_now().await;
            most = most.max(self.count.load(SeqCst) - before);
        }
        most
    }
}

/// Runs tasks that wake each other, of which so many are ready at once, and one more that yields. On one
/// core each of them from the ring, and three that were woken last, have their turn before it; and at first
/// each has one more.
fn assert_leave_turns(
    what: &str,
    at_once: usize,
    busy: impl Fn(&Arc<Turns>) -> Vec<JoinHandle<()>>,
) {
    on_every_kind(what, 60, |kind| {
        let turns = Arc::new(Turns::default());
        let most = kind.build().block_on(async {
            let busy = busy(&turns);
            let measured = turns.clone();
            let yields = spawn(async move { measured.most_between().await });
            let most = yields.await.unwrap();
            turns.over.store(true, SeqCst);
            join_all(busy).await;
            most
        });
        assert!(turns.count.load(SeqCst) > 0);
        assert!(
            most <= 5 * at_once + 3 || kind.cores() > 1,
            "{what}: {most} turns of others in a row on {kind:?}"
        );
    });
}

#[test]
fn tasks_that_wake_each_other_do_not_starve_another() {
    for pairs in [1, 100] {
        let what = format!("{pairs} pairs that wake each other");
        assert_leave_turns(&what, pairs, |turns| {
            let pair = |_| {
                let turns = turns.clone();
                ping_pong(move || turns.add_one())
            };
            (0..pairs).flat_map(pair).collect()
        });
    }
}

#[test]
fn tasks_each_of_which_spawns_the_next_do_not_starve_another() {
    fn spawn_links(turns: Arc<Turns>, last: Arc<Mailbox<()>>) {
        drop(spawn(async move {
            if turns.add_one() {
                spawn_links(turns, last);
            } else {
                last.put(());
            }
        }));
    }
    assert_leave_turns("each spawns the next", 1, |turns| {
        let last = Arc::new(Mailbox::new());
        spawn_links(turns.clone(), last.clone());
        vec![spawn(async move { last.take().await })]
    });
}

#[test]
fn an_injected_task_has_its_turn_while_others_yield_for_ever() {
    on_every_kind("an injected task has its turn", 60, |kind| {
        let runtime = kind.build();
        let over = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..4 * kind.cores())
            .map(|_| {
                let over = over.clone();
                runtime.spawn(async move { until(|| over.load(SeqCst)).await })
            })
            .collect();
        let handle = runtime.handle().clone();
        let outside = thread::spawn(move || {
            for _ in 0..200 {
                park_on(handle.spawn(async {})).unwrap();
            }
            over.store(true, SeqCst);
        });
        runtime.block_on(join_all(busy));
        outside.join().unwrap();
    });
}

/// Polls a future to its end, and tells how often.
async fn count_polls(future: impl Future<Output = ()>) -> usize {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    })
    .await;
    polls
}

const MANY: usize = 200;

/// Joins `MANY` tasks, and tells how often it was polled for that.
async fn join_many() -> usize {
    let tasks: Vec<_> = (0..MANY).map(|_| spawn(async {})).collect();
    count_polls(async {
        join_all(tasks).await;
    })
    .await
}

/// Receives as many as `MANY` tasks send, one each, and tells how often it was polled for that.
async fn receive_from_many() -> usize {
    let sent = Arc::new(AtomicUsize::new(0));
    let receiver = Arc::new(AtomicWaker::new());
    for _ in 0..MANY {
        let (sent, receiver) = (sent.clone(), receiver.clone());
        spawn(async move {
            sent.fetch_add(1, SeqCst);
            receiver.wake();
        });
    }
    count_polls(poll_fn(|cx| {
        receiver.register(cx.waker());
        match sent.load(SeqCst) {
            MANY => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }))
    .await
}

#[test]
fn who_is_woken_by_many_tasks_does_not_run_after_each_of_them() {
    on_every_kind("a task is woken by many", 60, |kind| {
        let joins = kind
            .build()
            .block_on(async { spawn(join_many()).await.unwrap() });
        let receives = kind
            .build()
            .block_on(async { spawn(receive_from_many()).await.unwrap() });
        assert!(
            joins.max(receives) < 10 || kind.cores() > 1,
            "{joins} and {receives} polls on {kind:?}"
        );
    });
}

/// Something that happens again and again, for one task that waits for it.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    listener: AtomicWaker,
}

impl Bell {
    fn ring(&self) {
        self.rung.store(true, SeqCst);
        self.listener.wake();
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.listener.register(cx.waker());
            match self.rung.swap(false, SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// Asks another task `MANY` times, while others yield, and tells how many turns those had before the
/// answers.
async fn turns_before_answers() -> usize {
    let [question, answer] = [(); 2].map(|()| Arc::new(Bell::default()));
    let (asked, answered) = (question.clone(), answer.clone());
    let server = spawn(async move {
        loop {
            asked.wait().await;
            answered.ring();
        }
    });
    let turns = Arc::new(AtomicUsize::new(0));
    let others = [(); 20].map(|()| {
        let turns = turns.clone();
        spawn(async move {
            loop {
                turns.fetch_add(1, SeqCst);
                yield_now().await;
            }
        })
    });
    let mut before_answers = 0;
    for _ in 0..MANY {
        yield_now().await;
        let asked_at = turns.load(SeqCst);
        question.ring();
        answer.wait().await;
        before_answers += turns.load(SeqCst) - asked_at;
    }
    others.iter().for_each(JoinHandle::abort);
    server.abort();
    before_answers
}

#[test]
fn who_answers_goes_before_those_who_yield() {
    on_every_kind("a task asks another", 60, |kind| {
        let turns = kind
            .build()
            .block_on(async { spawn(turns_before_answers()).await.unwrap() });
        assert!(turns == 0 || kind.cores() > 1, "{turns} turns on {kind:?}");
    });
}

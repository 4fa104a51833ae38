//! Wake-ups between threads and tasks: none is lost, however they fall.

mod support;

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use mini_rt_runtime::spawn;
use mini_rt_runtime::yield_now;

use support::kinds::on_every_kind;
use support::random::Random;
use support::tasks::{Mailbox, on_thread};

/// A number that threads raise and a task follows.
#[derive(Default)]
struct Gauge {
    value: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Gauge {
    fn raise(&self) {
        self.value.fetch_add(1, SeqCst);
        let waker = self.waker.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }

    async fn reaches(&self, goal: u64) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            match self.value.load(SeqCst) {
                value if value >= goal => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }
}

/// Turns that take differently long, so that the meetings of two threads drift through each other.
fn dawdle(random: &mut Random) {
    if random.one_in(16) {
        return thread::yield_now();
    }
    for _ in 0..random.below(300) {
        std::hint::spin_loop();
    }
}

/// Answers each question, from a thread.
fn answerer(
    questions: Arc<Gauge>,
    answers: Arc<Gauge>,
    rounds: u64,
    mut random: Random,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for round in 1..=rounds {
            // Spinning catches the task while it goes to sleep, parking when it sleeps.
            let mut spins = random.below(2_000);
            while questions.value.load(SeqCst) < round {
                match spins.checked_sub(1) {
                    Some(left) => spins = left,
                    None => thread::park(),
                }
            }
            dawdle(&mut random);
            answers.raise();
        }
    })
}

/// Asks a thread and waits for its answer, again and again.
async fn ask_thread(rounds: u64, random: Random) {
    let (questions, answers) = (Arc::<Gauge>::default(), Arc::<Gauge>::default());
    let thread = answerer(questions.clone(), answers.clone(), rounds, random);
    for round in 1..=rounds {
        questions.value.store(round, SeqCst);
        thread.thread().unpark();
        answers.reaches(round).await;
    }
    thread.join().unwrap();
}

#[test]
fn a_task_and_a_thread_answer_each_other() {
    let mut random = Random::for_test("a_task_and_a_thread_answer_each_other", 1);
    on_every_kind("a task and a thread answer each other", 60, |kind| {
        let runtime = kind.build();
        let task = runtime.spawn(ask_thread(10_000, random.branch()));
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn the_future_of_block_on_and_a_thread_answer_each_other() {
    let mut random = Random::for_test("the_future_of_block_on_and_a_thread", 2);
    on_every_kind("block_on and a thread answer each other", 60, |kind| {
        let runtime = kind.build();
        runtime.block_on(ask_thread(10_000, random.branch()));
    });
}

#[test]
fn many_tasks_and_threads_answer_each_other() {
    let mut random = Random::for_test("many_tasks_and_threads_answer_each_other", 3);
    on_every_kind("many tasks and threads answer each other", 60, |kind| {
        let runtime = kind.build();
        let pairs: Vec<_> = (0..8)
            .map(|_| runtime.spawn(ask_thread(1_000, random.branch())))
            .collect();
        runtime.block_on(async {
            for pair in pairs {
                pair.await.unwrap();
            }
        });
    });
}

#[test]
fn a_wake_during_a_poll_leads_to_another_poll() {
    const GOAL: u64 = 100_000;
    on_every_kind("a wake during a poll leads to another poll", 60, |kind| {
        let runtime = kind.build();
        let gauge = Arc::<Gauge>::default();
        let follower = runtime.spawn({
            let gauge = gauge.clone();
            async move { gauge.reaches(GOAL).await }
        });
        let raisers: Vec<_> = (0..4)
            .map(|_| {
                let gauge = gauge.clone();
                thread::spawn(move || (0..GOAL / 4).for_each(|_| gauge.raise()))
            })
            .collect();
        runtime.block_on(follower).unwrap();
        raisers
            .into_iter()
            .for_each(|raiser| raiser.join().unwrap());
    });
}

#[test]
fn two_tasks_answer_each_other() {
    const ROUNDS: u64 = 20_000;
    on_every_kind("two tasks answer each other", 60, |kind| {
        let runtime = kind.build();
        let (ping, pong) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
        let asker = runtime.spawn({
            let (ping, pong) = (ping.clone(), pong.clone());
            async move {
                for round in 0..ROUNDS {
                    ping.put(round);
                    assert_eq!(pong.take().await, round);
                }
            }
        });
        let answerer = runtime.spawn(async move {
            for _ in 0..ROUNDS {
                pong.put(ping.take().await);
            }
        });
        runtime.block_on(async {
            asker.await.unwrap();
            answerer.await.unwrap();
        });
    });
}

#[test]
fn wakes_that_come_while_the_runtime_goes_to_sleep_arrive() {
    // The runtime has nothing to do but for this task, so each wake meets it falling asleep, or asleep.
    const ROUNDS: usize = 3_000;
    let mut random = Random::for_test("wakes_while_going_to_sleep", 4);
    on_every_kind("wakes while the runtime goes to sleep", 60, |kind| {
        let mut random = random.branch();
        let runtime = kind.build();
        let mailbox = Arc::new(Mailbox::new());
        let (handle, done) = (runtime.handle().clone(), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(on_thread(move || {
            for round in 0..ROUNDS {
                let (mailbox, task_done) = (mailbox.clone(), done.clone());
                let taker = mailbox.clone();
                drop(handle.spawn(async move {
                    assert_eq!(taker.take().await, round);
                    task_done.fetch_add(1, SeqCst);
                }));
                dawdle(&mut random);
                mailbox.put(round);
                while done.load(SeqCst) == round {
                    thread::yield_now();
                }
            }
        }));
    });
}

#[test]
fn a_waker_wakes_any_number_of_times_for_one_poll() {
    on_every_kind("a waker wakes any number of times", 30, |kind| {
        let runtime = kind.build();
        let polls = Arc::new(AtomicUsize::new(0));
        let (mailbox, open) = (Arc::new(Mailbox::new()), Arc::new(AtomicBool::new(false)));
        let task = runtime.spawn({
            let (polls, mailbox, open) = (polls.clone(), mailbox.clone(), open.clone());
            poll_fn(move |cx| {
                if polls.fetch_add(1, SeqCst) == 0 {
                    mailbox.put(cx.waker().clone());
                }
                if open.load(SeqCst) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
        });
        runtime.block_on(async {
            let waker = mailbox.take().await;
            // While this task blocks its core no other runs there, so on one core the wakes come together.
            spawn(async move {
                (0..1_000).for_each(|_| waker.wake_by_ref());
                yield_now().await;
                open.store(true, SeqCst);
                waker.wake();
            })
            .await
            .unwrap();
            task.await.unwrap();
        });
        let polls = polls.load(SeqCst);
        if kind.cores() == 1 {
            assert!(polls <= 3, "{polls} polls on {kind:?}");
        }
    });
}

#[test]
fn threads_that_wake_wait_for_each_other_and_no_wake_is_lost() {
    // All threads wake different tasks at the same moment; each task then waits for the next.
    const THREADS: usize = 8;
    const ROUNDS: u64 = 500;
    on_every_kind("threads wake at the same moment", 60, |kind| {
        let runtime = kind.build();
        let barrier = Arc::new(Barrier::new(THREADS));
        let seen = Arc::<Gauge>::default();
        let (threads, tasks): (Vec<_>, Vec<_>) = (0..THREADS)
            .map(|_| {
                let (gauge, barrier) = (Arc::<Gauge>::default(), barrier.clone());
                let to_raise = gauge.clone();
                let all_seen = seen.clone();
                let thread = thread::spawn(move || {
                    for round in 1..=ROUNDS {
                        barrier.wait();
                        to_raise.raise();
                        while all_seen.value.load(SeqCst) < round * THREADS as u64 {
                            thread::yield_now();
                        }
                    }
                });
                let seen = seen.clone();
                let task = runtime.spawn(async move {
                    for round in 1..=ROUNDS {
                        gauge.reaches(round).await;
                        seen.value.fetch_add(1, SeqCst);
                    }
                });
                (thread, task)
            })
            .unzip();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

//! A worker whose task blocks delays nobody but that task.
//!
//! No clock decides these tests: a task blocks its thread until the others have got on. If they do not,
//! nothing ends, and the watchdog says so.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use mini_rt::prelude::*;
use mini_rt::runtime::{Builder, Runtime};
use mini_rt::task::yield_now;

use support::random::Random;
use support::sockets::{echo, stream_and_peer};
use support::tasks::{Mailbox, block_until, on_thread};
use support::watchdog::Watchdog;

/// Counts what has got on. A thread can block until that was enough.
#[derive(Clone, Default)]
struct Progress(Arc<(Mutex<usize>, Condvar)>);

impl Progress {
    fn add(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    /// Blocks the thread.
    fn wait_for(&self, enough: usize) {
        let count = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(count, |count| *count < enough).unwrap());
    }
}

fn runtime(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).build().expect("a runtime")
}

/// Runs a scenario on runtimes with two workers and more.
fn on_several_workers(test: &str, scenario: impl AsyncFn(usize)) {
    for workers in [2, 4] {
        let _watchdog = Watchdog::seconds(format!("{test} with {workers} workers"), 60);
        runtime(workers).block_on(scenario(workers));
    }
}

/// Asks an echoing peer again and again and counts the answers.
fn ask_on(mut peer: TcpStream, rounds: usize, answers: &Progress) {
    let mut answer = [0; 16];
    for round in 0..rounds {
        let question = [round as u8; 16];
        peer.write_all(&question).unwrap();
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(answer, question);
        answers.add();
    }
}

#[test]
fn a_handler_that_blocks_delays_no_other_connection() {
    const CLIENTS: usize = 16;
    const ROUNDS: usize = 20;
    on_several_workers("a handler that blocks", async |_| {
        let (answers, begun) = (Progress::default(), Progress::default());
        let (mut stream, mut peer) = stream_and_peer();
        let (to_wait, begins) = (answers.clone(), begun.clone());
        let blocking = mini_rt::spawn(async move {
            stream.read_exact(&mut [0; 1]).await.unwrap();
            begins.add();
            to_wait.wait_for(CLIENTS * ROUNDS);
        });
        let echoes: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (stream, mut peer) = stream_and_peer();
                let echo = mini_rt::spawn(echo(stream));
                let (answers, begun) = (answers.clone(), begun.clone());
                // Registered before the other blocks.
                peer.write_all(&[1]).unwrap();
                peer.read_exact(&mut [0; 1]).unwrap();
                // It may block this very thread, so who asks has a thread by then.
                thread::spawn(move || {
                    begun.wait_for(1);
                    ask_on(peer, ROUNDS, &answers);
                });
                echo
            })
            .collect();
        peer.write_all(&[1]).unwrap();
        blocking.await.unwrap();
        for echo in echoes {
            assert_eq!(echo.await.unwrap().unwrap(), 1 + 16 * ROUNDS);
        }
    });
}

#[test]
fn what_a_blocking_task_has_spawned_runs_elsewhere() {
    const TASKS: usize = 50;
    on_several_workers("spawned by the blocking task", async |_| {
        let ran = Progress::default();
        let blocking = mini_rt::spawn(async move {
            for _ in 0..TASKS {
                let ran = ran.clone();
                drop(mini_rt::spawn(async move { ran.add() }));
            }
            ran.wait_for(TASKS);
        });
        blocking.await.unwrap();
    });
}

#[test]
fn a_lone_task_woken_just_before_the_blocking_is_not_left_in_its_slot() {
    on_several_workers("woken before the blocking", async |_| {
        let ran = Progress::default();
        let mailbox = Arc::new(Mailbox::new());
        let waiting = mini_rt::spawn({
            let (mailbox, ran) = (mailbox.clone(), ran.clone());
            async move {
                mailbox.take().await;
                ran.add();
            }
        });
        let blocking = mini_rt::spawn(async move {
            while mailbox.waker().is_none() {
                yield_now().await;
            }
            mailbox.put(());
            ran.wait_for(1);
        });
        blocking.await.unwrap();
        waiting.await.unwrap();
    });
}

#[test]
fn a_task_that_blocks_in_its_first_poll_delays_nobody() {
    on_several_workers("blocks in its first poll", async |_| {
        let ran = Progress::default();
        let first = mini_rt::spawn({
            let ran = ran.clone();
            async move { ran.wait_for(1) }
        });
        let second = mini_rt::spawn(async move { ran.add() });
        first.await.unwrap();
        second.await.unwrap();
    });
}

#[test]
fn the_future_of_block_on_may_block_its_core() {
    on_several_workers("a root that blocks", async |_| {
        let answers = Progress::default();
        let (stream, peer) = stream_and_peer();
        let echo = mini_rt::spawn(echo(stream));
        let client = thread::spawn({
            let answers = answers.clone();
            move || ask_on(peer, 10, &answers)
        });
        let ran = Progress::default();
        for _ in 0..10 {
            let ran = ran.clone();
            drop(mini_rt::spawn(async move { ran.add() }));
        }
        ran.wait_for(10);
        answers.wait_for(10);
        client.join().unwrap();
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn one_worker_that_is_not_blocked_is_enough() {
    on_several_workers("all but one blocked", async |workers| {
        let answers = Progress::default();
        let (stream, peer) = stream_and_peer();
        let echo = mini_rt::spawn(echo(stream));
        let blocked = Progress::default();
        let blocking: Vec<_> = (1..workers)
            .map(|_| {
                let (answers, blocked) = (answers.clone(), blocked.clone());
                mini_rt::spawn(async move {
                    blocked.add();
                    answers.wait_for(100);
                })
            })
            .collect();
        let client = {
            let answers = answers.clone();
            on_thread(move || {
                blocked.wait_for(workers - 1);
                ask_on(peer, 100, &answers);
            })
        };
        client.await;
        for task in blocking {
            task.await.unwrap();
        }
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn a_busy_sibling_helps_as_well() {
    on_several_workers("a busy sibling", async |workers| {
        let answers = Progress::default();
        let busy: Vec<_> = (1..workers)
            .map(|_| {
                mini_rt::spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let (stream, mut peer) = stream_and_peer();
        let (sender, receiver) = mpsc::channel();
        // The connection is registered with the core that is going to be blocked.
        let blocking = mini_rt::spawn({
            let answers = answers.clone();
            async move {
                let echo = mini_rt::spawn(echo(stream));
                receiver.recv().unwrap();
                answers.wait_for(20);
                [echo]
            }
        });
        let client = on_thread(move || {
            sender.send(()).unwrap();
            peer.write_all(&[1]).unwrap();
            peer.read_exact(&mut [0; 1]).unwrap();
            ask_on(peer, 20, &answers);
        });
        client.await;
        let [echo] = blocking.await.unwrap();
        echo.await.unwrap().unwrap();
        busy.iter().for_each(|task| task.abort());
    });
}

#[test]
fn a_source_registered_from_outside_with_a_blocked_core_is_heard() {
    on_several_workers("registered from outside", async |workers| {
        let heard = Progress::default();
        let blocked = Progress::default();
        let blocking: Vec<_> = (1..workers)
            .map(|_| {
                let (heard, blocked) = (heard.clone(), blocked.clone());
                mini_rt::spawn(async move {
                    blocked.add();
                    heard.wait_for(8);
                })
            })
            .collect();
        let handle = mini_rt::runtime::Handle::current();
        let client = on_thread(move || {
            blocked.wait_for(workers - 1);
            let _guard = handle.enter();
            for _ in 0..8 {
                let (mut stream, mut peer) = stream_and_peer();
                let read = thread::spawn(move || {
                    support::tasks::park_on(async {
                        stream.read_exact(&mut [0; 1]).await.unwrap();
                    });
                });
                peer.write_all(&[1]).unwrap();
                read.join().unwrap();
                heard.add();
            }
        });
        client.await;
        for task in blocking {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_blocked_core_that_goes_on_is_not_disturbed() {
    on_several_workers("again and again", async |_| {
        let (stream, mut peer) = stream_and_peer();
        let echo = mini_rt::spawn(echo(stream));
        for _ in 0..10 {
            let answers = Progress::default();
            let blocking = mini_rt::spawn({
                let answers = answers.clone();
                async move { answers.wait_for(5) }
            });
            peer = on_thread(move || {
                ask_on(peer.try_clone().unwrap(), 5, &answers);
                peer
            })
            .await;
            blocking.await.unwrap();
        }
        drop(peer);
        assert_eq!(echo.await.unwrap().unwrap(), 10 * 5 * 16);
    });
}

#[test]
fn a_task_is_rescued_though_the_last_other_core_has_just_come_to_rest() {
    let _watchdog = Watchdog::seconds("the last other core", 60);
    for in_place in [false, true] {
        for _ in 0..10 {
            let runtime = runtime(2);
            let (started, has_started) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel::<()>();
            let rescued = Progress::default();
            let to_wait = rescued.clone();
            let blocking = runtime.spawn(async move {
                started.send(()).unwrap();
                may_go_on.recv().unwrap();
                let rescued = to_wait.clone();
                let stranded = mini_rt::spawn(async move { rescued.add() });
                to_wait.wait_for(1);
                drop(stranded);
            });
            has_started.recv().unwrap();
            // The caller takes the other core and puts it back.
            runtime.block_on(async {
                if in_place {
                    mini_rt::task::block_in_place(|| ());
                }
            });
            go_on.send(()).unwrap();
            // Without the help of another caller.
            block_until(|| blocking.is_finished());
        }
    }
}

#[test]
fn a_wake_up_that_comes_on_the_way_to_sleep_is_not_lost_to_a_helper() {
    let mut random = Random::for_test("on the way to sleep", 60);
    for workers in [3, 4] {
        let _watchdog = Watchdog::seconds(format!("on the way to sleep, {workers} workers"), 60);
        // That way is long, and looks like blocking to the others.
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .on_thread_park(|| thread::sleep(Duration::from_millis(3)))
            .build()
            .unwrap();
        for _ in 0..150 {
            let done = Progress::default();
            let count = 1 + random.below(4);
            for _ in 0..count {
                let (done, busy) = (done.clone(), random.below(3_000) as u64);
                runtime.spawn(async move {
                    thread::sleep(Duration::from_micros(busy));
                    done.add();
                });
                thread::sleep(Duration::from_micros(random.below(2_000) as u64));
            }
            done.wait_for(count);
        }
    }
}

/// A wake-up comes for a worker that is awake already but does not yet say so; then its task blocks. Who
/// helps must not be called again and again for a wake-up that nobody takes.
#[test]
fn a_wake_up_for_a_blocked_worker_keeps_nobody_busy() {
    const WORKERS: usize = 2;
    const WINDOW: Duration = Duration::from_millis(300);
    let _watchdog = Watchdog::seconds("a wake-up for a blocked worker", 60);
    let (ask, asked) = mpsc::sync_channel::<bool>(1);
    let ends = ask.clone();
    let (tell, told) = mpsc::sync_channel::<()>(1);
    let told = Mutex::new(told);
    let armed = Arc::new(Mutex::new(false));
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .on_thread_unpark({
            let armed = armed.clone();
            move || {
                if std::mem::take(&mut *armed.lock().unwrap()) {
                    ask.send(true).unwrap();
                    told.lock().unwrap().recv().unwrap();
                }
            }
        })
        .build()
        .expect("a runtime");
    let outside = thread::spawn({
        let handle = runtime.handle().clone();
        move || {
            while asked.recv().unwrap() {
                drop(handle.spawn(async {}));
                tell.send(()).unwrap();
            }
        }
    });
    let metrics = runtime.metrics();
    let turns = || -> u64 {
        (0..WORKERS)
            .map(|worker| metrics.worker_turn_count(worker))
            .sum()
    };
    for _ in 0..4 {
        let (begun, has_begun) = mpsc::channel();
        let (end, is_over) = mpsc::channel::<()>();
        drop(runtime.spawn(async move {
            mini_rt::time::sleep(Duration::from_millis(20)).await;
            begun.send(()).unwrap();
            // Until the measurement is over.
            is_over.recv().unwrap();
        }));
        *armed.lock().unwrap() = true;
        has_begun.recv().unwrap();
        let before = turns();
        thread::sleep(WINDOW);
        let turned = turns() - before;
        end.send(()).unwrap();
        // A keeper that looks every two milliseconds turns its own reactor and the stuck one's; spinning
        // makes it tens of thousands.
        assert!(turned < 5_000, "{turned} turns in {WINDOW:?}");
    }
    *armed.lock().unwrap() = false;
    ends.send(false).unwrap();
    outside.join().unwrap();
}

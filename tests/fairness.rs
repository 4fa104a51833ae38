//! Who always has something to do leaves the others their turns, and sockets theirs.

mod support;

use std::future::{poll_fn, ready};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::task::coop::{consume_budget, cooperative};
use mini_rt::task::{JoinHandle, yield_now};

use support::kinds::Kind;
use support::sockets::{connect, listen, stream_and_peer};
use support::tasks::{on_thread, until};
use support::watchdog::Watchdog;

/// The kinds whose tasks all share one core.
const ONE_CORE: [Kind; 2] = [Kind::CurrentThread, Kind::MultiThread(1)];

/// Operations that a task may do in one poll if all of them are ready.
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

/// A task that gives way to others all the time, and measures how much they do before it has its turn again.
struct Modest {
    over: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Modest {
    fn spawn(done: Counter) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let task = mini_rt::spawn(async move {
            let mut most = 0;
            while !is_over.load(SeqCst) {
                let before = done.get();
                yield_now().await;
                most = most.max(done.get() - before);
            }
            most
        });
        Self { over, task }
    }

    /// The operations between two of its turns, at most.
    async fn most(self) -> usize {
        self.over.store(true, SeqCst);
        self.task.await.unwrap()
    }
}

/// Runs a greedy task and a modest one on one core. Returns how many operations of the greedy one lay
/// between two turns of the modest one, at most.
async fn most_between_turns<F>(greedy: impl FnOnce(Counter) -> F) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    let done = Counter::default();
    let modest = Modest::spawn(done.clone());
    mini_rt::spawn(greedy(done)).await.unwrap();
    modest.most().await
}

/// Checks that a task whose operations are always ready spends its budget, and no more.
fn assert_keeps_budget(what: &str, scenario: impl AsyncFn() -> usize) {
    for kind in ONE_CORE {
        let _watchdog = Watchdog::seconds(format!("{what} on {kind:?}"), 60);
        let most = kind.build().block_on(scenario());
        assert!(
            most <= BUDGET + 1,
            "{what}: {most} operations in a row on {kind:?}"
        );
        assert!(
            most >= BUDGET / 2,
            "{what}: only {most} operations in a row on {kind:?}"
        );
    }
}

/// Keeps a connection full of data until its reader leaves.
fn flood(mut peer: TcpStream) -> thread::JoinHandle<()> {
    thread::spawn(move || while peer.write_all(&[0; 16 * 1024]).is_ok() {})
}

/// Takes all data from a connection.
fn drain(mut peer: TcpStream) -> thread::JoinHandle<()> {
    thread::spawn(move || while peer.read(&mut [0; 64 * 1024]).is_ok_and(|count| count > 0) {})
}

const OPERATIONS: usize = 50_000;

#[test]
fn a_task_that_reads_what_is_always_there_leaves_others_their_turn() {
    assert_keeps_budget("reading", async || {
        let (mut stream, peer) = stream_and_peer();
        let flooding = flood(peer);
        let most = most_between_turns(|done| async move {
            for _ in 0..OPERATIONS {
                stream.read_exact(&mut [0]).await.unwrap();
                done.add_one();
            }
        });
        let most = most.await;
        flooding.join().unwrap();
        most
    });
}

#[test]
fn a_task_that_writes_where_there_is_always_room_leaves_others_their_turn() {
    assert_keeps_budget("writing", async || {
        let (mut stream, peer) = stream_and_peer();
        let draining = drain(peer);
        let most = most_between_turns(|done| async move {
            for _ in 0..OPERATIONS {
                stream.write_all(b"x").await.unwrap();
                done.add_one();
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let most = most.await;
        draining.join().unwrap();
        most
    });
}

#[test]
fn a_task_that_asks_again_and_again_whether_it_may_read_leaves_others_their_turn() {
    assert_keeps_budget("readable", async || {
        let (stream, mut peer) = stream_and_peer();
        peer.write_all(b"x").unwrap();
        most_between_turns(|done| async move {
            for _ in 0..OPERATIONS {
                stream.readable().await.unwrap();
                done.add_one();
            }
        })
        .await
    });
}

#[test]
fn a_task_that_takes_outputs_that_are_ready_leaves_others_their_turn() {
    assert_keeps_budget("joining", async || {
        let tasks: Vec<_> = (0..5_000).map(|_| mini_rt::spawn(ready(()))).collect();
        until(|| tasks.iter().all(|task| task.is_finished())).await;
        most_between_turns(|done| async move {
            for task in tasks {
                task.await.unwrap();
                done.add_one();
            }
        })
        .await
    });
}

#[test]
fn a_task_that_takes_what_a_channel_always_has_leaves_others_their_turn() {
    assert_keeps_budget("receiving", async || {
        let (sender, receiver) = async_channel::unbounded();
        (0..OPERATIONS).for_each(|n| sender.try_send(n).unwrap());
        most_between_turns(|done| async move {
            for _ in 0..OPERATIONS {
                cooperative(receiver.recv()).await.unwrap();
                done.add_one();
            }
        })
        .await
    });
}

#[test]
fn a_task_that_accepts_connections_that_are_always_there_leaves_others_their_turn() {
    const CONNECTIONS: usize = 2 * BUDGET;
    assert_keeps_budget("accepting", async || {
        let (listener, addr) = listen().await;
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(addr)).collect();
        most_between_turns(|done| async move {
            for _ in clients {
                listener.accept().await.unwrap();
                done.add_one();
            }
        })
        .await
    });
}

#[test]
fn a_task_of_many_futures_that_are_always_ready_leaves_others_their_turn() {
    assert_keeps_budget("many futures", async || {
        most_between_turns(|done| async move {
            let futures = (0..500).map(|_| async {
                for _ in 0..OPERATIONS / 500 {
                    consume_budget().await;
                    done.add_one();
                }
            });
            join_all(futures).await;
        })
        .await
    });
}

#[test]
fn a_root_that_always_has_something_to_do_leaves_tasks_their_turn() {
    assert_keeps_budget("the root", async || {
        let done = Counter::default();
        let modest = Modest::spawn(done.clone());
        for _ in 0..OPERATIONS {
            consume_budget().await;
            done.add_one();
        }
        modest.most().await
    });
}

#[test]
fn tasks_that_always_have_something_to_do_leave_the_root_its_turn() {
    assert_keeps_budget("tasks beside the root", async || {
        let (done, over) = (Counter::default(), Arc::new(AtomicBool::new(false)));
        let (doing, is_over) = (done.clone(), over.clone());
        let greedy = mini_rt::spawn(async move {
            while !is_over.load(SeqCst) {
                consume_budget().await;
                doing.add_one();
            }
        });
        let mut most = 0;
        for _ in 0..OPERATIONS / BUDGET {
            let before = done.get();
            yield_now().await;
            most = most.max(done.get() - before);
        }
        over.store(true, SeqCst);
        greedy.await.unwrap();
        most
    });
}

/// Checks that a task which is always woken has one turn, and then the other has its own.
fn assert_takes_turns<F>(what: &str, greedy: impl Fn(Counter) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for kind in ONE_CORE {
        let _watchdog = Watchdog::seconds(format!("{what} on {kind:?}"), 60);
        let most = kind.build().block_on(most_between_turns(&greedy));
        assert!(
            (1..=2).contains(&most),
            "{what}: {most} turns in a row on {kind:?}"
        );
    }
}

#[test]
fn a_task_that_yields_for_ever_takes_turns_with_others() {
    assert_takes_turns("yielding", |done| async move {
        for _ in 0..OPERATIONS {
            done.add_one();
            yield_now().await;
        }
    });
}

#[test]
fn a_task_that_wakes_itself_for_ever_takes_turns_with_others() {
    assert_takes_turns("waking itself", |done| {
        poll_fn(move |cx| {
            done.add_one();
            if done.get() == OPERATIONS {
                return Poll::Ready(());
            }
            // More than once, and in each way.
            let waker = cx.waker().clone();
            waker.wake_by_ref();
            waker.wake();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    });
}

/// A connection whose peer sends a byte when it is told to, and says when.
struct Probe {
    stream: AsyncTcpStream,
    peer: TcpStream,
}

impl Probe {
    fn new() -> Self {
        let (stream, peer) = stream_and_peer();
        Self { stream, peer }
    }

    /// How many turns others have between a write of the peer and the read that gets it: the median of
    /// several attempts, for the kernel's own delays are not ours.
    async fn median_delay(mut self, turns: Counter, attempts: usize) -> usize {
        let mut delays = Vec::new();
        for _ in 0..attempts {
            let (mut peer, counter) = (self.peer.try_clone().unwrap(), turns.clone());
            let writes = thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                peer.write_all(b"x").unwrap();
                counter.get()
            });
            self.stream.read_exact(&mut [0]).await.unwrap();
            let read_at = turns.get();
            let written_at = on_thread(move || writes.join().unwrap()).await;
            delays.push(read_at.saturating_sub(written_at));
        }
        delays.sort_unstable();
        delays[delays.len() / 2]
    }
}

/// Keeps a core busy with so many tasks, each of whose turns is this long, and measures how many turns
/// pass before a socket is heard.
fn turns_before_a_read(kind: Kind, tasks: usize, turn: Duration, attempts: usize) -> usize {
    let _watchdog = Watchdog::seconds(format!("{tasks} tasks of {turn:?} on {kind:?}"), 60);
    kind.build().block_on(async {
        let (turns, over) = (Counter::default(), Arc::new(AtomicBool::new(false)));
        let busy: Vec<_> = (0..tasks)
            .map(|_| {
                let (turns, over) = (turns.clone(), over.clone());
                mini_rt::spawn(async move {
                    while !over.load(SeqCst) {
                        let begin = Instant::now();
                        while begin.elapsed() < turn {
                            std::hint::spin_loop();
                        }
                        turns.add_one();
                        yield_now().await;
                    }
                })
            })
            .collect();
        let delay = mini_rt::spawn(Probe::new().median_delay(turns, attempts))
            .await
            .unwrap();
        over.store(true, SeqCst);
        for task in busy {
            task.await.unwrap();
        }
        delay
    })
}

#[test]
fn tasks_that_yield_for_ever_do_not_keep_sockets_waiting() {
    for kind in ONE_CORE {
        let delay = turns_before_a_read(kind, 3, Duration::ZERO, 51);
        assert!(delay <= 2 * 61, "{delay} turns on {kind:?}");
    }
}

#[test]
fn handlers_of_a_millisecond_do_not_keep_sockets_waiting_for_sixty_one() {
    for kind in ONE_CORE {
        let delay = turns_before_a_read(kind, 3, Duration::from_millis(1), 9);
        assert!(delay <= 20, "{delay} turns of a millisecond on {kind:?}");
    }
}

#[test]
fn a_task_behind_a_long_queue_waits_for_the_queue_once() {
    const QUEUE: usize = 61;
    for kind in ONE_CORE {
        let delay = turns_before_a_read(kind, QUEUE, Duration::from_millis(1), 5);
        assert!(
            delay <= QUEUE + 20,
            "{delay} turns of a millisecond on {kind:?}"
        );
    }
}

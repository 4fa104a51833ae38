//! A core that always has a task ready hears of what comes from outside all the same, and soon.
//!
//! The busy tasks themselves cause what comes from outside, and wait until it is there. So turns can be
//! counted exactly, however the machine schedules its threads.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use mini_rt_runtime::io::{AsyncFd, Interest};
use mini_rt_runtime::runtime::Handle;
use mini_rt_runtime::task::JoinHandle;
use mini_rt_runtime::{spawn, yield_now};

use support::kinds::Kind;
use support::tasks::Mailbox;
use support::watchdog::Watchdog;

/// The kinds whose tasks all share one core.
const ONE_CORE: [Kind; 2] = [Kind::CurrentThread, Kind::MultiThread(1)];

/// Turns in which a busy core does not look at the outside, at most.
const INTERVAL: usize = 61;

/// Calls from outside that are measured.
const CALLS: usize = 200;

/// Turns after which the outside will not be heard any more.
const NEVER: usize = 100_000;

/// How long the outside waits to be heard, in turns of the busy tasks.
#[derive(Default)]
struct Waits {
    turns: AtomicUsize,
    /// The turn in which the outside has called; 0 while it does not wait.
    called: AtomicUsize,
    heard: Mutex<Vec<usize>>,
}

impl Waits {
    /// Counts a turn, in which the outside may call; false if there is to be no other.
    fn turn(&self, call: &dyn Fn()) -> bool {
        let turn = self.turns.fetch_add(1, SeqCst) + 1;
        let called = self.called.load(SeqCst);
        let heard = self.heard.lock().unwrap().len();
        if called > 0 {
            return turn - called < NEVER;
        }
        // Each time at another point between two looks at the outside.
        if heard < CALLS && turn % 67 == heard % 67 {
            self.called.store(turn, SeqCst);
            call();
        }
        heard < CALLS
    }

    /// The outside is heard.
    fn hear(&self) {
        let called = self.called.swap(0, SeqCst);
        let wait = self.turns.load(SeqCst) - called;
        self.heard.lock().unwrap().push(wait);
    }

    fn longest(&self) -> usize {
        let heard = self.heard.lock().unwrap();
        assert_eq!(heard.len(), CALLS, "not all calls were heard: {heard:?}");
        heard.iter().copied().max().expect("some calls")
    }
}

/// Someone outside whose call has come to the runtime when the closure returns.
type Caller = Box<dyn Fn() + Send + Sync>;

/// A thread that spawns a task.
fn thread_that_spawns(waits: Arc<Waits>) -> Caller {
    let runtime = Handle::current();
    Box::new(move || {
        let (runtime, waits) = (runtime.clone(), waits.clone());
        let spawns = move || drop(runtime.spawn(async move { waits.hear() }));
        thread::spawn(spawns).join().unwrap();
    })
}

/// The peer of a socket that a task reads.
fn peer_that_writes(waits: Arc<Waits>) -> Caller {
    let (ours, peer) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let ours = AsyncFd::new(ours).unwrap();
    drop(spawn(async move {
        let read = |mut socket: &UnixStream| socket.read(&mut [0]);
        while ours.async_io(Interest::READABLE, read).await.unwrap() > 0 {
            waits.hear();
        }
    }));
    Box::new(move || (&peer).write_all(b"x").unwrap())
}

/// What busy tasks call at each of their turns, until it says false.
type Turn = Arc<dyn Fn() -> bool + Send + Sync>;

/// Two tasks that wake each other.
fn ping_pong(turn: &Turn) -> Vec<JoinHandle<()>> {
    let (ping, pong) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
    let player = |takes: &Arc<Mailbox<bool>>, puts: &Arc<Mailbox<bool>>| {
        let (takes, puts, turn) = (takes.clone(), puts.clone(), turn.clone());
        spawn(async move {
            let mut goes_on = true;
            while goes_on {
                goes_on = takes.take().await && turn();
                puts.put(goes_on);
            }
        })
    };
    let players = vec![player(&ping, &pong), player(&pong, &ping)];
    ping.put(true);
    players
}

const YIELDING: usize = 200;

/// Many tasks that yield.
fn yielding(turn: &Turn) -> Vec<JoinHandle<()>> {
    let task = |_| {
        let turn = turn.clone();
        spawn(async move {
            while turn() {
                yield_now().await;
            }
        })
    };
    (0..YIELDING).map(task).collect()
}

fn assert_heard_within(
    bound: usize,
    busy: fn(&Turn) -> Vec<JoinHandle<()>>,
    outside: fn(Arc<Waits>) -> Caller,
) {
    for kind in ONE_CORE {
        let _watchdog = Watchdog::seconds(format!("calls from outside on {kind:?}"), 60);
        let longest = kind.build().block_on(async {
            let waits = Arc::new(Waits::default());
            let (call, counter) = (outside(waits.clone()), waits.clone());
            let turn: Turn = Arc::new(move || counter.turn(&call));
            for task in busy(&turn) {
                task.await.unwrap();
            }
            waits.longest()
        });
        assert!(
            longest <= bound,
            "heard after {longest} turns, not {bound}, on {kind:?}"
        );
    }
}

/// A look comes in time, and then the tasks that were woken last have at most three turns.
const BESIDE_PING_PONG: usize = INTERVAL + 5;

#[test]
fn a_task_from_outside_has_its_turn_beside_two_that_wake_each_other() {
    assert_heard_within(BESIDE_PING_PONG, ping_pong, thread_that_spawns);
}

#[test]
fn a_socket_is_heard_beside_two_tasks_that_wake_each_other() {
    assert_heard_within(BESIDE_PING_PONG, ping_pong, peer_that_writes);
}

/// A look comes in time, and then all that was ready before has one turn.
const BESIDE_YIELDING: usize = INTERVAL + YIELDING + 5;

#[test]
fn a_task_from_outside_has_its_turn_beside_many_that_yield() {
    assert_heard_within(BESIDE_YIELDING, yielding, thread_that_spawns);
}

#[test]
fn a_socket_is_heard_beside_many_tasks_that_yield() {
    assert_heard_within(BESIDE_YIELDING, yielding, peer_that_writes);
}

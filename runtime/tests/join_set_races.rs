//! Sets whose members finish while they are polled, moved, filled or dropped, and sets with very many.

mod support;

use std::future::{pending, poll_fn, ready};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use mini_rt_runtime::{JoinSet, spawn, yield_now};

use support::kinds::{on_every_kind, on_every_runtime};
use support::random::Random;
use support::tasks::{Census, Mailbox, OnDrop, poll_once, quiet_panic, until};

/// What a member of a race does before it returns.
async fn struggle(mut random: Random, number: usize) -> usize {
    for _ in 0..random.below(4) {
        yield_now().await;
    }
    if random.one_in(4) {
        // Its waker goes to a thread, where it is woken whenever that may be.
        let mailbox = Arc::new(Mailbox::new());
        let sender = mailbox.clone();
        thread::spawn(move || sender.put(()));
        mailbox.take().await;
    }
    number
}

/// Opens gates from a thread, in an order of its own.
fn open_from_thread(
    mut gates: Vec<Arc<Mailbox<()>>>,
    mut random: Random,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        random.shuffle(&mut gates);
        for gate in gates {
            gate.put(());
            if random.one_in(8) {
                thread::yield_now();
            }
        }
    })
}

#[test]
fn joins_that_are_given_up_lose_no_member() {
    const MEMBERS: usize = 500;
    let mut random = Random::for_test("joins_that_are_given_up", 1);
    on_every_kind("joins that are given up", 60, |kind| {
        kind.build().block_on(async {
            let gates: Vec<_> = (0..MEMBERS).map(|_| Arc::new(Mailbox::new())).collect();
            let members = gates.iter().cloned().enumerate();
            let mut set: JoinSet<usize> = members
                .map(|(number, gate)| async move {
                    gate.take().await;
                    number
                })
                .collect();
            let thread = open_from_thread(gates, random.branch());
            let mut seen = vec![false; MEMBERS];
            let mut given_up = 0;
            while !set.is_empty() {
                match poll_once(&mut Box::pin(set.join_next())).await {
                    Poll::Ready(next) => {
                        let number = next.unwrap().unwrap();
                        assert!(!std::mem::replace(&mut seen[number], true));
                    }
                    Poll::Pending => {
                        given_up += 1;
                        yield_now().await;
                    }
                }
            }
            thread.join().unwrap();
            assert!(seen.into_iter().all(|seen| seen));
            println!("{given_up} joins were given up on {kind:?}");
        });
    });
}

#[test]
fn a_set_that_sleeps_hears_of_each_member() {
    // Nothing else wakes the task that joins, so a notice that is lost is never made up for.
    const ROUNDS: usize = 2_000;
    let mut random = Random::for_test("a_set_that_sleeps", 2);
    on_every_kind("a set that sleeps", 60, |kind| {
        let mut random = random.branch();
        let runtime = kind.build();
        let joining = runtime.spawn(async move {
            let mut set = JoinSet::new();
            let (mut begun, mut joined) = (0, 0);
            while joined < ROUNDS {
                for _ in 0..random.below(4).min(ROUNDS - begun) {
                    set.spawn(struggle(random.branch(), begun));
                    begun += 1;
                }
                if let Some(result) = set.join_next().await {
                    result.unwrap();
                    joined += 1;
                }
            }
            assert!(set.is_empty());
        });
        runtime.block_on(joining).unwrap();
    });
}

#[test]
fn a_set_that_moves_wakes_the_task_it_has_moved_to() {
    const MEMBERS: usize = 300;
    let mut random = Random::for_test("a_set_that_moves", 3);
    on_every_kind("a set that moves", 60, |kind| {
        kind.build().block_on(async {
            let gates: Vec<_> = (0..MEMBERS).map(|_| Arc::new(Mailbox::new())).collect();
            let waiting = gates.iter().cloned();
            let mut set: JoinSet<()> = waiting
                .map(|gate| async move { gate.take().await })
                .collect();
            let thread = open_from_thread(gates, random.branch());
            // Each task polls the set in vain, if it can, before it passes it on.
            while !set.is_empty() {
                set = spawn(async move {
                    if let Poll::Ready(next) = poll_once(&mut Box::pin(set.join_next())).await {
                        next.unwrap().unwrap();
                    }
                    set
                })
                .await
                .unwrap();
                let last = spawn(async move {
                    set.join_next()
                        .await
                        .into_iter()
                        .for_each(|next| next.unwrap());
                    set
                });
                set = last.await.unwrap();
            }
            thread.join().unwrap();
        });
    });
}

#[test]
fn only_who_polled_last_is_woken() {
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    on_every_kind("who polled last", 60, |kind| {
        kind.build().block_on(async {
            let gate = Arc::new(Mailbox::new());
            let mut set = JoinSet::new();
            let opened = gate.clone();
            set.spawn(async move { opened.take().await });
            let (first, last) = (Arc::<Count>::default(), Arc::<Count>::default());
            for count in [&first, &last, &last] {
                let waker = Waker::from(count.clone());
                assert!(
                    set.poll_join_next(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
            assert_eq!(Arc::strong_count(&first), 1);
            gate.put(());
            until(|| last.0.load(SeqCst) > 0).await;
            assert!(set.try_join_next().is_some());
            assert_eq!((first.0.load(SeqCst), last.0.load(SeqCst)), (0, 1));
        });
    });
}

#[test]
fn sets_dropped_among_running_members_leave_nothing() {
    const ROUNDS: usize = 200;
    let mut random = Random::for_test("sets_dropped_among_running_members", 4);
    on_every_kind("sets dropped among running members", 60, |kind| {
        let (runtime, census) = (kind.build(), Census::default());
        runtime.block_on(async {
            for _ in 0..ROUNDS {
                let mut set = JoinSet::new();
                for number in 0..random.below(12) {
                    let (citizen, struggle) = (census.citizen(), struggle(random.branch(), number));
                    set.spawn(async move {
                        struggle.await;
                        citizen
                    });
                }
                for _ in 0..random.below(3) {
                    yield_now().await;
                }
                match random.below(4) {
                    0 => drop(set.join_next().await),
                    1 => set.abort_all(),
                    2 => drop(poll_once(&mut Box::pin(set.join_next())).await),
                    _ => set.detach_all(),
                }
            }
            until(|| census.alive() == 0).await;
        });
    });
}

#[test]
fn members_that_are_aborted_from_everywhere_are_joined_once() {
    const MEMBERS: usize = 200;
    let mut random = Random::for_test("members_aborted_from_everywhere", 5);
    on_every_kind("members aborted from everywhere", 60, |kind| {
        kind.build().block_on(async {
            let mut set = JoinSet::new();
            let members = (0..MEMBERS).map(|n| set.spawn(struggle(random.branch(), n)));
            let mut members: Vec<_> = members.collect();
            random.shuffle(&mut members);
            let thread =
                thread::spawn(move || members.iter().step_by(2).for_each(|one| one.abort()));
            set.spawn(async {
                let _panics = OnDrop::new(|| quiet_panic("a member's drop"));
                pending().await
            });
            yield_now().await;
            set.abort_all();
            let (mut joined, mut panics) = (0, 0);
            while let Some(result) = set.join_next().await {
                joined += 1;
                panics += usize::from(result.is_err_and(|error| error.is_panic()));
            }
            assert_eq!(joined, MEMBERS + 1);
            assert!(panics <= 1, "{panics} panics");
            thread.join().unwrap();
        });
    });
}

/// A set that its own members fill, which is why it is behind a lock.
type Shared = Arc<Mutex<JoinSet<usize>>>;

/// A member that spawns two others, down to a depth.
fn grow(set: &Shared, depth: usize) {
    let to_fill = set.clone();
    set.lock().unwrap().spawn(async move {
        if depth > 0 {
            grow(&to_fill, depth - 1);
            yield_now().await;
            grow(&to_fill, depth - 1);
        }
        1
    });
}

#[test]
fn members_spawn_members() {
    const DEPTH: usize = 9;
    on_every_kind("members spawn members", 60, |kind| {
        kind.build().block_on(async {
            let set = Shared::default();
            grow(&set, DEPTH);
            let mut count = 0;
            while let Some(next) = poll_fn(|cx| set.lock().unwrap().poll_join_next(cx)).await {
                count += next.unwrap();
            }
            assert_eq!(count, (1 << (DEPTH + 1)) - 1);
        });
    });
}

#[test]
fn a_waker_that_panics_does_not_keep_members_from_finishing() {
    #[derive(Default)]
    struct Panics(AtomicUsize);

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
            quiet_panic("a waker");
        }
    }

    on_every_runtime("a waker that panics", async |_| {
        let mut set = JoinSet::new();
        for _ in 0..3 {
            let (gate, panics) = (Arc::new(Mailbox::new()), Arc::<Panics>::default());
            let opened = gate.clone();
            set.spawn(async move { opened.take().await });
            let waker = Waker::from(panics.clone());
            let poll = set.poll_join_next(&mut Context::from_waker(&waker));
            assert!(poll.is_pending());
            gate.put(());
            until(|| panics.0.load(SeqCst) == 1).await;
            set.try_join_next().unwrap().unwrap();
        }
    });
}

#[test]
fn very_many_members_are_joined() {
    const MEMBERS: usize = 100_000;
    on_every_kind("very many members", 120, |kind| {
        let runtime = kind.build();
        let joining = async {
            let set: JoinSet<usize> = (0..MEMBERS)
                .map(|number| async move {
                    yield_now().await;
                    number
                })
                .collect();
            set.join_all().await.into_iter().sum::<usize>()
        };
        assert_eq!(runtime.block_on(joining), MEMBERS * (MEMBERS - 1) / 2);
    });
}

#[test]
fn a_join_looks_at_no_member_but_the_one_that_finished() {
    // If it looked at all of them the rounds below would take hours.
    const WAITING: usize = 100_000;
    const ROUNDS: usize = 20_000;
    on_every_kind("joining one of very many", 120, |kind| {
        let (runtime, census) = (kind.build(), Census::default());
        let joining = async {
            let mut set = JoinSet::new();
            for _ in 0..WAITING {
                let citizen = census.citizen();
                set.spawn(async {
                    let _citizen = citizen;
                    pending().await
                });
            }
            for round in 0..ROUNDS {
                set.spawn(ready(round));
                assert_eq!(set.join_next().await.unwrap().unwrap(), round);
            }
            set.shutdown().await;
        };
        runtime.block_on(joining);
        assert_eq!(census.gone(), WAITING);
    });
}

#[test]
fn sets_in_threads_without_a_runtime_are_joined_there() {
    on_every_kind("sets in threads", 60, |kind| {
        let runtime = kind.build();
        let (sender, receiver) = mpsc::channel();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (handle, sender) = (runtime.handle().clone(), sender.clone());
                thread::spawn(move || {
                    let mut set = JoinSet::new();
                    for number in 0..200 {
                        set.spawn_on(async move { number }, &handle);
                    }
                    sender
                        .send(support::tasks::park_on(set.join_all()).len())
                        .unwrap();
                })
            })
            .collect();
        drop(sender);
        // A current-thread runtime needs somebody to run it.
        runtime.block_on(until(|| threads.iter().all(|thread| thread.is_finished())));
        assert_eq!(receiver.iter().sum::<usize>(), 800);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

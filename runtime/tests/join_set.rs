//! What a set of tasks promises, method by method.

mod support;

use std::collections::HashSet;
use std::future::{pending, poll_fn, ready};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use mini_rt_runtime::JoinSet;
use mini_rt_runtime::task::{AbortHandle, Id};

use support::kinds::{Kind, on_every_kind, on_every_runtime};
use support::random::Random;
use support::tasks::{
    Census, Mailbox, OnDrop, panic_of, panic_text, park_on, poll_once, quiet_panic, settle, until,
};
use support::watchdog::Watchdog;

/// The kinds whose tasks all share one core. There a member has given notice before another task runs.
const ONE_CORE: [Kind; 2] = [Kind::CurrentThread, Kind::MultiThread(1)];

/// A set of members, each of which returns its number when its gate opens.
fn gated_set(count: usize) -> (JoinSet<usize>, Vec<Arc<Mailbox<()>>>) {
    let gates: Vec<_> = (0..count).map(|_| Arc::new(Mailbox::new())).collect();
    let members = gates.iter().cloned().enumerate();
    let set = members.map(|(number, gate)| async move {
        gate.take().await;
        number
    });
    (set.collect(), gates)
}

async fn finished(members: &[AbortHandle]) {
    until(|| members.iter().all(AbortHandle::is_finished)).await;
}

/// A member that waits for ever.
fn waits<T: Send + 'static>(set: &mut JoinSet<T>, census: &Census) -> AbortHandle {
    let citizen = census.citizen();
    set.spawn(async move {
        let _citizen = citizen;
        pending().await
    })
}

#[test]
fn outputs_come_in_the_order_in_which_members_finish() {
    for kind in ONE_CORE {
        let _watchdog = Watchdog::seconds(format!("the order of outputs on {kind:?}"), 60);
        kind.build().block_on(async {
            let log = Arc::new(Mutex::new(Vec::new()));
            let gates: Vec<_> = (0..20).map(|_| Arc::new(Mailbox::new())).collect();
            let members = gates.iter().cloned().enumerate();
            let set: JoinSet<_> = members
                .map(|(number, gate)| {
                    let log = log.clone();
                    async move {
                        gate.take().await;
                        log.lock().unwrap().push(number);
                        number
                    }
                })
                .collect();
            let mut order: Vec<_> = (0..20).collect();
            Random::for_test("the_order_of_outputs", 1).shuffle(&mut order);
            settle().await;
            for number in order {
                gates[number].put(());
            }
            until(|| log.lock().unwrap().len() == 20).await;
            let outputs = set.join_all().await;
            let log = log.lock().unwrap();
            assert_eq!(outputs, *log);
            assert!(
                !log.is_sorted(),
                "{log:?}: they did not wait for their gates"
            );
        });
    }
}

#[test]
fn a_set_counts_what_was_not_taken() {
    on_every_runtime("a set counts what was not taken", async |_| {
        let mut set = JoinSet::default();
        assert!(set.is_empty());
        assert!(set.join_next().await.is_none() && set.try_join_next().is_none());
        let members: Vec<_> = (0..10).map(|n| set.spawn(ready(n))).collect();
        finished(&members).await;
        for left in (0..10).rev() {
            set.join_next().await.unwrap().unwrap();
            assert_eq!((set.len(), set.is_empty()), (left, left == 0));
        }
        // Vacant places are used again, for as many as come.
        set.extend((0..20).map(ready));
        assert_eq!(set.len(), 20);
        assert!(format!("{set:?}").contains("20"));
        let outputs: HashSet<_> = set.join_all().await.into_iter().collect();
        assert_eq!(outputs.len(), 20);
    });
}

#[test]
fn every_way_to_join_gives_each_member_once() {
    on_every_runtime("every way to join", async |_| {
        let mut set = JoinSet::new();
        let mut members: HashSet<Id> = (0..100).map(|_| set.spawn(ready(1)).id()).collect();
        let mut sum = 0;
        while !set.is_empty() {
            let id = match set.len() % 4 {
                0 => set.join_next_with_id().await.map(Result::unwrap),
                1 => poll_fn(|cx| set.poll_join_next_with_id(cx))
                    .await
                    .map(Result::unwrap),
                2 => set.try_join_next_with_id().map(Result::unwrap),
                _ => None,
            };
            match id {
                Some((id, output)) => {
                    assert!(members.remove(&id));
                    sum += output;
                }
                None if set.len() % 2 == 0 => sum += set.join_next().await.unwrap().unwrap(),
                None => sum += poll_fn(|cx| set.poll_join_next(cx)).await.unwrap().unwrap(),
            }
        }
        assert_eq!(sum, 100);
        assert!(set.join_next_with_id().await.is_none() && set.try_join_next_with_id().is_none());
    });
}

#[test]
fn only_what_has_finished_can_be_had_without_waiting() {
    on_every_runtime("trying to join", async |_| {
        let (mut set, gates) = gated_set(10);
        for (number, gate) in gates.iter().enumerate() {
            assert!(set.try_join_next().is_none());
            gate.put(());
            let mut next = None;
            until(|| {
                next = set.try_join_next();
                next.is_some()
            })
            .await;
            assert_eq!(next.unwrap().unwrap(), number);
        }
        assert!(set.is_empty());
    });
}

#[test]
fn an_error_says_which_member_it_was_and_why() {
    on_every_runtime("errors of members", async |_| {
        let mut set = JoinSet::new();
        let panicking = set.spawn(async { quiet_panic("a member") });
        let aborted = waits(&mut set, &Census::default());
        aborted.abort();
        for _ in 0..2 {
            let error = set.join_next_with_id().await.unwrap().unwrap_err();
            if error.is_cancelled() {
                assert_eq!(error.id(), aborted.id());
            } else {
                assert_eq!(error.id(), panicking.id());
                assert_eq!(panic_text(&*error.into_panic()), "a member");
            }
        }
        assert!(aborted.is_finished() && panicking.is_finished());
    });
}

#[test]
fn join_all_panics_as_a_member_did_and_aborts_the_others() {
    on_every_kind("join_all", 60, |kind| {
        let (runtime, census) = (kind.build(), Census::default());
        let text = panic_of(|| {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                waits(&mut set, &census);
                set.spawn(async { quiet_panic("a member") });
                waits(&mut set, &census);
                set.join_all().await;
            });
        });
        assert_eq!(text, "a member");
        runtime.block_on(until(|| census.gone() == 2));

        let text = panic_of(|| {
            runtime.block_on(async {
                let mut set = JoinSet::<()>::new();
                waits(&mut set, &census);
                waits(&mut set, &census).abort();
                set.join_all().await;
            });
        });
        assert!(text.ends_with("was cancelled"), "{text}");
        runtime.block_on(until(|| census.gone() == 4));
    });
}

#[test]
fn aborted_members_stay_until_they_are_joined() {
    on_every_runtime("abort_all", async |_| {
        let (mut set, census) = (JoinSet::new(), Census::default());
        let ready_ones: Vec<_> = (0..5).map(|n| set.spawn(ready(n))).collect();
        finished(&ready_ones).await;
        for _ in 0..5 {
            waits(&mut set, &census);
        }
        set.abort_all();
        set.abort_all();
        assert_eq!(set.len(), 10);
        let mut cancelled = 0;
        while let Some(result) = set.join_next().await {
            cancelled += usize::from(result.is_err_and(|error| error.is_cancelled()));
        }
        assert_eq!((cancelled, census.gone()), (5, 5));
    });
}

#[test]
fn detached_members_run_on_and_leave_an_empty_set() {
    on_every_runtime("detach_all", async |_| {
        let (mut set, gates) = gated_set(10);
        assert!(poll_once(&mut Box::pin(set.join_next())).await.is_pending());
        set.detach_all();
        assert!(set.is_empty() && set.join_next().await.is_none());
        let done = Arc::new(Mailbox::new());
        let sender = done.clone();
        set.spawn(async move {
            sender.put(());
            10
        });
        set.detach_all();
        done.take().await;
        // Their ends are no ends of the members in their places.
        set.spawn(ready(11));
        let waits = waits(&mut set, &Census::default());
        gates.iter().for_each(|gate| gate.put(()));
        settle().await;
        assert_eq!(set.join_next().await.unwrap().unwrap(), 11);
        waits.abort();
        assert!(set.join_next().await.unwrap().is_err());
        assert!(set.join_next().await.is_none());
        until(|| gates.iter().all(|gate| Arc::strong_count(gate) == 1)).await;
    });
}

#[test]
fn after_shutdown_nothing_of_a_member_is_left() {
    on_every_runtime("shutdown", async |_| {
        let (mut set, census) = (JoinSet::new(), Census::default());
        for n in 0..20 {
            let citizen = census.citizen();
            set.spawn(async move {
                let _citizen = citizen;
                match n % 4 {
                    0 => quiet_panic("a member"),
                    1 => {
                        let _panics = OnDrop::new(|| quiet_panic("a member's drop"));
                        pending().await
                    }
                    2 => n,
                    _ => pending().await,
                }
            });
        }
        set.shutdown().await;
        assert_eq!((set.len(), census.alive()), (0, 0));
        set.spawn(ready(1));
        assert_eq!(set.join_all().await, [1]);
    });
}

#[test]
fn dropping_a_set_aborts_its_members() {
    on_every_runtime("dropping a set", async |_| {
        let (mut set, census) = (JoinSet::<()>::new(), Census::default());
        let members: Vec<_> = (0..20).map(|_| waits(&mut set, &census)).collect();
        drop(set);
        finished(&members).await;
        assert_eq!(census.alive(), 0);
    });
}

/// Each output panics when it is dropped, and none of that reaches who drops the set.
#[test]
fn dropping_a_set_drops_outputs_whose_drop_panics() {
    on_every_runtime("outputs whose drop panics", async |_| {
        let (mut set, census) = (JoinSet::new(), Census::default());
        let output = |citizen| {
            OnDrop::new(move || {
                drop(citizen);
                quiet_panic("an output's drop")
            })
        };
        let ready_ones: Vec<_> = (0..5)
            .map(|_| set.spawn(ready(output(census.citizen()))))
            .collect();
        waits(&mut set, &census);
        finished(&ready_ones).await;
        drop(set);
        until(|| census.gone() == 6).await;
    });
}

#[test]
fn closures_that_block_are_members_too() {
    on_every_runtime("spawn_blocking", async |_| {
        let mut set = JoinSet::new();
        for n in 0..10 {
            set.spawn_blocking(move || if n == 9 { quiet_panic("a closure") } else { n });
        }
        set.spawn(ready(10));
        let (mut sum, mut panics) = (0, 0);
        while let Some(result) = set.join_next().await {
            match result {
                Ok(n) => sum += n,
                Err(error) => panics += usize::from(error.is_panic()),
            }
        }
        assert_eq!((sum, panics), (36 + 10, 1));
    });
}

#[test]
fn members_may_belong_to_several_runtimes() {
    on_every_kind("several runtimes", 60, |kind| {
        let (first, second) = (kind.build(), Kind::MultiThread(1).build());
        let mut set = JoinSet::new();
        set.spawn_on(async { 1 }, second.handle());
        set.spawn_blocking_on(|| 2, second.handle());
        set.spawn_blocking_on(|| 3, first.handle());
        set.build_task()
            .name("a task")
            .spawn_on(async { 4 }, second.handle());
        set.build_task()
            .name("a closure")
            .spawn_blocking_on(|| 5, first.handle());
        let mut outputs = first.block_on(set.join_all());
        outputs.sort_unstable();
        assert_eq!(outputs, [1, 2, 3, 4, 5]);
        // Without any runtime on this thread.
        let mut set = JoinSet::new();
        set.spawn_on(async { 6 }, second.handle());
        assert_eq!(park_on(set.join_all()), [6]);
    });
}

#[test]
fn names_are_given_to_members_of_the_current_runtime() {
    on_every_runtime("build_task", async |_| {
        let mut set = JoinSet::new();
        set.build_task().name("a task").spawn(async { 1 });
        set.build_task().name("a closure").spawn_blocking(|| 2);
        assert!(format!("{:?}", set.build_task().name("none")).contains("\"none\""));
        let outputs: HashSet<_> = set.join_all().await.into_iter().collect();
        assert_eq!(outputs, HashSet::from([1, 2]));
    });
}

#[test]
fn the_end_of_a_runtime_ends_its_members() {
    on_every_kind("the end of a runtime", 60, |kind| {
        let (mut set, census, runtime) = (JoinSet::<()>::new(), Census::default(), kind.build());
        let handle = runtime.handle().clone();
        let guard = runtime.enter();
        waits(&mut set, &census);
        drop(guard);
        runtime.block_on(settle());
        drop(runtime);
        assert_eq!(census.gone(), 1);
        set.spawn_on(pending(), &handle);
        set.spawn_blocking_on(|| (), &handle);
        for _ in 0..3 {
            let result = park_on(set.join_next()).unwrap();
            assert!(result.unwrap_err().is_cancelled());
        }
        assert!(park_on(set.join_next()).is_none());
    });
}

#[test]
fn joining_takes_part_in_the_budget_of_a_poll() {
    for kind in ONE_CORE {
        let _watchdog = Watchdog::seconds(format!("the budget on {kind:?}"), 60);
        let joining = async move {
            let mut set = JoinSet::new();
            let members: Vec<_> = (0..1_000).map(|_| set.spawn(ready(()))).collect();
            finished(&members).await;
            let mut joined = 0;
            let in_one_poll = poll_fn(|cx| {
                while set.poll_join_next(cx).is_ready() {
                    joined += 1;
                }
                Poll::Ready(())
            });
            in_one_poll.await;
            assert!((64..=128).contains(&joined), "{joined} on {kind:?}");
            // Who takes without waiting decides for themselves.
            while set.try_join_next().is_some() {
                joined += 1;
            }
            assert_eq!(joined, 1_000);
        };
        let runtime = kind.build();
        runtime.block_on(runtime.spawn(joining)).unwrap();
    }
}

#[test]
fn a_set_goes_wherever_its_outputs_may_go() {
    fn assert_send_sync_unpin<T: Send + Sync + Unpin>() {}
    assert_send_sync_unpin::<JoinSet<std::cell::Cell<u32>>>();
}

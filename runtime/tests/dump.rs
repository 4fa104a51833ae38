//! Dumps: each task is in it, with what it does; and tasks know who they are.

mod support;

use std::collections::HashSet;
use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use mini_rt_runtime::runtime::{Builder, Dump, Handle, TaskDump, TaskState};
use mini_rt_runtime::task::{Id, id, try_id};
use mini_rt_runtime::{
    LocalSet, TaskBuilder, block_in_place, spawn, spawn_blocking, spawn_local, yield_now,
};

use support::kinds::{Kind, on_every_kind};
use support::tasks::{OnDrop, block_until, panic_of, settle, until};
use support::watchdog::Watchdog;

fn find(dump: &Dump, id: Id) -> &TaskDump {
    let task = dump.tasks.iter().find(|task| task.id == id);
    task.unwrap_or_else(|| panic!("{id} is not in {dump}"))
}

#[test]
fn every_task_is_there_with_its_name_its_place_and_its_state() {
    on_every_kind("every task", 60, |kind| {
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        runtime.block_on(async {
            let line = line!() + 1;
            let waits = TaskBuilder::new().name("waits").spawn(pending::<()>());
            let nameless: Vec<_> = (0..50).map(|_| spawn(pending::<()>())).collect();
            until(|| {
                let states = handle.dump().tasks.into_iter().map(|task| task.state);
                states.filter(|state| *state == TaskState::Waiting).count() == 51
            })
            .await;
            let dump = handle.dump();
            assert_eq!(dump.tasks.len(), 51);
            let task = find(&dump, waits.id());
            assert_eq!(task.name.as_deref(), Some("waits"));
            assert_eq!(
                (task.spawned_at.file(), task.spawned_at.line()),
                (file!(), line)
            );
            assert_eq!((task.polls, task.busy), (1, None));
            for task in &nameless {
                assert_eq!(find(&dump, task.id()).name, None);
            }
            let text = dump.to_string();
            assert!(
                text.starts_with("51 tasks: 0 running, 0 ready, 51 waiting, 0 new\n"),
                "{text}"
            );
            assert_eq!(text.lines().count(), 2 + 51, "{text}");
            waits.abort();
            assert!(waits.await.is_err());
            assert_eq!(handle.dump().tasks.len(), 50);
        });
    });
}

#[test]
fn who_runs_and_who_is_ready_can_be_told() {
    let _watchdog = Watchdog::seconds("running and ready", 60);
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let waits = runtime.spawn(pending::<()>());
    let spawned_at = line!() + 1;
    let runs = runtime.spawn(async move { assert!(may_go_on.recv().is_err()) });
    let ready = TaskBuilder::new()
        .name("ready")
        .spawn_on(async {}, runtime.handle());
    let new = runtime.spawn(async {});
    let dump = || runtime.handle().dump();
    let is_running = |task: &TaskDump| matches!(task.state, TaskState::Running { .. });
    block_until(|| dump().tasks.iter().any(is_running));
    std::thread::sleep(Duration::from_millis(5));
    let dump = dump();
    assert_eq!(
        dump.tasks.iter().map(|task| task.id).collect::<Vec<_>>(),
        [runs.id(), ready.id(), waits.id()]
    );
    let TaskState::Running { worker, duration } = dump.tasks[0].state else {
        panic!("{dump}");
    };
    assert_eq!(worker, 0);
    assert!(duration >= Duration::from_millis(5), "{duration:?}");
    assert_eq!(dump.tasks[1].state, TaskState::Ready);
    assert_eq!(dump.tasks[2].state, TaskState::Waiting);
    assert!(
        dump.to_string()
            .starts_with("4 tasks: 1 running, 1 ready, 1 waiting, 1 new\n"),
        "{dump}"
    );
    assert_eq!(
        dump.tasks[0].spawned_at.line(),
        spawned_at,
        "it is in its first poll"
    );
    drop(go_on);
    block_until(|| runs.is_finished() && ready.is_finished() && new.is_finished());
    assert_eq!(runtime.handle().dump().new, 0);
}

#[test]
fn a_task_that_is_over_runs_no_more() {
    let _watchdog = Watchdog::seconds("over", 60);
    let (sender, dumps) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .on_blocked(Duration::from_millis(5), move |_| {
            sender.send(Handle::current().dump()).unwrap();
        })
        .build()
        .unwrap();
    // Between the end of the task and the next poll on its worker. Not each blocked poll is noticed in time.
    let dump = loop {
        let blocks = runtime.spawn(async { std::thread::sleep(Duration::from_millis(30)) });
        block_until(|| blocks.is_finished());
        if let Ok(dump) = dumps.recv_timeout(Duration::from_millis(30)) {
            break dump;
        }
    };
    assert_eq!((dump.tasks.len(), dump.new), (0, 0), "{dump}");
}

#[test]
fn the_time_of_polls_is_measured_if_asked_for() {
    const BLOCKS: Duration = Duration::from_millis(3);
    for kind in [Kind::CurrentThread, Kind::MultiThread(2)] {
        let _watchdog = Watchdog::seconds(format!("measured on {kind:?}"), 60);
        let runtime = kind.builder().measure_task_time(true).build().unwrap();
        let handle = runtime.handle().clone();
        runtime.block_on(async {
            let blocks = TaskBuilder::new().name("blocks").spawn(async {
                for _ in 0..3 {
                    std::thread::sleep(BLOCKS);
                    yield_now().await;
                }
                pending::<()>().await;
            });
            until(|| find(&handle.dump(), blocks.id()).state == TaskState::Waiting).await;
            let dump = handle.dump();
            let task = find(&dump, blocks.id());
            assert_eq!((task.polls, task.name.as_deref()), (4, Some("blocks")));
            assert!(task.busy >= Some(3 * BLOCKS), "{dump}");
        });
    }
}

#[test]
fn local_tasks_of_a_current_thread_runtime_are_in_its_dump() {
    let runtime = Kind::CurrentThread.build();
    runtime.block_on(async {
        let local = spawn_local(pending::<()>());
        let other = LocalSet::new();
        other.spawn_local(pending::<()>());
        settle().await;
        let dump = runtime.handle().dump();
        assert_eq!(dump.tasks.len(), 1, "{dump}");
        assert_eq!(find(&dump, local.id()).state, TaskState::Waiting);
    });
}

#[test]
fn dumps_are_taken_while_tasks_come_and_go() {
    let _watchdog = Watchdog::seconds("come and go", 60);
    let runtime = Kind::MultiThread(2).build();
    let stays: HashSet<_> = (0..100)
        .map(|_| runtime.spawn(pending::<()>()).id())
        .collect();
    block_until(|| runtime.handle().dump().tasks.len() == stays.len());
    let goes: Vec<_> = (0..4)
        .map(|_| {
            runtime.spawn(async {
                for _ in 0..500 {
                    spawn(yield_now()).await.unwrap();
                }
            })
        })
        .collect();
    let mut dumps = 0;
    while dumps < 20 || !goes.iter().all(|task| task.is_finished()) {
        let dump = runtime.handle().dump();
        let ids: HashSet<_> = dump.tasks.iter().map(|task| task.id).collect();
        assert_eq!(ids.len(), dump.tasks.len(), "a task is there twice: {dump}");
        assert!(ids.is_superset(&stays));
        dumps += 1;
    }
}

#[test]
fn a_task_knows_its_identifier_wherever_it_runs() {
    on_every_kind("identifiers", 60, |kind| {
        let runtime = kind.build();
        assert_eq!(try_id(), None);
        runtime.block_on(async {
            assert_eq!(try_id(), None);
            let task = spawn(async {
                let before = id();
                yield_now().await;
                assert_eq!(id(), before);
                let inner = spawn(async { id() });
                assert_eq!(inner.id(), inner.await.unwrap());
                assert_eq!(id(), before);
                before
            });
            assert_eq!(task.id(), task.await.unwrap());
            let closure = spawn_blocking(id);
            assert_eq!(closure.id(), closure.await.unwrap());
            let set = LocalSet::new();
            let local = set.spawn_local(async { id() });
            assert_eq!(local.id(), set.run_until(local).await.unwrap());
            assert_eq!(try_id(), None);
        });
        assert!(panic_of(id).contains("outside a task"));
    });
}

#[test]
fn a_task_knows_its_identifier_after_it_has_lent_its_core_and_when_it_is_dropped() {
    let _watchdog = Watchdog::seconds("lent and dropped", 60);
    let runtime = Kind::MultiThread(2).build();
    let task = runtime.spawn(async {
        let before = id();
        assert_eq!(block_in_place(id), before);
        assert_eq!(id(), before);
        before
    });
    let ran = task.id();
    assert_eq!(runtime.block_on(task).unwrap(), ran);

    let (sender, receiver) = mpsc::channel();
    let on_drop = OnDrop::new(move || sender.send(try_id()).unwrap());
    let aborted = runtime.spawn(async move {
        let _on_drop = on_drop;
        pending::<()>().await;
    });
    let dropped = aborted.id();
    aborted.abort();
    assert_eq!(receiver.recv().unwrap(), Some(dropped));

    let (sender, receiver) = mpsc::channel();
    let panics = runtime.spawn(async move {
        let _on_drop = OnDrop::new(move || sender.send(try_id()).unwrap());
        std::panic::resume_unwind(Box::new("a task"));
    });
    assert_eq!(receiver.recv().unwrap(), Some(panics.id()));
    block_until(|| panics.is_finished());
    let next = runtime.spawn(async { id() });
    let expected = next.id();
    assert_eq!(runtime.block_on(next).unwrap(), expected);
}

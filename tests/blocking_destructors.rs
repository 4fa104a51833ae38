//! Destructors that block while the runtime is being ended get an answer: a cancelled task, an error or a
//! panic that says why. None waits for what nobody will bring.

mod support;

use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use mini_rt::io::AsyncFd;
use mini_rt::runtime::Handle;
use mini_rt::task::block_in_place;
use mini_rt::time::{sleep, timeout};

use support::kinds::{Kind, on_every_kind};
use support::tasks::{OnDrop, note_begun, until};

/// Ends a runtime of which each core has tasks that call this when they are dropped.
fn end_with(
    test: &str,
    wanted: impl Fn(Kind) -> bool,
    dropped: impl Fn() + Clone + Send + 'static,
) {
    on_every_kind(test, 60, |kind| {
        if !wanted(kind) {
            return;
        }
        let runtime = kind.build();
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = 2 * kind.cores();
        for _ in 0..count {
            let (begun, ended, dropped) = (begun.clone(), ended.clone(), dropped.clone());
            drop(runtime.spawn(async move {
                let _guard = OnDrop::new(move || {
                    dropped();
                    ended.fetch_add(1, SeqCst);
                });
                note_begun(pending::<()>(), &begun).await;
            }));
        }
        runtime.block_on(until(|| begun.load(SeqCst) == count));
        drop(runtime);
        assert_eq!(ended.load(SeqCst), count);
    });
}

fn has_workers(kind: Kind) -> bool {
    kind.workers() > 0
}

/// Calls a closure that may end by saying that the runtime has ended.
fn unless_ended(closure: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(closure)) {
        let text = support::tasks::panic_text(&*panic);
        assert!(text.contains("has ended"), "{text}");
    }
}

#[test]
fn one_that_awaits_a_task_gets_a_cancelled_one() {
    end_with("a task", has_workers, || {
        let result = block_in_place(|| Handle::current().block_on(mini_rt::spawn(async {})));
        assert!(result.unwrap_err().is_cancelled());
    });
}

#[test]
fn one_that_sleeps_is_told() {
    end_with("a sleep", has_workers, || {
        let brief = Duration::from_millis(1);
        block_in_place(|| {
            unless_ended(|| Handle::current().block_on(sleep(brief)));
            unless_ended(|| {
                let timed = timeout(brief, pending::<()>());
                assert!(Handle::current().block_on(timed).is_err());
            });
        });
    });
}

#[test]
fn one_that_waits_for_a_socket_gets_an_error() {
    end_with("a socket", has_workers, || {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let waited: io::Result<()> = block_in_place(|| {
            Handle::current().block_on(async { AsyncFd::new(ours)?.readable().await.map(drop) })
        });
        assert!(waited.is_err());
    });
}

#[test]
fn one_that_waits_for_another_thread_does_not_wait_for_ever() {
    end_with(
        "another thread",
        |_| true,
        || {
            let handle = Handle::current();
            let other = thread::spawn(move || {
                let task = handle.block_on(async { mini_rt::spawn(async {}).await });
                assert!(task.unwrap_err().is_cancelled());
                unless_ended(|| handle.block_on(sleep(Duration::from_millis(1))));
            });
            let wait = || other.join().unwrap();
            match Handle::current().runtime_flavor() {
                mini_rt::runtime::RuntimeFlavor::MultiThread => block_in_place(wait),
                _ => wait(),
            }
        },
    );
}

#[test]
fn the_end_does_not_wait_for_the_destructor_of_what_came_too_late() {
    on_every_kind("too late", 60, |kind| {
        let runtime = kind.build();
        let (ends, has_begun_to_end) = mpsc::channel();
        let (came, has_come) = mpsc::channel();
        let begun = Arc::new(AtomicUsize::new(0));
        drop(runtime.spawn({
            let begun = begun.clone();
            async move {
                let _guard = OnDrop::new(move || {
                    ends.send(()).unwrap();
                    has_come.recv().unwrap();
                });
                note_begun(pending::<()>(), &begun).await;
            }
        }));
        runtime.block_on(until(|| begun.load(SeqCst) == 1));
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let spawner = thread::spawn({
            let (handle, lock) = (runtime.handle().clone(), lock.clone());
            move || {
                has_begun_to_end.recv().unwrap();
                let waits = OnDrop::new(move || {
                    came.send(()).unwrap();
                    drop(lock.lock());
                });
                handle.spawn(async move { drop(waits) })
            }
        });
        drop(runtime);
        drop(held);
        assert!(spawner.join().unwrap().is_finished());
    });
}

//! A system that cannot give a runtime's threads what they need, or gives no threads at all.

mod support;

use std::io;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use mini_rt_runtime::{block_in_place, spawn};

use support::kinds::{KINDS, Kind, on_every_kind};
use support::process::{assert_comes_to_rest, in_own_process, limit, set_soft_limit, skip};
use support::tasks::{Census, block_until, park_on, until};
use support::watchdog::Watchdog;

#[test]
#[cfg(not(target_os = "linux"))]
fn pinning_says_that_it_cannot_be_had() {
    let mut builder = Kind::MultiThread(2).builder();
    let error = builder.pin_cores(true).build().map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("pin_cores"), "{error}");
}

#[test]
fn a_name_that_cannot_be_had_is_an_error() {
    let _watchdog = Watchdog::seconds("a name that cannot be had", 30);
    for kind in KINDS {
        let build = |name: fn() -> String| kind.builder().thread_name_fn(name).build();
        let names: [(fn() -> String, _); 2] = [
            (|| support::tasks::quiet_panic("no name"), "panicked"),
            (|| "half\0a name".to_owned(), "NUL"),
        ];
        for (name, word) in names {
            match (build(name), kind) {
                (Err(error), _) => assert!(error.to_string().contains(word), "{error}"),
                (Ok(runtime), Kind::CurrentThread) => {
                    let closure = runtime.block_on(runtime.spawn_blocking(|| ()));
                    assert!(closure.unwrap_err().is_cancelled());
                }
                (Ok(_), _) => panic!("{kind:?} was built without {word}"),
            }
        }
    }
}

#[test]
fn stacks_that_no_system_has_room_for_are_an_error() {
    let _watchdog = Watchdog::seconds("impossible stacks", 30);
    for bytes in [
        1 << 46,
        isize::MAX as usize,
        usize::MAX - 10_000,
        usize::MAX,
    ] {
        for kind in KINDS {
            match (kind.builder().thread_stack_size(bytes).build(), kind) {
                (Err(error), _) => assert!(!error.to_string().is_empty()),
                (Ok(runtime), Kind::CurrentThread) => {
                    for _ in 0..10 {
                        let closure = runtime.block_on(runtime.spawn_blocking(|| ()));
                        assert!(closure.unwrap_err().is_cancelled());
                    }
                    assert_eq!(runtime.metrics().num_blocking_threads(), 0);
                }
                (Ok(_), _) => panic!("{kind:?} was built with stacks of {bytes} bytes"),
            }
        }
    }
}

/// Runs a scenario in a process that may be refused threads.
fn without_privileges(test: &str, scenario: impl FnOnce()) {
    /// A user of no name, who has no other processes.
    const USER: libc::uid_t = 54_321;
    in_own_process(test, || {
        // SAFETY: no memory is passed.
        let is_root = unsafe { libc::geteuid() } == 0;
        // SAFETY: as above.
        if is_root && unsafe { libc::setuid(USER) } != 0 {
            return skip(test, "the system lets root not become another user");
        }
        scenario();
    });
}

/// Lets this process start no thread; true if it had any effect.
fn forbid_threads() -> bool {
    set_soft_limit(libc::RLIMIT_NPROC, 1);
    thread::Builder::new().spawn(|| ()).is_err()
}

fn allow_threads() {
    let hard = limit(libc::RLIMIT_NPROC).rlim_max;
    set_soft_limit(libc::RLIMIT_NPROC, hard);
}

#[test]
fn closures_without_threads_are_cancelled_or_wait_and_none_is_lost() {
    const TEST: &str = "closures_without_threads_are_cancelled_or_wait_and_none_is_lost";
    without_privileges(TEST, || {
        on_every_kind(TEST, 60, |kind| {
            let (census, runtime) = (Census::default(), kind.build());
            if !forbid_threads() {
                return skip(TEST, "the limit on processes has no effect on this user");
            }
            if kind != Kind::CurrentThread {
                let error = kind.builder().build().map(drop).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
            }
            // With no thread at all they are cancelled.
            let closures: Vec<_> = (0..20)
                .map(|_| {
                    let citizen = census.citizen();
                    runtime.spawn_blocking(move || drop(citizen))
                })
                .collect();
            for closure in closures {
                assert!(park_on(closure).unwrap_err().is_cancelled());
            }
            assert_eq!((census.born(), census.gone()), (20, 20));
            assert_comes_to_rest();

            // With a busy one they wait for it.
            allow_threads();
            let (open, gate) = channel::<()>();
            let busy = runtime.spawn_blocking(move || gate.recv().unwrap());
            assert!(forbid_threads());
            let waiting: Vec<_> = (0..20)
                .map(|number| runtime.spawn_blocking(move || number))
                .collect();
            let metrics = runtime.metrics();
            block_until(|| metrics.blocking_queue_depth() == 20);
            assert_comes_to_rest();
            open.send(()).unwrap();
            park_on(busy).unwrap();
            for (number, closure) in waiting.into_iter().enumerate() {
                assert_eq!(park_on(closure).unwrap(), number);
            }
            allow_threads();
        });
    });
}

#[test]
fn block_in_place_without_threads_blocks_and_goes_on() {
    const TEST: &str = "block_in_place_without_threads_blocks_and_goes_on";
    without_privileges(TEST, || {
        for kind in &KINDS[1..] {
            let _watchdog = Watchdog::seconds(format!("{TEST} on {kind:?}"), 60);
            let runtime = kind.build();
            if !forbid_threads() {
                return skip(TEST, "the limit on processes has no effect on this user");
            }
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    runtime.spawn(async move {
                        block_in_place(|| thread::sleep(Duration::from_millis(1)));
                        let other = spawn(async move { number });
                        other.await.unwrap()
                    })
                })
                .collect();
            runtime.block_on(until(|| tasks.iter().all(|task| task.is_finished())));
            for (number, task) in tasks.into_iter().enumerate() {
                assert_eq!(park_on(task).unwrap(), number);
            }
            allow_threads();
        }
    });
}

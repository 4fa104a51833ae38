//! An address space that has no room for the stacks of more threads.

#![cfg(target_os = "linux")] // other systems do not say how large it is, or do not limit it

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;

use mini_rt::runtime::Runtime;

use support::health::assert_works;
use support::kinds::{KINDS, Kind};
use support::process::{
    assert_comes_to_rest, in_own_process, open_fds, set_soft_limit, thread_ids, vm_size,
    wait_for_only,
};
use support::tasks::block_until;
use support::watchdog::Watchdog;

/// There is room for it, but not once [`forbid_large_stacks`] was called.
const LARGE_STACK: usize = 1 << 28;

/// A runtime with large stacks, and how many of its threads have begun.
fn with_large_stacks(kind: Kind) -> (Runtime, Arc<AtomicUsize>) {
    let begun = Arc::new(AtomicUsize::new(0));
    let counts = begun.clone();
    let runtime = kind
        .builder()
        .thread_stack_size(LARGE_STACK)
        .on_thread_start(move || {
            counts.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    block_until(|| begun.load(SeqCst) == kind.workers());
    (runtime, begun)
}

/// For when all threads have begun: they take address space at their beginning.
fn forbid_large_stacks() {
    set_soft_limit(libc::RLIMIT_AS, vm_size() + LARGE_STACK as u64 / 2);
}

#[test]
fn a_runtime_that_gets_only_some_of_its_threads_ends_them() {
    in_own_process(
        "a_runtime_that_gets_only_some_of_its_threads_ends_them",
        || {
            let _watchdog = Watchdog::seconds("only some threads", 30);
            let (fds, threads) = (open_fds(), thread_ids());
            set_soft_limit(
                libc::RLIMIT_AS,
                vm_size() + 2 * LARGE_STACK as u64 + (64 << 20),
            );
            let error = Kind::MultiThread(4)
                .builder()
                .thread_stack_size(LARGE_STACK)
                .build()
                .map(drop);
            assert!(error.unwrap_err().raw_os_error().is_some());
            assert_eq!(open_fds(), fds);
            wait_for_only(&threads);
        },
    );
}

#[test]
fn a_closure_that_gets_no_thread_is_cancelled_and_the_runtime_goes_on() {
    in_own_process(
        "a_closure_that_gets_no_thread_is_cancelled_and_the_runtime_goes_on",
        || {
            for kind in KINDS {
                let _watchdog =
                    Watchdog::seconds(format!("no thread for a closure on {kind:?}"), 60);
                let (runtime, _) = with_large_stacks(kind);
                forbid_large_stacks();
                runtime.block_on(async {
                    for _ in 0..10 {
                        let closure = mini_rt::spawn_blocking(|| ());
                        assert!(closure.await.unwrap_err().is_cancelled());
                    }
                });
                assert_eq!(runtime.metrics().num_blocking_threads(), 0);
                assert_comes_to_rest();
                set_soft_limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
                assert_works(&runtime, kind);
                assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 8)).unwrap(), 8);
            }
        },
    );
}

#[test]
fn a_closure_that_gets_no_thread_waits_for_a_busy_one() {
    in_own_process("a_closure_that_gets_no_thread_waits_for_a_busy_one", || {
        for kind in KINDS {
            let _watchdog = Watchdog::seconds(format!("a busy thread on {kind:?}"), 60);
            let (runtime, begun) = with_large_stacks(kind);
            let (open, gate) = channel::<()>();
            let busy = runtime.spawn_blocking(move || gate.recv().unwrap());
            block_until(|| begun.load(SeqCst) == kind.workers() + 1);
            forbid_large_stacks();
            let waiting: Vec<_> = (0..10).map(|n| runtime.spawn_blocking(move || n)).collect();
            let metrics = runtime.metrics();
            block_until(|| metrics.blocking_queue_depth() == 10);
            assert_eq!(metrics.num_blocking_threads(), 1);
            assert_comes_to_rest();
            open.send(()).unwrap();
            runtime.block_on(async {
                busy.await.unwrap();
                for (n, closure) in waiting.into_iter().enumerate() {
                    assert_eq!(closure.await.unwrap(), n);
                }
            });
            set_soft_limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
        }
    });
}

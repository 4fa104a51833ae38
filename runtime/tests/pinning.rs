//! Where a runtime's threads may run.

#![cfg(target_os = "linux")] // `Builder::pin_cores` is an error elsewhere, see `threads.rs`

mod support;

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use mini_rt_runtime::runtime::{Builder, Runtime};
use mini_rt_runtime::{block_in_place, spawn};

use support::process::{in_own_process, skip, thread_ids, wait_for_only};
use support::tasks::park_on;
use support::watchdog::Watchdog;

/// The CPUs that the calling thread may use.
fn cpus() -> Vec<usize> {
    // SAFETY: a set is plain bits, and zeroes are the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is writable.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    // SAFETY: the number is within the set.
    let has = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
    (0..libc::CPU_SETSIZE as usize).filter(has).collect()
}

fn pinned(workers: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).pin_cores(true);
    builder
}

/// The CPUs of each worker: as many tasks as there are workers meet.
fn cpus_of_workers(runtime: &Runtime, workers: usize) -> Vec<Vec<usize>> {
    let barrier = Arc::new(Barrier::new(workers));
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let barrier = barrier.clone();
            runtime.spawn(async move {
                barrier.wait();
                cpus()
            })
        })
        .collect();
    tasks
        .into_iter()
        .map(|task| park_on(task).unwrap())
        .collect()
}

#[test]
fn workers_are_pinned_to_the_cpus_in_turn() {
    let all = cpus();
    for workers in [1, 2, 3, 2 * all.len()] {
        let _watchdog = Watchdog::seconds(format!("{workers} pinned workers"), 30);
        let runtime = pinned(workers).build().unwrap();
        let mut users = HashMap::new();
        for cpus in cpus_of_workers(&runtime, workers) {
            assert_eq!(cpus.len(), 1, "a worker may use {cpus:?}");
            assert!(all.contains(&cpus[0]), "{cpus:?} of {all:?}");
            *users.entry(cpus[0]).or_insert(0) += 1;
        }
        let fair = workers / all.len();
        assert!(
            users
                .values()
                .all(|&count| count == fair || count == fair + 1),
            "{users:?}"
        );
        assert_eq!(users.len(), workers.min(all.len()));
    }
}

#[test]
fn workers_of_several_runtimes_do_not_crowd_on_one_cpu() {
    in_own_process(
        "workers_of_several_runtimes_do_not_crowd_on_one_cpu",
        || {
            let _watchdog = Watchdog::seconds("several pinned runtimes", 30);
            let all = cpus();
            let runtimes: Vec<_> = all.iter().map(|_| pinned(1).build().unwrap()).collect();
            let mut used: Vec<_> = runtimes
                .iter()
                .flat_map(|runtime| cpus_of_workers(runtime, 1).concat())
                .collect();
            used.sort_unstable();
            assert_eq!(used, all);
        },
    );
}

#[test]
fn a_worker_is_pinned_before_its_first_hook_and_when_it_replaces_another() {
    let _watchdog = Watchdog::seconds("pinned before the first hook", 30);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    let runtime = pinned(1)
        .on_thread_start(move || sees.lock().unwrap().push(cpus()))
        .build()
        .unwrap();
    let elsewhere = runtime.spawn(async {
        let (own, other) = (
            thread::current().id(),
            spawn(async { thread::current().id() }),
        );
        block_in_place(|| park_on(other)).unwrap() != own
    });
    assert!(park_on(elsewhere).unwrap());
    drop(runtime);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|cpus| cpus.len() == 1), "{seen:?}");
}

#[test]
fn only_workers_are_pinned() {
    let _watchdog = Watchdog::seconds("only workers are pinned", 30);
    let all = cpus();
    let runtime = pinned(1).build().unwrap();
    // A thread that a pinned one starts would inherit its CPU.
    let closure = runtime.spawn(async { mini_rt_runtime::spawn_blocking(cpus).await.unwrap() });
    assert_eq!(park_on(closure).unwrap(), all);
    assert_eq!(runtime.block_on(async { cpus() }), all);
    assert_eq!(cpus(), all);
    let mut builder = Builder::new_current_thread();
    let runtime = builder.pin_cores(true).build().unwrap();
    assert_eq!(runtime.block_on(async { cpus() }), all);
    assert_eq!(runtime.block_on(runtime.spawn_blocking(cpus)).unwrap(), all);
}

/// Lets no thread that this one starts change where it may run.
fn forbid_pinning() -> io::Result<()> {
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let step = |code: u32, k: u32, jump: u8| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: jump,
        k,
    };
    let call = libc::SYS_sched_setaffinity as u32;
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call, 1),
        step(libc::BPF_RET | libc::BPF_K, REFUSE, 0),
        step(libc::BPF_RET | libc::BPF_K, ALLOW, 0),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: no memory is passed.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0);
    // SAFETY: the program is readable, and so are its steps.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[test]
fn a_build_fails_if_its_workers_cannot_be_pinned() {
    const TEST: &str = "a_build_fails_if_its_workers_cannot_be_pinned";
    in_own_process(TEST, || {
        let _watchdog = Watchdog::seconds(TEST, 30);
        if let Err(error) = forbid_pinning() {
            return skip(TEST, &format!("the system has no seccomp filters: {error}"));
        }
        let before = thread_ids();
        let started = Arc::new(AtomicBool::new(false));
        let starts = started.clone();
        let error = pinned(2)
            .on_thread_start(move || starts.store(true, SeqCst))
            .build()
            .map(drop)
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
        assert!(!started.load(SeqCst));
        wait_for_only(&before);
        // Without workers there is nothing to pin, and closures run wherever they are let.
        let mut builder = Builder::new_current_thread();
        let runtime = builder.pin_cores(true).build().unwrap();
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 1)).unwrap(), 1);
    });
}

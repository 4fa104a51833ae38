//! How a runtime's threads are made: where they may run, and what happens when the system gives none.

mod support;

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use mini_rt_runtime::runtime::{Builder, Runtime};
use mini_rt_runtime::{block_in_place, spawn};

use support::kinds::{KINDS, Kind, on_every_kind};
use support::process::{
    assert_comes_to_rest, in_own_process, limit, set_soft_limit, skip, thread_ids, wait_for_only,
};
use support::tasks::{Census, block_until, park_on, until};
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

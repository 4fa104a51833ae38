//! What the system says about this process, and tests in a process of their own.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

/// Names the test that runs in a process of its own.
const OWN_PROCESS: &str = "MINI_RT_TEST_PROCESS";

/// Runs the body of a test in a process of its own, for it changes or measures what belongs to a whole
/// process. `test` is the full name of the test function, which calls this and nothing else.
pub fn in_own_process(test: &str, body: impl FnOnce()) {
    if is_own_process(test) {
        return body();
    }
    let output = own_process(test)
        .output()
        .expect("the test binary starts itself");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{out}\n{err}");
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{test} in its own process: {}",
        output.status
    );
}

/// Whether this is the process that [`own_process`] starts.
pub fn is_own_process(test: &str) -> bool {
    env::var_os(OWN_PROCESS).is_some_and(|name| name == test)
}

/// The command that runs one test in a process of its own.
pub fn own_process(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the test binary's path"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(OWN_PROCESS, test);
    command
}

/// Runs one test in a process of its own under `strace`, and gives the lines about these system calls; or
/// says why that cannot be done. The lines tell of each descriptor what it is: `7<socket:[12345]>`.
pub fn trace_own_process(test: &str, calls: &str) -> Result<Vec<String>, String> {
    let log = env::temp_dir().join(format!("mini_rt-{test}-{}.strace", process::id()));
    let run = own_process(test);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-e", &format!("trace={calls}"), "-o"]);
    strace.arg(&log).arg(run.get_program()).args(run.get_args());
    strace.envs(
        run.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = strace
        .output()
        .map_err(|error| format!("strace: {error}"))?;
    let lines = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if lines.is_empty() {
        return Err(format!("strace traces nothing: {err}"));
    }
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{out}\n{err}"
    );
    Ok(lines.lines().map(str::to_owned).collect())
}

/// Says that a test was not run, past the capture of the test harness.
pub fn skip(test: &str, reason: &str) {
    let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
}

/// Processor time that all threads of this process have used, also those that have ended.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processor time used while `body` runs.
pub fn cpu_time_of(body: impl FnOnce()) -> Duration {
    let before = cpu_time();
    body();
    cpu_time() - before
}

/// Checks that this process comes to rest: that for a while it uses next to nothing of the processor. Not at
/// once, for whoever was busy has to find the way to sleep, and a machine may count what is not ours.
///
/// # Panics
///
/// If it never does, with what it used each time.
pub fn assert_comes_to_rest() {
    const A_WHILE: Duration = Duration::from_millis(300);
    const NEXT_TO_NOTHING: Duration = Duration::from_millis(5);
    let mut used = Vec::new();
    while used.len() < 20 {
        used.push(cpu_time_of(|| thread::sleep(A_WHILE)));
        if used.last() < Some(&NEXT_TO_NOTHING) {
            return;
        }
    }
    panic!("used {used:?} of {A_WHILE:?} each");
}

/// How many descriptors are open.
pub fn open_fds() -> usize {
    open_fd_numbers().len()
}

fn open_fd_numbers() -> HashSet<u64> {
    library::settle();
    let is_open = |&fd: &u64| {
        // SAFETY: no memory is passed.
        unsafe { libc::fcntl(fd as RawFd, libc::F_GETFD) != -1 }
    };
    system::fds().into_iter().filter(is_open).collect()
}

/// Leaves room for so many more descriptors.
pub fn leave_fds(count: usize) {
    let open = open_fd_numbers();
    // The limit is on their numbers, and there may be gaps.
    let first_beyond = (0..).filter(|fd| !open.contains(fd)).nth(count);
    let first_beyond = first_beyond.expect("numbers do not end");
    set_soft_limit(libc::RLIMIT_NOFILE, first_beyond as libc::rlim_t);
}

/// The kernel's numbers of the threads that run; none where the system does not list them.
pub fn thread_ids() -> Vec<libc::pid_t> {
    library::settle();
    running_threads()
}

/// As [`thread_ids`], and disturbs none of them.
fn running_threads() -> Vec<libc::pid_t> {
    let mut ids = system::threads();
    loop {
        // A thread that ends while the list is being read can hide another.
        let again = system::threads();
        if again == ids {
            return ids;
        }
        ids = again;
    }
}

/// The memory that this process has resident, in bytes.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    1024 * field(&status, "VmRSS:")
}

/// The size of the address space, in bytes.
pub fn vm_size() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    1024 * field(&status, "VmSize:")
}

/// Waits until no threads run but these: one that was joined may still be on its way out of the kernel.
///
/// # Panics
///
/// If another thread stays.
pub fn wait_for_only(threads: &[libc::pid_t]) {
    let started = Instant::now();
    loop {
        let mut others = thread_ids();
        others.retain(|thread| !threads.contains(thread));
        if others.is_empty() {
            return;
        }
        let names: Vec<_> = others.iter().map(|&thread| thread_name(thread)).collect();
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "threads that stay: {names:?}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

fn thread_name(thread: libc::pid_t) -> String {
    let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
    name.unwrap_or_default().trim_end().to_owned()
}

/// How often each thread but the calling one has gone to sleep; none where the system does not list them.
pub fn sleeps_of_other_threads() -> Vec<(libc::pid_t, u64)> {
    let sleeps = system::other_threads().into_iter().filter_map(|thread| {
        // A thread that has ended meanwhile sleeps no more.
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
        Some((thread, field(&status, "voluntary_ctxt_switches:")))
    });
    sleeps.collect()
}

/// Sends a signal to every thread of this process but the calling one; to any thread where the system does
/// not list them.
pub fn signal_other_threads(signal: libc::c_int) {
    system::signal_other_threads(signal);
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|value| value.split_whitespace().next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no field {name:?} in {text:?}"))
}

/// How many connections, up to `wanted`, there can be with both ends in this process. Raises the limit on
/// open descriptors as far as they need it and the hard limit lets it; some are left for everything else.
pub fn affordable_connections(wanted: usize) -> usize {
    const FOR_THE_REST: usize = 100;
    let needed = 2 * wanted + FOR_THE_REST;
    if limit(libc::RLIMIT_NOFILE).rlim_cur < needed as libc::rlim_t {
        set_soft_limit(libc::RLIMIT_NOFILE, needed as libc::rlim_t);
    }
    let available = limit(libc::RLIMIT_NOFILE).rlim_cur;
    let available = available.min(needed as libc::rlim_t) as usize;
    let affordable = available.saturating_sub(FOR_THE_REST) / 2;
    assert!(affordable > 0, "only {available} descriptors");
    affordable
}

pub fn limit(resource: system::Resource) -> libc::rlimit {
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limits` is writable.
    assert_eq!(unsafe { libc::getrlimit(resource, &mut limits) }, 0);
    limits
}

/// Sets a limit, as far as the hard one lets it.
pub fn set_soft_limit(resource: system::Resource, soft: libc::rlim_t) {
    let hard = limit(resource).rlim_max;
    let limits = libc::rlimit {
        rlim_cur: soft.min(hard),
        rlim_max: hard,
    };
    // SAFETY: `limits` is readable.
    assert_eq!(unsafe { libc::setrlimit(resource, &limits) }, 0);
}

/// What the kernel's pollers of this process report about an open descriptor: the flags of each
/// registration.
pub fn poller_flags(fd: RawFd) -> Vec<u32> {
    registrations(fd)
        .into_iter()
        .map(|(_, flags)| flags)
        .collect()
}

/// The pollers that watch an open descriptor.
pub fn pollers_of(fd: RawFd) -> Vec<RawFd> {
    registrations(fd)
        .into_iter()
        .map(|(poller, _)| poller)
        .collect()
}

/// Reads `/proc/self/fdinfo` of every epoll instance, where a line says `tfd: 7 events: 80002019 …`.
/// Descriptors of other tests come and go meanwhile.
fn registrations(fd: RawFd) -> Vec<(RawFd, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").expect("procfs") {
        let path = entry.expect("procfs").path();
        if !fs::read_link(&path).is_ok_and(|target| target.as_os_str() == "anon_inode:[eventpoll]")
        {
            continue;
        }
        let name = path.file_name().expect("a number").to_string_lossy();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{name}"));
        for line in info.unwrap_or_default().lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if let ["tfd:", target, "events:", flags, ..] = words[..] {
                if target.parse() == Ok(fd) {
                    let poller = name.parse().expect("a number");
                    let flags = u32::from_str_radix(flags, 16).expect("flags in hexadecimal");
                    found.push((poller, flags));
                }
            }
        }
    }
    found
}

#[cfg(target_os = "linux")]
mod system {
    use std::fmt::Debug;
    use std::fs;
    use std::str::FromStr;

    pub type Resource = libc::__rlimit_resource_t;

    /// Descriptors that may be open: one was that of the listing itself, which is closed.
    pub fn fds() -> Vec<u64> {
        numbers_in("/proc/self/fd")
    }

    pub fn threads() -> Vec<libc::pid_t> {
        let mut ids = numbers_in("/proc/self/task");
        ids.sort_unstable();
        ids
    }

    pub fn other_threads() -> Vec<libc::pid_t> {
        // SAFETY: no memory is passed.
        let me = unsafe { libc::gettid() };
        let mut ids = super::running_threads();
        ids.retain(|&thread| thread != me);
        ids
    }

    pub fn signal_other_threads(signal: libc::c_int) {
        for thread in other_threads() {
            // SAFETY: no memory is passed. A thread that has ended meanwhile gets nothing.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
        }
    }

    fn numbers_in<T: FromStr<Err: Debug>>(folder: &str) -> Vec<T> {
        let number = |entry: fs::DirEntry| entry.file_name().to_string_lossy().parse();
        fs::read_dir(folder)
            .expect("procfs")
            .map(|entry| number(entry.expect("procfs")).expect("a number"))
            .collect()
    }
}

/// Systems that list neither descriptors nor threads in files.
#[cfg(not(target_os = "linux"))]
mod system {
    pub type Resource = libc::c_int;

    /// Descriptors that may be open: a new one has the lowest number that is free, and no test needs so many.
    pub fn fds() -> std::ops::Range<u64> {
        0..32_768
    }

    pub fn threads() -> Vec<libc::pid_t> {
        Vec::new()
    }

    pub fn other_threads() -> Vec<libc::pid_t> {
        Vec::new()
    }

    pub fn signal_other_threads(signal: libc::c_int) {
        // SAFETY: no memory is passed.
        unsafe { libc::kill(libc::getpid(), signal) };
    }
}

/// libkqueue has descriptors and threads of its own for as long as there is a kqueue, and lets go of one that is
/// closed a moment later.
#[cfg(all(target_os = "linux", mini_rt_kqueue))]
mod library {
    use std::sync::Once;

    #[link(name = "kqueue")]
    unsafe extern "C" {
        fn kqueue() -> libc::c_int;
        fn libkqueue_drain_pending_close();
    }

    /// Has what is the library's own begin, to last as long as the process, and what was closed end.
    pub fn settle() {
        static FIRST: Once = Once::new();
        FIRST.call_once(|| {
            // SAFETY: nothing is passed. Nobody owns the kqueue, so it is never closed.
            assert_ne!(unsafe { kqueue() }, -1);
        });
        // SAFETY: nothing is passed.
        unsafe { libkqueue_drain_pending_close() };
    }
}

#[cfg(not(all(target_os = "linux", mini_rt_kqueue)))]
mod library {
    pub fn settle() {}
}

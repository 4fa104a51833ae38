//! What the system says about this process, and tests in a process of their own.

use std::collections::HashSet;
use std::env;
use std::fmt::Debug;
use std::fs;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::process::{self, Command};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

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
/// says why that cannot be done.
pub fn trace_own_process(test: &str, calls: &str) -> Result<Vec<String>, String> {
    let log = env::temp_dir().join(format!("mini_rt-{test}-{}.strace", process::id()));
    let run = own_process(test);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={calls}"), "-o"]);
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

/// How many descriptors are open.
pub fn open_fds() -> usize {
    open_fd_numbers().len()
}

fn open_fd_numbers() -> HashSet<u64> {
    let entries = fs::read_dir("/proc/self/fd").expect("procfs");
    let numbers: Vec<_> = entries
        .map(|entry| number(&entry.expect("procfs")))
        .collect();
    // One was that of the listing itself, which is closed.
    let is_open = |&fd: &u64| {
        // SAFETY: no memory is passed.
        unsafe { libc::fcntl(fd as RawFd, libc::F_GETFD) != -1 }
    };
    numbers.into_iter().filter(is_open).collect()
}

fn number<T: FromStr<Err: Debug>>(entry: &fs::DirEntry) -> T {
    entry
        .file_name()
        .to_string_lossy()
        .parse()
        .expect("a number")
}

/// Leaves room for so many more descriptors.
pub fn leave_fds(count: usize) {
    let open = open_fd_numbers();
    // The limit is on their numbers, and there may be gaps.
    let first_beyond = (0..).filter(|fd| !open.contains(fd)).nth(count);
    set_soft_limit(
        libc::RLIMIT_NOFILE,
        first_beyond.expect("numbers do not end"),
    );
}

/// Threads that run.
pub fn threads() -> usize {
    thread_ids().len()
}

/// The kernel's numbers of the threads that run.
pub fn thread_ids() -> Vec<libc::pid_t> {
    let entries = fs::read_dir("/proc/self/task").expect("procfs");
    entries
        .map(|entry| number(&entry.expect("procfs")))
        .collect()
}

/// The size of the address space, in bytes.
pub fn vm_size() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    1024 * field(&status, "VmSize:")
}

/// Waits until so many threads run: one that was joined may still be on its way out of the kernel.
pub fn wait_for_threads(count: usize) {
    while threads() != count {
        thread::sleep(Duration::from_millis(1));
    }
}

/// How often each thread but the calling one has gone to sleep.
pub fn sleeps_of_other_threads() -> Vec<(libc::pid_t, u64)> {
    // SAFETY: no memory is passed.
    let me = unsafe { libc::gettid() };
    let others = thread_ids().into_iter().filter(|&thread| thread != me);
    let mut sleeps: Vec<_> = others
        .map(|thread| {
            let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
            let status = status.expect("a thread that stays");
            (thread, field(&status, "voluntary_ctxt_switches:"))
        })
        .collect();
    sleeps.sort_unstable();
    sleeps
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|value| value.split_whitespace().next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no field {name:?} in {text:?}"))
}

/// Raises the limit on open descriptors.
///
/// # Panics
///
/// If the hard limit is lower.
pub fn raise_fd_limit(needed: u64) {
    let limits = limit(libc::RLIMIT_NOFILE);
    if limits.rlim_cur < needed {
        assert!(
            limits.rlim_max >= needed,
            "this test needs {needed} descriptors, and the hard limit is {}",
            limits.rlim_max
        );
        set_soft_limit(libc::RLIMIT_NOFILE, needed);
    }
}

pub fn limit(resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limits` is writable.
    assert_eq!(unsafe { libc::getrlimit(resource, &mut limits) }, 0);
    limits
}

pub fn set_soft_limit(resource: libc::__rlimit_resource_t, soft: u64) {
    let limits = libc::rlimit {
        rlim_cur: soft,
        ..limit(resource)
    };
    // SAFETY: `limits` is readable.
    assert_eq!(unsafe { libc::setrlimit(resource, &limits) }, 0);
}

/// What the kernel's pollers of this process report about a descriptor: the flags of each registration.
pub fn poller_flags(fd: RawFd) -> Vec<u32> {
    registrations(fd)
        .into_iter()
        .map(|(_, flags)| flags)
        .collect()
}

/// The pollers that watch a descriptor.
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

//! What the system says about this process, and tests in a process of their own.

use std::env;
use std::fs;
use std::os::fd::RawFd;
use std::process::Command;
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

/// Descriptors that are open.
pub fn open_fds() -> usize {
    // One is that of the listing itself.
    fs::read_dir("/proc/self/fd").expect("procfs").count() - 1
}

/// Threads that run.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("procfs").count()
}

/// Waits until so many threads run: one that was joined may still be on its way out of the kernel.
pub fn wait_for_threads(count: usize) {
    while threads() != count {
        thread::sleep(Duration::from_millis(1));
    }
}

/// How often each thread whose name begins with `name` has gone to sleep.
pub fn sleeps_of_threads(name: &str) -> Vec<(String, u64)> {
    let mut sleeps = Vec::new();
    for entry in fs::read_dir("/proc/self/task").expect("procfs") {
        let path = entry.expect("procfs").path();
        let comm = fs::read_to_string(path.join("comm")).expect("a thread that stays");
        if comm.starts_with(name) {
            let status = fs::read_to_string(path.join("status")).expect("a thread that stays");
            let count = field(&status, "voluntary_ctxt_switches:");
            sleeps.push((path.display().to_string(), count));
        }
    }
    sleeps.sort();
    sleeps
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|value| value.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no field {name:?} in {text:?}"))
}

/// The soft limit on open descriptors.
pub fn fd_limit() -> u64 {
    limit(libc::RLIMIT_NOFILE).rlim_cur
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
        let name = path.file_name().expect("a number");
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", name.display()));
        for line in info.unwrap_or_default().lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if let ["tfd:", target, "events:", flags, ..] = words[..] {
                if target.parse() == Ok(fd) {
                    let poller = name.to_string_lossy().parse().expect("a number");
                    let flags = u32::from_str_radix(flags, 16).expect("flags in hexadecimal");
                    found.push((poller, flags));
                }
            }
        }
    }
    found
}

//! What processes use, from the kernel's files under `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::Duration;

/// The CPU time of each thread of a process at one moment, from the kernel's `schedstat` files.
#[derive(Debug)]
pub struct CpuTime(HashMap<String, u64>);

impl CpuTime {
    /// Reads the CPU time of every live thread of the process `pid`.
    ///
    /// # Errors
    /// When there is no such process, or the system has no `schedstat` files.
    pub fn of(pid: u32) -> io::Result<Self> {
        Self::read(pid).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the CPU time of process {pid}: {error}"),
            )
        })
    }

    fn read(pid: u32) -> io::Result<Self> {
        let mut nanoseconds = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?;
            let statistics = match fs::read_to_string(thread.path().join("schedstat")) {
                Err(error) if has_ended(&error) => continue,
                result => result?,
            };
            let on_cpu = statistics
                .split(' ')
                .next()
                .and_then(|field| field.parse().ok());
            let on_cpu = on_cpu.ok_or_else(|| io::Error::other("an unknown form of schedstat"))?;
            nanoseconds.insert(thread.file_name().to_string_lossy().into_owned(), on_cpu);
        }
        if nanoseconds.is_empty() {
            return Err(io::Error::other("no thread has a schedstat file"));
        }
        Ok(Self(nanoseconds))
    }

    /// What the threads have used since `earlier`. A thread that has ended counts nothing, one that
    /// has started counts whole.
    pub fn since(&self, earlier: &CpuTime) -> Duration {
        let used = |(thread, end): (&String, &u64)| end - earlier.0.get(thread).unwrap_or(&0);
        Duration::from_nanos(self.0.iter().map(used).sum())
    }
}

/// Whether a thread's file could not be read because the thread has ended since it was listed.
fn has_ended(error: &io::Error) -> bool {
    const NO_SUCH_PROCESS: i32 = 3;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NO_SUCH_PROCESS)
}

/// The bytes of memory that the process `pid` has resident now.
///
/// # Errors
/// When there is no such process, or the system has no `/proc/PID/status`, or of an unknown form.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    resident_kib(&status)
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("an unknown form of /proc/PID/status"))
}

/// Lets this process, and those that it starts, open as many files as the system allows them.
///
/// # Errors
/// The system's.
pub fn raise_file_limit() -> io::Result<()> {
    let (_soft, hard) = rlimit::Resource::NOFILE.get()?;
    rlimit::Resource::NOFILE.set(hard, hard)
}

fn resident_kib(status: &str) -> Option<u64> {
    let size = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    size.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::spin_loop;
    use std::time::Instant;

    #[test]
    fn cpu_time_is_at_most_the_time_of_all_cpus() {
        let pid = std::process::id();
        let cpus = std::thread::available_parallelism().unwrap().get() as u32;
        let start = Instant::now();
        let before = CpuTime::of(pid).unwrap();
        // Ends only if busy time is seen to grow.
        while CpuTime::of(pid).unwrap().since(&before) < Duration::from_millis(20) {
            spin_loop();
        }
        let used = CpuTime::of(pid).unwrap().since(&before);
        // What a running thread has used the kernel notes at each tick, of a hundredth of a second at most.
        let tick = Duration::from_millis(10);
        assert!(
            used <= (start.elapsed() + tick) * cpus,
            "{used:?} of {:?}",
            start.elapsed()
        );
    }

    #[test]
    fn memory_that_is_written_to_is_resident() {
        const ADDED: usize = 64 << 20;
        let pid = std::process::id();
        let before = resident_bytes(pid).unwrap();
        let block = std::hint::black_box(vec![1_u8; ADDED]);
        let added = resident_bytes(pid).unwrap().saturating_sub(before);
        assert!(added >= ADDED as u64 / 2, "{added} bytes");
        drop(block);
    }

    #[test]
    fn resident_memory_is_one_line_of_the_status() {
        let status = "VmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\nRssAnon:\t     128 kB\n";
        assert_eq!(resident_kib(status), Some(2048));
        assert_eq!(resident_kib("VmRSS:\t2048 MB\n"), None);
        assert_eq!(resident_kib("VmSize:\t2048 kB\n"), None);
    }
}

//! The system's limits on this process.

/// Allows this process as many open files, and so connections, as the system lets it have.
///
/// Where the system refuses, the limit stays what it is.
pub fn raise_open_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid `rlimit`, which the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid `rlimit`, which the call only reads.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
}

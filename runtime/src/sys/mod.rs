//! The operating system's side of readiness: one [`Poller`] per core.
//!
//! Each backend is one file with the same methods. What always holds: a poller reports edges, with the
//! token under which a descriptor was added; what it reports is a hint, and the system call decides.

mod affinity;
pub(crate) mod clock;
mod interest;
mod slack;

#[cfg(all(not(loom), any(target_os = "linux", target_os = "android")))]
mod epoll;
#[cfg(loom)]
mod model;

#[cfg(all(not(loom), any(target_os = "linux", target_os = "android")))]
pub(crate) use self::epoll::{Events, Poller};
#[cfg(loom)]
pub(crate) use self::model::{Events, Poller};

pub(crate) use self::affinity::CpuSet;
pub use self::interest::Interest;
pub(crate) use self::interest::Ready;
pub(crate) use self::slack::Punctual;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mini_rt runs on Linux (epoll); this system has no backend");

/// What a poller saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) token: u64,
    pub(crate) ready: Ready,
}

/// Wraps a system call's result: -1 becomes the thread's last error.
fn syscall(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result == -1 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

//! The operating system's side of readiness: one [`Poller`] per core.
//!
//! Each backend has the same methods, and passes the tests of `conformance.rs`. What always holds: a poller
//! reports edges, with the token under which a descriptor was added; what it reports is a hint, and the system
//! call decides.

mod affinity;
pub(crate) mod clock;
mod interest;
mod slack;
mod syscall;

#[cfg(all(test, not(loom)))]
mod conformance;
#[cfg(all(
    not(loom),
    any(target_os = "android", all(target_os = "linux", not(mini_rt_kqueue)))
))]
mod epoll;
#[cfg(all(
    not(loom),
    any(
        all(target_os = "linux", mini_rt_kqueue),
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_vendor = "apple"
    )
))]
mod kqueue;
#[cfg(loom)]
mod model;

#[cfg(all(
    not(loom),
    any(target_os = "android", all(target_os = "linux", not(mini_rt_kqueue)))
))]
pub(crate) use self::epoll::{Events, Poller};
#[cfg(all(
    not(loom),
    any(
        all(target_os = "linux", mini_rt_kqueue),
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_vendor = "apple"
    )
))]
pub(crate) use self::kqueue::{Events, Poller};
#[cfg(loom)]
pub(crate) use self::model::{Events, Poller};

pub(crate) use self::affinity::CpuSet;
pub use self::interest::Interest;
pub(crate) use self::interest::Ready;
pub(crate) use self::slack::Punctual;
#[cfg(all(test, not(loom)))]
pub(crate) use self::syscall::{Call, faults};

#[cfg(not(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "netbsd",
    target_os = "openbsd",
    target_vendor = "apple"
)))]
compile_error!(
    "mini_rt runs on Linux and Android (epoll), and on macOS, FreeBSD, NetBSD, OpenBSD and DragonFly (kqueue)"
);

/// Whether pollers are kqueues.
#[cfg(all(test, not(loom)))]
const HAS_KQUEUE: bool = cfg!(not(any(
    target_os = "android",
    all(target_os = "linux", not(mini_rt_kqueue))
)));

/// What a poller saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) token: u64,
    pub(crate) ready: Ready,
}

//! The one door to the operating system: every system call of this crate passes here, and says which it is.
//!
//! What always holds: outside of this crate's own tests the name of a call costs nothing. In them a plan can
//! have any call fail; `tests/faults.rs` says for each what must come of it, so a new call needs an answer
//! there.

use std::io;

#[cfg(all(test, not(loom)))]
#[path = "../../../tests/support/faults.rs"]
pub(crate) mod faults;
#[cfg(all(test, not(loom)))]
use self::faults::interpose;

/// Makes a system call; -1 becomes the thread's last error.
#[inline]
pub(super) fn syscall<R: From<i8> + PartialEq>(
    call: Call,
    make: impl FnOnce() -> R,
) -> io::Result<R> {
    let make = || {
        let result = make();
        if result == R::from(-1) {
            Err(io::Error::last_os_error())
        } else {
            Ok(result)
        }
    };
    interpose(call, make)
}

/// Makes a system call of which nobody asks whether it has failed.
#[inline]
pub(super) fn unchecked<R>(call: Call, make: impl FnOnce() -> R) {
    let _ = interpose(call, || Ok(make()));
}

#[cfg(not(all(test, not(loom))))]
#[inline]
fn interpose<R>(_: Call, make: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    make()
}

/// Declares the calls of each kind of poller and of everything else, and gives tests the list of them.
macro_rules! calls {
    (
        epoll { $($(#[doc = $of_epoll:literal])* $epoll:ident,)* }
        kqueue { $($(#[doc = $of_kqueue:literal])* $kqueue:ident,)* }
        every { $($(#[doc = $of_every:literal])* $every:ident,)* }
    ) => {
        /// What the system is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(dead_code)] // no system is asked for all of it
        pub(crate) enum Call {
            $($(#[doc = $of_epoll])* $epoll,)*
            $($(#[doc = $of_kqueue])* $kqueue,)*
            $($(#[doc = $of_every])* $every,)*
        }

        #[cfg(all(test, not(loom)))]
        impl Call {
            /// The calls of this system.
            pub(crate) const ALL: &[Self] = if super::HAS_KQUEUE {
                &[$(Self::$kqueue,)* $(Self::$every,)*]
            } else {
                &[$(Self::$epoll,)* $(Self::$every,)*]
            };
        }
    };
}

calls! {
    epoll {
        EpollCreate,
        /// `epoll_ctl`: to report a descriptor.
        EpollAdd,
        /// `epoll_ctl`: to report other edges of it.
        EpollModify,
        /// `epoll_ctl`: to report it no more.
        EpollDelete,
        /// `epoll_ctl`: to report that another poller has events.
        EpollNest,
        EpollPwait2,
        EpollWait,
        EventFd,
        /// `write` to an eventfd.
        Wake,
    }
    kqueue {
        KqueueCreate,
        /// `fcntl`: to close a kqueue when another program is run.
        CloseOnExec,
        /// `kevent`: to report a descriptor.
        KqueueAdd,
        /// `kevent`: to report other edges of it.
        KqueueModify,
        /// `kevent`: to report it no more.
        KqueueDelete,
        /// `kevent`: to report that another poller has events.
        KqueueNest,
        /// `kevent`: to wake up a sleeper.
        KqueueWake,
        KqueueWait,
    }
    every {
        GetAffinity,
        SetAffinity,
        GetTimerSlack,
        SetTimerSlack,
        ReadClock,
    }
}

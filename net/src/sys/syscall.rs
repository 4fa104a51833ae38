//! The one door to the operating system: every system call of this crate passes here, and says which it is.
//! What std does for a socket on its own, such as telling its address, does not.
//!
//! What always holds: outside of this crate's own tests the name of a call costs nothing. In them a plan can
//! have any call fail; `faults.rs` says for each what must come of it, so a new call needs an answer there.

use std::io;

#[cfg(test)]
#[path = "../../../tests/support/faults.rs"]
pub(crate) mod faults;

/// Makes a system call; -1 becomes the thread's last error.
#[inline]
pub(super) fn syscall<R: From<i8> + PartialEq>(
    call: Call,
    make: impl FnOnce() -> R,
) -> io::Result<R> {
    interpose(call, || {
        let result = make();
        if result == R::from(-1) {
            Err(io::Error::last_os_error())
        } else {
            Ok(result)
        }
    })
}

#[cfg(test)]
pub(super) use self::faults::interpose;

/// Makes a system call through std.
#[cfg(not(test))]
#[inline]
pub(super) fn interpose<R>(_: Call, make: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    make()
}

/// Declares the calls, and gives tests the list of them.
macro_rules! calls {
    ($($(#[$attribute:meta])* $call:ident,)*) => {
        /// What the system is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Call {
            $($(#[$attribute])* $call,)*
        }

        #[cfg(test)]
        impl Call {
            pub(crate) const ALL: &[Self] = &[$($(#[$attribute])* Self::$call),*];
        }
    };
}

calls! {
    Socket,
    #[cfg(target_vendor = "apple")]
    CloseOnExec,
    Bind,
    Listen,
    Connect,
    TakeError,
    PeerAddress,
    Accept,
    SetOption,
    GetOption,
    Receive,
    ReceiveVectored,
    Peek,
    Send,
    SendVectored,
    Shutdown,
}

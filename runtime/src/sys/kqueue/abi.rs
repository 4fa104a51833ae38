//! `kevent` as each system has it.
//!
//! Fields differ in width and sign from system to system, so whoever uses them casts, with `as _`.

#[cfg(not(target_os = "linux"))]
pub(super) use libc::{
    EV_ADD, EV_CLEAR, EV_DELETE, EV_EOF, EV_ERROR, EV_RECEIPT, EVFILT_READ, EVFILT_USER,
    EVFILT_WRITE, NOTE_TRIGGER, kevent, kqueue,
};

#[cfg(target_os = "linux")]
pub(super) use self::libkqueue::*;

/// Whether a kqueue can be watched by another.
pub(super) const NESTS: bool = cfg!(not(target_os = "linux"));

/// Asserts where the fields are.
macro_rules! assert_layout {
    ($size:expr, $($field:ident at $offset:expr),*) => {
        const _: () = {
            assert!(size_of::<kevent>() == $size);
            $(assert!(std::mem::offset_of!(kevent, $field) == $offset);)*
        };
    };
}

#[cfg(any(
    target_os = "linux",
    target_os = "dragonfly",
    target_os = "openbsd",
    target_vendor = "apple"
))]
assert_layout!(32, ident at 0, filter at 8, flags at 10, fflags at 12, data at 16, udata at 24);
// With `ext` behind, in every release that is supported.
#[cfg(target_os = "freebsd")]
assert_layout!(64, ident at 0, filter at 8, flags at 10, fflags at 12, data at 16, udata at 24);
#[cfg(target_os = "netbsd")]
assert_layout!(40, ident at 0, filter at 8, flags at 12, fflags at 16, data at 24, udata at 32);

/// libkqueue, a kqueue over epoll, as its `sys/event.h` has it.
#[cfg(target_os = "linux")]
mod libkqueue {
    use libc::{c_int, c_void, timespec};

    #[derive(Clone, Copy)]
    #[repr(C)]
    pub(in super::super) struct kevent {
        pub(in super::super) ident: usize,
        pub(in super::super) filter: i16,
        pub(in super::super) flags: u16,
        pub(in super::super) fflags: u32,
        pub(in super::super) data: isize,
        pub(in super::super) udata: *mut c_void,
    }

    pub(in super::super) const EVFILT_READ: i16 = -1;
    pub(in super::super) const EVFILT_WRITE: i16 = -2;
    pub(in super::super) const EVFILT_USER: i16 = -11;

    pub(in super::super) const EV_ADD: u16 = 0x0001;
    pub(in super::super) const EV_DELETE: u16 = 0x0002;
    pub(in super::super) const EV_CLEAR: u16 = 0x0020;
    pub(in super::super) const EV_RECEIPT: u16 = 0x0040;
    pub(in super::super) const EV_ERROR: u16 = 0x4000;
    pub(in super::super) const EV_EOF: u16 = 0x8000;

    pub(in super::super) const NOTE_TRIGGER: u32 = 0x0100_0000;

    #[link(name = "kqueue")]
    unsafe extern "C" {
        pub(in super::super) fn kqueue() -> c_int;
        pub(in super::super) fn kevent(
            kq: c_int,
            changelist: *const kevent,
            nchanges: c_int,
            eventlist: *mut kevent,
            nevents: c_int,
            timeout: *const timespec,
        ) -> c_int;
    }
}

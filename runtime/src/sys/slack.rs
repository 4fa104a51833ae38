//! How punctually a thread's sleeps end.
//!
//! Linux lets a sleep last 50 us longer than asked, to wake up for several things at once. That is a setting
//! of each thread, and worth nothing to a thread that waits for one timer at a time.

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::syscall::{Call, syscall, unchecked};

/// While it lives, the calling thread's sleeps end within microseconds of their time.
#[derive(Debug)]
pub(crate) struct Punctual {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    before: libc::c_int,
}

/// What the system takes for the thread's default.
#[cfg(any(target_os = "linux", target_os = "android"))]
const THREADS_DEFAULT: libc::c_ulong = 0;

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Punctual {
    pub(crate) fn begin() -> Self {
        // SAFETY: the call has no further arguments, and returns the setting.
        let before = syscall(Call::GetTimerSlack, || unsafe {
            libc::prctl(libc::PR_GET_TIMERSLACK)
        });
        Self::set(1_000);
        Self {
            before: before.unwrap_or(THREADS_DEFAULT as libc::c_int),
        }
    }

    /// A system that refuses leaves sleeps as they are, which does no harm.
    fn set(nanoseconds: libc::c_int) {
        let nanoseconds = libc::c_ulong::try_from(nanoseconds).unwrap_or(THREADS_DEFAULT);
        // SAFETY: the call takes a number.
        unchecked(Call::SetTimerSlack, || unsafe {
            libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds)
        });
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Drop for Punctual {
    fn drop(&mut self) {
        Self::set(self.before);
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Punctual {
    pub(crate) fn begin() -> Self {
        Self {}
    }
}

//! The system's clock, the one that std's `Instant` reads, as a plain number.

use std::mem::MaybeUninit;

use super::syscall::{Call, unchecked};

#[cfg(target_vendor = "apple")]
const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
#[cfg(not(target_vendor = "apple"))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Nanoseconds since some moment in the past, as a rule since the machine was started. In loom's models it is
/// always 0: there a model moves the runtime's own clock.
#[inline]
pub(crate) fn nanoseconds() -> u64 {
    if cfg!(loom) {
        return 0;
    }
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes a timespec there. It cannot fail: every system that is supported has the clock.
    let time = unsafe {
        unchecked(Call::ReadClock, || {
            libc::clock_gettime(CLOCK, time.as_mut_ptr())
        });
        time.assume_init()
    };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn it_goes_as_stds_clock_does() {
        let (outer, inner) = (Instant::now(), nanoseconds());
        std::thread::sleep(Duration::from_millis(2));
        let inner = Duration::from_nanos(nanoseconds() - inner);
        assert!(inner >= Duration::from_millis(2) && inner <= outer.elapsed());
    }
}

//! Which CPUs a thread may run on.
//!
//! What always holds: a set is part of what the system has said that some thread may use.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use self::linux::CpuSet;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use self::unsupported::CpuSet;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::io;
    use std::mem;

    use crate::sys::syscall::{Call, syscall};

    /// A set of CPUs: a bit for each, in the kernel's layout.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct CpuSet(Box<[libc::c_ulong]>);

    const WORD_BITS: usize = libc::c_ulong::BITS as usize;
    /// What a set has room for at first, and at most, in CPUs.
    const USUAL: usize = 1 << 10;
    const MOST: usize = 1 << 16;

    impl CpuSet {
        /// The CPUs that the calling thread may use.
        pub(crate) fn of_this_thread() -> io::Result<Self> {
            let mut room = USUAL;
            loop {
                let mut set = Self(vec![0; room / WORD_BITS].into());
                // SAFETY: the kernel writes at most as many bytes as it is told that there are.
                let result = syscall(Call::GetAffinity, || unsafe {
                    libc::sched_getaffinity(0, set.size(), set.0.as_mut_ptr().cast())
                });
                match result {
                    Ok(_) => return Ok(set),
                    // The kernel's own sets may be larger.
                    Err(error) if error.raw_os_error() == Some(libc::EINVAL) && room < MOST => {
                        room *= 2;
                    }
                    Err(error) => return Err(error),
                }
            }
        }

        /// A set for each CPU in this one.
        pub(crate) fn singles(&self) -> Vec<Self> {
            let cpus = (0..self.0.len() * WORD_BITS).filter(|&cpu| self.has(cpu));
            cpus.map(|cpu| {
                let mut single = Self(vec![0; self.0.len()].into());
                single.0[cpu / WORD_BITS] = 1 << (cpu % WORD_BITS);
                single
            })
            .collect()
        }

        /// Keeps the calling thread, and those that it will start, on these CPUs.
        pub(crate) fn hold_this_thread(&self) -> io::Result<()> {
            // SAFETY: the kernel reads as many bytes as it is told that there are.
            let result = syscall(Call::SetAffinity, || unsafe {
                libc::sched_setaffinity(0, self.size(), self.0.as_ptr().cast())
            });
            result.map(drop)
        }

        fn has(&self, cpu: usize) -> bool {
            self.0[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1 == 1
        }

        fn size(&self) -> usize {
            mem::size_of_val(&*self.0)
        }
    }

    #[cfg(all(test, not(loom)))]
    mod tests {
        use super::*;

        #[test]
        fn a_thread_is_held_where_it_is_told_to_run() {
            let all = CpuSet::of_this_thread().unwrap();
            let singles = all.singles();
            assert!(!singles.is_empty());
            for single in &singles {
                single.hold_this_thread().unwrap();
                assert_eq!(CpuSet::of_this_thread().unwrap(), *single);
                assert_eq!(single.singles(), std::slice::from_ref(single));
            }
            all.hold_this_thread().unwrap();
            assert_eq!(CpuSet::of_this_thread().unwrap(), all);
        }

        #[test]
        fn a_set_without_cpus_is_refused() {
            let all = CpuSet::of_this_thread().unwrap();
            let none = CpuSet(vec![0; all.0.len()].into());
            assert!(none.singles().is_empty());
            let error = none.hold_this_thread().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod unsupported {
    use std::convert::Infallible;
    use std::io;

    /// There is no such set, so nothing can be done with one.
    #[derive(Clone)]
    pub(crate) struct CpuSet(Infallible);

    impl CpuSet {
        pub(crate) fn of_this_thread() -> io::Result<Self> {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "`Builder::pin_cores` works on Linux only: leave it out on this system",
            ))
        }

        pub(crate) fn singles(&self) -> Vec<Self> {
            match self.0 {}
        }

        pub(crate) fn hold_this_thread(&self) -> io::Result<()> {
            match self.0 {}
        }
    }
}

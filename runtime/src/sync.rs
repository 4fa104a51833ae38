//! The primitives that lock-free code is written against: std's, or loom's when models run.
//!
//! Under `--cfg loom` every atomic, cell and lock below is loom's, so that the models explore the
//! interleavings of the very code that ships.
//!
//! There are two kinds of locks. A [`Mutex`] guards what is touched for a moment, such as a core's timers: it is
//! `parking_lot`'s, which costs a compare-and-swap to take and another to let go. What std adds to that, to know of
//! panics, was one instruction in eleven of a sleep. Threads that wait for each other, and so for the system, use a
//! [`monitor`], which is std's: with the other kind, jobs of the blocking pool took up to a tenth longer.
//!
//! Neither poisons. What they guard is never left half-changed by a panic: the only foreign code that runs
//! while one is held is the clone of a waker.

#[cfg(not(loom))]
pub(crate) use self::std_primitives::*;

#[cfg(loom)]
pub(crate) use self::loom_primitives::*;

#[cfg(all(test, loom))]
pub(crate) mod model;

#[cfg(not(loom))]
mod std_primitives {
    pub(crate) mod atomic {
        pub(crate) use std::sync::atomic::{
            AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
        };
    }

    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::thread;
    pub(crate) use std::thread_local;

    /// [`std::cell::UnsafeCell`] with loom's closure interface.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    pub(crate) mod monitor {
        use std::sync::PoisonError;
        use std::time::Duration;

        pub(crate) use std::sync::MutexGuard;

        /// The lock of a monitor.
        #[derive(Debug, Default)]
        pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

        impl<T> Mutex<T> {
            pub(crate) const fn new(value: T) -> Self {
                Self(std::sync::Mutex::new(value))
            }

            #[inline]
            pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
                self.0.lock().unwrap_or_else(PoisonError::into_inner)
            }
        }

        /// A condition variable of a monitor.
        #[derive(Debug, Default)]
        pub(crate) struct Condvar(std::sync::Condvar);

        impl Condvar {
            pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
                self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
            }

            /// Waits at most `timeout`; the flag says whether it ran out.
            pub(crate) fn wait_timeout<'a, T>(
                &self,
                guard: MutexGuard<'a, T>,
                timeout: Duration,
            ) -> (MutexGuard<'a, T>, bool) {
                let waited = self.0.wait_timeout(guard, timeout);
                let (guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
                (guard, result.timed_out())
            }

            pub(crate) fn notify_one(&self) {
                self.0.notify_one();
            }

            pub(crate) fn notify_all(&self) {
                self.0.notify_all();
            }
        }
    }
}

#[cfg(loom)]
mod loom_primitives {
    use std::sync::atomic::Ordering::Relaxed;

    pub(crate) mod atomic {
        pub(crate) use loom::sync::atomic::{
            AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence,
        };

        /// Loom lets a sequentially consistent load go back to the value that an atomic was made with, past
        /// stores of that order. So atomics with such loads begin with such a store.
        macro_rules! begin_with_a_store {
            ($($name:ident: $value:ty),*) => {$(
                #[derive(Debug)]
                pub(crate) struct $name(loom::sync::atomic::$name);

                impl $name {
                    pub(crate) fn new(value: $value) -> Self {
                        let atomic = loom::sync::atomic::$name::new(value);
                        atomic.store(value, Ordering::SeqCst);
                        Self(atomic)
                    }
                }

                impl std::ops::Deref for $name {
                    type Target = loom::sync::atomic::$name;

                    fn deref(&self) -> &Self::Target {
                        &self.0
                    }
                }
            )*};
        }

        begin_with_a_store!(AtomicBool: bool, AtomicUsize: usize);
    }

    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::MutexGuard;

    /// Loom has one kind of lock.
    pub(crate) mod monitor {
        pub(crate) use super::{Condvar, Mutex, MutexGuard};
    }

    pub(crate) mod thread {
        use std::sync::Arc;

        use loom::thread::ThreadId;
        pub(crate) use loom::thread::{Builder, JoinHandle, panicking, yield_now};

        use super::{Condvar, Mutex};

        loom::thread_local! {
            static CURRENT: Thread = Thread {
                id: loom::thread::current().id(),
                token: Arc::default(),
            };
        }

        /// A thread's address. Loom's own will not do: it forgets, while the thread waits for a lock, that
        /// it was unparked.
        #[derive(Clone, Debug)]
        pub(crate) struct Thread {
            id: ThreadId,
            token: Arc<Token>,
        }

        #[derive(Debug, Default)]
        struct Token {
            is_there: Mutex<bool>,
            came: Condvar,
        }

        pub(crate) fn current() -> Thread {
            CURRENT.with(Clone::clone)
        }

        pub(crate) fn park() {
            let Thread { token, .. } = current();
            let mut is_there = token.is_there.lock();
            while !*is_there {
                is_there = token.came.wait(is_there);
            }
            *is_there = false;
        }

        /// Loom has no clock: time is up at once.
        pub(crate) fn park_timeout(_timeout: std::time::Duration) {
            let Thread { token, .. } = current();
            if !std::mem::take(&mut *token.is_there.lock()) {
                yield_now();
            }
        }

        impl Thread {
            pub(crate) fn unpark(&self) {
                *self.token.is_there.lock() = true;
                self.token.came.notify_one();
            }

            pub(crate) fn id(&self) -> ThreadId {
                self.id
            }
        }
    }

    /// Loom's macro, for values that std's would want in a `const` block.
    macro_rules! local {
        ($(#[$attribute:meta])* static $name:ident: $type:ty = const { $value:expr };) => {
            loom::thread_local! { $(#[$attribute])* static $name: $type = $value; }
        };
    }
    pub(crate) use local as thread_local;

    /// A mutex that does not poison.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("loom's locks do not poison")
        }
    }

    /// A condition variable for [`Mutex`].
    #[derive(Debug)]
    pub(crate) struct Condvar {
        inner: loom::sync::Condvar,
        /// Not loom's: nothing may rely on it.
        time_is_up: std::sync::atomic::AtomicBool,
    }

    impl Default for Condvar {
        fn default() -> Self {
            Self {
                inner: loom::sync::Condvar::new(),
                time_is_up: false.into(),
            }
        }
    }

    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.inner.wait(guard).expect("loom's locks do not poison")
        }

        pub(crate) fn notify_one(&self) {
            self.inner.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.inner.notify_all();
        }

        /// Loom has no clock: a wait lasts until a notification or until [`let_time_pass`]
        /// (Self::let_time_pass).
        pub(crate) fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _timeout: std::time::Duration,
        ) -> (MutexGuard<'a, T>, bool) {
            let guard = self.wait(guard);
            (guard, self.time_is_up.swap(false, Relaxed))
        }

        /// Ends all waits with a time-out that are under way.
        #[cfg(test)]
        pub(crate) fn let_time_pass(&self) {
            self.time_is_up.store(true, Relaxed);
            self.inner.notify_all();
        }
    }
}

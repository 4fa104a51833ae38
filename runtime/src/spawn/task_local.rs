//! Values that belong to a task instead of a thread.
//!
//! A key is a place that each thread has. The future of a scope owns the value, and exchanges it with what
//! is in the place for as long as it is polled, or dropped.
//!
//! What always holds:
//! - Scopes of a key are entered and left like brackets, also by a panic. So between two polls there is
//!   nothing of a task in the places of its thread.
//! - No foreign code runs while a place is changed. It is only read for longer, by [`LocalKey::with`]; a
//!   scope of the same key that would begin meanwhile panics instead.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

/// Declares keys of values that tasks have for themselves.
///
/// Attributes and visibility are kept. See [`LocalKey`] for what can be done with a key.
///
/// # Examples
///
/// ```
/// mini_rt_runtime::task_local! {
///     /// Who asks.
///     pub static USER: String;
///     static ATTEMPT: u32;
/// }
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// let greeting = USER.scope("ann".to_owned(), async {
///     ATTEMPT.scope(2, async { format!("{}, attempt {}", USER.get(), ATTEMPT.get()) }).await
/// });
/// assert_eq!(runtime.block_on(greeting), "ann, attempt 2");
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty);* $(;)?) => {$(
        $(#[$attribute])*
        $visibility static $name: $crate::LocalKey<$type> = {
            ::std::thread_local! {
                static PLACE: ::std::cell::RefCell<::std::option::Option<$type>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::LocalKey::from_place(PLACE)
        };
    )*};
}

/// The key of a value that belongs to a task; made by [`task_local!`](crate::task_local).
///
/// There is a value only inside a [scope](Self::scope). A task that is spawned there does not inherit it; it
/// needs a scope of its own. All that the scope itself polls is inside, though, and that includes tasks if it
/// drives them: those of a current-thread runtime, say, whose `block_on` is called in a
/// [`sync_scope`](Self::sync_scope).
///
/// # Examples
///
/// ```
/// mini_rt_runtime::task_local! {
///     static REQUEST: u32;
/// }
///
/// async fn log(text: &str) -> String {
///     format!("request {}: {text}", REQUEST.get())
/// }
///
/// # let runtime = mini_rt_runtime::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
/// runtime.block_on(async {
///     let one = mini_rt_runtime::spawn(REQUEST.scope(1, log("begins")));
///     let two = mini_rt_runtime::spawn(REQUEST.scope(2, log("begins")));
///     assert_eq!(one.await.unwrap(), "request 1: begins");
///     assert_eq!(two.await.unwrap(), "request 2: begins");
///     assert!(REQUEST.try_get().is_err());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalKey<T: 'static> {
    place: Place<T>,
}

type Place<T> = thread::LocalKey<RefCell<Option<T>>>;

impl<T: 'static> LocalKey<T> {
    /// For the expansion of `task_local!`, which alone can declare a place.
    #[doc(hidden)]
    pub const fn from_place(place: Place<T>) -> Self {
        Self { place }
    }

    /// A future that has `value` as the key's value whenever it runs, and when it is dropped. Inside it may
    /// be another scope of the key, which hides this one.
    ///
    /// # Panics
    ///
    /// The scope's poll, if it happens inside [`with`](Self::with) or [`try_with`](Self::try_with) of the
    /// same key.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture {
            key: self,
            value: Some(value),
            future: Some(future),
        }
    }

    /// Calls a closure that has `value` as the key's value.
    ///
    /// # Panics
    ///
    /// Inside [`with`](Self::with) or [`try_with`](Self::try_with) of the same key, and in the destructor
    /// of a thread-local after the key's own.
    ///
    /// # Examples
    ///
    /// ```
    /// mini_rt_runtime::task_local! {
    ///     static DEPTH: u32;
    /// }
    ///
    /// fn deeper() -> u32 {
    ///     DEPTH.sync_scope(DEPTH.get() + 1, || DEPTH.get())
    /// }
    ///
    /// assert_eq!(DEPTH.sync_scope(1, deeper), 2);
    /// ```
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, closure: F) -> R
    where
        F: FnOnce() -> R,
    {
        match self.enter(&mut Some(value), closure) {
            Ok(result) => result,
            Err(error) => error.panic(),
        }
    }

    /// Looks at the value.
    ///
    /// # Panics
    ///
    /// Outside a scope of the key.
    #[track_caller]
    pub fn with<F, R>(&'static self, closure: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(closure) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Looks at the value.
    ///
    /// # Errors
    ///
    /// Outside a scope of the key. Then the closure is not called.
    pub fn try_with<F, R>(&'static self, closure: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        let looked = self
            .place
            .try_with(|place| place.borrow().as_ref().map(closure));
        looked.ok().flatten().ok_or(AccessError(()))
    }

    /// Calls a closure while the value is in the key's place.
    fn enter<R>(
        &'static self,
        value: &mut Option<T>,
        closure: impl FnOnce() -> R,
    ) -> Result<R, EnterError> {
        /// Leaves the scope, also when a panic does.
        struct Leave<'a, T: 'static> {
            key: &'static LocalKey<T>,
            value: &'a mut Option<T>,
        }

        impl<T> Drop for Leave<'_, T> {
            fn drop(&mut self) {
                let left = self.key.exchange(self.value);
                debug_assert!(left.is_ok(), "what could be entered can be left");
            }
        }

        self.exchange(value)?;
        let _leave = Leave { key: self, value };
        Ok(closure())
    }

    fn exchange(&'static self, value: &mut Option<T>) -> Result<(), EnterError> {
        let exchanged = self.place.try_with(|place| match place.try_borrow_mut() {
            Ok(mut inside) => {
                mem::swap(&mut *inside, value);
                Ok(())
            }
            Err(_) => Err(EnterError::InUse),
        });
        exchanged.unwrap_or(Err(EnterError::Gone))
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A clone of the value.
    ///
    /// # Panics
    ///
    /// Outside a scope of the key.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A clone of the value.
    ///
    /// # Errors
    ///
    /// Outside a scope of the key.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

pin_project! {
    /// A future with a value of its own for a key; made by [`LocalKey::scope`].
    ///
    /// # Panics
    ///
    /// If it is polled after it was ready, or inside [`with`](LocalKey::with) of the same key.
    ///
    /// # Examples
    ///
    /// ```
    /// mini_rt_runtime::task_local! {
    ///     static USER: &'static str;
    /// }
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// let anns = USER.scope("ann", async { USER.get() });
    /// assert_eq!(runtime.block_on(anns), "ann");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub struct TaskLocalFuture<T: 'static, F> {
        key: &'static LocalKey<T>,
        // The scope's value, or, while the scope is entered, what it hides.
        value: Option<T>,
        // Gone once it is ready.
        #[pin]
        future: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                // Where the scope cannot be entered the future is dropped outside it.
                let _ = this.key.enter(this.value, || this.future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out; `None` if that was done before. A future that is polled on has no value then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// mini_rt_runtime::task_local! {
    ///     static READ: Cell<usize>;
    /// }
    ///
    /// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
    /// let mut reading = Box::pin(READ.scope(Cell::new(0), async {
    ///     READ.with(|read| read.set(read.get() + 100));
    /// }));
    /// runtime.block_on(reading.as_mut());
    /// assert_eq!(reading.as_mut().take_value(), Some(Cell::new(100)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = this.key.enter(this.value, || {
            let future = this.future.as_mut().as_pin_mut();
            let poll = future.expect("a scope is polled after its end").poll(cx);
            if poll.is_ready() {
                this.future.set(None);
            }
            poll
        });
        polled.unwrap_or_else(|error| error.panic())
    }
}

/// There is no value for a key: the code runs in no scope of it.
///
/// # Examples
///
/// ```
/// mini_rt_runtime::task_local! {
///     static USER: String;
/// }
///
/// assert!(USER.try_with(String::len).is_err());
/// assert_eq!(USER.sync_scope("ann".to_owned(), || USER.try_with(String::len)), Ok(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError(());

/// Why a scope cannot be entered.
enum EnterError {
    InUse,
    Gone,
}

impl EnterError {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            Self::InUse => panic!(
                "a task-local's scope begins inside a `with` of the same key: clone the value and end \
                 the `with` first"
            ),
            Self::Gone => panic!("a task-local's scope begins after the thread's locals are gone"),
        }
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task-local has no value here: its `scope` gives it one")
    }
}

impl Error for AccessError {}

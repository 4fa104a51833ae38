//! Why a task has no output.

use std::any::Any;
use std::fmt;
use std::io;

use super::Id;

/// The task did not return: it panicked or was cancelled.
///
/// # Examples
///
/// ```
/// # let runtime = mini_rt_runtime::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let error = mini_rt_runtime::spawn(async { panic!("boom") }).await.unwrap_err();
///     assert!(error.is_panic());
///     assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "boom");
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinError {
    id: Id,
    /// What the task panicked with; `None` if it was cancelled.
    panic: Option<Box<dyn Any + Send + 'static>>,
}

impl JoinError {
    pub(super) fn new(id: Id, panic: Option<Box<dyn Any + Send + 'static>>) -> Self {
        Self { id, panic }
    }

    /// Whether the task was aborted, or dropped because its runtime shut down.
    pub fn is_cancelled(&self) -> bool {
        self.panic.is_none()
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// The value the task panicked with, as for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the task did not panic; see [`try_into_panic`](Self::try_into_panic).
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic()
            .expect("the task was cancelled and has no panic")
    }

    /// The value the task panicked with.
    ///
    /// # Errors
    ///
    /// Gives the error back if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        let Self { id, panic } = self;
        panic.ok_or(Self { id, panic: None })
    }

    /// The task that failed.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The panic's message, if it is text.
    fn message(&self) -> Option<&str> {
        let payload = self.panic.as_ref()?;
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&'static str>().copied())
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.panic, self.message()) {
            (None, _) => write!(f, "task {} was cancelled", self.id),
            (Some(_), Some(message)) => write!(f, "task {} panicked: {message:?}", self.id),
            (Some(_), None) => write!(f, "task {} panicked", self.id),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.panic, self.message()) {
            (None, _) => write!(f, "JoinError::Cancelled({})", self.id),
            (Some(_), Some(message)) => write!(f, "JoinError::Panic({}, {message:?})", self.id),
            (Some(_), None) => write!(f, "JoinError::Panic({}, ..)", self.id),
        }
    }
}

// SAFETY: the only part that is not `Sync` is the panic's payload, and no method gives a reference to
// it away; `message` looks only at the concrete types `String` and `&str`, which are `Sync`.
unsafe impl Sync for JoinError {}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        io::Error::other(error)
    }
}

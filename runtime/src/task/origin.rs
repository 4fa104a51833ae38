//! Where a task comes from.

use std::panic::Location;

/// The place of a spawn, the name that was given there, and the core it happened on.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) location: &'static Location<'static>,
    name: Option<Box<Name>>,
    pub(crate) core: u32,
}

/// A task's name. Few tasks have one, so a header has room for no more than a thin pointer.
#[derive(Debug)]
struct Name(Box<str>);

impl Origin {
    /// A task without a name, spawned by the caller of the caller.
    #[track_caller]
    #[inline]
    pub(crate) fn here() -> Self {
        Self {
            location: Location::caller(),
            name: None,
            core: 0,
        }
    }

    /// Names the task.
    pub(crate) fn named(self, name: String) -> Self {
        Self {
            name: Some(Box::new(Name(name.into()))),
            ..self
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &*name.0)
    }
}

//! What to wait for, and what came.

use std::ops::{BitOr, BitOrAssign};

/// The directions that an operation waits for.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interest(u8);

impl Interest {
    /// There is something to read, or there never will be.
    pub const READABLE: Self = Self(1);
    /// Something can be written, or never will be.
    pub const WRITABLE: Self = Self(2);

    /// No direction: the start of what a descriptor is registered for.
    pub(crate) const NONE: Self = Self(0);

    /// Whether reading is among the directions.
    pub const fn is_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Whether writing is among the directions.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    /// Both interests together; the same as `|`, and usable in constants.
    #[must_use]
    pub const fn add(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.add(other)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.add(other);
    }
}

/// What is known about a descriptor's readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready(u16);

impl Ready {
    pub(crate) const NONE: Self = Self(0);
    /// A read may succeed, or tell of an end or an error.
    pub(crate) const READ: Self = Self(1 << 0);
    /// A write may succeed, or tell of an error.
    pub(crate) const WRITE: Self = Self(1 << 1);
    /// The peer will send no more, or an error is pending. No further edge announces it, so a short read
    /// does not show that there is nothing left to hear.
    pub(crate) const READ_CLOSED: Self = Self(1 << 2);
    /// The same for writing.
    pub(crate) const WRITE_CLOSED: Self = Self(1 << 3);
    /// Urgent data is under way. Reads stop short at its mark, with ordinary data behind.
    pub(crate) const PRIORITY: Self = Self(1 << 4);
    /// The runtime is gone: nothing more will be reported.
    pub(crate) const SHUTDOWN: Self = Self(1 << 5);

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits that an operation of this interest uses up.
    pub(crate) fn of(interest: Interest) -> Self {
        let read = if interest.is_readable() {
            Self::READ
        } else {
            Self::NONE
        };
        let write = if interest.is_writable() {
            Self::WRITE
        } else {
            Self::NONE
        };
        read.union(write)
    }

    /// The directions that these bits make ready.
    pub(crate) fn directions(self) -> Interest {
        let everything = self.intersects(Self::SHUTDOWN);
        let mut directions = Interest::NONE;
        if everything || self.intersects(Self::READ) {
            directions |= Interest::READABLE;
        }
        if everything || self.intersects(Self::WRITE) {
            directions |= Interest::WRITABLE;
        }
        directions
    }
}

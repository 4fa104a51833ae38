//! Who watches whom, so that pollers never do so in a ring.
//!
//! A poller that has events is an event for those that watch it. In a ring it would be one for itself, for
//! ever; macOS refuses that, and others do not. What always holds: a poller that watches is not watched. So
//! there is no way of two steps, and no ring. The price is that a core which is blocked while it watches
//! another cannot be watched itself.

use std::io;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// How many pollers watch this one, or, below zero, how many it watches.
///
/// *Ordering:* relaxed; the number orders nothing but itself.
#[derive(Debug, Default)]
pub(super) struct Role(AtomicIsize);

/// A watch that ends when it is dropped, unless it [stays](Self::stays).
#[must_use]
pub(super) struct Watch<'a> {
    watcher: &'a Role,
    watched: &'a Role,
}

impl Role {
    /// Lets one poller watch another, if it is not watched itself and the other does not watch.
    pub(super) fn begin<'a>(watcher: &'a Self, watched: &'a Self) -> io::Result<Watch<'a>> {
        if !watcher.step(|role| (role <= 0).then(|| role - 1)) {
            return Err(ring());
        }
        if !watched.step(|role| (role >= 0).then(|| role + 1)) {
            watcher.step(|role| Some(role + 1));
            return Err(ring());
        }
        Ok(Watch { watcher, watched })
    }

    /// Ends a watch that has stayed.
    pub(super) fn end(watcher: &Self, watched: &Self) {
        watcher.step(|role| Some(role + 1));
        watched.step(|role| Some(role - 1));
    }

    fn step(&self, step: impl Fn(isize) -> Option<isize>) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, step).is_ok()
    }
}

impl Watch<'_> {
    pub(super) fn stays(self) {
        std::mem::forget(self);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        Role::end(self.watcher, self.watched);
    }
}

fn ring() -> io::Error {
    io::Error::from_raw_os_error(libc::ELOOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_watches_is_not_watched() {
        let [a, b, c] = [(); 3].map(|()| Role::default());
        Role::begin(&a, &b).unwrap().stays();
        Role::begin(&c, &b).unwrap().stays();
        for (watcher, watched) in [(&b, &a), (&b, &c), (&c, &a), (&a, &a), (&b, &b)] {
            let refused = Role::begin(watcher, watched).map(drop).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::ELOOP));
        }
        Role::end(&a, &b);
        Role::begin(&c, &a).unwrap().stays();
        assert!(Role::begin(&b, &a).is_err(), "it is watched by one still");
        Role::end(&c, &b);
        drop(Role::begin(&b, &a).unwrap());
        Role::begin(&b, &a).unwrap().stays();
    }

    #[test]
    fn a_watch_that_does_not_stay_leaves_nothing() {
        let (a, b) = (Role::default(), Role::default());
        drop(Role::begin(&a, &b).unwrap());
        drop(Role::begin(&b, &a).unwrap());
        drop(Role::begin(&a, &b).unwrap());
    }
}

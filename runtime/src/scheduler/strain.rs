//! Whether a core has more to do than it can, or time for more.
//!
//! To wake a thread costs as much as several short polls, and threads that take turns on one CPU, each with a
//! few events at a time, do everything dearer than one that has many. So a core calls a sibling for a
//! batch of events if that is worth it: if what is ready will take long, by what polls have taken of late; or if it has
//! worked for long almost without a rest. And a core that rests enough does what a sleeper would have to be
//! woken for. So few connections end up with one core, which has time enough for them, and many with all.
//!
//! A batch that is not shared is run here, and nobody but this core knows of it. Should it take longer than
//! expected, siblings find it when they have nothing to do, or at a look: see [`rescue`](super::rescue).
//!
//! Calling with each batch of two was rejected: with 64 busy connections on two CPUs, beside their client, a
//! request cost 9 us of CPU time instead of 5.

use std::cell::Cell;

use crate::timer::Moment;

/// Nanoseconds of work ahead for which a sibling is called.
const AHEAD: u32 = 300_000;
/// Nanoseconds of work without rest for which a sibling is called.
const BEHIND: u32 = 1_000_000;
/// Who has less behind it has time for others.
const LITTLE: u32 = BEHIND / 4;
/// For how many nanoseconds of work a nanosecond of rest makes up.
const REST: Moment = 4;
/// After so many looks in vain at what others have to do, one each, looks become no rarer: then it is one in
/// 2^this rests.
const VAIN: u8 = 6;
/// More nanoseconds than this count as so many.
const LONGEST: u32 = 10_000_000;
/// How many batches the average length of a poll goes back.
const MEMORY: u32 = 8;

pub(super) struct Strain {
    /// Nanoseconds worked, less those that rests have made up for.
    behind: Cell<u32>,
    /// What a poll has taken, on average.
    poll: Cell<u32>,
    /// Looks at what others have to do that were in vain, in a row.
    vain: Cell<u8>,
    /// Rests until the next.
    until_look: Cell<u8>,
}

impl Strain {
    pub(super) fn new() -> Self {
        Self {
            behind: Cell::new(0),
            poll: Cell::new(0),
            vain: Cell::new(0),
            until_look: Cell::new(0),
        }
    }

    /// Notes so many polls, which have taken so long together.
    pub(super) fn worked(&self, duration: Moment, polls: u32) {
        let duration = u32::try_from(duration).unwrap_or(u32::MAX).min(LONGEST);
        self.behind.set((self.behind.get() + duration).min(BEHIND));
        if let Some(poll) = duration.checked_div(polls) {
            let average = self.poll.get() * (MEMORY - 1) + poll;
            self.poll.set(average / MEMORY);
        }
    }

    /// Notes a rest.
    pub(super) fn rested(&self, duration: Moment) {
        let made_up = u32::try_from(duration.saturating_mul(REST)).unwrap_or(u32::MAX);
        self.behind.set(self.behind.get().saturating_sub(made_up));
    }

    /// Whether to look, before a rest, for what others have to do: there is time, and it was not in vain too
    /// often of late.
    pub(super) fn has_time(&self) -> bool {
        let rests = self.until_look.get();
        self.until_look.set(rests.saturating_sub(1));
        rests == 0 && self.behind.get() < LITTLE
    }

    /// Notes such a look.
    pub(super) fn looked(&self, found: bool) {
        let vain = if found { 0 } else { self.vain.get() + 1 };
        self.vain.set(vain.min(VAIN));
        self.until_look.set((1 << self.vain.get()) - 1);
    }

    /// Whether to wake a sibling, with so many tasks ready. If so, it takes as much work again until the next.
    pub(super) fn calls_for_help(&self, ready: u32) -> bool {
        let ahead = self.poll.get().saturating_mul(ready);
        let calls = ready > 1 && (ahead >= AHEAD || self.behind.get() >= BEHIND);
        if calls {
            self.behind.set(0);
        }
        calls
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// How many of so many batches are shared, when each has so many polls that take so long, and a rest
    /// before it.
    fn shared(batches: u32, polls: u32, poll: Moment, rest: Moment) -> usize {
        let strain = Strain::new();
        let run = |_: &u32| {
            strain.rested(rest);
            let calls = strain.calls_for_help(polls);
            strain.worked(poll * Moment::from(polls), polls);
            calls
        };
        (0..batches).filter(run).count()
    }

    #[test]
    fn a_few_short_polls_are_not_worth_a_call() {
        assert_eq!(shared(1_000, 10, 5_000, 50_000), 0);
        assert_eq!(shared(1_000, 1, 5_000_000, 0), 0);
    }

    #[test]
    fn long_polls_are() {
        assert!(shared(1_000, 2, 500_000, 10_000_000) > 980);
        assert!(shared(1_000, 30, 20_000, 10_000_000) > 980);
    }

    #[test]
    fn a_core_that_never_rests_calls_once_in_a_while() {
        let batches_till_call = (BEHIND / 50_000) as usize;
        assert_eq!(shared(1_000, 10, 5_000, 0), 999 / batches_till_call);
    }

    #[test]
    fn who_rests_for_a_fifth_of_the_time_has_time() {
        let strain = Strain::new();
        for _ in 0..100 {
            strain.worked(80_000, 10);
            strain.rested(20_000);
            assert!(strain.has_time());
        }
        (0..10).for_each(|_| strain.worked(80_000, 10));
        assert!(!strain.has_time());
    }

    #[test]
    fn looks_in_vain_become_rare_and_one_that_is_not_makes_them_frequent() {
        let strain = Strain::new();
        let look = |_: &i32| {
            let has_time = strain.has_time();
            if has_time {
                strain.looked(false);
            }
            has_time
        };
        let looks: Vec<usize> = [64, 640, 640]
            .map(|rests| (0..rests).filter(look).count())
            .into();
        assert_eq!(looks, [6, 10, 10]);
        strain.looked(true);
        assert_eq!((0..3).filter(look).count(), 2);
    }

    #[test]
    fn one_long_poll_is_soon_forgotten() {
        let strain = Strain::new();
        strain.worked(3_000_000, 10);
        strain.rested(1_000_000);
        assert!(strain.calls_for_help(10) && strain.has_time());
        for _ in 0..40 {
            strain.worked(50_000, 10);
            strain.rested(100_000);
        }
        assert!(!strain.calls_for_help(10));
    }
}

//! Which cores are idle, and how many look for work.
//!
//! What always holds: work pushed for all is never left behind while a core is idle and
//! nobody looks. (What a core keeps for itself, if only for a while, is not for all; see [`strain`]
//! (super::strain).) It rests on one rule for each side:
//! - who pushes work for all, *then* looks whether somebody searches, *then* for an idle core to wake;
//! - who stops searching as the last one, or falls asleep while nobody searches, *then* looks for work
//!   once more, having announced itself idle before.
//!
//! All accesses here are sequentially consistent, so in the single order of all of them either the
//! pusher's look comes after the searcher's announcement, and finds it, or the searcher's last look comes
//! after the push, and finds that.
//!
//! Searchers are limited to half of the cores, since all that many more do is to contend. A core that is
//! woken for work is counted as searching by the one who wakes it, before its bit is taken, so that a
//! second push does not wake a second core in between. That count is a token: who takes a core whose bit
//! another has taken has the token with it.
//!
//! The count and the bits are separate words. One packed word, as in tokio, would bound the number of
//! cores, or need a lock for the list of sleepers.

use std::iter;

use crate::sync::atomic::{
    AtomicU64, AtomicUsize, Ordering,
    Ordering::{Relaxed, SeqCst},
};

/// Cores per word.
const WORD: usize = 64;

#[derive(Debug)]
pub(crate) struct Idle {
    /// A bit per core: set while it is idle and nobody has claimed it. Most machines need only the first
    /// word, which is looked at with each push.
    first: AtomicU64,
    others: Box<[AtomicU64]>,
    searching: AtomicUsize,
    cores: usize,
}

/// What became of the attempt to claim one particular core.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The caller must wake it.
    Claimed,
    Busy,
    /// It is busy, but meanwhile somebody may have pushed work and relied on this attempt as a search.
    LookForWork,
}

impl Idle {
    /// All cores are idle.
    pub(crate) fn new(cores: usize) -> Self {
        let bits = |word| AtomicU64::new(all_of(word, cores));
        Self {
            first: bits(0),
            others: (1..cores.div_ceil(WORD)).map(bits).collect(),
            searching: AtomicUsize::new(0),
            cores,
        }
    }

    /// Claims an idle core to look for the work just pushed, unless somebody is searching anyway. The
    /// caller must wake it.
    pub(crate) fn claim_searcher(&self) -> Option<usize> {
        loop {
            if self.is_searched() || !self.any(SeqCst) {
                return None;
            }
            self.searching.fetch_add(1, SeqCst);
            if let Some(core) = (0..self.cores).find(|&core| self.leave(core)) {
                return Some(core);
            }
            if !self.stop_searching() {
                return None;
            }
            // Whoever pushed work while this looked like a search relied on it: look again.
        }
    }

    /// Claims one particular core, if it is idle.
    pub(crate) fn claim(&self, core: usize) -> Claim {
        self.searching.fetch_add(1, SeqCst);
        if self.leave(core) {
            Claim::Claimed
        } else if self.stop_searching() {
            Claim::LookForWork
        } else {
            Claim::Busy
        }
    }

    /// Whether a core is idle and nobody searches. Without the order that [`claim_searcher`]
    /// (Self::claim_searcher) gives: for pushers that are awake and will run the work themselves if need be.
    pub(crate) fn may_claim(&self) -> bool {
        self.searching.load(Relaxed) == 0 && self.any(Relaxed)
    }

    /// Announces a core as idle.
    pub(crate) fn enter(&self, core: usize) {
        self.word(core).fetch_or(bit(core), SeqCst);
    }

    /// Takes a core's bit; false if somebody else has, and with it gave the core a searcher's token.
    ///
    /// *Ordering:* the load only spares the exchange. Who gets here has set the bit or has just seen it, so
    /// the load cannot miss it, of whatever order.
    pub(crate) fn leave(&self, core: usize) -> bool {
        let word = self.word(core);
        word.load(SeqCst) & bit(core) != 0 && word.fetch_and(!bit(core), SeqCst) & bit(core) != 0
    }

    /// Starts to search, if not too many do.
    pub(crate) fn start_searching(&self) -> bool {
        let few = 2 * self.searching.load(SeqCst) < self.cores;
        if few {
            self.searching.fetch_add(1, SeqCst);
        }
        few
    }

    /// Gives a searcher's token back; true if it was the last. Then the caller must look for work once
    /// more, or, if it has found some, wake another.
    pub(crate) fn stop_searching(&self) -> bool {
        self.searching.fetch_sub(1, SeqCst) == 1
    }

    /// Whether somebody searches, or is about to.
    pub(crate) fn is_searched(&self) -> bool {
        self.searching.load(SeqCst) > 0
    }

    /// Whether a core is idle and unclaimed.
    pub(crate) fn is_idle(&self, core: usize) -> bool {
        self.word(core).load(SeqCst) & bit(core) != 0
    }

    /// Whether all cores are idle and unclaimed.
    pub(crate) fn all(&self) -> bool {
        let mut words = iter::once(&self.first).chain(&self.others).enumerate();
        words.all(|(word, bits)| bits.load(SeqCst) == all_of(word, self.cores))
    }

    #[cfg(all(test, loom))]
    pub(super) fn searchers(&self) -> usize {
        self.searching.load(SeqCst)
    }

    /// The word with the bit of a core.
    fn word(&self, core: usize) -> &AtomicU64 {
        match core / WORD {
            0 => &self.first,
            word => &self.others[word - 1],
        }
    }

    /// Whether any core is idle.
    fn any(&self, order: Ordering) -> bool {
        let is_set = |word: &AtomicU64| word.load(order) != 0;
        is_set(&self.first) || (self.cores > WORD && self.others.iter().any(is_set))
    }
}

/// The bits of all cores in a word.
fn all_of(word: usize, cores: usize) -> u64 {
    let in_word = (cores - word * WORD).min(WORD);
    u64::MAX >> (WORD - in_word)
}

fn bit(core: usize) -> u64 {
    1 << (core % WORD)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_claim_takes_one_core_and_holds_off_the_next() {
        let idle = Idle::new(70);
        assert_eq!(idle.claim_searcher(), Some(0));
        assert_eq!(idle.claim_searcher(), None);
        assert!(idle.stop_searching());
        assert_eq!(idle.claim_searcher(), Some(1));
        assert!(!idle.leave(1));
        assert!(idle.leave(69));
        assert!(!idle.is_idle(69));
        idle.enter(69);
        assert!(idle.is_idle(69));
    }

    #[test]
    fn half_of_the_cores_may_search() {
        let idle = Idle::new(4);
        assert!(idle.start_searching() && idle.start_searching());
        assert!(!idle.start_searching());
        assert!(!idle.stop_searching() && idle.stop_searching());
    }
}

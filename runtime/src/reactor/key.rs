//! The name of a registration.

/// Generation (24 bits), core (12) and slot (28), also used as the token of events.
///
/// The generation is never 0, so no key is 0: that stands for "not registered", and for wake-ups in
/// pollers. It takes 2^24 reuses of one slot between two looks at it to mistake one source for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

const INDEX_BITS: u32 = 28;
const CORE_BITS: u32 = 12;

/// Bits of a generation.
pub(super) const GENERATION_BITS: u32 = 24;

/// Cores that keys can tell apart.
pub(crate) const MAX_CORES: usize = 1 << CORE_BITS;

impl Key {
    pub(super) const UNREGISTERED: Self = Self(0);

    pub(super) fn new(generation: u32, core: usize, index: u32) -> Self {
        debug_assert!(core < MAX_CORES && index >> INDEX_BITS == 0);
        let high = u64::from(generation) << (CORE_BITS + INDEX_BITS);
        Self(high | (core as u64) << INDEX_BITS | u64::from(index))
    }

    /// Stands for all that a core's poller reports. No registration has this key: its generation is 0.
    pub(super) fn of_core(core: usize) -> Self {
        Self::new(0, core, 1)
    }

    pub(super) fn is_core(self) -> bool {
        self.generation() == 0
    }

    pub(super) const fn from_token(token: u64) -> Self {
        Self(token)
    }

    pub(super) const fn token(self) -> u64 {
        self.0
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 >> (CORE_BITS + INDEX_BITS)) as u32
    }

    pub(super) fn core(self) -> usize {
        (self.0 >> INDEX_BITS) as usize % MAX_CORES
    }

    pub(super) fn index(self) -> u32 {
        self.0 as u32 % (1 << INDEX_BITS)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        let key = Key::new(
            (1 << GENERATION_BITS) - 1,
            MAX_CORES - 2,
            (1 << INDEX_BITS) - 3,
        );
        assert_eq!(key, Key::from_token(key.token()));
        assert_eq!(key.generation(), (1 << GENERATION_BITS) - 1);
        assert_eq!(key.core(), MAX_CORES - 2);
        assert_eq!(key.index(), (1 << INDEX_BITS) - 3);
    }
}

//! Numbers that a seed repeats.

use std::env;

/// Replaces the seed of every test that draws numbers.
const VARIABLE: &str = "MINI_RT_TEST_SEED";

/// The generator `SplitMix64`.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// Begins with `default`, or the environment's seed, and prints which.
    pub fn for_test(test: &str, default: u64) -> Self {
        let seed = match env::var(VARIABLE) {
            Ok(seed) => seed.parse().expect("a seed is a decimal number"),
            Err(_) => default,
        };
        println!("{test}: {VARIABLE}={seed}");
        Self(seed)
    }

    /// Begins with a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for one of many threads or tasks.
    pub fn branch(&mut self) -> Self {
        Self(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// At least one byte, at most `most`.
    pub fn some_bytes(&mut self, most: usize) -> Vec<u8> {
        let len = 1 + self.below(most);
        self.bytes(len)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

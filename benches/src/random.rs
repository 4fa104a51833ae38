//! Numbers that a seed repeats, so that all runtimes meet the same ones.

/// The generator `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that belong to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from `least` to `most`, both of them included.
    ///
    /// # Panics
    /// If `most` is less than `least`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        assert!(least <= most, "an empty range");
        least + self.next() % (most - least + 1)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_and_all_of_the_range_comes() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..200).map(|_| random.between(3, 5)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        for number in 3..=5 {
            assert!(numbers(1).contains(&number));
        }
        assert!(numbers(1).iter().all(|number| (3..=5).contains(number)));
    }
}

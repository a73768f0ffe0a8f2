//! Chance from one seed.
//!
//! ChaCha with 8 rounds, because its stream is fixed by a published definition: the same on every machine and in every
//! version of the crate. Ranges are made here and not by `rand`, whose ways of making them change between versions. Each
//! part of a world has a stream of its own, so that one more draw in one part leaves the others as they were.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A generator that is handed down.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of this number, of this seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A number from `from` to `to`, both included.
    ///
    /// # Panics
    /// If `to` is less than `from`.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        assert!(from <= to, "{from} to {to} is no range");
        let span = u128::from(to - from) + 1;
        // The high half of the product: as even as 64 bits allow.
        from + ((u128::from(self.0.next_u64()) * span) >> 64) as u64
    }

    /// The same as a 32-bit number.
    pub fn small(&mut self, from: u32, to: u32) -> u32 {
        self.range(from.into(), to.into()) as u32
    }

    /// Whether something that happens so many times in a hundred happens now.
    pub fn percent(&mut self, times: u64) -> bool {
        self.range(0, 99) < times
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.range(0, of.len() as u64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    /// A seed that is kept must mean the same world for ever.
    #[test]
    fn the_stream_of_a_seed_is_fixed_and_streams_differ() {
        let mut dice = Dice::new(1, 0);
        let drawn: Vec<u64> = (0..4).map(|_| dice.range(0, 999)).collect();
        assert_eq!(drawn, FIRST);
        let mut other = Dice::new(1, 1);
        assert_ne!((0..4).map(|_| other.range(0, 999)).collect::<Vec<_>>(), FIRST);
    }

    const FIRST: [u64; 4] = [402, 80, 596, 219];

    #[test]
    fn a_range_has_both_its_ends() {
        let mut dice = Dice::new(7, 0);
        let drawn: Vec<u64> = (0..200).map(|_| dice.range(3, 5)).collect();
        assert!([3, 4, 5].iter().all(|n| drawn.contains(n)) && drawn.iter().all(|n| (3..=5).contains(n)));
        assert!(dice.range(0, u64::MAX) > 0);
    }
}

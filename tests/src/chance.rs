//! Chance from one seed, which is printed before it is used.

/// The generator of xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016): small,
/// and the same everywhere.
pub struct Chance(u64);

impl Chance {
    /// Chance from `EDISON_SEED`, or from `default` where that is not set. Prints the seed and how to repeat the run.
    pub fn announced(test: &str, default: u64) -> Self {
        let seed = std::env::var("EDISON_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default);
        println!("seed={seed}   replay: EDISON_SEED={seed} cargo test -p edison-tests {test}");
        Self(seed.max(1))
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    /// A marker that no other client has: 8 to 20 letters and digits.
    pub fn marker(&mut self) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let length = 8 + self.below(13);
        (0..length).map(|_| char::from(LETTERS[usize::try_from(self.below(36)).expect("below 36")])).collect()
    }
}

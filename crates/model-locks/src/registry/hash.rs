//! A hash for names.

use std::hash::{BuildHasherDefault, Hasher};

/// Multiply and rotate, word by word: the hash of rustc and Firefox known as FxHash
/// (<https://nnethercote.github.io/2021/12/08/a-brutally-effective-hash-function-in-rust.html>).
///
/// It does not withstand somebody who chooses the names that are *stored*. Those are entered by the host; strangers only
/// ask, and a name that is asked for and not there costs one look whatever it is.
#[derive(Clone, Copy, Default)]
pub(super) struct NameHasher(u64);

pub(super) type BuildNameHasher = BuildHasherDefault<NameHasher>;

impl NameHasher {
    #[inline]
    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for NameHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let words = bytes.chunks_exact(8);
        let rest = words.remainder();
        words.for_each(|word| self.word(u64::from_le_bytes(word.try_into().expect("a chunk is a word"))));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last));
        }
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    #[inline]
    fn finish(&self) -> u64 {
        // The table takes its place from the low bits and its tag from the high ones; a product is good in the high ones.
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;

    use super::BuildNameHasher;

    /// A table looks at the low bits for the place and at the seven highest for the tag.
    #[test]
    fn names_that_differ_in_one_number_are_spread_over_both_ends_of_the_hash() {
        let build = BuildNameHasher::default();
        let hashes = (0..128).map(|number| build.hash_one(format!("vendor/model-{number}b-instruct")));
        let hashes = hashes.collect::<BTreeSet<_>>();
        assert_eq!(hashes.len(), 128, "no two of so few are alike");
        let low = hashes.iter().map(|hash| hash % 128).collect::<BTreeSet<_>>();
        let high = hashes.iter().map(|hash| hash >> 57).collect::<BTreeSet<_>>();
        // At random it would be 81 of 128.
        assert!(low.len() > 60 && high.len() > 60, "{} places and {} tags for 128 names", low.len(), high.len());
    }

    #[test]
    fn names_that_are_numbers_are_told_apart() {
        let build = BuildNameHasher::default();
        let hashes =
            |of: fn(&BuildNameHasher, u8) -> u64| (0..64).map(|number| of(&build, number)).collect::<BTreeSet<_>>();
        assert_eq!(hashes(|build, number| build.hash_one(number)).len(), 64);
        assert_eq!(hashes(|build, number| build.hash_one(u32::from(number))).len(), 64);
        assert_eq!(hashes(|build, number| build.hash_one(u64::from(number))).len(), 64);
    }

    #[test]
    fn a_rest_shorter_than_a_word_counts() {
        let build = BuildNameHasher::default();
        let hashes = ["", "a", "ab", "abcdefgh", "abcdefghi", "abcdefghj"].map(|name| build.hash_one(name));
        assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), hashes.len());
    }
}

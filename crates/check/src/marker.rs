//! Words that nobody else has, so that whose answer a text is can be seen in it.

/// Letters of a marker.
const LENGTH: usize = 12;

/// So many letters of a marker in a row are no accident: one in 36 to the power of 8.
const TRACE: usize = 8;

/// Makes markers, the same ones for the same seed.
#[derive(Debug)]
pub(crate) struct Markers(u64);

/// A word that one client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker(String);

impl Markers {
    pub(crate) fn from_seed(seed: u64) -> Self {
        // Spread, so that neighbouring seeds have nothing in common. The generator must not start at 0.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> Marker {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        // A letter first: it is a word to whoever splits words from numbers.
        let first = char::from(LETTERS[self.below(26)]);
        let rest = (1..LENGTH).map(|_| char::from(LETTERS[self.below(36)]));
        Marker(std::iter::once(first).chain(rest).collect())
    }

    /// The generator of xorshift64* (Vigna, 2016).
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

impl Marker {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole word stands in `text`.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.0)
    }

    /// Whether so much of it stands in `text` that it must have come from here.
    pub(crate) fn left_a_trace_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        (0..=LENGTH - TRACE).any(|at| text.contains(&self.0[at..at + TRACE]))
    }
}

#[cfg(test)]
mod tests {
    use super::Markers;

    #[test]
    fn a_seed_gives_the_same_markers_again_and_another_gives_others() {
        let of = |seed| {
            let mut markers = Markers::from_seed(seed);
            [markers.next(), markers.next()]
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_ne!(of(1)[0], of(1)[1]);
    }

    #[test]
    fn a_part_that_is_long_enough_is_a_trace() {
        let mut markers = Markers::from_seed(7);
        let (own, other) = (markers.next(), markers.next());
        let part = &own.as_str()[3..11];
        assert!(own.left_a_trace_in(&format!("he said {} twice", part.to_uppercase())));
        assert!(!own.is_in(part) && own.is_in(&own.as_str().to_uppercase()));
        assert!(!own.left_a_trace_in(&part[1..]) && !own.left_a_trace_in(other.as_str()));
    }
}

//! A set of texts, looked for at the places of another text.

/// Texts, none of them empty.
#[derive(Debug, Default)]
pub(crate) struct TextSet {
    /// Ascending, so those with a common beginning lie together.
    sorted: Vec<Vec<u8>>,
    /// Whether some text begins with this byte. Most bytes of a prompt begin none.
    begins: Vec<bool>,
}

impl TextSet {
    pub(crate) fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut sorted: Vec<Vec<u8>> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut begins = vec![false; 256];
        for text in &sorted {
            begins[usize::from(text[0])] = true;
        }
        Self { sorted, begins }
    }

    /// The length of the longest text, 0 where there is none.
    pub(crate) fn longest(&self) -> usize {
        self.sorted.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The length of the longest text of those that begin at a byte and that `admits` takes by their length.
    ///
    /// Looks at no more bytes than the set has in common with them, whatever the set holds.
    pub(crate) fn longest_at(&self, bytes: &[u8], at: usize, admits: impl Fn(usize) -> bool) -> Option<usize> {
        if self.begins.get(usize::from(bytes[at])) != Some(&true) {
            return None;
        }
        let mut longest = None;
        // The texts that agree with the bytes so far, the shortest first.
        let mut agree = &self.sorted[..];
        for (depth, byte) in bytes[at..].iter().enumerate() {
            agree = &agree[agree.partition_point(|text| text.get(depth) < Some(byte))..];
            agree = &agree[..agree.partition_point(|text| text.get(depth) == Some(byte))];
            match agree.first() {
                None => break,
                Some(text) if text.len() == depth + 1 && admits(depth + 1) => longest = Some(depth + 1),
                Some(_) => {}
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::TextSet;

    #[test]
    fn the_longest_that_is_admitted_is_found() {
        let set = TextSet::new(["<s>", "<s>\n", "<", "</s>", "", "<s>", "zz"].map(|text| text.as_bytes().to_vec()));
        let at = |text: &str, at| set.longest_at(text.as_bytes(), at, |_| true);
        assert_eq!((at("<s>\nx", 0), at("<s>x", 0), at("<s", 0), at("</s>", 0)), (Some(4), Some(3), Some(1), Some(4)));
        assert_eq!((at("a<s>", 0), at("a<s>", 1), at("z", 0), at("yzz", 1)), (None, Some(3), None, Some(2)));
        assert_eq!(set.longest_at(b"<s>\n", 0, |len| len < 4), Some(3));
        assert_eq!(set.longest(), 4);
        assert_eq!(TextSet::default().longest_at(b"<s>", 0, |_| true), None);
    }
}

//! The latest few things that were made, by what they were made of.

/// How many are kept. A compiled schema takes some 100 KiB, a large one a few MiB.
const KEPT_MAX: usize = 8;

/// Things that were made, the latest used last.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    kept: Vec<(K, V)>,
}

impl<K: PartialEq, V> Cache<K, V> {
    pub(super) fn new() -> Self {
        Self { kept: Vec::new() }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.kept.retain(|(kept, _)| *kept != key);
        if self.kept.len() == KEPT_MAX {
            self.kept.remove(0);
        }
        self.kept.push((key, value));
    }
}

impl<K: PartialEq> Cache<K, llguidance::Matcher> {
    /// A copy that shares nothing with what is kept.
    pub(super) fn get(&mut self, key: &K) -> Option<llguidance::Matcher> {
        let at = self.kept.iter().position(|(kept, _)| kept == key)?;
        let entry = self.kept.remove(at);
        let copy = entry.1.deep_clone();
        self.kept.push(entry);
        Some(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, KEPT_MAX};

    #[test]
    fn the_latest_are_kept() {
        let mut cache = Cache::new();
        for n in 0..=KEPT_MAX {
            cache.insert(n, n);
        }
        cache.insert(3, 30);
        let kept: Vec<(usize, usize)> = cache.kept.clone();
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!((kept[0], kept[KEPT_MAX - 1]), ((1, 1), (3, 30)));
    }
}

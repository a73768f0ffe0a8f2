//! Storage with stable indices: insert and remove in constant time, holes are filled before it grows.

/// A vector whose entries keep their index while they live.
#[derive(Clone, Debug)]
pub(super) struct Slab<X> {
    entries: Vec<Option<X>>,
    /// Indices of the holes in `entries`, each exactly once.
    holes: Vec<usize>,
}

impl<X> Slab<X> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), holes: Vec::new() }
    }

    pub(super) fn insert(&mut self, entry: X) -> usize {
        match self.holes.pop() {
            Some(index) => {
                debug_assert!(self.entries[index].is_none(), "a hole is not empty");
                self.entries[index] = Some(entry);
                index
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() - 1
            }
        }
    }

    pub(super) fn remove(&mut self, index: usize) -> X {
        let entry = self.entries[index].take().expect("an index is used by its owner only, until it is removed");
        self.holes.push(index);
        entry
    }

    pub(super) fn get(&self, index: usize) -> &X {
        self.entries[index].as_ref().expect("an index is used by its owner only, until it is removed")
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut X {
        self.entries[index].as_mut().expect("an index is used by its owner only, until it is removed")
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, &X)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = (usize, &mut X)> {
        self.entries.iter_mut().enumerate().filter_map(|(index, entry)| Some((index, entry.as_mut()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut X> {
        self.entries.iter_mut().flatten()
    }
}

#[cfg(test)]
impl<X> Slab<X> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &X> {
        self.entries.iter().flatten()
    }

    pub(super) fn check(&self) {
        let empty = self.entries.iter().filter(|entry| entry.is_none()).count();
        assert_eq!(self.holes.len(), empty, "as many holes are listed as there are");
        for &hole in &self.holes {
            assert!(self.entries[hole].is_none(), "a listed hole is not empty");
        }
    }
}

//! Storage with stable indices: a place is taken and given back in constant time, and holes are filled before it grows.
//!
//! It grows by chunks that never move. A vector that doubles would copy everybody who waits, under the mutex, whenever
//! one more comes than ever waited before. An entry is written field by field where it stays, and a hole is an entry that
//! nobody looks at any more: what is large is not copied in or out.

use std::num::NonZeroU32;

/// As many as `Holes` has bits. Few in tests of the core, so that short histories need more than one, and a copy of the
/// core is quick to make.
const CHUNK: usize = if cfg!(test) { 4 } else { Holes::BITS as usize };

/// A bit for each hole of a chunk.
type Holes = u64;

/// Where an entry is. An `Option` of it takes no more room than itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(NonZeroU32);

/// Entries that keep their index while they live.
#[derive(Clone, Debug)]
pub(super) struct Slab<X> {
    chunks: Vec<Chunk<X>>,
    /// The chunks that have a hole, each exactly once. It has room for all of them, so that nothing is allocated when an
    /// entry leaves.
    open: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Chunk<X> {
    holes: Holes,
    entries: Box<[X; CHUNK]>,
}

impl Index {
    #[inline(always)]
    fn new(chunk: usize, at: usize) -> Self {
        let number = u32::try_from(chunk * CHUNK + at + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("memory ends before the numbers do"))
    }

    #[inline(always)]
    fn place(self) -> (usize, usize) {
        let at = self.0.get() as usize - 1;
        (at / CHUNK, at % CHUNK)
    }
}

impl<X: Default> Slab<X> {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), open: Vec::new() }
    }

    /// Takes a hole. The entry is as it was when it was given back, or a default one, and is to be written now.
    #[inline(always)]
    pub(super) fn occupy(&mut self) -> Index {
        if self.open.is_empty() {
            self.grow();
        }
        let open = *self.open.last().expect("it has just grown") as usize;
        let chunk = &mut self.chunks[open];
        let at = chunk.holes.trailing_zeros() as usize;
        chunk.holes &= chunk.holes - 1;
        if chunk.holes == 0 {
            self.open.pop();
        }
        Index::new(open, at)
    }

    #[cold]
    fn grow(&mut self) {
        let chunk = u32::try_from(self.chunks.len()).expect("memory ends before the numbers do");
        self.chunks.push(Chunk {
            holes: Holes::MAX >> (Holes::BITS as usize - CHUNK),
            entries: Box::new(std::array::from_fn(|_| X::default())),
        });
        self.open.reserve(self.chunks.len());
        self.open.push(chunk);
    }

    /// Gives a place back. Whatever owns something must have been taken out of the entry.
    #[inline(always)]
    pub(super) fn vacate(&mut self, index: Index) {
        let (open, at) = index.place();
        let chunk = &mut self.chunks[open];
        debug_assert!(!chunk.is_hole(at), "an index is used by its owner only, until it is given back");
        if chunk.holes == 0 {
            self.open.push(open as u32);
        }
        chunk.holes |= 1 << at;
    }

    #[inline(always)]
    pub(super) fn get(&self, index: Index) -> &X {
        let (chunk, at) = index.place();
        let chunk = &self.chunks[chunk];
        debug_assert!(!chunk.is_hole(at), "an index is used by its owner only, until it is given back");
        &chunk.entries[at]
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, index: Index) -> &mut X {
        let (chunk, at) = index.place();
        let chunk = &mut self.chunks[chunk];
        debug_assert!(!chunk.is_hole(at), "an index is used by its owner only, until it is given back");
        &mut chunk.entries[at]
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Index, &X)> {
        let chunks = self.chunks.iter().enumerate();
        chunks.flat_map(|(number, chunk)| {
            let entries = chunk.entries.iter().enumerate().filter(|&(at, _)| !chunk.is_hole(at));
            entries.map(move |(at, entry)| (Index::new(number, at), entry))
        })
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = (Index, &mut X)> {
        let chunks = self.chunks.iter_mut().enumerate();
        chunks.flat_map(|(number, chunk)| {
            let holes = chunk.holes;
            let entries = chunk.entries.iter_mut().enumerate().filter(move |&(at, _)| holes >> at & 1 == 0);
            entries.map(move |(at, entry)| (Index::new(number, at), entry))
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut X> {
        self.entries_mut().map(|(_, entry)| entry)
    }
}

impl<X> Chunk<X> {
    #[inline]
    fn is_hole(&self, at: usize) -> bool {
        self.holes >> at & 1 == 1
    }
}

#[cfg(test)]
impl<X: Clone> Slab<X> {
    /// Becomes a copy, in the memory it has.
    pub(super) fn become_like(&mut self, other: &Self) {
        let Self { chunks, open } = other;
        self.chunks.truncate(chunks.len());
        for (mine, theirs) in self.chunks.iter_mut().zip(chunks) {
            mine.holes = theirs.holes;
            mine.entries.clone_from_slice(&*theirs.entries);
        }
        self.chunks.extend_from_slice(&chunks[self.chunks.len()..]);
        self.open.clone_from(open);
    }
}

#[cfg(test)]
impl<X: Default> Slab<X> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &X> {
        self.entries().map(|(_, entry)| entry)
    }

    pub(super) fn check(&self) {
        for (number, chunk) in self.chunks.iter().enumerate() {
            let listed = self.open.iter().filter(|&&open| open as usize == number).count();
            assert_eq!(listed, usize::from(chunk.holes != 0), "a chunk with a hole is listed once, another is not");
        }
    }

    /// What nobody looks at.
    pub(super) fn holes(&self) -> impl Iterator<Item = &X> {
        self.chunks.iter().flat_map(|chunk| {
            chunk.entries.iter().enumerate().filter(|&(at, _)| chunk.is_hole(at)).map(|(_, entry)| entry)
        })
    }
}

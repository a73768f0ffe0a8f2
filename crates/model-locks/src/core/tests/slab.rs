//! The storage by itself, with many more entries than the histories of the core ever have.

use super::random::Random;
use crate::core::slab::{Index, Slab};

/// Entries and what was written into them.
#[derive(Default)]
struct Live(Vec<(Index, u64)>);

impl Live {
    /// Asserts that the storage holds these entries, and no others.
    fn assert_in(&self, slab: &mut Slab<u64>) {
        slab.check();
        for &(index, value) in &self.0 {
            assert_eq!(*slab.get(index), value, "an entry was overwritten");
        }
        let mut expected: Vec<_> = self.0.iter().map(|&(_, value)| value).collect();
        expected.sort_unstable();
        let mut seen: Vec<_> = slab.entries().map(|(index, &value)| (index, value)).collect();
        assert!(seen.iter().all(|entry| self.0.contains(entry)), "an entry is listed under another index");
        let mut changed: Vec<_> = slab.entries_mut().map(|(index, value)| (index, *value)).collect();
        for list in [&mut seen, &mut changed] {
            list.sort_unstable_by_key(|&(_, value)| value);
            assert_eq!(list.iter().map(|&(_, value)| value).collect::<Vec<_>>(), expected);
        }
        assert_eq!(slab.iter_mut().count(), expected.len());
    }
}

/// Method: entries come and go at random, in waves over many chunks, beside a list of what should be there.
#[test]
fn an_entry_keeps_its_index_and_its_value_while_it_lives() {
    let (mut slab, mut live, mut random) = (Slab::<u64>::new(), Live::default(), Random(0x51ab));
    for step in 0..6_000 {
        let goal = [3, 70, 10, 100, 4, 33][step / 300 % 6];
        let comes = if live.0.len() < goal { random.below(8) > 0 } else { random.below(8) == 0 };
        if comes || live.0.is_empty() {
            let index = slab.occupy();
            assert!(live.0.iter().all(|&(other, _)| other != index), "an index was given twice");
            *slab.get_mut(index) = step as u64;
            live.0.push((index, step as u64));
        } else {
            let (index, _) = live.0.swap_remove(random.below(live.0.len()));
            slab.vacate(index);
        }
        slab.check();
        if step % 50 == 0 {
            live.assert_in(&mut slab);
        }
    }
}

/// Method: it is filled, emptied in another order and filled again; only one more makes it grow.
#[test]
fn holes_are_filled_before_it_grows() {
    let mut slab = Slab::<u64>::new();
    let mut indices: Vec<_> = (0..50).map(|_| slab.occupy()).collect();
    let room = 50 + slab.holes().count();
    indices.rotate_left(20);
    indices.drain(..).rev().for_each(|index| slab.vacate(index));
    assert_eq!(slab.holes().count(), room, "every entry is a hole now");
    indices.extend((0..room).map(|_| slab.occupy()));
    assert_eq!(slab.holes().count(), 0, "it has grown before it was full");
    slab.check();
    slab.vacate(indices[7]);
    assert_eq!(slab.occupy(), indices[7], "the only hole");
    let _ = slab.occupy();
    assert!(slab.holes().count() > 0, "it grows by more than one");
}

//! How waiting nodes hang together: a list through the slab, so that leaving from its middle takes no longer than from
//! its end.

use super::queue::{Node, Queue, Seat};
use super::slab::Index;
use crate::policy::{Ask, Class};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    pub(super) before: Option<Index>,
    pub(super) behind: Option<Index>,
}

/// The waiting nodes of one class, or of one client of it, first come first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    pub(super) first: Option<Index>,
    pub(super) last: Option<Index>,
}

impl<W> Queue<W> {
    /// Puts a node of this ask into its list, behind the one named, and says what to write into it. When that is done,
    /// [`joined`](Self::joined) follows.
    #[inline(always)]
    pub(super) fn link(&mut self, ask: &Ask, index: Index, before: Option<Index>) -> Links {
        let behind = match before {
            Some(before) => self.links(before).behind.replace(index),
            None => self.list(ask).first.replace(index),
        };
        match behind {
            Some(behind) => self.links(behind).before = Some(index),
            None => self.list(ask).last = Some(index),
        }
        self.waiting[ask.class.index()] += 1;
        Links { before, behind }
    }

    /// Takes a node of this ask, which was linked like this, out of its list.
    #[inline(always)]
    pub(super) fn unlink(&mut self, ask: &Ask, links: Links) {
        self.forget_key(ask);
        self.part(ask.class, links, |queue| queue.list(ask));
        self.parted(ask);
    }

    /// Closes the gap that a node of this class leaves in its list.
    #[inline(always)]
    pub(super) fn part(&mut self, class: Class, links: Links, list: impl Fn(&mut Self) -> &mut List) {
        let Links { before, behind } = links;
        match before {
            Some(before) => self.links(before).behind = behind,
            None => list(self).first = behind,
        }
        match behind {
            Some(behind) => self.links(behind).before = before,
            None => list(self).last = before,
        }
        let waiting = &mut self.waiting[class.index()];
        *waiting -= 1;
        if *waiting == 0 {
            self.bypass.emptied(class);
        }
    }

    #[inline(always)]
    fn links(&mut self, index: Index) -> &mut Links {
        match &mut self.nodes.get_mut(index).seat {
            Seat::Waiting(links) => links,
            Seat::Granted { .. } | Seat::Parked | Seat::Refused(_) => unreachable!("only a waiting node is in a list"),
        }
    }
}

impl<W> Node<W> {
    #[inline]
    pub(super) fn links(&self) -> Links {
        match self.seat {
            Seat::Waiting(links) => links,
            Seat::Granted { .. } | Seat::Parked | Seat::Refused(_) => unreachable!("only a waiting node is in a list"),
        }
    }
}

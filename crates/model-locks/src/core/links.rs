//! How the waiting nodes of a class hang together: a list through the slab, so that leaving from its middle takes no
//! longer than from its end.

use super::queue::{Node, Queue, Seat};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    pub(super) before: Option<usize>,
    pub(super) behind: Option<usize>,
}

/// The waiting nodes of one class, first come first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    pub(super) first: Option<usize>,
    pub(super) last: Option<usize>,
    pub(super) len: usize,
}

impl<W> Queue<W> {
    /// Puts a waiting node into the list of its class, behind this one.
    pub(super) fn link(&mut self, index: usize, before: Option<usize>) {
        let class = self.nodes.get(index).ask.class.index();
        let behind = match before {
            Some(before) => self.links(before).behind.replace(index),
            None => self.lists[class].first.replace(index),
        };
        match behind {
            Some(behind) => self.links(behind).before = Some(index),
            None => self.lists[class].last = Some(index),
        }
        *self.links(index) = Links { before, behind };
        self.lists[class].len += 1;
    }

    /// Takes a waiting node out of the list of its class. Its seat must be changed next.
    pub(super) fn unlink(&mut self, index: usize) {
        let node = self.nodes.get(index);
        let (class, Links { before, behind }) = (node.ask.class, node.links());
        self.forget_key(index);
        match before {
            Some(before) => self.links(before).behind = behind,
            None => self.lists[class.index()].first = behind,
        }
        match behind {
            Some(behind) => self.links(behind).before = before,
            None => self.lists[class.index()].last = before,
        }
        self.lists[class.index()].len -= 1;
        if self.lists[class.index()].len == 0 {
            self.bypass.emptied(class);
        }
    }

    fn links(&mut self, index: usize) -> &mut Links {
        match &mut self.nodes.get_mut(index).seat {
            Seat::Waiting { links, .. } => links,
            Seat::Granted(_) | Seat::Parked | Seat::Refused(_) => unreachable!("only a waiting node is in a list"),
        }
    }
}

impl<W> Node<W> {
    pub(super) fn links(&self) -> Links {
        match self.seat {
            Seat::Waiting { links, .. } => links,
            Seat::Granted(_) | Seat::Parked | Seat::Refused(_) => unreachable!("only a waiting node is in a list"),
        }
    }
}

//! The queue: one list per class, in order of arrival, linked through the nodes of one slab.
//!
//! A node belongs to one future from [`push`](Queue::push) until that future settles or leaves; nobody else removes it.
//! So a key never goes stale. What happens to a waiter meanwhile (granted, refused) is written into its node and read
//! there at the next poll.

use super::Effects;
use super::select::{Bypass, Waiting};
use super::slab::Slab;
use crate::error::AcquireError;
use crate::policy::{Ask, Class, Policy};
use crate::snapshot::{LaneId, WaiterView};

/// The waiters of a lock.
#[derive(Clone, Debug)]
pub(super) struct Queue<W> {
    nodes: Slab<Node<W>>,
    lists: [List; 3],
    bypass: Bypass,
    #[cfg(feature = "canary")]
    canary_lifo: bool,
}

/// The right to one node. Not `Clone` outside of tests: it is used up by settling or leaving.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct WaiterKey(usize);

#[derive(Clone, Debug)]
struct Node<W> {
    ask: Ask,
    seat: Seat<W>,
}

/// What has become of a waiter.
#[derive(Clone, Debug)]
pub(super) enum Seat<W> {
    /// In the list of its class.
    Waiting { waker: W, links: Links },
    /// Taken off its list and given this lane.
    Granted(LaneId),
    /// Taken off its list with nothing.
    Refused(AcquireError),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    before: Option<usize>,
    behind: Option<usize>,
}

/// The waiting nodes of one class, first come first.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: Option<usize>,
    last: Option<usize>,
    len: usize,
}

impl<W> Queue<W> {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            nodes: Slab::new(),
            lists: Default::default(),
            bypass: Bypass::new(policy.bypass_max),
            #[cfg(feature = "canary")]
            canary_lifo: policy.canary_lifo,
        }
    }

    /// How many wait: neither granted nor refused.
    pub(super) fn len(&self) -> usize {
        self.lists.iter().map(|list| list.len).sum()
    }

    /// Puts a waiter behind all others of its class.
    pub(super) fn push(&mut self, ask: Ask, waker: W) -> WaiterKey {
        let list = self.lists[ask.class.index()];
        let links = Links { before: list.last, behind: None };
        let index = self.nodes.insert(Node { ask, seat: Seat::Waiting { waker, links } });
        match list.last {
            Some(last) => self.links(last).behind = Some(index),
            None => self.lists[ask.class.index()].first = Some(index),
        }
        let list = &mut self.lists[ask.class.index()];
        list.last = Some(index);
        list.len += 1;
        WaiterKey(index)
    }

    /// What has become of this waiter.
    pub(super) fn seat(&mut self, key: &WaiterKey) -> &mut Seat<W> {
        &mut self.nodes.get_mut(key.0).seat
    }

    /// Ends this wait, wherever it stood, and forgets the node.
    pub(super) fn remove(&mut self, key: WaiterKey) -> Seat<W> {
        if matches!(self.seat(&key), Seat::Waiting { .. }) {
            self.unlink(key.0);
        }
        self.nodes.remove(key.0).seat
    }

    /// Whose turn it is. Counts the grant.
    pub(super) fn next(&mut self) -> Option<Next> {
        let waiting = self.waiting();
        let class = self.bypass.next(waiting)?;
        self.bypass.granted(class, waiting);
        let index = self.head(class).expect("a class is chosen only when it waits");
        Some(Next { index, ask: self.nodes.get(index).ask })
    }

    /// Takes the chosen waiter off its list and writes the lane into its node.
    pub(super) fn grant(&mut self, next: Next, lane: LaneId) -> W {
        self.unlink(next.index);
        self.reseat(next.index, Seat::Granted(lane))
    }

    /// Refuses everybody who waits.
    pub(super) fn refuse_all(&mut self, error: &AcquireError, effects: &mut Effects<W>) {
        for class in Class::ALL {
            while let Some(index) = self.lists[class.index()].first {
                self.unlink(index);
                effects.wake(self.reseat(index, Seat::Refused(error.clone())));
            }
        }
        debug_assert!(self.len() == 0, "somebody was not refused");
    }

    /// Those who wait, in the order in which they would be granted.
    pub(super) fn in_order(&self) -> Vec<WaiterView> {
        let mut heads = self.lists.map(|list| list.first);
        let mut waiting = self.waiting();
        let mut bypass = self.bypass.clone();
        let mut views = Vec::with_capacity(self.len());
        while let Some(class) = bypass.next(waiting) {
            bypass.granted(class, waiting);
            waiting[class.index()] -= 1;
            let node = self.nodes.get(heads[class.index()].expect("as many are linked as are counted"));
            heads[class.index()] = node.links().behind;
            views.push(WaiterView { position: views.len(), class, tag: node.ask.tag });
        }
        views
    }

    fn waiting(&self) -> Waiting {
        self.lists.map(|list| list.len)
    }

    fn head(&self, class: Class) -> Option<usize> {
        let list = self.lists[class.index()];
        #[cfg(feature = "canary")]
        if self.canary_lifo {
            return list.last;
        }
        list.first
    }

    /// Takes a waiting node out of the list of its class. Its seat must be changed next.
    fn unlink(&mut self, index: usize) {
        let node = self.nodes.get(index);
        let (class, Links { before, behind }) = (node.ask.class, node.links());
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

    /// Ends the waiting of a node that was unlinked, and hands its waker out.
    fn reseat(&mut self, index: usize, seat: Seat<W>) -> W {
        match std::mem::replace(&mut self.nodes.get_mut(index).seat, seat) {
            Seat::Waiting { waker, .. } => waker,
            Seat::Granted(_) | Seat::Refused(_) => unreachable!("only a waiting node is in a list"),
        }
    }

    fn links(&mut self, index: usize) -> &mut Links {
        match &mut self.nodes.get_mut(index).seat {
            Seat::Waiting { links, .. } => links,
            Seat::Granted(_) | Seat::Refused(_) => unreachable!("only a waiting node is in a list"),
        }
    }
}

/// The waiter whose turn it is.
pub(super) struct Next {
    index: usize,
    pub(super) ask: Ask,
}

impl<W> Node<W> {
    fn links(&self) -> Links {
        match self.seat {
            Seat::Waiting { links, .. } => links,
            Seat::Granted(_) | Seat::Refused(_) => unreachable!("only a waiting node is in a list"),
        }
    }
}

/// What is always true between two steps.
#[cfg(test)]
impl<W> Queue<W> {
    pub(super) fn check(&self) {
        let mut linked = 0;
        for class in Class::ALL {
            linked += self.check_list(class);
            let skipped = self.bypass.skipped()[class.index()];
            if self.lists[class.index()].len == 0 {
                assert_eq!(skipped, 0, "an empty class has been passed over");
            }
        }
        self.bypass.check();
        let waiting = self.nodes.iter().filter(|node| matches!(node.seat, Seat::Waiting { .. }));
        assert_eq!(waiting.count(), linked, "every waiting node is in exactly one list");
        self.nodes.check();
    }

    /// The lanes that waiters have been given and not claimed.
    pub(super) fn granted(&self) -> Vec<LaneId> {
        let granted = self.nodes.iter().filter_map(|node| match node.seat {
            Seat::Granted(lane) => Some(lane),
            Seat::Waiting { .. } | Seat::Refused(_) => None,
        });
        granted.collect()
    }

    fn check_list(&self, class: Class) -> usize {
        let list = self.lists[class.index()];
        let (mut len, mut before, mut here) = (0, None, list.first);
        while let Some(index) = here {
            let node = self.nodes.get(index);
            assert_eq!(node.ask.class, class, "a waiter is in the list of another class");
            assert_eq!(node.links().before, before, "a list reads differently backwards");
            (len, before, here) = (len + 1, here, node.links().behind);
            assert!(len <= list.len, "a list is longer than it counts");
        }
        assert_eq!(list.last, before, "a list does not end at its last");
        assert_eq!(list.len, len, "a list is shorter than it counts");
        len
    }
}

//! The queue: one list per class, in order of arrival, linked through the nodes of one slab.
//!
//! A node belongs to one future from [`push`](Queue::push) until that future settles or leaves; nobody else removes it.
//! So a key never goes stale. What happens to a waiter meanwhile (granted, refused) is written into its node and read
//! there at the next poll.

use std::collections::BTreeMap;

use super::Effects;
use super::links::{Links, List};
use super::news::News;
use super::select::{Bypass, Waiting};
use super::slab::Slab;
use crate::error::AcquireError;
use crate::observe::Event;
use crate::policy::{Ask, Class, Policy};
use crate::snapshot::{LaneId, WaiterView};

/// The waiters of a lock.
#[derive(Clone, Debug)]
pub(super) struct Queue<W> {
    pub(super) nodes: Slab<Node<W>>,
    pub(super) lists: [List; 3],
    pub(super) bypass: Bypass,
    /// Those who wait or are parked under a key, of which each has one: whoever comes supersedes whoever is there.
    pub(super) keys: BTreeMap<u64, usize>,
    /// How many are parked.
    pub(super) parked: usize,
    arrived_total: u64,
    #[cfg(feature = "canary")]
    canary_lifo: bool,
}

/// The right to one node. Not `Clone` outside of tests: it is used up by settling or leaving.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct WaiterKey(pub(super) usize);

#[derive(Clone, Debug)]
pub(super) struct Node<W> {
    pub(super) ask: Ask,
    /// When it began to wait, by `arrived_total`.
    pub(super) arrived: u64,
    /// When a sweep first found its grant unclaimed.
    pub(super) seen: Option<u64>,
    pub(super) seat: Seat<W>,
}

/// What has become of a waiter.
#[derive(Clone, Debug)]
pub(super) enum Seat<W> {
    /// In the list of its class.
    Waiting { waker: W, links: Links },
    /// Taken off its list and given this lane.
    Granted(LaneId),
    /// Had a lane and did not claim it. Its task was woken and must look before it is considered again.
    Parked,
    /// Taken off its list with nothing.
    Refused(AcquireError),
}

impl<W> Queue<W> {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            nodes: Slab::new(),
            lists: Default::default(),
            bypass: Bypass::new(policy.bypass_max),
            keys: BTreeMap::new(),
            parked: 0,
            arrived_total: 0,
            #[cfg(feature = "canary")]
            canary_lifo: policy.canary_lifo,
        }
    }

    /// How many wait: neither granted nor refused.
    pub(super) fn len(&self) -> usize {
        self.lists.iter().map(|list| list.len).sum()
    }

    /// How many are parked.
    pub(super) fn parked(&self) -> usize {
        self.parked
    }

    /// Puts a waiter behind all others of its class.
    pub(super) fn push(&mut self, ask: Ask, waker: W) -> WaiterKey {
        self.arrived_total += 1;
        let seat = Seat::Waiting { waker, links: Links::default() };
        let index = self.nodes.insert(Node { ask, arrived: self.arrived_total, seen: None, seat });
        self.link(index, self.lists[ask.class.index()].last);
        if let Some(key) = ask.supersede {
            let former = self.keys.insert(key, index);
            debug_assert!(former.is_none(), "two wait under one key");
        }
        WaiterKey(index)
    }

    /// Refuses whoever waits under this key.
    pub(super) fn supersede(&mut self, key: Option<u64>, effects: &mut Effects<W>, news: &mut News) {
        if let Some(&index) = key.and_then(|key| self.keys.get(&key)) {
            self.refuse(index, AcquireError::Superseded, effects, news);
        }
    }

    /// What this waiter asked.
    pub(super) fn ask(&self, key: &WaiterKey) -> Ask {
        self.nodes.get(key.0).ask
    }

    /// What has become of this waiter.
    pub(super) fn seat(&mut self, key: &WaiterKey) -> &mut Seat<W> {
        &mut self.nodes.get_mut(key.0).seat
    }

    /// Ends this wait, wherever it stood, and forgets the node.
    pub(super) fn remove(&mut self, key: WaiterKey) -> Seat<W> {
        self.withdraw(key.0);
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
        self.nodes.get_mut(next.index).seen = None;
        self.reseat(next.index, Seat::Granted(lane)).expect("only one who waits is chosen")
    }

    /// Refuses everybody who waits.
    pub(super) fn refuse_all(&mut self, error: &AcquireError, effects: &mut Effects<W>, news: &mut News) {
        for class in Class::ALL {
            while let Some(index) = self.lists[class.index()].first {
                self.refuse(index, error.clone(), effects, news);
            }
        }
        for (_, index) in self.seated(|seat| matches!(seat, Seat::Parked)) {
            self.refuse(index, error.clone(), effects, news);
        }
        debug_assert!(self.len() + self.parked == 0, "somebody was not refused");
    }

    fn refuse(&mut self, index: usize, error: AcquireError, effects: &mut Effects<W>, news: &mut News) {
        self.withdraw(index);
        let (ask, waiting) = (self.nodes.get(index).ask, self.len());
        news.tell(|| Event::Refused { ask, error: error.clone(), waiting });
        // One that is parked was woken when it was granted its lane.
        if let Some(waker) = self.reseat(index, Seat::Refused(error)) {
            effects.wake(waker);
        }
    }

    /// Takes a node out of whatever it is in, so that its seat may be changed or dropped.
    fn withdraw(&mut self, index: usize) {
        match self.nodes.get(index).seat {
            Seat::Waiting { .. } => self.unlink(index),
            Seat::Parked => {
                self.parked -= 1;
                self.forget_key(index);
            }
            Seat::Granted(_) | Seat::Refused(_) => {}
        }
    }

    pub(super) fn forget_key(&mut self, index: usize) {
        if let Some(key) = self.nodes.get(index).ask.supersede {
            self.keys.remove(&key);
        }
    }

    /// The nodes of such a seat, in order of arrival.
    fn seated(&self, is: impl Fn(&Seat<W>) -> bool) -> Vec<(u64, usize)> {
        let seated = self.nodes.entries().filter(|(_, node)| is(&node.seat));
        let mut seated: Vec<_> = seated.map(|(index, node)| (node.arrived, index)).collect();
        seated.sort_unstable();
        seated
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

    /// Changes the seat of a node that was withdrawn, and hands its waker out if it waited.
    fn reseat(&mut self, index: usize, seat: Seat<W>) -> Option<W> {
        match std::mem::replace(&mut self.nodes.get_mut(index).seat, seat) {
            Seat::Waiting { waker, .. } => Some(waker),
            Seat::Granted(_) | Seat::Parked | Seat::Refused(_) => None,
        }
    }
}

/// The waiter whose turn it is.
pub(super) struct Next {
    index: usize,
    pub(super) ask: Ask,
}

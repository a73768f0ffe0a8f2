//! The queue: one list per class, in order of arrival, linked through the nodes of one slab. With fair share there is
//! one per client instead.
//!
//! A node belongs to one future from [`push`](Queue::push) until that future settles or leaves; nobody else removes it.
//! So a key never goes stale. What happens to a waiter meanwhile (granted, refused) is written into its node and read
//! there at the next poll.

use std::collections::BTreeMap;
use std::mem;

use super::Effects;
use super::fair::{Fair, Shares};
use super::links::{Links, List};
use super::news::News;
use super::select::{Bypass, Waiting};
use super::slab::{Index, Slab};
use crate::error::AcquireError;
use crate::observe::Event;
use crate::policy::{Ask, Class, Policy};
use crate::snapshot::{LaneId, ParkedView, WaiterView};

/// The waiters of a lock.
#[derive(Clone, Debug)]
pub(super) struct Queue<W> {
    pub(super) nodes: Slab<Node<W>>,
    /// One for each class. Empty with fair share, which has its own.
    pub(super) lists: [List; 3],
    pub(super) fair: Fair,
    /// How many wait in each class.
    pub(super) waiting: Waiting,
    pub(super) bypass: Bypass,
    /// Those who wait or are parked under a key, of which each has one: whoever comes supersedes whoever is there.
    pub(super) keys: BTreeMap<u64, Index>,
    /// How many are parked.
    pub(super) parked: usize,
    arrived_total: u64,
    #[cfg(feature = "canary")]
    canary_lifo: bool,
    #[cfg(feature = "canary")]
    pub(super) canary_loses_grants: bool,
}

/// The right to one node. Not `Clone` outside of tests: it is used up by settling or leaving.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct WaiterKey(pub(super) Index);

#[derive(Clone, Debug)]
pub(super) struct Node<W> {
    pub(super) ask: Ask,
    /// When it began to wait, by `arrived_total`.
    pub(super) arrived: u64,
    /// There exactly while it waits.
    pub(super) waker: Option<W>,
    pub(super) seat: Seat,
}

/// What has become of a waiter.
#[derive(Clone, Debug)]
pub(super) enum Seat {
    /// In its list.
    Waiting(Links),
    /// Taken off its list and given this lane. `seen` is when a sweep first found it unclaimed, or [`UNSEEN`].
    Granted { lane: LaneId, seen: u64 },
    /// Had a lane and did not claim it. Its task was woken and must look before it is considered again.
    Parked,
    /// Taken off its list with nothing. Boxed, because few are refused and all carry the room for it.
    Refused(Box<AcquireError>),
}

impl<W> Default for Node<W> {
    fn default() -> Self {
        Self { ask: Ask::default(), arrived: 0, waker: None, seat: Seat::Parked }
    }
}

/// What is left of a waiter.
pub(super) struct Gone<W> {
    pub(super) ask: Ask,
    /// There if it waited.
    pub(super) waker: Option<W>,
    pub(super) seat: Seat,
}

/// Not a time that a host would name.
pub(super) const UNSEEN: u64 = u64::MAX;

impl<W> Queue<W> {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            nodes: Slab::new(),
            lists: Default::default(),
            fair: Shares::of_all_classes(policy.fair_share),
            waiting: [0; 3],
            bypass: Bypass::new(policy.bypass_max),
            keys: BTreeMap::new(),
            parked: 0,
            arrived_total: 0,
            #[cfg(feature = "canary")]
            canary_lifo: policy.canary_lifo,
            #[cfg(feature = "canary")]
            canary_loses_grants: policy.canary_loses_grants,
        }
    }

    /// How many wait: neither granted nor refused.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.waiting.iter().sum()
    }

    /// How many are parked.
    pub(super) fn parked(&self) -> usize {
        self.parked
    }

    /// Puts a waiter behind all others of its list.
    #[inline(always)]
    pub(super) fn push(&mut self, ask: Ask, waker: W) -> WaiterKey {
        self.arrived_total += 1;
        let last = self.list(&ask).last;
        let index = self.nodes.occupy();
        let links = self.link(&ask, index, last);
        let node = self.nodes.get_mut(index);
        (node.ask, node.arrived, node.seat) = (ask, self.arrived_total, Seat::Waiting(links));
        node.waker = Some(waker);
        self.joined(&ask);
        if let Some(key) = ask.supersede_key() {
            let former = self.keys.insert(key, index);
            debug_assert!(former.is_none(), "two wait under one key");
        }
        WaiterKey(index)
    }

    /// Refuses whoever waits under this key.
    #[inline]
    pub(super) fn supersede(&mut self, key: Option<u64>, effects: &mut Effects<W>, news: &mut News) {
        if let Some(&index) = key.and_then(|key| self.keys.get(&key)) {
            self.refuse(index, AcquireError::Superseded, effects, news);
        }
    }

    /// What this waiter asked.
    #[inline]
    pub(super) fn ask(&self, key: &WaiterKey) -> Ask {
        self.nodes.get(key.0).ask
    }

    /// What has become of this waiter.
    #[inline]
    pub(super) fn seat(&self, key: &WaiterKey) -> &Seat {
        &self.nodes.get(key.0).seat
    }

    /// The waker of one who waits.
    #[inline]
    pub(super) fn waker(&mut self, key: &WaiterKey) -> Option<&mut W> {
        self.nodes.get_mut(key.0).waker.as_mut()
    }

    /// Ends the wait of one that is in the list of its class and under no key, and forgets the node. Another gets its key back.
    #[inline(always)]
    pub(super) fn leave_list(&mut self, key: WaiterKey) -> Result<W, WaiterKey> {
        let node = self.nodes.get_mut(key.0);
        let Seat::Waiting(links) = node.seat else { return Err(key) };
        if self.fair.is_some() || node.ask.supersede_key().is_some() {
            return Err(key);
        }
        let (class, waker) = (node.ask.class, node.waker.take().expect("one who waits has a waker"));
        node.seat = Seat::Parked;
        self.part(class, links, |queue| &mut queue.lists[class.index()]);
        self.nodes.vacate(key.0);
        Ok(waker)
    }

    /// Ends this wait, wherever it stood, and forgets the node.
    #[inline(always)]
    pub(super) fn remove(&mut self, key: WaiterKey) -> Gone<W> {
        let node = self.nodes.get_mut(key.0);
        let gone = Gone { ask: node.ask, waker: node.waker.take(), seat: mem::replace(&mut node.seat, Seat::Parked) };
        match gone.seat {
            Seat::Waiting(links) => self.unlink(&gone.ask, links),
            Seat::Parked => self.unpark(&gone.ask),
            Seat::Granted { .. } | Seat::Refused(_) => {}
        }
        self.nodes.vacate(key.0);
        gone
    }

    /// Whose turn it is. Counts the grant.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Next> {
        let class = self.bypass.next(self.waiting)?;
        self.bypass.granted(class, self.waiting);
        let index = self.head(class).expect("a class is chosen only when it waits");
        Some(Next { index, ask: self.nodes.get(index).ask })
    }

    /// Takes the chosen waiter off its list and writes the lane into its node.
    #[inline(always)]
    pub(super) fn grant(&mut self, next: Next, lane: LaneId) -> W {
        self.granted_in_turn(&next.ask);
        let node = self.nodes.get_mut(next.index);
        let (links, waker) = (node.links(), node.waker.take());
        node.seat = Seat::Granted { lane, seen: UNSEEN };
        self.unlink(&next.ask, links);
        waker.expect("only one who waits is chosen")
    }

    /// Refuses everybody who waits.
    pub(super) fn refuse_all(&mut self, error: &AcquireError, effects: &mut Effects<W>, news: &mut News) {
        for class in Class::ALL {
            while let Some(index) = self.head(class) {
                self.refuse(index, error.clone(), effects, news);
            }
        }
        for (_, index) in self.seated(|seat| matches!(seat, Seat::Parked)) {
            self.refuse(index, error.clone(), effects, news);
        }
        debug_assert!(self.len() + self.parked == 0, "somebody was not refused");
    }

    pub(super) fn refuse(&mut self, index: Index, error: AcquireError, effects: &mut Effects<W>, news: &mut News) {
        let node = self.nodes.get_mut(index);
        let (ask, waker) = (node.ask, node.waker.take());
        match mem::replace(&mut node.seat, Seat::Refused(Box::new(error.clone()))) {
            Seat::Waiting(links) => self.unlink(&ask, links),
            Seat::Parked => self.unpark(&ask),
            Seat::Granted { .. } | Seat::Refused(_) => unreachable!("only one who waits or is parked is refused"),
        }
        let waiting = self.len();
        news.tell(|| Event::Refused { ask, error, waiting });
        // One that is parked was woken when it was granted its lane.
        if let Some(waker) = waker {
            effects.wake(waker);
        }
    }

    /// Ends the parking of a node of this ask.
    fn unpark(&mut self, ask: &Ask) {
        self.parked -= 1;
        self.forget_key(ask);
    }

    #[inline]
    pub(super) fn forget_key(&mut self, ask: &Ask) {
        if let Some(key) = ask.supersede_key() {
            self.keys.remove(&key);
        }
    }

    /// The nodes of such a seat, in order of arrival.
    fn seated(&self, is: impl Fn(&Seat) -> bool) -> Vec<(u64, Index)> {
        let seated = self.nodes.entries().filter(|(_, node)| is(&node.seat));
        let mut seated: Vec<_> = seated.map(|(index, node)| (node.arrived, index)).collect();
        seated.sort_unstable_by_key(|&(arrived, _)| arrived);
        seated
    }

    /// Those who wait, in the order in which they would be granted.
    pub(super) fn in_order(&self) -> Vec<WaiterView> {
        let mut preview = self.preview();
        let mut waiting = self.waiting;
        let mut bypass = self.bypass.clone();
        let mut views = Vec::with_capacity(self.len());
        while let Some(class) = bypass.next(waiting) {
            bypass.granted(class, waiting);
            waiting[class.index()] -= 1;
            let node = self.play(&mut preview, class);
            views.push(WaiterView { position: views.len(), class, tag: node.ask.tag, client: node.ask.client_key() });
        }
        views
    }

    /// Those who are parked, in order of arrival.
    pub(super) fn parked_views(&self) -> Vec<ParkedView> {
        let parked = self.seated(|seat| matches!(seat, Seat::Parked)).into_iter();
        let views = parked.map(|(_, index)| self.nodes.get(index).ask);
        views.map(|ask| ParkedView { class: ask.class, tag: ask.tag, client: ask.client_key() }).collect()
    }

    /// The waiter of a class that is served next.
    #[inline]
    fn head(&self, class: Class) -> Option<Index> {
        let list = self.next_list(class);
        #[cfg(feature = "canary")]
        if self.canary_lifo {
            return list.last;
        }
        list.first
    }
}

#[cfg(test)]
impl<W: Clone> Queue<W> {
    /// Becomes a copy, in the memory it has.
    pub(super) fn become_like(&mut self, other: &Self) {
        let Self {
            nodes,
            lists,
            fair,
            waiting,
            bypass,
            keys,
            parked,
            arrived_total,
            #[cfg(feature = "canary")]
                canary_lifo: _,
            #[cfg(feature = "canary")]
                canary_loses_grants: _,
        } = other;
        self.nodes.become_like(nodes);
        (self.lists, self.waiting, self.bypass) = (*lists, *waiting, bypass.clone());
        (self.parked, self.arrived_total) = (*parked, *arrived_total);
        self.fair.clone_from(fair);
        self.keys.clone_from(keys);
    }
}

/// The waiter whose turn it is.
pub(super) struct Next {
    index: Index,
    pub(super) ask: Ask,
}

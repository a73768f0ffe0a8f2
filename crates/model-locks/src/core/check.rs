//! What is always true of a core between two steps; the tests ask after each.

use super::Core;
use super::links::List;
use super::queue::{Node, Queue, Seat};
use crate::policy::{Ask, Class};
use crate::snapshot::LaneId;

impl<V: Clone, W: Clone> Core<V, W> {
    /// Becomes a copy, in the memory it has, for tests that make millions of them.
    pub(super) fn become_like(&mut self, other: &Self) {
        let Self { queue_max, when_all_quarantined, lanes, queue, watchers, takers, closed, granted_total, news, pace } =
            other;
        self.lanes.become_like(lanes);
        self.queue.become_like(queue);
        self.watchers.become_like(watchers);
        self.takers.become_like(takers);
        (self.news, self.pace) = (news.clone(), pace.clone());
        (self.queue_max, self.when_all_quarantined) = (*queue_max, *when_all_quarantined);
        (self.closed, self.granted_total) = (*closed, *granted_total);
    }
}

impl<V, W> Core<V, W> {
    pub(super) fn check(&self) {
        self.queue.check();
        self.lanes.check();
        self.watchers.check();
        self.takers.check();

        let waiting = self.queue.len();
        if self.lanes.pick_free(None).is_some() {
            assert_eq!(waiting, 0, "somebody waits beside a free lane");
        }
        let parked = self.queue.parked();
        assert!(waiting + parked <= self.queue_max, "more wait than may");
        if self.closed {
            assert_eq!(waiting + parked, 0, "somebody waits at a closed lock");
        }
        if self.quarantine_error().is_some() {
            assert_eq!(waiting + parked, 0, "somebody waits although no lane is in service");
        }
        let mut promised = self.queue.granted();
        promised.sort();
        assert_eq!(promised, self.lanes.granted(), "each granted lane is promised to exactly one waiter");
        self.queue.check_holds(&self.lanes.holds());
        for (taker, lane, is_home) in self.lanes.wanted() {
            assert!(self.takers.get(taker).is(lane, is_home), "a taker sleeps beside its lane, or wants another");
        }
        if self.is_drained() {
            assert!(self.watchers.iter().all(Option::is_none), "a watcher sleeps past the end");
        }
    }
}

impl<W> Queue<W> {
    pub(super) fn check(&self) {
        let mut linked = 0;
        for class in Class::ALL {
            linked += self.check_lists(class);
            let skipped = self.bypass.skipped()[class.index()];
            if self.waiting[class.index()] == 0 {
                assert_eq!(skipped, 0, "an empty class has been passed over");
            }
        }
        self.bypass.check();
        let waiting = self.nodes.iter().filter(|node| matches!(node.seat, Seat::Waiting(_)));
        assert_eq!(waiting.count(), linked, "every waiting node is in exactly one list");
        for node in self.nodes.iter() {
            assert_eq!(node.waker.is_some(), matches!(node.seat, Seat::Waiting(_)), "a waker is kept, or missing");
        }
        let parked = self.nodes.iter().filter(|node| matches!(node.seat, Seat::Parked));
        assert_eq!(parked.count(), self.parked, "as many are parked as are counted");
        let keys = self.nodes.iter().filter(|node| matches!(node.seat, Seat::Waiting(_) | Seat::Parked));
        let keys: Vec<_> = keys.filter_map(|node| node.ask.supersede_key()).collect();
        assert_eq!(keys.len(), self.keys.len(), "a key is listed for nobody, or twice");
        assert!(keys.iter().all(|key| self.keys.contains_key(key)), "a key is not listed");
        self.nodes.check();
        let is_empty = |node: &Node<W>| node.waker.is_none() && matches!(node.seat, Seat::Parked);
        assert!(self.nodes.holes().all(is_empty), "a waiter is gone, but something of it is kept");
    }

    /// The counters of fair share know of these grants and no others.
    fn check_holds(&self, holds: &[Ask]) {
        for class in Class::ALL {
            let holds = holds.iter().filter(|ask| ask.class == class).map(|ask| ask.client_key());
            let holds: Vec<_> = holds.collect();
            self.fair.iter().for_each(|fair| fair[class.index()].check(&holds));
        }
    }

    /// The lanes that waiters have been given and not claimed.
    pub(super) fn granted(&self) -> Vec<LaneId> {
        let granted = self.nodes.iter().filter_map(|node| match node.seat {
            Seat::Granted { lane, .. } => Some(lane),
            Seat::Waiting(_) | Seat::Parked | Seat::Refused(_) => None,
        });
        granted.collect()
    }

    fn check_lists(&self, class: Class) -> usize {
        let linked = match &self.fair {
            None => self.check_list(class, self.lists[class.index()]).0,
            Some(fair) => {
                let lists = fair[class.index()].lists().into_iter();
                let lists = lists.map(|(client, first, list)| {
                    let (len, asks) = self.check_list(class, list);
                    assert!(
                        asks.iter().all(|ask| ask.client_key() == client),
                        "an ask is in the list of another client"
                    );
                    assert_eq!(
                        first,
                        list.first.map(|first| self.nodes.get(first).arrived),
                        "another ask is its first"
                    );
                    len
                });
                lists.sum()
            }
        };
        assert_eq!(self.waiting[class.index()], linked, "as many wait as are counted");
        linked
    }

    /// How many are in a list, and what they ask.
    fn check_list(&self, class: Class, list: List) -> (usize, Vec<Ask>) {
        let (mut asks, waiting) = (Vec::new(), self.waiting[class.index()]);
        let (mut len, mut before, mut here) = (0, None, list.first);
        let mut arrived = 0;
        while let Some(index) = here {
            let node = self.nodes.get(index);
            assert_eq!(node.ask.class, class, "a waiter is in the list of another class");
            assert_eq!(node.links().before, before, "a list reads differently backwards");
            assert!(node.arrived > arrived, "a list is not in order of arrival");
            arrived = node.arrived;
            asks.push(node.ask);
            (len, before, here) = (len + 1, here, node.links().behind);
            assert!(len <= waiting, "a list is longer than it counts");
        }
        assert_eq!(list.last, before, "a list does not end at its last");
        (len, asks)
    }
}

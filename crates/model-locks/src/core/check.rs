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
        assert_eq!(self.queue.granted().count(), self.lanes.granted().count(), "a lane is promised, or granted, alone");
        for lane in self.lanes.granted() {
            let promised = self.queue.granted().filter(|&promised| promised == lane).count();
            assert_eq!(promised, 1, "each granted lane is promised to exactly one waiter");
        }
        self.queue.check_holds(|| self.lanes.holds());
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
        self.nodes.check();
        let (mut waiting, mut parked, mut keys) = (0, 0, 0);
        for node in self.nodes.iter() {
            let (waits, is_parked) = (matches!(node.seat, Seat::Waiting(_)), matches!(node.seat, Seat::Parked));
            assert_eq!(node.waker.is_some(), waits, "a waker is kept, or missing");
            waiting += usize::from(waits);
            parked += usize::from(is_parked);
            if let Some(key) = node.ask.supersede_key().filter(|_| waits || is_parked) {
                assert!(self.keys.contains_key(&key), "a key is not listed");
                keys += 1;
            }
        }
        assert_eq!(waiting, linked, "every waiting node is in exactly one list");
        assert_eq!(parked, self.parked, "as many are parked as are counted");
        assert_eq!(keys, self.keys.len(), "a key is listed for nobody, or twice");
        let is_empty = |node: &Node<W>| node.waker.is_none() && matches!(node.seat, Seat::Parked);
        assert!(self.nodes.holes().all(is_empty), "a waiter is gone, but something of it is kept");
    }

    /// The counters of fair share know of these grants and no others.
    fn check_holds(&self, holds: impl Fn() -> Vec<Ask>) {
        let Some(fair) = &self.fair else { return };
        for class in Class::ALL {
            let holds = holds().into_iter().filter(|ask| ask.class == class).map(|ask| ask.client_key());
            fair[class.index()].check(&holds.collect::<Vec<_>>());
        }
    }

    /// The lanes that waiters have been given and not claimed.
    pub(super) fn granted(&self) -> impl Iterator<Item = LaneId> {
        self.nodes.iter().filter_map(|node| match node.seat {
            Seat::Granted { lane, .. } => Some(lane),
            Seat::Waiting(_) | Seat::Parked | Seat::Refused(_) => None,
        })
    }

    fn check_lists(&self, class: Class) -> usize {
        let linked = match &self.fair {
            None => self.check_list(class, self.lists[class.index()], |_| true),
            Some(fair) => {
                let check = |(client, first, list): (_, _, List)| {
                    assert_eq!(
                        first,
                        list.first.map(|first| self.nodes.get(first).arrived),
                        "another ask is its first"
                    );
                    self.check_list(class, list, |ask| ask.client_key() == client)
                };
                fair[class.index()].lists().into_iter().map(check).sum()
            }
        };
        assert_eq!(self.waiting[class.index()], linked, "as many wait as are counted");
        linked
    }

    /// How many are in a list, all of which belong there.
    fn check_list(&self, class: Class, list: List, belongs: impl Fn(&Ask) -> bool) -> usize {
        let (mut len, mut before, mut here) = (0, None, list.first);
        let mut arrived = 0;
        while let Some(index) = here {
            let node = self.nodes.get(index);
            assert_eq!(node.ask.class, class, "a waiter is in the list of another class");
            assert!(belongs(&node.ask), "an ask is in the list of another client");
            assert_eq!(node.links().before, before, "a list reads differently backwards");
            assert!(node.arrived > arrived, "a list is not in order of arrival");
            arrived = node.arrived;
            (len, before, here) = (len + 1, here, node.links().behind);
            assert!(len <= self.waiting[class.index()], "a list is longer than it counts");
        }
        assert_eq!(list.last, before, "a list does not end at its last");
        len
    }
}

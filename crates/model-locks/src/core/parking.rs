//! Grants that nobody claims.
//!
//! A grant belongs to one future. If that future lives but is not polled any more, the lane and everybody behind it stand
//! still. So the host sweeps: it says what time it is, and grants that have been unclaimed for too long are taken back and
//! passed on. Whoever did not claim is *parked*: it keeps its place by arrival and counts as waiting, but is not chosen
//! until it looks again. So a dead future costs one lane one term, once.

use super::news::News;
use super::queue::{Queue, Seat, UNSEEN, WaiterKey};
use super::slab::Index;
use super::{Core, Effects, Entered, Looked};
use crate::error::AcquireError;
use crate::observe::Event;
use crate::snapshot::LaneId;
use crate::sweep::{Patience, Swept, Unclaimed};

impl<V, W> Core<V, W> {
    /// Reports and takes back grants that were not claimed in time, oldest first.
    pub(crate) fn sweep(&mut self, now: u64, patience: Patience, effects: &mut Effects<W>) -> Swept {
        let mut swept = Swept::default();
        let mut unclaimed: Vec<_> = self.queue.unclaimed(now);
        unclaimed.sort_unstable_by_key(|&(_, lane, _)| self.lanes.promised(lane).ticket);
        for (index, lane, seen) in unclaimed {
            let (age, grant) = (now.saturating_sub(seen), self.lanes.promised(lane).on(lane));
            // Only for the sake of somebody who waits for it. One who takes the lane out has no use for a parked waiter
            // that would then count against the queue in place of none.
            let is_missed = self.queue.len() > 0 && self.lanes.taker(lane).is_none();
            if age >= patience.revoke && patience.revoke != u64::MAX && is_missed {
                let waiting = self.queue.len();
                self.news.tell(|| Event::Revoked { grant, waiting });
                self.queue.park(index, effects, &mut self.news);
                self.queue.given_back(&grant.ask);
                self.lanes.withdraw(lane);
                self.pass_on(lane, effects);
                swept.revoked.push(Unclaimed { grant, age });
            } else if age >= patience.report {
                swept.unclaimed.push(Unclaimed { grant, age });
            }
        }
        swept
    }

    /// Lets one that was parked wait again, in its old place, unless a lane is free now.
    pub(crate) fn resume(&mut self, key: WaiterKey, waker: W) -> Entered<V, W> {
        match self.look(key) {
            Looked::Settled(outcome) => Entered::Settled(outcome, waker),
            Looked::Parked(key) => {
                let ask = self.queue.ask(&key);
                self.queue.requeue(&key, waker);
                let waiting = self.queue.len();
                self.news.tell(|| Event::Enqueued { ask, waiting });
                Entered::Queued(key)
            }
            Looked::Waiting(_) => unreachable!("one that is parked waits only by its own hand"),
        }
    }
}

impl<W> Queue<W> {
    /// Everyone with an unclaimed grant, their lanes, and since when that is known. It is from now on.
    fn unclaimed(&mut self, now: u64) -> Vec<(Index, LaneId, u64)> {
        let granted = self.nodes.entries_mut().filter_map(|(index, node)| match &mut node.seat {
            Seat::Granted { lane, seen } => {
                if *seen == UNSEEN {
                    *seen = now.min(UNSEEN - 1);
                }
                Some((index, *lane, *seen))
            }
            Seat::Waiting(_) | Seat::Parked | Seat::Refused(_) => None,
        });
        granted.collect()
    }

    /// Takes the grant of a waiter away. If another waits or is parked under its key, the older of the two is superseded.
    fn park(&mut self, index: Index, effects: &mut Effects<W>, news: &mut News) {
        let node = self.nodes.get_mut(index);
        node.seat = Seat::Parked;
        let (arrived, key) = (node.arrived, node.ask.supersede_key());
        self.parked += 1;
        let Some(key) = key else { return };
        let mut newest = index;
        if let Some(&other) = self.keys.get(&key) {
            let mut older = other;
            if self.nodes.get(other).arrived > arrived {
                (older, newest) = (index, other);
            }
            self.refuse(older, AcquireError::Superseded, effects, news);
        }
        self.keys.insert(key, newest);
    }

    /// Puts one that was parked back into its list, by its arrival.
    ///
    /// Only others that were parked can be before it, because it had been first; so the search is short.
    fn requeue(&mut self, key: &WaiterKey, waker: W) {
        let node = self.nodes.get(key.0);
        let (arrived, ask) = (node.arrived, node.ask);
        let (mut before, mut here) = (None, self.list(&ask).first);
        while let Some(index) = here.filter(|&index| self.nodes.get(index).arrived < arrived) {
            (before, here) = (here, self.nodes.get(index).links().behind);
        }
        self.parked -= 1;
        let links = self.link(&ask, key.0, before);
        let node = self.nodes.get_mut(key.0);
        (node.seat, node.waker) = (Seat::Waiting(links), Some(waker));
        self.joined(&ask);
    }
}

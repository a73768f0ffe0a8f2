//! The lock as one would explain it: lists, searched from the front. Slow, and without any cleverness to get wrong.

mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shares::ObviousFair;
use crate::error::AcquireError;
use crate::observe::{Event, Grant};
use crate::policy::{Ask, Class, Policy, WhenAllQuarantined};
use crate::snapshot::{LaneId, LaneState, Ticket};
use crate::sweep::{Patience, Swept, Unclaimed};

#[derive(Clone, Debug)]
pub(super) struct Reference {
    policy: Policy,
    pub(super) lanes: BTreeMap<LaneId, LaneState>,
    reasons: BTreeMap<LaneId, Arc<str>>,
    /// To whom each lane was granted last.
    pub(super) holders: BTreeMap<LaneId, Ask>,
    lanes_added: u32,
    /// The free lanes, longest free first.
    free: Vec<LaneId>,
    /// Who wants which lane, by tag.
    pub(super) takers: Vec<(u64, LaneId)>,
    /// When each unclaimed grant was first seen.
    seen: BTreeMap<Ticket, u64>,
    /// Everybody who has asked and has not been told the end, first come first.
    pub(super) waiters: Vec<(Ask, Fate)>,
    pub(super) fair: ObviousFair,
    pub(super) watchers: Vec<u64>,
    pub(super) closed: bool,
    granted_total: u64,
    /// What the classes went through, latest last: who was granted, and which classes waited just then.
    moments: Vec<(Option<Class>, [bool; 3])>,
    /// Whose wakers the current step has woken.
    pub(super) woken: Vec<u64>,
    /// What the observer hears of the current step.
    pub(super) news: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waiting,
    Granted(LaneId, Ticket),
    Parked,
    Refused(AcquireError),
}

fn leased(ticket: Ticket, ask: Ask) -> LaneState {
    LaneState::Leased { ticket, class: ask.class, tag: ask.tag, client: ask.client_key() }
}

pub(super) type Answer = Result<(LaneId, Ticket), AcquireError>;

impl Reference {
    pub(super) fn new(policy: &Policy, lanes: u32) -> Self {
        let mut new = Self {
            policy: policy.clone(),
            lanes: BTreeMap::new(),
            reasons: BTreeMap::new(),
            holders: BTreeMap::new(),
            lanes_added: 0,
            free: Vec::new(),
            takers: Vec::new(),
            seen: BTreeMap::new(),
            waiters: Vec::new(),
            fair: ObviousFair::new(policy.fair_share),
            watchers: Vec::new(),
            closed: false,
            granted_total: 0,
            moments: Vec::new(),
            woken: Vec::new(),
            news: Vec::new(),
        };
        (0..lanes).for_each(|_| new.add_lane());
        new
    }

    /// Decides at once, or `None`.
    pub(super) fn ask(&mut self, ask: Ask) -> Option<Answer> {
        if self.closed {
            return Some(Err(self.refused(ask, AcquireError::Closed)));
        }
        let preferred = self.free.iter().position(|&id| ask.preferred_lane() == Some(id)).unwrap_or(0);
        if !self.free.is_empty() {
            let id = self.free.remove(preferred);
            let ticket = self.ticket();
            self.lanes.insert(id, leased(ticket, ask));
            self.fair.granted_at_once(ask, id);
            self.granted(id, ticket, ask);
            return Some(Ok((id, ticket)));
        }
        self.out_of_service().map(|error| Err(self.refused(ask, error)))
    }

    /// Decides at once, or tells that it cannot.
    pub(super) fn try_ask(&mut self, ask: Ask) -> Option<Answer> {
        let answer = self.ask(ask);
        if answer.is_none() {
            self.news.push(Event::Busy { ask, waiting: self.waiting().count() });
        }
        answer
    }

    /// Decides at once, or waits.
    pub(super) fn enter(&mut self, ask: Ask) -> Option<Answer> {
        if let Some(answer) = self.ask(ask) {
            return Some(answer);
        }
        if let Some(at) = self.under_key(ask) {
            self.supersede(at);
        }
        let (waiting, limit) = (self.waiting().count() + self.parked(), self.policy.queue_max);
        if waiting >= limit {
            return Some(Err(self.refused(ask, AcquireError::QueueFull { waiting, limit })));
        }
        self.waiters.push((ask, Fate::Waiting));
        self.fair.joined(ask);
        self.news.push(Event::Enqueued { ask, waiting: self.waiting().count() });
        self.remember(None);
        None
    }

    pub(super) fn look(&mut self, tag: u64) -> Option<Answer> {
        let at = self.waiters.iter().position(|(ask, _)| ask.tag == tag).expect("it has not been told the end");
        if self.waiters[at].1 == Fate::Waiting {
            return None;
        }
        if self.waiters[at].1 == Fate::Parked && self.free.is_empty() {
            // It never left its place in the list.
            self.waiters[at].1 = Fate::Waiting;
            self.fair.joined(self.waiters[at].0);
            self.news.push(Event::Enqueued { ask: self.waiters[at].0, waiting: self.waiting().count() });
            self.remember(None);
            return None;
        }
        let (ask, fate) = self.waiters.remove(at);
        match fate {
            Fate::Granted(id, ticket) => {
                self.lanes.insert(id, leased(ticket, ask));
                self.news.push(Event::Claimed { grant: Grant { ticket, lane: id, ask } });
                Some(Ok((id, ticket)))
            }
            Fate::Refused(error) => Some(Err(error)),
            Fate::Parked => self.ask(ask),
            Fate::Waiting => unreachable!("it was not waiting"),
        }
    }

    /// Reports and takes back unclaimed grants, lowest ticket first.
    pub(super) fn sweep(&mut self, now: u64, patience: Patience) -> Swept {
        let granted = self.waiters.iter().filter_map(|&(ask, ref fate)| match *fate {
            Fate::Granted(lane, ticket) => Some(Grant { ticket, lane, ask }),
            _ => None,
        });
        let mut granted: Vec<_> = granted.collect();
        granted.sort_by_key(|grant| grant.ticket);
        let mut swept = Swept::default();
        for grant in granted {
            let age = now - *self.seen.entry(grant.ticket).or_insert(now);
            let is_wanted = self.takers.iter().any(|(_, lane)| *lane == grant.lane);
            if age >= patience.revoke && self.waiting().count() > 0 && !is_wanted {
                swept.revoked.push(Unclaimed { grant, age });
                self.revoke(grant);
            } else if age >= patience.report {
                swept.unclaimed.push(Unclaimed { grant, age });
            }
        }
        swept
    }

    fn revoke(&mut self, grant: Grant) {
        let at = self.waiters.iter().position(|(ask, _)| ask.tag == grant.ask.tag).expect("it was granted");
        self.news.push(Event::Revoked { grant, waiting: self.waiting().count() });
        let other = self.under_key(grant.ask);
        self.waiters[at].1 = Fate::Parked;
        if let Some(other) = other {
            self.supersede(at.min(other));
        }
        self.fair.given_back(grant.ask, grant.lane);
        self.put_back(grant.lane);
    }

    fn supersede(&mut self, at: usize) {
        if self.waiters[at].1 == Fate::Waiting {
            self.woken.push(self.waiters[at].0.tag);
            self.fair.parted(self.waiters[at].0);
        }
        self.waiters[at].1 = Fate::Refused(AcquireError::Superseded);
        self.remember(None);
        self.refused(self.waiters[at].0, AcquireError::Superseded);
    }

    /// Who waits or is parked under the key of this ask.
    fn under_key(&self, ask: Ask) -> Option<usize> {
        let is_there = |(other, fate): &(Ask, Fate)| {
            other.supersede_key() == ask.supersede_key() && matches!(fate, Fate::Waiting | Fate::Parked)
        };
        self.waiters.iter().position(is_there).filter(|_| ask.supersede_key().is_some())
    }

    fn parked(&self) -> usize {
        self.waiters.iter().filter(|(_, fate)| *fate == Fate::Parked).count()
    }

    pub(super) fn leave(&mut self, tag: u64) {
        let at = self.waiters.iter().position(|(ask, _)| ask.tag == tag).expect("it has not been told the end");
        let (ask, fate) = self.waiters.remove(at);
        self.fair.parted(ask);
        self.remember(None);
        if !matches!(fate, Fate::Refused(_)) {
            self.news.push(Event::Left { ask, waiting: self.waiting().count() });
        }
        if let Fate::Granted(id, _) = fate {
            self.fair.given_back(ask, id);
            self.put_back(id);
        }
    }

    pub(super) fn put_back(&mut self, id: LaneId) {
        self.released(id);
        self.lanes.insert(id, LaneState::Free);
        if self.leaves(id) {
            return;
        }
        self.free.push(id);
        if let Some(at) = self.next() {
            let class = self.waiters[at].0.class;
            self.remember(Some(class));
            let ticket = self.ticket();
            self.free.retain(|&free| free != id);
            let (ask, fate) = &mut self.waiters[at];
            *fate = Fate::Granted(id, ticket);
            self.lanes.insert(id, LaneState::Granted { ticket, class, tag: ask.tag, client: ask.client_key() });
            self.woken.push(ask.tag);
            let ask = *ask;
            self.fair.granted(ask, id);
            self.granted(id, ticket, ask);
            self.remember(None);
        }
        self.wake_watchers();
    }

    pub(super) fn quarantine(&mut self, id: LaneId, reason: &str) {
        self.released(id);
        let reason: Arc<str> = reason.into();
        self.reasons.insert(id, Arc::clone(&reason));
        self.lanes.insert(id, LaneState::Quarantined { reason });
        if !self.leaves(id) {
            self.refuse_if_out_of_service();
            self.wake_watchers();
        }
    }

    /// What becomes of a lane that comes home while somebody wants it out.
    fn leaves(&mut self, id: LaneId) -> bool {
        let Some(&(tag, _)) = self.takers.iter().find(|(_, wanted)| *wanted == id) else { return false };
        // The map knows by its key whether it was sound: only a lane in quarantine has a reason here.
        if self.lanes.insert(id, LaneState::Leaving) == Some(LaneState::Free) {
            self.reasons.remove(&id);
        }
        self.woken.push(tag);
        self.refuse_if_out_of_service();
        true
    }

    fn refuse_if_out_of_service(&mut self) {
        if let Some(error) = self.out_of_service() {
            self.refuse_all(&error);
        }
    }

    /// Takes a lane out at once (`Some(true)`), never (`Some(false)`), or later.
    pub(super) fn take(&mut self, id: LaneId) -> Option<bool> {
        if self.takers.iter().any(|(_, wanted)| *wanted == id) {
            return Some(false);
        }
        match self.lanes.get(&id) {
            None => Some(false),
            Some(LaneState::Free | LaneState::Quarantined { .. }) => {
                self.remove(id);
                self.refuse_if_out_of_service();
                Some(true)
            }
            Some(_) => None,
        }
    }

    /// Lets a taker fetch its lane.
    pub(super) fn fetch(&mut self, tag: u64, id: LaneId) -> Option<bool> {
        if self.lanes.get(&id).is_some_and(|state| *state != LaneState::Leaving) {
            return None;
        }
        self.takers.retain(|(taker, _)| *taker != tag);
        let fetched = self.remove(id);
        self.wake_watchers();
        Some(fetched)
    }

    pub(super) fn unwant(&mut self, tag: u64, id: LaneId) {
        self.takers.retain(|(taker, _)| *taker != tag);
        if self.lanes.get(&id) == Some(&LaneState::Leaving) {
            match self.reasons.get(&id).cloned() {
                Some(reason) => self.quarantine(id, &reason),
                None => self.put_back(id),
            }
        }
    }

    fn remove(&mut self, id: LaneId) -> bool {
        self.free.retain(|&free| free != id);
        self.lanes.remove(&id).is_some()
    }

    pub(super) fn begin_repair(&mut self, which: Option<LaneId>) -> Option<LaneId> {
        let quarantined = |state: &LaneState| matches!(state, LaneState::Quarantined { .. });
        let mut asked = self.lanes.iter().filter(|(id, _)| which.is_none() || which == Some(**id));
        let id = *asked.find(|(_, state)| quarantined(state))?.0;
        if self.closed {
            return None;
        }
        self.lanes.insert(id, LaneState::InRepair);
        Some(id)
    }

    pub(super) fn retire(&mut self, id: LaneId) {
        self.lanes.remove(&id);
        let takers = self.takers.iter().filter(|(_, wanted)| *wanted == id);
        self.woken.extend(takers.map(|(tag, _)| *tag));
        self.wake_watchers();
    }

    pub(super) fn add_lane(&mut self) {
        let id = LaneId(self.lanes_added);
        self.lanes_added += 1;
        self.put_back(id);
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.refuse_all(&AcquireError::Closed);
        self.wake_watchers();
    }

    pub(super) fn is_drained(&self) -> bool {
        let home = |state: &LaneState| matches!(state, LaneState::Free | LaneState::Quarantined { .. });
        self.closed && self.lanes.values().all(home)
    }

    fn remember(&mut self, granted: Option<Class>) {
        let waits = Class::ALL.map(|class| self.waiting().any(|at| self.waiters[at].0.class == class));
        self.moments.push((granted, waits));
    }

    fn waiting(&self) -> impl Iterator<Item = usize> {
        (0..self.waiters.len()).filter(|&at| self.waiters[at].1 == Fate::Waiting)
    }

    fn refuse_all(&mut self, error: &AcquireError) {
        for class in Class::ALL {
            while let Some(at) = self.first(class) {
                self.waiters[at].1 = Fate::Refused(error.clone());
                self.fair.parted(self.waiters[at].0);
                self.woken.push(self.waiters[at].0.tag);
                self.refused(self.waiters[at].0, error.clone());
            }
        }
        let parked = (0..self.waiters.len()).filter(|&at| self.waiters[at].1 == Fate::Parked);
        for at in parked.collect::<Vec<_>>() {
            self.waiters[at].1 = Fate::Refused(error.clone());
            self.refused(self.waiters[at].0, error.clone());
        }
        self.remember(None);
    }

    fn out_of_service(&self) -> Option<AcquireError> {
        let out = |state: &LaneState| matches!(state, LaneState::Quarantined { .. } | LaneState::InRepair);
        let mut staying = self.lanes.iter().filter(|(_, state)| **state != LaneState::Leaving).peekable();
        let first = *staying.peek()?.0;
        let fails = self.policy.when_all_quarantined == WhenAllQuarantined::Fail;
        let all_out = staying.all(|(_, state)| out(state));
        (fails && all_out).then(|| AcquireError::Quarantined { reason: Arc::clone(&self.reasons[&first]) })
    }

    fn wake_watchers(&mut self) {
        if self.is_drained() {
            self.woken.append(&mut self.watchers);
        }
    }

    fn granted(&mut self, lane: LaneId, ticket: Ticket, ask: Ask) {
        self.holders.insert(lane, ask);
        self.news.push(Event::Granted { grant: Grant { ticket, lane, ask }, waiting: self.waiting().count() });
    }

    fn released(&mut self, lane: LaneId) {
        if let Some(&LaneState::Leased { ticket, .. }) = self.lanes.get(&lane) {
            let ask = self.holders[&lane];
            self.fair.given_back(ask, lane);
            self.news.push(Event::Released { grant: Grant { ticket, lane, ask } });
        }
    }

    fn refused(&mut self, ask: Ask, error: AcquireError) -> AcquireError {
        self.news.push(Event::Refused { ask, error: error.clone(), waiting: self.waiting().count() });
        error
    }

    fn ticket(&mut self) -> Ticket {
        self.granted_total += 1;
        Ticket(self.granted_total)
    }
}

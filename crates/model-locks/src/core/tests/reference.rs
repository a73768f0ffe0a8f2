//! The lock as one would explain it: lists, searched from the front. Slow, and without any cleverness to get wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::AcquireError;
use crate::policy::{Ask, Class, Policy, WhenAllQuarantined};
use crate::snapshot::{Counts, LaneId, LaneState, LaneView, Snapshot, Ticket, WaiterView};

#[derive(Clone, Debug)]
pub(super) struct Reference {
    policy: Policy,
    pub(super) lanes: BTreeMap<LaneId, LaneState>,
    reasons: BTreeMap<LaneId, Arc<str>>,
    lanes_added: u32,
    /// Everybody who has asked and has not been told the end, first come first.
    pub(super) waiters: Vec<(Ask, Fate)>,
    pub(super) watchers: Vec<u64>,
    pub(super) closed: bool,
    granted_total: u64,
    /// What the classes went through, latest last: who was granted, and which classes waited just then.
    moments: Vec<(Option<Class>, [bool; 3])>,
    /// Whose wakers the current step has woken.
    pub(super) woken: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waiting,
    Granted(LaneId, Ticket),
    Refused(AcquireError),
}

pub(super) type Answer = Result<(LaneId, Ticket), AcquireError>;

impl Reference {
    pub(super) fn new(policy: &Policy, lanes: u32) -> Self {
        let mut new = Self {
            policy: policy.clone(),
            lanes: BTreeMap::new(),
            reasons: BTreeMap::new(),
            lanes_added: 0,
            waiters: Vec::new(),
            watchers: Vec::new(),
            closed: false,
            granted_total: 0,
            moments: Vec::new(),
            woken: Vec::new(),
        };
        (0..lanes).for_each(|_| new.add_lane());
        new
    }

    /// Decides at once, or `None`.
    pub(super) fn ask(&mut self, ask: Ask) -> Option<Answer> {
        if self.closed {
            return Some(Err(AcquireError::Closed));
        }
        let free = self.lanes.iter().find(|(_, state)| **state == LaneState::Free).map(|(&id, _)| id);
        if let Some(id) = free {
            let ticket = self.ticket();
            self.lanes.insert(id, LaneState::Leased { ticket, class: ask.class, tag: ask.tag });
            return Some(Ok((id, ticket)));
        }
        self.out_of_service().map(Err)
    }

    /// Decides at once, or waits.
    pub(super) fn enter(&mut self, ask: Ask) -> Option<Answer> {
        if let Some(answer) = self.ask(ask) {
            return Some(answer);
        }
        let (waiting, limit) = (self.waiting().count(), self.policy.queue_max);
        if waiting >= limit {
            return Some(Err(AcquireError::QueueFull { waiting, limit }));
        }
        self.waiters.push((ask, Fate::Waiting));
        self.remember(None);
        None
    }

    pub(super) fn look(&mut self, tag: u64) -> Option<Answer> {
        let at = self.waiters.iter().position(|(ask, _)| ask.tag == tag).expect("it has not been told the end");
        if self.waiters[at].1 == Fate::Waiting {
            return None;
        }
        let (ask, fate) = self.waiters.remove(at);
        match fate {
            Fate::Granted(id, ticket) => {
                self.lanes.insert(id, LaneState::Leased { ticket, class: ask.class, tag });
                Some(Ok((id, ticket)))
            }
            Fate::Refused(error) => Some(Err(error)),
            Fate::Waiting => unreachable!("it was not waiting"),
        }
    }

    pub(super) fn leave(&mut self, tag: u64) {
        let at = self.waiters.iter().position(|(ask, _)| ask.tag == tag).expect("it has not been told the end");
        let (_, fate) = self.waiters.remove(at);
        self.remember(None);
        if let Fate::Granted(id, _) = fate {
            self.put_back(id);
        }
    }

    pub(super) fn put_back(&mut self, id: LaneId) {
        self.lanes.insert(id, LaneState::Free);
        if let Some(at) = self.next() {
            let class = self.waiters[at].0.class;
            self.remember(Some(class));
            let ticket = self.ticket();
            let (ask, fate) = &mut self.waiters[at];
            *fate = Fate::Granted(id, ticket);
            self.lanes.insert(id, LaneState::Granted { ticket, class, tag: ask.tag });
            self.woken.push(ask.tag);
            self.remember(None);
        }
        self.wake_watchers();
    }

    pub(super) fn quarantine(&mut self, id: LaneId, reason: &str) {
        let reason: Arc<str> = reason.into();
        self.reasons.insert(id, Arc::clone(&reason));
        self.lanes.insert(id, LaneState::Quarantined { reason });
        if let Some(error) = self.out_of_service() {
            self.refuse_all(&error);
        }
        self.wake_watchers();
    }

    pub(super) fn begin_repair(&mut self) -> Option<LaneId> {
        let quarantined = |state: &LaneState| matches!(state, LaneState::Quarantined { .. });
        let id = *self.lanes.iter().find(|(_, state)| quarantined(state))?.0;
        if self.closed {
            return None;
        }
        self.lanes.insert(id, LaneState::InRepair);
        Some(id)
    }

    pub(super) fn retire(&mut self, id: LaneId) {
        self.lanes.remove(&id);
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

    pub(super) fn counts(&self) -> Counts {
        let count = |is: fn(&LaneState) -> bool| self.lanes.values().filter(|state| is(state)).count();
        Counts {
            free: count(|state| matches!(state, LaneState::Free)),
            leased: count(|state| matches!(state, LaneState::Leased { .. })),
            granted: count(|state| matches!(state, LaneState::Granted { .. })),
            quarantined: count(|state| matches!(state, LaneState::Quarantined { .. } | LaneState::InRepair)),
            waiting: self.waiting().count(),
            closed: self.closed,
        }
    }

    /// The order of service is found by serving: a copy grants until nobody waits.
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut copy = self.clone();
        let mut waiting = Vec::new();
        while let Some(at) = copy.next() {
            let ask = copy.waiters[at].0;
            copy.remember(Some(ask.class));
            copy.waiters.remove(at);
            copy.remember(None);
            waiting.push(WaiterView { position: waiting.len(), class: ask.class, tag: ask.tag });
        }
        let lanes = self.lanes.iter().map(|(&id, state)| LaneView { id, state: state.clone() }).collect();
        Snapshot { lanes, waiting, closed: self.closed, granted_total: self.granted_total }
    }

    /// Whose turn it is: the first of the lowest class that has been passed over often enough, else of the highest.
    fn next(&self) -> Option<usize> {
        let first = |class| self.waiting().find(|&at| self.waiters[at].0.class == class);
        for class in [Class::Background, Class::Normal] {
            if first(class).is_some() && self.passed_over(class) >= self.policy.bypass_max[class.index()] {
                return first(class);
            }
        }
        Class::ALL.into_iter().find_map(first)
    }

    /// Grants to higher classes while this one waited without a break and without a grant.
    fn passed_over(&self, class: Class) -> u32 {
        let mut times = 0;
        for &(granted, waited) in self.moments.iter().rev() {
            if !waited[class.index()] || granted == Some(class) {
                break;
            }
            if granted.is_some_and(|granted| granted < class) {
                times += 1;
            }
        }
        times
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
            let refused = self.waiters.iter_mut().filter(|(ask, fate)| ask.class == class && *fate == Fate::Waiting);
            for (ask, fate) in refused {
                *fate = Fate::Refused(error.clone());
                self.woken.push(ask.tag);
            }
        }
        self.remember(None);
    }

    fn out_of_service(&self) -> Option<AcquireError> {
        let out = |state: &LaneState| matches!(state, LaneState::Quarantined { .. } | LaneState::InRepair);
        let first = *self.lanes.keys().next()?;
        let fails = self.policy.when_all_quarantined == WhenAllQuarantined::Fail;
        let all_out = self.lanes.values().all(out);
        (fails && all_out).then(|| AcquireError::Quarantined { reason: Arc::clone(&self.reasons[&first]) })
    }

    fn wake_watchers(&mut self) {
        if self.is_drained() {
            self.woken.append(&mut self.watchers);
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.granted_total += 1;
        Ticket(self.granted_total)
    }
}

//! Fair share: which client of a class is served next.
//!
//! Each client has a *virtual token counter* (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024,
//! arXiv:2401.00588): what it has used so far, divided by its weight. Of those who wait, the one with the least counter
//! is next. Nobody has to know beforehand what a hold will cost: it is counted while it is used, and one unit for the
//! grant itself, so that clients who never count anything take turns.
//!
//! Idleness earns nothing: one that begins to wait is *lifted* to the least counter of those who wait already, or, if
//! nobody does, to the *level*. That is the highest counter that was the least when somebody was granted or lifted. The
//! bound rests on it:
//!
//! - Whoever waits has a counter of at least the level. It was lifted there, and the level rises to nothing but the
//!   least counter of those who wait, or to that of one who is granted while nobody waits.
//! - Nobody's counter is above the level by more than its holds have cost that were out together. When a client is
//!   granted a lane, the level rises to its counter; when it is lifted, its counter rises to the level; and from the
//!   last time on only those holds add to it.
//!
//! So with `N` lanes, on which no hold costs more than `L`, whoever waits is at most `N * L` above the level and not
//! below it, and any two who wait are no further apart than that.
//!
//! Only three sorts of clients are remembered: those who wait, those who hold a lane, and those in *debt*, whose
//! counter is above the level. Others would be lifted past what they have used, so it need not be known. When nobody
//! waits and nobody holds, everything is forgotten.
//!
//! Not here: the order among the asks of one client, which is that of arrival, and the order among classes.

#[cfg(test)]
mod check;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

pub(super) use self::queue::Fair;
use super::links::List;

/// Who asks. All who do not say are one client together.
pub(super) type Client = Option<u64>;

/// How many debts of those who are gone are remembered; beyond that the least one is forgiven.
///
/// Debts outlive their clients, so without a bound an endless stream of new clients would fill the memory. A debt is
/// never needed for the bound on those who wait, only to keep one from wiping it out by leaving for a moment.
pub(super) const DEBTS_MAX: usize = 1024;

/// The clients of one class.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    /// Those who wait, hold a lane, or are in debt. Nobody else.
    accounts: BTreeMap<Client, Account>,
    /// Those who wait, next first: by counter, and then by the arrival of their first ask.
    order: BTreeSet<(Counter, u64, Client)>,
    /// Those in debt who neither wait nor hold a lane, least first.
    debts: BTreeSet<(Counter, Client)>,
    debts_max: usize,
    /// Not above the counter of anybody who waits. Never sinks while somebody waits or holds a lane.
    level: Counter,
    /// Grants of this class that are not over.
    held: usize,
}

/// What is known of a client.
#[derive(Clone, Copy, Debug)]
struct Account {
    counter: Counter,
    weight: NonZeroU16,
    /// Its asks that wait.
    list: List,
    /// The arrival of the first of them.
    first: Option<u64>,
    /// Grants of its that are not over: leased, or not claimed yet.
    held: usize,
}

impl Shares {
    pub(super) fn new(debts_max: usize) -> Self {
        Self {
            accounts: BTreeMap::new(),
            order: BTreeSet::new(),
            debts: BTreeSet::new(),
            debts_max,
            level: Counter::default(),
            held: 0,
        }
    }

    /// Who is next.
    pub(super) fn next(&self) -> Option<Client> {
        self.order.first().map(|&(_, _, client)| client)
    }

    /// The asks of whoever is next; empty if nobody waits.
    pub(super) fn next_list(&self) -> List {
        self.next().map_or_else(List::default, |client| self.accounts[&client].list)
    }

    /// The asks of this client that wait. Whoever changes the list says so at once, by [`join`](Self::join) or
    /// [`part`](Self::part).
    pub(super) fn list(&mut self, client: Client) -> &mut List {
        &mut self.accounts.entry(client).or_insert_with(Account::new).list
    }

    /// One more ask of this client waits, the first of which arrived then. It has this weight from now on.
    pub(super) fn join(&mut self, client: Client, weight: NonZeroU16, first: u64) {
        let mut account = self.take(client);
        if account.first.is_none() {
            if let Some(&(least, _, _)) = self.order.first() {
                self.raise(least);
            }
            account.counter = account.counter.max(self.level);
        }
        (account.weight, account.first) = (weight, Some(first));
        self.put(client, account);
    }

    /// One ask of this client waits no longer. `first` is when the first of the others arrived.
    pub(super) fn part(&mut self, client: Client, first: Option<u64>) {
        let mut account = self.take(client);
        debug_assert!(account.first.is_some(), "nobody of this client waited");
        account.first = first;
        self.put(client, account);
    }

    /// Counts a grant to the client that is next, whose list this is. It is to be taken off it, and then
    /// [`part`](Self::part) follows.
    pub(super) fn grant(&mut self, client: Client) -> &mut List {
        debug_assert!(self.next() == Some(client), "it is another's turn");
        let account = self.take(client);
        self.lend(client, account);
        self.list(client)
    }

    /// Counts a grant to one that did not have to wait, because a lane was free. It has this weight from now on.
    pub(super) fn grant_at_once(&mut self, client: Client, weight: NonZeroU16) {
        debug_assert!(self.order.is_empty(), "somebody waits beside a free lane");
        let account = Account { weight, ..self.take(client) };
        self.lend(client, account);
    }

    /// Counts service that a holder has used.
    pub(super) fn charge(&mut self, client: Client, units: u64) {
        let mut account = self.take(client);
        debug_assert!(account.held > 0, "only a holder uses anything");
        account.charge(units);
        self.put(client, account);
    }

    /// A grant to this client is over, used or not.
    pub(super) fn give_back(&mut self, client: Client) {
        let mut account = self.take(client);
        account.held -= 1;
        self.held -= 1;
        self.put(client, account);
    }

    /// A copy in which the rest of the service can be played: only those who wait are in it.
    pub(super) fn preview(&self) -> Self {
        let waiting = self.order.iter().map(|&(_, _, client)| (client, self.accounts[&client]));
        Self { accounts: waiting.collect(), order: self.order.clone(), ..Self::new(self.debts_max) }
    }

    fn lend(&mut self, client: Client, mut account: Account) {
        account.counter = account.counter.max(self.level);
        self.raise(account.counter);
        account.charge(1);
        account.held += 1;
        self.held += 1;
        self.put(client, account);
    }

    fn raise(&mut self, level: Counter) {
        debug_assert!(level >= self.level, "somebody waited below the level");
        self.level = level;
        while self.debts.first().is_some_and(|&(counter, _)| counter <= level) {
            self.forgive();
        }
    }

    /// Forgets the least debt.
    fn forgive(&mut self) {
        if let Some((_, client)) = self.debts.pop_first() {
            self.accounts.remove(&client);
        }
    }

    /// Takes an account off the books, to be changed and put back.
    fn take(&mut self, client: Client) -> Account {
        let Some(account) = self.accounts.remove(&client) else { return Account::new() };
        match account.first {
            Some(first) => self.order.remove(&(account.counter, first, client)),
            None => self.debts.remove(&(account.counter, client)),
        };
        account
    }

    /// Enters an account where it belongs now, if it has to be remembered at all.
    fn put(&mut self, client: Client, account: Account) {
        let is_remembered = match account.first {
            Some(first) => self.order.insert((account.counter, first, client)),
            None if account.held > 0 => true,
            None => account.counter > self.level && self.debts.insert((account.counter, client)),
        };
        if is_remembered {
            self.accounts.insert(client, account);
        }
        if self.order.is_empty() && self.held == 0 {
            *self = Self::new(self.debts_max);
        } else if self.debts.len() > self.debts_max {
            self.forgive();
        }
    }
}

impl Account {
    fn new() -> Self {
        let (counter, list) = (Counter::default(), List::default());
        Self { counter, weight: NonZeroU16::MIN, list, first: None, held: 0 }
    }

    fn charge(&mut self, units: u64) {
        self.counter = self.counter.after(units, self.weight);
    }
}

/// Service used, divided by the weight, in steps of 2^-32 units. Weights have 16 bits, so no unit counts as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Counter(u128);

impl Counter {
    const FRACTION_BITS: u32 = 32;

    fn after(self, units: u64, weight: NonZeroU16) -> Self {
        let added = (u128::from(units) << Self::FRACTION_BITS) / u128::from(weight.get());
        Self(self.0.saturating_add(added))
    }
}

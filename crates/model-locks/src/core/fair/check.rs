//! What is always true of the counters between two steps.

use super::{Client, Counter, Shares};
use crate::core::links::List;

impl Shares {
    /// `holds` are those who hold a lane or are promised one, each as often as it does.
    pub(in crate::core) fn check(&self, holds: &[Client]) {
        let (mut waiting, mut gone, mut held) = (0, 0, 0);
        for (&client, account) in &self.accounts {
            let holds = holds.iter().filter(|&&holder| holder == client).count();
            assert_eq!(account.held, holds, "a client holds more or less than is counted");
            held += holds;
            if let Some(first) = account.first {
                waiting += 1;
                assert!(self.order.contains(&(account.counter, first, client)), "one who waits is not in the order");
                assert!(account.counter >= self.level, "one who waits is below the level");
            } else if holds == 0 {
                gone += 1;
                assert!(self.debts.contains(&(account.counter, client)), "a debt is not listed");
                assert!(account.counter > self.level, "one who owes nothing is remembered");
            }
        }
        assert_eq!(self.order.len(), waiting, "somebody is in the order who does not wait, or twice");
        assert_eq!(self.debts.len(), gone, "a debt is listed of somebody who has none, or twice");
        assert!(gone <= self.debts_max, "more debts are remembered than may be");
        assert_eq!((self.held, held), (holds.len(), holds.len()), "a hold is counted for nobody, or not at all");
        if waiting + held == 0 {
            assert!(
                self.accounts.is_empty() && self.level == Counter::default(),
                "a class at rest remembers something"
            );
        }
    }

    /// The list of each client, and when the first in it arrived.
    pub(in crate::core) fn lists(&self) -> Vec<(Client, Option<u64>, List)> {
        let lists = self.accounts.iter().map(|(&client, account)| (client, account.first, account.list));
        lists.collect()
    }
}

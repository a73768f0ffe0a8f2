//! How the queue keeps to fair share, if its policy says so: there is a list for each client in place of one for each
//! class, the counters say whose list is next, and they are told what happens. Otherwise each of these is one branch.

use std::num::NonZeroU16;

use super::{Client, DEBTS_MAX, Shares};
use crate::core::links::List;
use crate::core::queue::{Node, Queue};
use crate::core::slab::Slab;
use crate::policy::{Ask, Class};

/// The clients of each class; `None` without fair share.
pub(in crate::core) type Fair = Option<Box<[Shares; 3]>>;

/// The lists as they will be when some have been served; see [`play`](Queue::play).
pub(in crate::core) struct Preview {
    lists: [List; 3],
    fair: Fair,
}

impl Shares {
    pub(in crate::core) fn of_all_classes(is_on: bool) -> Fair {
        is_on.then(|| Box::new(Class::ALL.map(|_| Self::new(DEBTS_MAX))))
    }

    // What follows is kept out of line and takes an ask in parts, so that without fair share the ask is in registers.

    #[cold]
    fn list_of(&mut self, client: Client) -> &mut List {
        self.list(client)
    }

    #[cold]
    fn joined<W>(&mut self, client: Client, weight: NonZeroU16, nodes: &Slab<Node<W>>) {
        let first = self.list(client).first.expect("it has just been linked");
        self.join(client, weight, nodes.get(first).arrived);
    }

    #[cold]
    fn parted<W>(&mut self, client: Client, nodes: &Slab<Node<W>>) {
        let first = self.list(client).first;
        self.part(client, first.map(|first| nodes.get(first).arrived));
    }

    #[cold]
    fn granted(&mut self, client: Client) {
        self.grant(client);
    }

    #[cold]
    fn granted_at_once(&mut self, client: Client, weight: NonZeroU16) {
        self.grant_at_once(client, weight);
    }

    #[cold]
    fn given_back(&mut self, client: Client) {
        self.give_back(client);
    }
}

impl<W> Queue<W> {
    /// Whether clients share.
    #[inline(always)]
    pub(in crate::core) fn is_shared(&self) -> bool {
        self.fair.is_some()
    }

    /// The list in which such an ask waits.
    #[inline(always)]
    pub(in crate::core) fn list(&mut self, ask: &Ask) -> &mut List {
        match &mut self.fair {
            None => &mut self.lists[ask.class.index()],
            Some(fair) => fair[ask.class.index()].list_of(ask.client_key()),
        }
    }

    /// The list from which a class is served next.
    #[inline(always)]
    pub(in crate::core) fn next_list(&self, class: Class) -> List {
        match &self.fair {
            None => self.lists[class.index()],
            Some(fair) => fair[class.index()].next_list(),
        }
    }

    /// Such an ask has been linked into its list.
    #[inline(always)]
    pub(in crate::core) fn joined(&mut self, ask: &Ask) {
        if let Some(fair) = &mut self.fair {
            fair[ask.class.index()].joined(ask.client_key(), ask.client_weight(), &self.nodes);
        }
    }

    /// Such an ask has been taken off its list.
    #[inline(always)]
    pub(in crate::core) fn parted(&mut self, ask: &Ask) {
        if let Some(fair) = &mut self.fair {
            fair[ask.class.index()].parted(ask.client_key(), &self.nodes);
        }
    }

    /// Such an ask is granted a lane. It is its client's turn, and the ask is still in the list.
    #[inline(always)]
    pub(in crate::core) fn granted_in_turn(&mut self, ask: &Ask) {
        if let Some(fair) = &mut self.fair {
            fair[ask.class.index()].granted(ask.client_key());
        }
    }

    /// Such an ask is granted a lane that was free.
    #[inline(always)]
    pub(in crate::core) fn granted_at_once(&mut self, ask: &Ask) {
        if let Some(fair) = &mut self.fair {
            fair[ask.class.index()].granted_at_once(ask.client_key(), ask.client_weight());
        }
    }

    /// The grant of such an ask is over, used or not.
    #[inline(always)]
    pub(in crate::core) fn given_back(&mut self, ask: &Ask) {
        if let Some(fair) = &mut self.fair {
            fair[ask.class.index()].given_back(ask.client_key());
        }
    }

    /// The holder of the grant of such an ask has used this much.
    pub(in crate::core) fn charge(&mut self, ask: &Ask, units: u64) {
        if let Some(fair) = &mut self.fair {
            fair[ask.class.index()].charge(ask.client_key(), units);
        }
    }

    pub(in crate::core) fn preview(&self) -> Preview {
        let fair = self.fair.as_ref().map(|fair| Box::new(fair.each_ref().map(Shares::preview)));
        Preview { lists: self.lists, fair }
    }

    /// Serves one of a class in the preview, and says whom.
    pub(in crate::core) fn play(&self, preview: &mut Preview, class: Class) -> &Node<W> {
        let mut shares = preview.fair.as_mut().map(|fair| &mut fair[class.index()]);
        let list = match &mut shares {
            None => &mut preview.lists[class.index()],
            Some(shares) => {
                let client = shares.next().expect("as many are linked as are counted");
                shares.grant(client)
            }
        };
        let node = self.nodes.get(list.first.expect("as many are linked as are counted"));
        let behind = node.links().behind;
        list.first = behind;
        if let Some(shares) = shares {
            let first = behind.map(|first| self.nodes.get(first).arrived);
            shares.part(node.ask.client_key(), first);
        }
        node
    }
}

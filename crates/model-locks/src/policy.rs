//! What a caller may choose: the policy of a lock, and what one request asks for.

use std::fmt;
use std::num::NonZeroU16;

use crate::snapshot::LaneId;

/// How a lock treats its queue. One per lock, fixed when the lock is made.
///
/// ```
/// use model_locks::Policy;
///
/// let policy = Policy { queue_max: 8, ..Policy::default() };
/// assert_eq!(policy.bypass_max, [u32::MAX, 4, 16]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many may wait at once; one more gets [`QueueFull`](crate::AcquireError::QueueFull). Default: 64.
    ///
    /// With 0 nobody ever waits: a lane is free and granted, or the ask is refused. A grant that its waiter has not
    /// claimed yet no longer counts as waiting; one that was [taken back](crate::ModelLock::sweep) counts again.
    pub queue_max: usize,

    /// How many times in a row the head of a class may be passed over by higher classes, indexed by [`Class`].
    /// Default: `[u32::MAX, 4, 16]`.
    ///
    /// After that many grants to higher classes the head of this class is next; when two classes are due at once, the
    /// lower one goes first. So while it waits, [`Class::Background`] of bound `b` gets at least one grant in `b + 1`, and
    /// [`Class::Normal`] of bound `k` one in `k + 2` if `b > k`, as by default; beside a smaller `b` it can be as few as
    /// one in `k + 1 + (k + 1) / b`, rounded up. The entry of [`Class::Interactive`] is never looked at, because no class is
    /// higher. A bound of 0 means *never passed over*, which puts the class before the higher ones for as long as it
    /// waits.
    pub bypass_max: [u32; 3],

    /// Whether the clients of a class share its service, instead of being served in order of arrival. Default: `false`.
    ///
    /// A [client](Ask::client) is counted what its holders [charge](crate::Lease::charge), and one unit for each grant,
    /// divided by its [weight](Ask::weight). The next grant of a class goes to the waiting client with the least count;
    /// if there are several, to the one whose first ask has waited longest. Among one client's asks it is first come,
    /// first served. So holders who charge nothing take turns by client. Classes are chosen as ever, and each counts for
    /// itself.
    ///
    /// Nothing is earned by being idle: a client that begins to wait is lifted to the least count of those who wait
    /// already, or, if nobody does, to the highest count that was the least when somebody was granted or began to wait. A
    /// class in which nobody waits and nobody holds a lane forgets all counts.
    ///
    /// # Bounds
    ///
    /// **Whenever two clients wait in a class, their counts differ by at most `N * L`**, where `N` is the number of
    /// lanes (the largest, if it has changed) and `L` the most that one hold has cost either of them: its charges plus
    /// one, divided by the weight. So while both wait without a break, no interval of any length gives one of them more
    /// than `2 * N * L` beyond the other. A count is kept in steps of 2<sup>-32</sup>, rounded down with each charge.
    ///
    /// The lock remembers the clients that wait or hold a lane, and in each class at most 1024 more, which have used
    /// more than those who come now are lifted to. If there are more of these, the one with the least count is
    /// forgotten, and what it had used too much is forgiven. The bound above does not depend on them.
    ///
    /// Not bounded is what new clients take from old ones: an endless stream of new keys goes before one who has used
    /// more. So keys must be identities that cost something.
    ///
    /// The counters are those of Sheng et al., *Fairness in Serving Large Language Models*, OSDI 2024, arXiv:2401.00588.
    ///
    /// ```
    /// use model_locks::{Ask, ModelLock, Policy};
    ///
    /// let lock = ModelLock::new(["engine"], Policy { fair_share: true, ..Policy::default() });
    /// let lease = lock.try_acquire(Ask::default().client(1))?;
    /// lease.charge(500); // tokens of the prompt
    /// lease.charge(1); // and of the answer, one by one
    /// # Ok::<(), model_locks::TryAcquireError>(())
    /// ```
    pub fair_share: bool,

    /// What asks and waiters get while every lane is in quarantine. Default: [`WhenAllQuarantined::Fail`].
    pub when_all_quarantined: WhenAllQuarantined,

    /// A planted bug for tests of the layers above: grant the newest waiter of a class first. Default: `false`.
    /// Never set it in production.
    #[cfg(feature = "canary")]
    pub canary_lifo: bool,

    /// A planted bug for tests of the layers above: a lane that was granted to a waiter that is dropped stays granted to
    /// nobody. Default: `false`. Never set it in production.
    #[cfg(feature = "canary")]
    pub canary_loses_grants: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            queue_max: 64,
            bypass_max: [u32::MAX, 4, 16],
            fair_share: false,
            when_all_quarantined: WhenAllQuarantined::Fail,
            #[cfg(feature = "canary")]
            canary_lifo: false,
            #[cfg(feature = "canary")]
            canary_loses_grants: false,
        }
    }
}

/// What happens to asks while a lock has lanes but each of them is in quarantine or in repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenAllQuarantined {
    /// Those who wait and those who come are refused at once. A lane in repair counts as quarantined until
    /// [`Repair::finish`](crate::Repair::finish), because nobody can tell whether a repair will succeed.
    #[default]
    Fail,
    /// They wait, within [`Policy::queue_max`], until a lane is repaired or added.
    Wait,
}

/// Who goes first when several wait. Within a class it is first come, first served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person waits for the answer.
    Interactive,
    /// The ordinary request of a program.
    #[default]
    Normal,
    /// Nobody waits: titles, summaries, batches.
    Background,
}

impl Class {
    /// All classes, highest first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Normal, Self::Background];

    /// The place of this class in arrays such as [`Policy::bypass_max`]: 0 for the highest.
    #[inline]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What one request asks of a lock.
///
/// ```
/// use model_locks::{Ask, Class};
///
/// let ask = Ask::new(Class::Background).tag(42);
/// assert_eq!((ask.class, ask.tag), (Class::Background, 42));
/// ```
// Every waiter carries its ask twice, in its future and in its node, so what is not given takes a bit and no `Option`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ask {
    /// A number of the caller's own, 0 unless set. The lock only shows it in snapshots, so that a host can tell which
    /// of its requests holds a lane and which ones wait.
    pub tag: u64,
    /// 0 unless given.
    supersede: u64,
    /// 0 unless given.
    prefer: u32,
    /// Who goes first.
    pub class: Class,
    given: Given,
    /// The weight, less one.
    weight_above_one: u16,
    /// 0 unless given.
    client: u64,
}

/// Which of the optional parts of an ask are given.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Given(u8);

impl Given {
    const SUPERSEDE: Self = Self(1);
    const PREFER: Self = Self(2);
    const CLIENT: Self = Self(4);

    #[inline]
    fn has(self, part: Self) -> bool {
        self.0 & part.0 != 0
    }

    #[inline]
    fn with(self, part: Self) -> Self {
        Self(self.0 | part.0)
    }
}

impl Ask {
    /// An ask of this class, with tag 0.
    #[inline]
    pub fn new(class: Class) -> Self {
        Self { class, ..Self::default() }
    }

    /// The same ask under this tag.
    #[inline]
    #[must_use]
    pub fn tag(self, tag: u64) -> Self {
        Self { tag, ..self }
    }

    /// The same ask, replacing an older one: when it begins to wait, an older ask of the same key that still *waits* gets
    /// [`Superseded`](crate::AcquireError::Superseded). For requests that only the newest makes sense of, such as
    /// completions while somebody types. The lock does not know clients: keys of different clients must differ.
    ///
    /// Whoever has been granted a lane keeps it, looked at or not. One that lost its grant to a
    /// [sweep](crate::ModelLock::sweep) waits again, and can be replaced. An ask that does not come to wait, because a lane is
    /// free or because it is refused, replaces nobody.
    ///
    /// It waits at the end of its class, like any other: the place was for another request, perhaps a smaller one or one
    /// of a lower class, and whoever came in between would be overtaken. In a full queue the replaced one makes room.
    #[inline]
    #[must_use]
    pub fn supersede(self, key: u64) -> Self {
        Self { supersede: key, given: self.given.with(Given::SUPERSEDE), ..self }
    }

    /// The key under which it [replaces](Self::supersede) an older one.
    #[inline]
    pub fn supersede_key(self) -> Option<u64> {
        self.given.has(Given::SUPERSEDE).then_some(self.supersede)
    }

    /// The same ask, with a lane that it would like best, perhaps because its prefix is still cached there.
    ///
    /// It decides only among lanes that are free. Without it, or if that lane is not free, the lane that has been free for
    /// longest is taken. Nobody waits for a preferred lane, and no waiter is chosen because of it.
    #[inline]
    #[must_use]
    pub fn prefer(self, lane: LaneId) -> Self {
        Self { prefer: lane.0, given: self.given.with(Given::PREFER), ..self }
    }

    /// The lane that it [would like best](Self::prefer).
    #[inline]
    pub fn preferred_lane(self) -> Option<LaneId> {
        self.given.has(Given::PREFER).then_some(LaneId(self.prefer))
    }

    /// The same ask, on behalf of this client. Means something only with [fair share](Policy::fair_share).
    ///
    /// Each client has its share, so a key must be an identity that costs something, such as an account: whoever makes
    /// up a new one for each request goes before all who have used more. All asks without a client are one client
    /// together, apart from those that have one.
    #[inline]
    #[must_use]
    pub fn client(self, key: u64) -> Self {
        Self { client: key, given: self.given.with(Given::CLIENT), ..self }
    }

    /// On whose behalf it [asks](Self::client).
    #[inline]
    pub fn client_key(self) -> Option<u64> {
        self.given.has(Given::CLIENT).then_some(self.client)
    }

    /// The same ask, of a client that is due so many times the service of one of weight 1. Default: 1. Means something
    /// only with [fair share](Policy::fair_share).
    ///
    /// It holds for the client, in the class of this ask, from when this ask is granted a free lane or begins to wait
    /// until another ask of the client does so. What was used before then was counted under the former weight.
    #[inline]
    #[must_use]
    pub fn weight(self, weight: NonZeroU16) -> Self {
        Self { weight_above_one: weight.get() - 1, ..self }
    }

    /// The [weight](Self::weight) of its client.
    #[inline]
    pub fn client_weight(self) -> NonZeroU16 {
        NonZeroU16::MIN.saturating_add(self.weight_above_one)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Ask");
        shown.field("class", &self.class).field("tag", &self.tag);
        shown.field("supersede", &self.supersede_key()).field("prefer", &self.preferred_lane());
        shown.field("client", &self.client_key()).field("weight", &self.client_weight()).finish()
    }
}

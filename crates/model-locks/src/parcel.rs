//! What travels between a lock and its leases.

use crate::core::Taken;
use crate::policy::Class;
use crate::snapshot::{LaneId, Ticket};
use crate::sync::panicking;

/// The value of a lane, in one box with a note of whom it is lent to. So a lease is two pointers, and handing a lane over
/// moves one of them.
pub(crate) struct Parcel<T> {
    pub(crate) value: T,
    /// The note: has a meaning only while the lane is leased.
    pub(crate) ticket: Ticket,
    pub(crate) tag: u64,
    pub(crate) lane: LaneId,
    pub(crate) class: Class,
    /// Whether the thread was unwinding when the hold began. Then a panic at its end proves nothing.
    pub(crate) began_unwinding: bool,
}

impl<T> Parcel<T> {
    pub(crate) fn new(value: T) -> Box<Self> {
        let (ticket, lane, class) = (Ticket(0), LaneId(0), Class::Normal);
        Box::new(Self { value, ticket, tag: 0, lane, class, began_unwinding: false })
    }

    /// Writes the note of the lease that begins.
    #[inline(always)]
    pub(crate) fn address(taken: Taken<Box<Self>>) -> Box<Self> {
        let Taken { value: mut parcel, ticket, tag, lane, class } = taken;
        (parcel.ticket, parcel.tag, parcel.lane, parcel.class) = (ticket, tag, lane, class);
        parcel.began_unwinding = panicking();
        parcel
    }
}

//! What can be wrong with it.

/// One fault. Each is a bug that a server of this kind had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// Nothing is wrong.
    #[default]
    None,
    /// Whoever waits longest gets the running answer's words in front of its own.
    Crossed,
    /// Whoever begins while somebody waits makes that one's answer, and leaves it its own.
    Swapped,
    /// A request that arrives ends the running one, which looks like an ordinary end.
    Cut,
    /// A client that leaves the queue stops the running request, as if that one's client had left.
    WrongCancel,
    /// Everybody enters the engine at once, and its position in the text is everybody's.
    NoLock,
    /// Nobody notices that a client has left, in the queue or behind it.
    GoesOn,
    /// `/health` waits for its turn behind the requests.
    Starved,
    /// The queue takes everybody.
    Unbounded,
    /// A second request at one time ends the engine for good.
    Crash,
}

impl Fault {
    /// All of them, after [`None`](Self::None).
    pub const ALL: [Self; 9] = [
        Self::Crossed,
        Self::Swapped,
        Self::Cut,
        Self::WrongCancel,
        Self::NoLock,
        Self::GoesOn,
        Self::Starved,
        Self::Unbounded,
        Self::Crash,
    ];
}

//! What every handler can see.

use serving::Service;

use crate::catalogue::Catalogue;
use crate::clock::WallClock;
use crate::limits::HttpLimits;
use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::routes::chat::Bodies;
use crate::routes::edison::Active;
use crate::shutdown::Shutdown;

/// The service, and what the routes need besides.
pub(crate) struct App {
    pub(crate) service: Service,
    pub(crate) limits: HttpLimits,
    /// What is known of the models for good.
    pub(crate) catalogue: Catalogue,
    /// The budget of memory for bodies.
    pub(crate) bodies: Bodies,
    /// The chats of EDISON's protocol that can be cancelled.
    pub(crate) active: Active,
    pub(crate) metrics: Metrics,
    pub(crate) machine: Machine,
    pub(crate) clock: WallClock,
    pub(crate) shutdown: Shutdown,
    /// When the server came up, in seconds since 1970: the age of everything in `/v1/models`.
    pub(crate) created: u64,
}

impl App {
    /// The model that is meant by clients of servers that have only one, which do not name it.
    pub(crate) fn first_model(&self) -> String {
        self.catalogue.first().unwrap_or_default()
    }
}

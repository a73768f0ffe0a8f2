//! What every handler can see.

use serving::Service;

use crate::clock::WallClock;
use crate::limits::HttpLimits;
use crate::shutdown::Shutdown;

/// The service, and what the routes need besides.
pub(crate) struct App {
    pub(crate) service: Service,
    pub(crate) limits: HttpLimits,
    pub(crate) clock: WallClock,
    pub(crate) shutdown: Shutdown,
    /// When the server came up, in seconds since 1970: the age of everything in `/v1/models`.
    pub(crate) created: u64,
}

//! What all rooms share: errors, callers, ids of requests, repeats, and the router's frame.

mod auth;
mod contract;
mod error;
mod extract;
mod frame;
mod idempotency;
mod linger;

pub use self::auth::Caller;
pub(crate) use self::auth::is_known;
pub use self::error::{ApiError, Problem};
pub(crate) use self::error::{IMAGE_REFUSED, TEXT_REFUSED};
pub use self::extract::{Body, EventIds, Params, Part, RequestId, TwoParts, id, language, limit, typed};
pub use self::frame::{openapi, router};
pub use self::idempotency::{Answers, Unrepeatable};

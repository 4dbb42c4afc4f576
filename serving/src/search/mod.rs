//! Search: text and vectors, fused. Hidden and blocked people and their Moments are not found; who is not known is not shown.

mod http;
mod service;

pub use self::http::router;

//! Profiles. A write is an event that is durable before it is answered, and seen at once by whoever reads through this node.

mod http;

pub use self::http::router;

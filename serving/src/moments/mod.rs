//! Moments: published, read, deleted. A write is an event that is durable before it is answered; a Moment is found by search and by id once
//! the stream has indexed it, within about a second.

mod http;
mod id;

pub use self::http::router;

//! Moments: published, read, deleted. A write is an event that is durable before it is answered; a Moment is found by search and by id once
//! the stream has indexed it, within about a second.
//!
//! Likes and comments are rows, written in one transaction with what they are between two people: a follow, by the service of relations. Neither is shown
//! across a block.

mod http;
mod id;
mod reactions;
mod service;
mod store;

use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::store::{COMMENTS, COUNTS, LIKES, NAMING, drop_tables, forget_some, tables};
use crate::state::App;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    http::router().merge(reactions::router())
}

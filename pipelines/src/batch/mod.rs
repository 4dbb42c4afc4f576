//! What the stream keeps up to date, computed once more over the lake.

pub mod co_likes;

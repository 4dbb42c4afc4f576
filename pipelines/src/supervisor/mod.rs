//! Keeps jobs running: a job that fails or panics is started again with back-off, and everybody can see it.
//!
//! A job is a factory of futures: every start makes a new one, which restores its own durable state. Back-off doubles from 200 ms
//! to 30 s and falls back once a start has run well for a minute. On shutdown the token is cancelled; a job then makes its state
//! durable and returns `Ok`. Its lag is kept true while it is down, too ([`watch_lag`]).

mod lag;
mod progress;
mod run;

pub use lag::watch_lag;
pub use progress::{JobHealth, JobProgress, JobState};
pub use run::{JobContext, JobError, RestartPolicy, Supervisor};

/// Where jobs take the time from.
pub type Clock = fn() -> chrono::DateTime<chrono::Utc>;

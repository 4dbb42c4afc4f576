//! What can go wrong with a cluster.

use std::fmt;

use features::sets::feature_sets;
use pipelines::arroyo::{Place, RenderError};
use pipelines::bus::BusError;

/// Something that the planner of Arroyo does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The feature set.
    pub set: String,
    /// Where, if it says so.
    pub place: Option<Place>,
    /// Why.
    pub message: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place @ Place::File(..)) => write!(f, "{place}: {}", self.message),
            Some(place) => write!(f, "features/sql/{}.sql: {place}: {}", self.set, self.message),
            None => write!(f, "features/sql/{}.sql: {}", self.set, self.message),
        }
    }
}

/// What can go wrong with a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ArroyoError {
    /// Not an address.
    #[error("--arroyo: `{0}` is not the address of a cluster; give one such as http://127.0.0.1:5115")]
    Address(String),
    /// Nobody answers.
    #[error("no Arroyo answers at {url} while asked to {what} ({reason}); start the cluster, or correct --arroyo")]
    Unreachable {
        /// The address.
        url: String,
        /// What was asked.
        what: String,
        /// What the client says.
        reason: String,
    },
    /// It refused.
    #[error("Arroyo at {url} refused to {what}: {message} (HTTP {status}){}", remedy(.status))]
    Refused {
        /// The address.
        url: String,
        /// What was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// It failed.
    #[error("Arroyo at {url} failed to {what}: {message} (HTTP {status}); the log of its API says more, and trying again does no harm")]
    Failing {
        /// The address.
        url: String,
        /// What was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// It answered something else.
    #[error("{url} answered to `{what}` what no Arroyo answers ({reason}); is it the API of a cluster, of version 0.15 or 0.16?")]
    Unreadable {
        /// The address.
        url: String,
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// It does not take the SQL.
    #[error("Arroyo does not take the SQL:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Rejected(Vec<Rejection>),
    /// The SQL cannot be made.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A job failed.
    #[error("pipeline {pipeline} failed: {reason}; `hongniang pipeline deploy` starts it again once that is mended")]
    Failed {
        /// Its name.
        pipeline: String,
        /// Why, in Arroyo's words.
        reason: String,
    },
    /// A job does not come to where it should.
    #[error(
        "pipeline {pipeline} is {state} after {seconds} s and not {wanted}; Arroyo's controller log says why, and --wait gives it longer"
    )]
    Late {
        /// Its name.
        pipeline: String,
        /// Where it is.
        state: String,
        /// Where it should be.
        wanted: String,
        /// For how long it was waited.
        seconds: u64,
    },
    /// The event log.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Nothing to work on.
    #[error("no pipeline of feature set `{0}` is on the cluster; `hongniang pipeline list --arroyo` shows those that are")]
    NoPipeline(String),
    /// A name that is none.
    #[error("there is no feature set `{}`; there are {}", .0, known_sets())]
    NoSuchSet(String),
}

fn known_sets() -> String {
    feature_sets().iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn remedy(status: &u16) -> &'static str {
    match *status {
        401 | 403 => "; give the cluster's key in HONGNIANG_ARROYO_KEY",
        404 => "; is it the API of Arroyo, and is the pipeline still there?",
        _ => "",
    }
}

//! Why an act is not done.

use features::relations::Refusal;

use crate::http::ApiError;

/// Why an act is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// By the rules.
    Rule(Refusal),
    /// The actor has used up what they may do; in so many seconds again.
    Spent(i64),
    /// The actor's quota of the day is used up; in so many seconds the next day begins.
    Quota(i64),
}

impl Refused {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Rule(refusal) => refusal.name(),
            Self::Spent(_) => "rate_limited",
            Self::Quota(_) => "quota_exceeded",
        }
    }

    /// For people.
    pub fn says(self) -> String {
        match self {
            Self::Rule(Refusal::UnblockFirst) => "is blocked by the actor; unblock them first".to_owned(),
            Self::Rule(Refusal::NotAvailable) => "is not available to the actor".to_owned(),
            Self::Quota(wait) => format!("the quota of the day is used up; the next day begins in {wait} s"),
            Self::Spent(wait) => format!("the actor has used up what they may do; try again in {wait} s"),
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rule(Refusal::UnblockFirst) => Self::Conflict(refused.code(), format!("the other {}", refused.says())),
            Refused::Rule(Refusal::NotAvailable) => Self::NotFound(refused.code(), format!("the other {}", refused.says())),
            Refused::Spent(wait) => Self::TooOften(wait),
            Refused::Quota(wait) => Self::QuotaExceeded(refused.says(), wait),
        }
    }
}

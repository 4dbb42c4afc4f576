//! A link of the chain, and the first one.

use async_trait::async_trait;
use features::moderation::{Finding, Screen};

use super::{Subject, SubjectKind, Verdict};

/// So many texts are looked through before others get their turn.
const IN_A_ROW: usize = 32;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// What.
    pub finding: Finding,
    /// What is to follow, if the check says so; else the policy does.
    pub verdict: Option<Verdict>,
}

/// Why a check cannot look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// It does not answer in time.
    Timeout,
    /// It cannot be reached.
    Unreachable,
    /// It answers with an error: the HTTP status.
    Status(u16),
    /// Its answer is not as agreed.
    Answer,
    /// Its answer is too long.
    Size,
    /// It was away a moment ago and is left alone for a while.
    Resting,
}

impl Down {
    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Status(_) => "status",
            Self::Answer => "answer",
            Self::Size => "size",
            Self::Resting => "resting",
        }
    }

    /// Whether that says nothing about what it was asked: another subject would fare no better.
    pub const fn is_away(self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable | Self::Resting => true,
            Self::Status(status) => status >= 500 || status == 429,
            Self::Answer | Self::Size => false,
        }
    }
}

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            other => f.write_str(other.name()),
        }
    }
}

/// A link of the chain.
#[async_trait]
pub trait Checker: Send + Sync {
    /// Whether it looks at subjects of a kind.
    fn takes(&self, kind: SubjectKind) -> bool;

    /// What it finds in subjects of one kind, for each in turn, or why it cannot look.
    async fn look(&self, kind: SubjectKind, subjects: &[&Subject<'_>]) -> Vec<Result<Vec<Found>, Down>>;
}

/// The checks of `features::moderation`: lists of words and forms of contact details.
pub struct BuiltIn(pub Screen);

#[async_trait]
impl Checker for BuiltIn {
    fn takes(&self, kind: SubjectKind) -> bool {
        kind.is_text()
    }

    async fn look(&self, _: SubjectKind, subjects: &[&Subject<'_>]) -> Vec<Result<Vec<Found>, Down>> {
        let mut all = Vec::with_capacity(subjects.len());
        for some in subjects.chunks(IN_A_ROW) {
            if !all.is_empty() {
                tokio::task::yield_now().await;
            }
            let found = |text| self.0.look(text).into_iter().map(|finding| Found { finding, verdict: None }).collect();
            all.extend(some.iter().map(|subject| Ok(found(subject.content))));
        }
        all
    }
}

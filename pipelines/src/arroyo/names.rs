//! Names of pipelines: which feature set, which generation, which text.

use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "hongniang-";
const DIGITS: usize = 12;

/// The name of a pipeline: `hongniang-<feature set>-g<generation>-<fingerprint of its text>`. Also the name of its consumer group, so that Kafka
/// knows how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineName {
    /// The feature set.
    pub set: String,
    /// What its rows carry.
    pub generation: u32,
    /// Twelve hexadecimal digits that follow from everything but the generation.
    pub fingerprint: String,
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-g{}-{}", self.set, self.generation, self.fingerprint)
    }
}

impl FromStr for PipelineName {
    type Err = ();

    /// Reads a name; others have pipelines on the cluster, too, whose names are none.
    fn from_str(name: &str) -> Result<Self, ()> {
        let rest = name.strip_prefix(PREFIX).ok_or(())?;
        let (rest, fingerprint) = rest.rsplit_once('-').ok_or(())?;
        let (set, generation) = rest.rsplit_once("-g").ok_or(())?;
        let digits = fingerprint.len() == DIGITS && fingerprint.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let plain = generation.bytes().all(|b| b.is_ascii_digit());
        if set.is_empty() || !digits || !plain {
            return Err(());
        }
        let generation = generation.parse().map_err(|_| ())?;
        Ok(Self { set: set.to_owned(), generation, fingerprint: fingerprint.to_owned() })
    }
}

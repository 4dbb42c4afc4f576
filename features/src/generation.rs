//! Which generation of a feature set readers may use.
//!
//! Rows carry the `generation` of the computation that wrote them, and the larger one wins. A computation that begins again and catches up for
//! minutes, as a new Arroyo pipeline does, must not win while it has counted half of what there is: its rows wait until its generation is
//! announced. Announcements are records of the compacted topic [`TOPIC`], keyed by feature set, `{"set":"popularity","generation":2}`; a larger one
//! replaces a smaller one, in whatever order they come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The topic of announcements.
pub const TOPIC: &str = "feature_generations";

/// The generation that needs no announcement.
pub const FIRST: u32 = 1;

/// Says that a generation has caught up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The feature set; also the record's key.
    pub set: String,
    /// Rows of this generation, and of smaller ones, may be used.
    pub generation: u32,
}

impl Announcement {
    /// Reads an announcement.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Writes the announcement as JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a name and a number")
    }
}

/// The largest announced generation of each feature set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generations(BTreeMap<String, u32>);

impl Generations {
    /// The largest generation of `set` whose rows may be used.
    pub fn of(&self, set: &str) -> u32 {
        self.0.get(set).copied().unwrap_or(FIRST)
    }

    /// What was announced of `set`, if anything was.
    pub fn announced(&self, set: &str) -> Option<u32> {
        self.0.get(set).copied()
    }

    /// From now on rows up to `generation` may be used; `false` if they already could.
    pub fn announce(&mut self, set: &str, generation: u32) -> bool {
        let news = generation > self.of(set);
        if news {
            self.0.insert(set.to_owned(), generation);
        }
        news
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn announcements_only_raise() {
        let mut generations = Generations::default();
        assert_eq!(generations.of("popularity"), FIRST);
        assert!(!generations.announce("popularity", FIRST));
        assert!(generations.announce("popularity", 3));
        assert!(!generations.announce("popularity", 2));
        assert_eq!((generations.of("popularity"), generations.of("given")), (3, FIRST));
    }

    #[test]
    fn an_announcement_is_read_as_it_was_written() {
        let said = Announcement { set: "popularity".to_owned(), generation: 2 };
        assert_eq!(said.encode(), br#"{"set":"popularity","generation":2}"#);
        assert_eq!(Announcement::decode(&said.encode()).unwrap(), said);
        assert!(Announcement::decode(b"{}").is_err());
    }
}

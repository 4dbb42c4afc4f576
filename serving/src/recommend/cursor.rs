//! The opaque cursor: which deck of whom, and where in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use features::ids::UserId;
use serde::{Deserialize, Serialize};

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Of whom.
    pub(super) viewer: UserId,
    /// Which deck.
    pub(super) deck: String,
    /// First position of the page.
    pub(super) next: usize,
}

impl Cursor {
    /// Writes it for a URL.
    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("a plain struct"))
    }

    /// Reads what [`Self::encode`] wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_come_back_and_garbage_does_not(viewer in 1u64.., next in 0usize..1000, garbage in "\\PC{0,60}") {
            let cursor = Cursor { viewer: UserId(viewer), deck: "d".to_owned(), next };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
            let _ = Cursor::decode(&garbage);
        }
    }
}

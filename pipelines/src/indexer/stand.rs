//! Up to where the indexes of this node are, kept beside them.
//!
//! Every serving node has indexes of its own, so where they stand is no business of a consumer group: a node that took another one's
//! offsets would miss what it was not there to see.

use std::path::Path;

use index::{IndexError, snapshot};

use crate::bus::Offsets;

const FORMAT: u32 = 1;

/// Reads the offsets; none where nothing usable was written: then everything is applied again.
pub(super) fn load(path: &Path) -> Offsets {
    match snapshot::read::<()>(path, FORMAT) {
        Ok(found) => found.map_or_else(Offsets::default, |((), offsets)| Offsets::from_named(&offsets)),
        Err(error) => {
            tracing::warn!(%error, "where the indexes stand cannot be read: everything is applied again");
            Offsets::default()
        }
    }
}

/// Writes the offsets, as a whole.
pub(super) fn save(path: &Path, offsets: &Offsets) -> Result<(), IndexError> {
    snapshot::write(path, FORMAT, &(), &offsets.to_named())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_comes_back_and_damage_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/indexer.offsets");
        assert_eq!(load(&path), Offsets::default());
        let mut offsets = Offsets::default();
        offsets.set("moments", 1, 42);
        save(&path, &offsets).unwrap();
        assert_eq!(load(&path), offsets);
        std::fs::write(&path, b"{\"moments/1\":").unwrap();
        assert_eq!(load(&path), Offsets::default());
    }
}

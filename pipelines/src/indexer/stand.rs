//! Up to where the indexes of this node are, kept beside them.
//!
//! Every serving node has indexes of its own, so where they stand is no business of a consumer group: a node that took another one's
//! offsets would miss what it was not there to see.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::bus::Offsets;

/// Reads the offsets; none where nothing usable was written: then everything is applied again.
pub(super) fn load(path: &Path) -> Offsets {
    let named = std::fs::read(path).and_then(|bytes| serde_json::from_slice::<BTreeMap<String, i64>>(&bytes).map_err(io::Error::from));
    match named {
        Ok(named) => Offsets::from_named(&named),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Offsets::default(),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "where the indexes stand cannot be read: everything is applied again");
            Offsets::default()
        }
    }
}

/// Writes the offsets, as a whole.
pub(super) fn save(path: &Path, offsets: &Offsets) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, serde_json::to_vec_pretty(&offsets.to_named())?)?;
    std::fs::rename(&beside, path)
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

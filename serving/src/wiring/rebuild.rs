//! The indexes of a data folder made anew, beside those that are in use, and put in their place at a start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use chrono::Utc;
use features::embed::TextEncoder;
use pipelines::bus::Bus;
use pipelines::indexer;
use pipelines::supervisor::JobContext;

use super::jobs::kept;
use super::platform::{indexes, node_state};
use crate::config::Config;

/// Where the new ones are made, below the data folder.
const BESIDE: &str = "rebuild";
/// There when they are complete.
const READY: &str = "READY";
/// What belongs to them, by its place in a data folder.
const PARTS: [&str; 4] = ["vectors", "text", "state/portraits.table", "state/indexer.offsets"];

/// Builds the indexes of the data folder anew beside those that are in use; the next start of a node puts them in their place. Vectors in a
/// Qdrant server are written there again at once. Returns how many people they hold.
///
/// # Errors
/// When lake, log or an index fails; the next try goes on with what is there.
pub async fn rebuild_indexes(config: &Config, bus: &Bus, encoder: &Arc<dyn TextEncoder>, step: impl Fn(u64, u64)) -> anyhow::Result<usize> {
    let beside = Config { data_dir: config.data_dir.join(BESIDE), ..config.clone() };
    let ready = beside.data_dir.join(READY);
    if ready.exists() {
        // Complete, but of some time ago, and nobody has put it in its place.
        std::fs::remove_dir_all(&beside.data_dir)?;
    }
    std::fs::create_dir_all(beside.data_dir.join("state")).with_context(|| format!("{} cannot be made", beside.data_dir.display()))?;
    let made = indexes(&beside, &**encoder)
        .await
        .context("the indexes beside those in use cannot be opened; does another backfill build them?")?;
    let kept = kept(&made, &beside, (encoder.name(), encoder.dim()), &node_state(&beside)?);
    let context = JobContext::alone(indexer::NAME, Utc::now);
    indexer::rebuild(bus, &config.lake_place(), &kept, config.indexer.clone(), context, step).await?;
    let people = made.table.len();
    std::fs::write(&ready, "")?;
    Ok(people)
}

/// Puts indexes that were built beside in their place, if they are complete. A start that is cut off on the way goes on with it.
///
/// # Errors
/// When files cannot be moved.
pub fn put_in_place(data_dir: &Path) -> anyhow::Result<bool> {
    let beside = data_dir.join(BESIDE);
    if !beside.join(READY).exists() {
        return Ok(false);
    }
    for part in PARTS {
        replace(&beside.join(part), &data_dir.join(part))
            .with_context(|| format!("{part} of {} cannot be put in its place", beside.display()))?;
    }
    std::fs::remove_dir_all(&beside)?;
    tracing::info!("indexes that a backfill has built are in their place");
    Ok(true)
}

/// The old one is moved aside before it is removed: removing takes time, and what is half removed must not be taken for an index.
fn replace(new: &Path, old: &Path) -> std::io::Result<()> {
    if !new.exists() {
        return Ok(()); // moved by the start before this one
    }
    let aside = PathBuf::from(format!("{}.old", old.display()));
    let remove = |path: &Path| if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    if aside.exists() {
        remove(&aside)?;
    }
    if old.exists() {
        std::fs::rename(old, &aside)?;
    }
    if let Some(folder) = old.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::rename(new, old)?;
    if aside.exists() { remove(&aside) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write(folder: &Path, part: &str, text: &str) {
        let file = folder.join(part);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn read(folder: &Path, part: &str) -> String {
        std::fs::read_to_string(folder.join(part)).unwrap()
    }

    #[test]
    fn what_is_complete_takes_the_place_even_after_a_start_that_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let (data, beside) = (dir.path(), dir.path().join(BESIDE));
        for (part, file) in
            [("vectors", "vectors/a"), ("text", "text/a"), ("table", "state/portraits.table"), ("offsets", "state/indexer.offsets")]
        {
            write(data, file, &format!("old {part}"));
            write(&beside, file, &format!("new {part}"));
        }
        assert!(!put_in_place(data).unwrap(), "what is not complete stays where it is");
        assert_eq!(read(data, "text/a"), "old text");
        write(&beside, READY, "");
        // A start that was cut off after the first part, with the second old one aside.
        replace(&beside.join("vectors"), &data.join("vectors")).unwrap();
        std::fs::rename(data.join("text"), data.join("text.old")).unwrap();
        assert!(put_in_place(data).unwrap());
        for (file, text) in [
            ("vectors/a", "new vectors"),
            ("text/a", "new text"),
            ("state/portraits.table", "new table"),
            ("state/indexer.offsets", "new offsets"),
        ] {
            assert_eq!(read(data, file), text);
        }
        assert!(!beside.exists() && !data.join("text.old").exists());
        assert!(!put_in_place(data).unwrap());
    }
}

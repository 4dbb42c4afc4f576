//! The metadata log: topics, group offsets, producer ids and transaction decisions, one JSON line each.
//!
//! A line is written before the answer goes out. On opening, the lines are replayed, a torn last line is dropped, and the log
//! is written anew in its shortest form.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Key of a committed offset.
pub(super) type OffsetKey = (String, String, i32);

/// A committed offset with what the client wanted to remember.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Committed {
    pub(super) offset: i64,
    pub(super) metadata: String,
}

/// A change of the metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Change {
    Topic {
        name: String,
        partitions: i32,
        configs: BTreeMap<String, String>,
    },
    DeleteTopic {
        name: String,
    },
    Offsets {
        group: String,
        offsets: Vec<(String, i32, Committed)>,
    },
    DeleteGroup {
        group: String,
    },
    DeleteOffset {
        group: String,
        topic: String,
        partition: i32,
    },
    Producer {
        id: i64,
    },
    Transactional {
        name: String,
        producer_id: i64,
        epoch: i16,
        timeout_ms: i32,
    },
    /// A transaction is decided; its offsets are committed with this line, its markers may still lack.
    Decided {
        name: String,
        commit: bool,
        partitions: Vec<(String, i32)>,
        offsets: Vec<(String, String, i32, Committed)>,
    },
    /// All markers of the decided transaction are written.
    Finished {
        name: String,
    },
}

/// A topic as it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct TopicMeta {
    pub(super) partitions: i32,
    pub(super) configs: BTreeMap<String, String>,
}

/// A transactional producer as it is known.
#[derive(Debug, Clone)]
pub(super) struct TransactionalMeta {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    pub(super) timeout_ms: i32,
    /// A decision whose markers may lack: commit or abort, and where.
    pub(super) undone: Option<(bool, Vec<(String, i32)>)>,
}

/// Everything the metadata log says.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) topics: BTreeMap<String, TopicMeta>,
    pub(super) offsets: BTreeMap<OffsetKey, Committed>,
    pub(super) transactional: BTreeMap<String, TransactionalMeta>,
    pub(super) next_producer: i64,
}

impl Metadata {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Topic { name, partitions, configs } => {
                self.topics.insert(name, TopicMeta { partitions, configs });
            }
            Change::DeleteTopic { name } => {
                self.topics.remove(&name);
                self.offsets.retain(|(_, topic, _), _| *topic != name);
            }
            Change::Offsets { group, offsets } => {
                self.offsets.extend(offsets.into_iter().map(|(topic, p, committed)| ((group.clone(), topic, p), committed)));
            }
            Change::DeleteGroup { group } => self.offsets.retain(|(g, _, _), _| *g != group),
            Change::DeleteOffset { group, topic, partition } => {
                self.offsets.remove(&(group, topic, partition));
            }
            Change::Producer { id } => self.next_producer = self.next_producer.max(id + 1),
            Change::Transactional { name, producer_id, epoch, timeout_ms } => {
                self.next_producer = self.next_producer.max(producer_id + 1);
                self.transactional.insert(name, TransactionalMeta { producer_id, epoch, timeout_ms, undone: None });
            }
            Change::Decided { name, commit, partitions, offsets } => {
                self.offsets.extend(offsets.into_iter().map(|(g, t, p, committed)| ((g, t, p), committed)));
                if let Some(t) = self.transactional.get_mut(&name) {
                    t.undone = Some((commit, partitions));
                }
            }
            Change::Finished { name } => {
                if let Some(t) = self.transactional.get_mut(&name) {
                    t.undone = None;
                }
            }
        }
    }

    fn shortest(&self) -> Vec<Change> {
        let topics =
            self.topics.iter().map(|(name, t)| Change::Topic { name: name.clone(), partitions: t.partitions, configs: t.configs.clone() });
        let offsets =
            self.offsets.iter().map(|((g, t, p), c)| Change::Offsets { group: g.clone(), offsets: vec![(t.clone(), *p, c.clone())] });
        let mut all: Vec<Change> = topics.chain(offsets).collect();
        for (name, t) in &self.transactional {
            all.push(Change::Transactional { name: name.clone(), producer_id: t.producer_id, epoch: t.epoch, timeout_ms: t.timeout_ms });
            if let Some((commit, partitions)) = &t.undone {
                all.push(Change::Decided { name: name.clone(), commit: *commit, partitions: partitions.clone(), offsets: Vec::new() });
            }
        }
        all.push(Change::Producer { id: self.next_producer - 1 });
        all
    }
}

/// The log and what it says.
#[derive(Debug)]
pub(super) struct MetaLog {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    len: u64,
    lines: usize,
    metadata: Metadata,
}

const REWRITE_AFTER: usize = 200_000;

impl MetaLog {
    /// Opens the log, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut metadata = Metadata { next_producer: 1000, ..Metadata::default() };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(change) => metadata.apply(change),
                Err(error) => tracing::warn!(%error, "dropped a torn line of the metadata log"),
            }
        }
        let (file, len) = rewrite(path, &metadata)?;
        Ok(Self { path: path.to_path_buf(), file, len, lines: 0, metadata })
    }

    /// What the log says.
    pub(super) fn read(&self) -> &Metadata {
        &self.metadata
    }

    /// Writes a change and takes it over.
    pub(super) fn write(&mut self, change: Change) -> io::Result<()> {
        let mut line = serde_json::to_vec(&change).expect("changes are JSON");
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // Half a line, as a full disk leaves it, must not swallow the next one.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += line.len() as u64;
        self.metadata.apply(change);
        self.lines += 1;
        if self.lines > REWRITE_AFTER {
            // The change is durable already; where there is no room for the shorter log, the longer one goes on.
            self.lines = 0;
            match rewrite(&self.path, &self.metadata) {
                Ok((file, len)) => (self.file, self.len) = (file, len),
                Err(error) => tracing::warn!(%error, "the metadata log could not be shortened"),
            }
        }
        Ok(())
    }

    /// Forces the log to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Writes the log in its shortest form; the file, opened at its end, and its length.
fn rewrite(path: &Path, metadata: &Metadata) -> io::Result<(File, u64)> {
    let beside = path.with_extension("tmp");
    let mut bytes = Vec::new();
    for change in metadata.shortest() {
        serde_json::to_writer(&mut bytes, &change)?;
        bytes.push(b'\n');
    }
    std::fs::write(&beside, &bytes)?;
    File::open(&beside)?.sync_data()?;
    std::fs::rename(&beside, path)?;
    Ok((OpenOptions::new().append(true).open(path)?, bytes.len() as u64))
}

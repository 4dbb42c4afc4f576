//! The durable event sink: what is published is in Kafka, or in the outbox file, before anybody is told.
//!
//! When Kafka does not answer in time, events go to an append-only file and are sent from there when it answers again. An event may so
//! arrive twice, with the same id; the gate drops the second.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use features::event::Event;
use features::topic::Topic;
use pipelines::bus::{Bus, EventProducer, OutRecord};
use pipelines::supervisor::{JobContext, JobError};
use tokio::time::timeout;

/// How long Kafka has to acknowledge.
const PATIENCE: Duration = Duration::from_secs(3);
/// How much the outbox may hold.
const OUTBOX_LIMIT: u64 = 1 << 30;

/// Events could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Kafka is away and the outbox is full.
    #[error("the event log does not answer and the outbox is full ({0} bytes); bring the event log back")]
    Full(u64),
    /// The outbox cannot be written.
    #[error("the event log does not answer and the outbox cannot be written: {0}")]
    Outbox(#[from] io::Error),
}

/// Where services put events.
pub struct EventSink {
    producer: EventProducer,
    outbox: Outbox,
    /// Whether the event log did not answer last time: then nobody waits for it again until the outbox could be sent.
    away: AtomicBool,
}

struct Outbox {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl EventSink {
    /// A sink into `inbox`, with its outbox file in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn new(bus: &Bus, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let outbox = Outbox { path: folder.join("outbox.jsonl"), file: Mutex::new(None) };
        Ok(Self { producer: bus.prompt_producer()?, outbox, away: AtomicBool::new(false) })
    }

    /// Returns when all events are durable.
    ///
    /// # Errors
    /// When neither Kafka nor the outbox took them. Some may be durable all the same.
    pub async fn publish(&self, events: &[Event]) -> Result<(), SinkError> {
        if events.is_empty() {
            return Ok(());
        }
        if !self.away.load(Ordering::Relaxed) {
            match timeout(PATIENCE, self.producer.send_all(records(events))).await {
                Ok(Ok(())) => {
                    metrics::counter!("hongniang_events_published_total").increment(events.len() as u64);
                    return Ok(());
                }
                Ok(Err(error)) => tracing::warn!(%error, "events go to the outbox"),
                Err(_) => tracing::warn!("the event log does not answer: events go to the outbox"),
            }
            self.away.store(true, Ordering::Relaxed);
        }
        self.outbox.append(events)?;
        metrics::counter!("hongniang_events_outbox_total").increment(events.len() as u64);
        Ok(())
    }

    /// Events that wait in the outbox: acknowledged, but not in Kafka yet.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<Event>> {
        let mut events = read(&self.outbox.draining())?;
        events.extend(read(&self.outbox.path)?);
        Ok(events)
    }

    /// The job that sends what waits, in order.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn drain(&self, context: JobContext) -> Result<(), JobError> {
        context.progress.running();
        loop {
            let waiting = self.outbox.rotate().map_err(|e| JobError::failed("open the outbox", e))?;
            if !waiting.is_empty() {
                for events in waiting.chunks(1_000) {
                    self.producer.send_all(records(events)).await?;
                }
                self.away.store(false, Ordering::Relaxed);
                std::fs::remove_file(self.outbox.draining()).map_err(|e| JobError::failed("empty the outbox", e))?;
                tracing::info!(events = waiting.len(), "the outbox is sent");
            }
            context.progress.advance(waiting.len() as u64, 0, (context.clock)());
            tokio::select! {
                () = context.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }
}

fn records(events: &[Event]) -> Vec<OutRecord> {
    events.iter().map(|e| OutRecord::new(Topic::Inbox.name(), e.actor().to_string(), Some(e.encode()))).collect()
}

impl Outbox {
    fn draining(&self) -> PathBuf {
        self.path.with_extension("draining")
    }

    fn append(&self, events: &[Event]) -> Result<(), SinkError> {
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = match slot.take() {
            Some(file) => file,
            None => self.open()?,
        };
        let size = file.metadata()?.len();
        if size > OUTBOX_LIMIT {
            *slot = Some(file);
            return Err(SinkError::Full(size));
        }
        let mut lines = Vec::new();
        for event in events {
            lines.extend(event.encode());
            lines.push(b'\n');
        }
        if let Err(error) = file.write_all(&lines).and_then(|()| file.sync_data()) {
            // Half a line must not swallow the next one.
            file.set_len(size)?;
            return Err(error.into());
        }
        *slot = Some(file);
        Ok(())
    }

    /// Opens the file; a torn last line, which was never acknowledged, is ended, so that it does not swallow the next one.
    fn open(&self) -> io::Result<File> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        if file.metadata()?.len() > 0 {
            let mut last = [0u8];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    }

    /// Sets the present outbox aside, and gives its events; what was set aside before comes first.
    fn rotate(&self) -> io::Result<Vec<Event>> {
        let draining = self.draining();
        if !draining.exists() {
            let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.path.exists() {
                return Ok(Vec::new());
            }
            *slot = None;
            std::fs::rename(&self.path, &draining)?;
        }
        read(&draining)
    }
}

/// Whole lines only: a torn one was never acknowledged.
fn read(path: &Path) -> io::Result<Vec<Event>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut events = Vec::new();
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        match Event::decode(line) {
            Ok(event) => events.push(event),
            Err(error) => tracing::warn!(%error, path = %path.display(), "an unfinished line of the outbox is left out"),
        }
    }
    Ok(events)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use features::event::{PresenceEvent, PresenceKind};
    use features::ids::{UserId, derived_event_id};

    fn event(user: u64) -> Event {
        let event_time = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let event_id = derived_event_id(&[&user.to_string()]);
        Event::Presence(PresenceEvent {
            event_id,
            event_time,
            kind: PresenceKind::AppOpen,
            request_id: None,
            user_id: UserId(user),
            position: None,
        })
    }

    #[test]
    fn the_outbox_keeps_order_over_a_rotation_and_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox { path: folder.path().join("outbox.jsonl"), file: Mutex::new(None) };
        assert!(outbox.rotate().unwrap().is_empty());
        outbox.append(&[event(1), event(2)]).unwrap();
        assert_eq!(outbox.rotate().unwrap(), [event(1), event(2)]);
        outbox.append(&[event(3)]).unwrap();
        assert_eq!(outbox.rotate().unwrap(), [event(1), event(2)], "what is set aside is sent first");
        std::fs::remove_file(outbox.draining()).unwrap();
        OpenOptions::new().append(true).open(&outbox.path).unwrap().write_all(b"{\"kind\":\"app_o").unwrap();
        *outbox.file.lock().unwrap() = None; // as after a restart
        outbox.append(&[event(4)]).unwrap();
        assert_eq!(outbox.rotate().unwrap(), [event(3), event(4)], "what was torn swallows nothing");
    }
}

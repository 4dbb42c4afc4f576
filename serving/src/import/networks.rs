//! Who wrote to whom when, and who gave to whom when: networks without people's profiles.
//!
//! A message becomes a `message_sent` fact in the conversation of the two; a gift becomes a like from the giver to the receiver. Every row counts,
//! also when it says the same as another: people do send two messages in a second and three gifts in a parcel. So the line is part of the
//! event id.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use features::event::{Event, InteractionEvent, InteractionKind, MessageEvent, MessageKind};
use features::ids::{UserId, derived_event_id};

use super::rows::{Cells, file_name, read, shift};
use super::{Placing, Recorded, Told};

/// What the links of a network are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Somebody wrote to somebody.
    Messages,
    /// Somebody gave something to somebody.
    Gifts,
}

impl Links {
    /// From whom, to whom, when (seconds since 1970).
    const fn columns(self) -> [&'static str; 3] {
        match self {
            Self::Messages => ["src", "dst", "ts"],
            Self::Gifts => ["giver", "receiver", "ts"],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Gifts => "gifts",
        }
    }
}

/// A file of links.
#[derive(Debug)]
pub struct Network {
    path: PathBuf,
    links: Links,
    offset: u64,
    shift: TimeDelta,
}

impl Network {
    /// Opens a file; with `shift_to` it is read once to find the last link.
    ///
    /// # Errors
    /// When it cannot be read, or a column is missing.
    pub fn open(path: &Path, links: Links, placing: Placing) -> anyhow::Result<Self> {
        let columns = links.columns();
        let shift = shift(path, &columns, columns[2], placing.shift_to)?;
        Ok(Self { path: path.to_owned(), links, offset: placing.offset, shift })
    }

    fn event(&self, line: u64, cells: &Cells<'_>) -> Result<Event, String> {
        let [from, to, when] = self.links.columns();
        let (sender, receiver) = (self.user(cells.whole(from)?), self.user(cells.whole(to)?));
        let at = cells.moment(when)? + self.shift;
        if sender == receiver {
            return Err(format!("{to}: is the same as {from}"));
        }
        let parts = [self.links.name(), &line.to_string(), &sender.to_string(), &receiver.to_string(), &at.to_rfc3339()];
        let event_id = derived_event_id(&parts);
        Ok(match self.links {
            Links::Messages => Event::Message(MessageEvent {
                event_id,
                event_time: at,
                kind: MessageKind::Sent,
                request_id: None,
                conversation_id: format!("{}-{}", sender.min(receiver), sender.max(receiver)),
                sender_id: sender,
                receiver_id: receiver,
                chars: 0,
            }),
            Links::Gifts => Event::Interaction(InteractionEvent::new(event_id, at, InteractionKind::Like, sender, receiver)),
        })
    }

    fn user(&self, id: u64) -> UserId {
        UserId(self.offset.saturating_add(id))
    }
}

impl Recorded for Network {
    fn read(&self, each: &mut dyn FnMut(Told<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let file = file_name(&self.path);
        read(&self.path, &self.links.columns(), &mut |line, cells| {
            each(Told { file: &file, line, event: cells.and_then(|cells| self.event(line, &cells)) })
        })
    }
}

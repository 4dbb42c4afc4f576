//! Finding letters.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use features::event::{DeadLetter, Replay, ReplayKind};
use features::topic::Topic;

use crate::bus::{Bus, BusError, Offsets, Record, Sweep};

/// Where a letter lies: partition and offset in `dead_letters`, written as `0-153`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('-').and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
        let (partition, offset) = parts.ok_or_else(|| format!("`{text}` is not a letter: expected partition and offset, such as 0-153"))?;
        Ok(Self { partition, offset })
    }
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterState {
    /// Nothing yet.
    Open,
    /// It was sent again.
    Sent(ReplayKind),
}

impl LetterState {
    /// `open`, `replayed` or `fixed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sent(ReplayKind::Replayed) => "replayed",
            Self::Sent(ReplayKind::Fixed) => "fixed",
        }
    }
}

/// A letter, where it lies and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Where it lies.
    pub id: LetterId,
    /// What it says.
    pub letter: DeadLetter,
    /// When and how it was sent again.
    pub sent: Option<Replay>,
}

impl Letter {
    /// What became of it.
    pub fn state(&self) -> LetterState {
        self.sent.as_ref().map_or(LetterState::Open, |sent| LetterState::Sent(sent.kind))
    }
}

/// Which letters are asked for; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only of this job.
    pub job: Option<String>,
    /// Only from this topic.
    pub topic: Option<String>,
    /// Only with this in the reason, in any case.
    pub reason: Option<String>,
    /// Only refused at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only those of which nothing has become yet.
    pub open: bool,
}

impl LetterFilter {
    fn accepts(&self, found: &Letter) -> bool {
        let is = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        let letter = &found.letter;
        let reason = self.reason.as_deref().is_none_or(|part| letter.reason.to_lowercase().contains(&part.to_lowercase()));
        let since = self.since.is_none_or(|since| letter.refused_at >= since);
        is(&self.job, &letter.job) && is(&self.topic, &letter.topic) && reason && since && !(self.open && found.sent.is_some())
    }
}

/// The newest letters that pass `filter`, newest first, at most `limit`.
///
/// # Errors
/// When the broker does not answer.
pub async fn list(bus: &Bus, filter: &LetterFilter, limit: usize) -> Result<Vec<Letter>, BusError> {
    let topics = [Topic::DeadLetters.name().to_owned()];
    let (begin, end) = bus.bounds(&topics).await?;
    let sent = replays(bus).await?;
    let mut window = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(2).max(100);
    loop {
        let mut from = Offsets::default();
        for ((topic, partition), last) in &end.0 {
            let first = begin.get(topic, *partition).unwrap_or(0);
            from.set(topic, *partition, first.max(last.saturating_sub(window)));
        }
        let mut letters = Vec::new();
        let there = sweep(bus, from.clone(), end.clone()).await?;
        there.each(|record| letters.extend(as_letter(record, &sent).filter(|letter| filter.accepts(letter)))).await?;
        if letters.len() >= limit || from == begin {
            letters.sort_by_key(|found| std::cmp::Reverse((found.letter.refused_at, found.id)));
            letters.truncate(limit);
            return Ok(letters);
        }
        window = window.saturating_mul(8);
    }
}

/// Gives every letter that passes `filter` to `take`, oldest first within a partition; memory holds one at a time.
///
/// # Errors
/// When the broker does not answer.
pub async fn scan(bus: &Bus, filter: &LetterFilter, mut take: impl FnMut(Letter)) -> Result<(), BusError> {
    let (begin, end) = bus.bounds(&[Topic::DeadLetters.name().to_owned()]).await?;
    let sent = replays(bus).await?;
    let accepted = |record: &Record| as_letter(record, &sent).filter(|letter| filter.accepts(letter));
    sweep(bus, begin, end).await?.each(|record| accepted(record).into_iter().for_each(&mut take)).await
}

/// Letters with the same cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Who refused them.
    pub job: String,
    /// Where they came from.
    pub topic: String,
    /// Their reason, with `#` for numbers and `…` for what was quoted.
    pub reason: String,
    /// How many there are.
    pub letters: u64,
    /// How many of them were not sent again.
    pub open: u64,
    /// When the first was refused.
    pub first: DateTime<Utc>,
    /// When the last was refused.
    pub last: DateTime<Utc>,
    /// The last of them.
    pub example: LetterId,
}

/// Letters that pass `filter` by their cause, most first.
///
/// # Errors
/// When the broker does not answer.
pub async fn groups(bus: &Bus, filter: &LetterFilter) -> Result<Vec<Group>, BusError> {
    let mut groups: BTreeMap<(String, String, String), Group> = BTreeMap::new();
    scan(bus, filter, |found| {
        let Letter { id, letter, sent } = found;
        let (job, topic, reason, at) = (letter.job, letter.topic, cause(&letter.reason), letter.refused_at);
        let group = groups.entry((job, topic, reason)).or_insert_with_key(|(job, topic, reason)| Group {
            job: job.clone(),
            topic: topic.clone(),
            reason: reason.clone(),
            letters: 0,
            open: 0,
            first: at,
            last: at,
            example: id,
        });
        group.letters += 1;
        group.open += u64::from(sent.is_none());
        group.first = group.first.min(at);
        if at >= group.last {
            (group.last, group.example) = (at, id);
        }
    })
    .await?;
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|a, b| (b.letters, &a.reason).cmp(&(a.letters, &b.reason)));
    Ok(groups)
}

/// A reason without what differs from record to record.
fn cause(reason: &str) -> String {
    let mut out = String::with_capacity(reason.len());
    let mut quoted = false;
    for c in reason.chars() {
        match c {
            '`' if quoted => {
                quoted = false;
                out.push_str("…`");
            }
            '`' => {
                quoted = true;
                out.push('`');
            }
            _ if quoted => {}
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            other => out.push(other),
        }
    }
    out.chars().take(200).collect()
}

/// The letter that lies there; none where there is none.
///
/// # Errors
/// When the broker does not answer.
pub async fn find(bus: &Bus, id: LetterId) -> Result<Option<Letter>, BusError> {
    let topic = Topic::DeadLetters.name();
    let (begin, end) = bus.bounds(&[topic.to_owned()]).await?;
    let within = |at: &Offsets| at.get(topic, id.partition);
    if within(&begin).is_none_or(|first| id.offset < first) || within(&end).is_none_or(|last| id.offset >= last) {
        return Ok(None);
    }
    let (mut from, mut until) = (end.clone(), end.clone());
    from.set(topic, id.partition, id.offset);
    until.set(topic, id.partition, id.offset + 1);
    let sent = replays(bus).await?;
    let mut found = None;
    let there = sweep(bus, from, until).await?;
    there
        .each(|record| {
            if (record.partition, record.offset) == (id.partition, id.offset) {
                found = as_letter(record, &sent);
            }
        })
        .await?;
    Ok(found)
}

type Sent = HashMap<String, Replay>;

/// Which letters were sent again.
async fn replays(bus: &Bus) -> Result<Sent, BusError> {
    let mut sent = Sent::new();
    let replays = bus.sweep("dead-letters-list", &[Topic::Replays.name().to_owned()], &Offsets::default()).await?;
    replays
        .each(|record| {
            let replay = record.value.as_deref().and_then(|value| serde_json::from_slice::<Replay>(value).ok());
            sent.extend(replay.map(|replay| (replay.letter.clone(), replay)));
        })
        .await?;
    Ok(sent)
}

/// Letters between two offsets, some at a time: one may be as large as the largest record.
async fn sweep(bus: &Bus, from: Offsets, until: Offsets) -> Result<Sweep, BusError> {
    Ok(bus.sweep_until("dead-letters-list", &[Topic::DeadLetters.name().to_owned()], from, until).await?.at_once(1_000))
}

fn as_letter(record: &Record, sent: &Sent) -> Option<Letter> {
    let id = LetterId { partition: record.partition, offset: record.offset };
    match serde_json::from_slice::<DeadLetter>(record.value.as_deref()?) {
        Ok(letter) => Some(Letter { id, letter, sent: sent.get(&id.to_string()).cloned() }),
        Err(error) => {
            tracing::warn!(partition = record.partition, offset = record.offset, %error, "not a dead letter");
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found() -> Letter {
        let letter = DeadLetter {
            refused_at: DateTime::UNIX_EPOCH,
            job: "gate".into(),
            reason: "Unknown kind `x`".into(),
            topic: "inbox".into(),
            partition: 0,
            offset: 0,
            key: None,
            raw: String::new(),
            headers: vec![],
        };
        Letter { id: LetterId { partition: 0, offset: 153 }, letter, sent: None }
    }

    #[test]
    fn filters_narrow_and_the_empty_one_does_not() {
        let letter = found();
        assert!(LetterFilter::default().accepts(&letter));
        assert!(LetterFilter { reason: Some("unknown KIND".into()), open: true, ..LetterFilter::default() }.accepts(&letter));
        assert!(LetterFilter { since: Some(DateTime::UNIX_EPOCH), ..LetterFilter::default() }.accepts(&letter));
        assert!(
            !LetterFilter { since: Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(1)), ..LetterFilter::default() }.accepts(&letter)
        );
        assert!(!LetterFilter { topic: Some("moments".into()), ..LetterFilter::default() }.accepts(&letter));
        assert!(!LetterFilter { job: Some("features".into()), ..LetterFilter::default() }.accepts(&letter));
        let (sent_at, event_id) = (DateTime::UNIX_EPOCH, uuid::Uuid::nil());
        let sent = Letter { sent: Some(Replay { letter: "0-153".into(), sent_at, kind: ReplayKind::Fixed, event_id }), ..letter };
        assert_eq!(sent.state().name(), "fixed");
        assert!(!LetterFilter { open: true, ..LetterFilter::default() }.accepts(&sent));
    }

    #[test]
    fn letters_are_named_by_where_they_lie() {
        let id = found().id;
        assert_eq!((id.to_string().as_str(), "0-153".parse()), ("0-153", Ok(id)));
        for wrong in ["", "153", "a-1", "0-", "0-1-2"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn reasons_that_differ_in_their_numbers_and_quotes_have_one_cause() {
        assert_eq!(cause("title: has 140 characters; 0 to 100 are allowed"), "title: has # characters; # to # are allowed");
        assert_eq!(cause("unknown kind `wink`: see docs"), cause("unknown kind `nod`: see docs"));
        assert_eq!(cause("a `b"), "a `");
    }
}

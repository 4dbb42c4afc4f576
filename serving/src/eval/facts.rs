//! What protocols need, out of the lake.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::Context;
use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::prelude::SessionContext;
use ranker::eval::protocols::contacts::Message;
use ranker::eval::protocols::meetings::Meeting;
use ranker::eval::protocols::partners::Gift;

/// People whose ids lie in a range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The lowest id.
    pub from: u64,
    /// The highest id.
    pub to: u64,
}

impl IdRange {
    /// Everybody.
    pub const ALL: Self = Self { from: 1, to: u64::MAX };

    fn holds(self, id: u64) -> bool {
        (self.from..=self.to).contains(&id)
    }
}

impl FromStr for IdRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text.split_once('-').and_then(|(from, to)| Some(Self { from: from.trim().parse().ok()?, to: to.trim().parse().ok()? }));
        range.filter(|r| r.from <= r.to).ok_or_else(|| format!("`{text}` is not a range of ids such as 1000000-1999999"))
    }
}

/// Evenings at which people met.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Meetings {
    /// Meetings of a man (first) and a woman, in the order of evenings, turns and people.
    pub meetings: Vec<Meeting>,
    /// Meetings of which one side said nothing, or that were not of a man and a woman with profiles.
    pub left_out: usize,
}

/// Likes and passes within decks that a whole group shared, such as those of `import speed-dating`: a deck is an evening, a position a turn.
///
/// Where the two sides have met in different turns by their own account, the later one counts, so that nobody's word is history before
/// both have spoken. Evenings are in the order of their first word.
///
/// # Errors
/// When the lake cannot be read.
pub async fn meetings(lake: &SessionContext, decks: &str, people: IdRange) -> anyhow::Result<Meetings> {
    let sql = format!(
        "SELECT deck_id, position, actor_id, target_id, kind, event_time FROM interactions \
         WHERE kind IN ('like', 'pass') AND position IS NOT NULL AND starts_with(deck_id, '{}') ORDER BY event_time, event_id",
        decks.replace('\'', "''")
    );
    let mut words: BTreeMap<(String, u64, u64), (i64, bool)> = BTreeMap::new();
    let mut evenings: BTreeMap<String, u32> = BTreeMap::new();
    for batch in lake.sql(&sql).await?.collect().await? {
        let (deck, kind, turn) = (texts(&batch, "deck_id")?, texts(&batch, "kind")?, whole(&batch, "position")?);
        let (actors, targets) = (ids(&batch, "actor_id")?, ids(&batch, "target_id")?);
        for row in (0..batch.num_rows()).filter(|row| people.holds(actors[*row]) && people.holds(targets[*row])) {
            let next = u32::try_from(evenings.len())?;
            evenings.entry(deck.value(row).to_owned()).or_insert(next);
            let pair = (deck.value(row).to_owned(), actors[row], targets[row]);
            // The first word of a deck counts: a change of mind comes too late for the evening.
            words.entry(pair).or_insert((turn.value(row), kind.value(row) == "like"));
        }
    }
    pair_up(&words, &evenings, &genders(lake).await?)
}

fn pair_up(
    words: &BTreeMap<(String, u64, u64), (i64, bool)>,
    evenings: &BTreeMap<String, u32>,
    genders: &BTreeMap<u64, String>,
) -> anyhow::Result<Meetings> {
    let mut found = Meetings::default();
    for ((deck, actor, target), (turn, said)) in words {
        let of = |id: &u64| genders.get(id).map(String::as_str);
        let back = words.get(&(deck.clone(), *target, *actor));
        match (of(actor), of(target), back) {
            (Some("male"), Some("female"), Some((other_turn, heard))) => found.meetings.push(Meeting {
                group: evenings.get(deck).copied().unwrap_or_default(),
                turn: u32::try_from(*turn.max(other_turn))?,
                people: [*actor, *target],
                yes: [*said, *heard],
            }),
            // The same meeting, told by her.
            (Some("female"), Some("male"), Some(_)) => {}
            // Each is seen from both sides; it is counted once.
            (_, _, back) => found.left_out += usize::from(back.is_none() || actor < target),
        }
    }
    found.meetings.sort_unstable_by_key(|m| (m.group, m.turn, m.people));
    Ok(found)
}

/// The gender of everybody by their latest profile.
async fn genders(lake: &SessionContext) -> anyhow::Result<BTreeMap<u64, String>> {
    let sql = "SELECT user_id, profile['gender'] AS gender FROM profiles WHERE profile IS NOT NULL ORDER BY event_time, event_id";
    let mut genders = BTreeMap::new();
    for batch in lake.sql(sql).await?.collect().await? {
        let (ids, gender) = (ids(&batch, "user_id")?, texts(&batch, "gender")?);
        genders.extend(ids.into_iter().zip(gender.iter().map(|g| g.unwrap_or_default().to_owned())));
    }
    Ok(genders)
}

/// Messages that were sent among people of a range, in the order of time.
///
/// # Errors
/// When the lake cannot be read.
pub async fn messages(lake: &SessionContext, people: IdRange) -> anyhow::Result<Vec<Message>> {
    let links =
        links(lake, "SELECT sender_id AS a, receiver_id AS b, event_time FROM messages WHERE kind = 'message_sent'", people).await?;
    Ok(links.into_iter().map(|(at, from, to)| Message { from, to, at }).collect())
}

/// Likes of people (not of their Moments) among people of a range, in the order of time.
///
/// # Errors
/// When the lake cannot be read.
pub async fn likes(lake: &SessionContext, people: IdRange) -> anyhow::Result<Vec<Gift>> {
    let sql = "SELECT actor_id AS a, target_id AS b, event_time FROM interactions WHERE kind = 'like' AND moment_id IS NULL";
    Ok(links(lake, sql, people).await?.into_iter().map(|(at, from, to)| Gift { from, to, at }).collect())
}

/// Second, from whom, to whom.
async fn links(lake: &SessionContext, sql: &str, people: IdRange) -> anyhow::Result<Vec<(i64, u64, u64)>> {
    let mut found = Vec::new();
    for batch in lake.sql(sql).await?.collect().await? {
        let (from, to) = (ids(&batch, "a")?, ids(&batch, "b")?);
        let time = cast(column(&batch, "event_time")?, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let time = time.as_primitive::<TimestampMicrosecondType>();
        let rows = (0..batch.num_rows()).filter(|row| people.holds(from[*row]) && people.holds(to[*row]));
        found.extend(rows.map(|row| (time.value(row).div_euclid(1_000_000), from[row], to[row])));
    }
    // The lake hands files out in no particular order.
    found.sort_unstable();
    Ok(found)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> anyhow::Result<&'a dyn Array> {
    batch.column_by_name(name).map(AsRef::as_ref).with_context(|| format!("the lake has no column {name}"))
}

fn texts(batch: &RecordBatch, name: &str) -> anyhow::Result<StringArray> {
    Ok(cast(column(batch, name)?, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn whole(batch: &RecordBatch, name: &str) -> anyhow::Result<Int64Array> {
    Ok(cast(column(batch, name)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn ids(batch: &RecordBatch, name: &str) -> anyhow::Result<Vec<u64>> {
    let texts = texts(batch, name)?;
    let id =
        |text: Option<&str>| text.and_then(|t| t.parse().ok()).with_context(|| format!("the lake has a {name} that is no id: {text:?}"));
    texts.iter().map(id).collect()
}

//! Every column: its name, role, type, unit and meaning, and how it is read of an example.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::TimeDelta;

use super::between::bonds;
use super::cell::{Cell, Kind, array};
use super::decks::{DeckFacts, ItemFacts};
use super::impressions::Impression;
use super::labels::Outcome;
use super::person::{Person, traits};
use super::scene::Seen;

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) shown: Impression,
    pub(super) deck: Option<Arc<DeckFacts>>,
    pub(super) logged: Option<ItemFacts>,
    pub(super) seen: Seen,
    pub(super) outcome: Outcome,
    pub(super) split: &'static str,
    pub(super) weight: f32,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Names the row.
    Key,
    /// What was logged when it was shown.
    Log,
    /// Known strictly before.
    Feature,
    /// Known at or after.
    Label,
    /// How the row is used.
    Use,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Log => "log",
            Self::Feature => "feature",
            Self::Label => "label",
            Self::Use => "use",
        }
    }
}

type Read = Box<dyn Fn(&Example) -> Cell + Send + Sync>;

/// A column of the dataset.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) meaning: String,
    read: Read,
}

fn one<T: Into<Cell>>(
    (role, name, kind): (Role, &str, Kind),
    unit: &'static str,
    meaning: &str,
    read: impl Fn(&Example) -> T + Send + Sync + 'static,
) -> Column {
    Column { name: name.to_owned(), role, kind, unit, meaning: meaning.to_owned(), read: Box::new(move |example| read(example).into()) }
}

fn keys() -> Vec<Column> {
    use Kind::{Text, Time};
    let key = |name, kind| (Role::Key, name, kind);
    vec![
        one(key("event_id", Text), "", "the impression", |e| e.shown.event_id.clone()),
        one(key("event_time", Time), "UTC", "when; rows are sorted by it, then by event_id", |e| e.shown.at),
        one(key("request_id", Text), "", "the request that caused it, if known", |e| e.shown.request_id.clone()),
        one(key("deck_id", Text), "", "the deck, if a recommendation did it", |e| e.shown.deck_id.clone()),
        one(key("viewer_id", Text), "", "who looked", |e| e.shown.viewer.to_string()),
        one(key("candidate_id", Text), "", "who was shown", |e| e.shown.candidate.to_string()),
    ]
}

fn logs() -> Vec<Column> {
    use Kind::{Bool, Count, Double, Number, Text, Texts, Time};
    let log = |name, kind| (Role::Log, name, kind);
    vec![
        one(log("position", Count), "from 0", "place in the deck", |e| e.shown.position),
        one(log("experiments", Texts), "", "arms that held, each as `experiment:arm`", |e| e.shown.experiments.clone()),
        one(
            log("propensity", Double),
            "0 to 1",
            "chance with which the draw would have put the candidate first among all it drew from (docs/EVENTS.md)",
            |e| e.shown.propensity,
        ),
        one(log("logged_strategy", Text), "", "strategy of the deck; this and all below are null without a deck log", |e| {
            e.deck.as_ref().map(|deck| deck.strategy.clone())
        }),
        one(log("logged_config", Text), "", "version of the configuration that held", |e| {
            e.deck.as_ref().map(|d| d.config_version.clone())
        }),
        one(log("logged_made_at", Time), "UTC", "when the deck was computed: a deck made ahead is older than its page", |e| {
            e.deck.as_ref().map(|deck| deck.made_at)
        }),
        one(log("logged_degraded", Bool), "", "something failed and was done without", |e| e.deck.as_ref().map(|deck| deck.degraded)),
        one(log("logged_sources", Texts), "", "sources that found the candidate", |e| e.logged.as_ref().map(|item| item.sources.clone())),
        one(log("logged_score", Number), "0 and more", "score before chance, as it was then", |e| e.logged.as_ref().map(|item| item.score)),
        one(log("logged_worth", Number), "0 to 1", "what the strategy said, as it was then", |e| e.logged.as_ref().map(|item| item.worth)),
        one(log("logged_generation", Count), "", "generation of the candidate's portrait that was shown: key into `portraits`", |e| {
            e.logged.as_ref().map(|item| item.generation)
        }),
        one(log("logged_version", Count), "", "its version", |e| e.logged.as_ref().map(|item| item.version)),
    ]
}

/// The traits of one of the two.
fn people(who: &'static str, of: fn(&Example) -> &Person, dim: Option<i32>) -> impl Iterator<Item = Column> {
    traits(dim).into_iter().map(move |t| Column {
        name: format!("{who}_{}", t.name),
        role: Role::Feature,
        kind: t.kind,
        unit: t.unit,
        meaning: t.meaning,
        read: Box::new(move |example| (t.read)(of(example))),
    })
}

fn pairs() -> impl Iterator<Item = Column> {
    bonds().into_iter().map(|bond| Column {
        name: format!("pair_{}", bond.name),
        role: Role::Feature,
        kind: bond.kind,
        unit: bond.unit,
        meaning: bond.meaning,
        read: Box::new(move |example| (bond.read)(&example.seen.between)),
    })
}

/// Reads how long after the impression something followed.
type After = fn(&Outcome) -> Option<TimeDelta>;

#[expect(clippy::cast_precision_loss, reason = "microseconds of a window fit 2^53")]
fn after(delta: TimeDelta) -> f64 {
    delta.num_microseconds().unwrap_or(i64::MAX) as f64 / 1e6
}

fn labels() -> Vec<Column> {
    let answers: [(&str, &str, After); 10] = [
        ("viewed", "the viewer opened the candidate's profile", |o| o.viewed),
        ("liked", "the viewer liked or followed the candidate", |o| o.liked),
        ("passed", "the viewer passed the candidate", |o| o.passed),
        ("commented", "the viewer commented on a Moment of the candidate", |o| o.commented),
        ("replied", "the candidate replied to a comment of the viewer", |o| o.replied),
        ("liked_back", "the candidate liked or followed the viewer", |o| o.liked_back),
        ("matched", "the viewer liked the candidate, and the candidate did, too, before or after", |o| o.matched),
        ("chatted", "one of the two wrote to the other", |o| o.chatted),
        ("conversed", "both wrote to each other", |o| o.conversed),
        ("refused", "the viewer blocked or reported the candidate", |o| o.refused),
    ];
    let mut all = Vec::new();
    for (name, meaning, read) in answers {
        all.push(one((Role::Label, name, Kind::Bool), "", &format!("{meaning} within the window"), move |e| read(&e.outcome).is_some()));
        let seconds = format!("{name}_after_s");
        all.push(one((Role::Label, &seconds, Kind::Double), "s", "from the impression to that; null if it did not follow", move |e| {
            read(&e.outcome).map(after)
        }));
    }
    all.push(one(
        (Role::Label, "liked_here", Kind::Bool),
        "",
        "such a like carries the deck of this impression; false for one after another impression of the same two; null without a like",
        |e| e.outcome.liked_here,
    ));
    all.push(one(
        (Role::Label, "censored", Kind::Bool),
        "",
        "the lake ends before the window does: what did not follow may follow yet",
        |e| e.outcome.censored,
    ));
    all
}

fn uses() -> Vec<Column> {
    vec![
        one((Role::Use, "split", Kind::Text), "", "`train`, `valid` or `test`", |e| e.split),
        one(
            (Role::Use, "weight", Kind::Number),
            "1 and more",
            "how many impressions the row stands for: 1 but for those that were sampled",
            |e| e.weight,
        ),
    ]
}

/// Every column, in order; vectors of so many numbers, if there are any.
pub(super) fn columns(dim: Option<i32>) -> Vec<Column> {
    let mut all: Vec<Column> = keys().into_iter().chain(logs()).collect();
    all.extend(people("viewer", |e| &e.seen.viewer, dim));
    all.extend(people("candidate", |e| &e.seen.candidate, dim));
    all.extend(pairs());
    all.extend(labels());
    all.extend(uses());
    all
}

/// The schema, with role, unit and meaning of every column in its field's metadata.
pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| {
        let told = [("role", column.role.name()), ("unit", column.unit), ("meaning", column.meaning.as_str())];
        let told: HashMap<String, String> =
            told.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        Field::new(&column.name, column.kind.data_type(), true).with_metadata(told)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Rows as a batch.
pub(super) fn batch(columns: &[Column], schema: &SchemaRef, rows: &[Example]) -> anyhow::Result<RecordBatch> {
    let arrays: Vec<ArrayRef> = columns.iter().map(|c| array(c.kind, rows.iter().map(|row| (c.read)(row)).collect())).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
}

/// The table of `docs/DATASET.md`; columns that viewer and candidate both have are told once.
pub fn columns_markdown() -> String {
    let mut text = "| column | role | type | unit | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for column in columns(Some(0)) {
        let name = match column.name.strip_prefix("viewer_") {
            Some(rest) if column.role == Role::Feature => format!("`viewer_{rest}`, `candidate_{rest}`"),
            _ if column.role == Role::Feature && column.name.starts_with("candidate_") => continue,
            _ => format!("`{}`", column.name),
        };
        let _ = writeln!(text, "| {name} | {} | {} | {} | {} |", column.role.name(), column.kind.name(), column.unit, column.meaning);
    }
    text
}

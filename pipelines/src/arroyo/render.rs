//! A feature file with everything around it that Arroyo needs.

use std::collections::BTreeMap;
use std::fmt;

use features::sets::FeatureSet;
use sha2::{Digest, Sha256};

use super::columns;
use super::dialect::{self, Finding};
use super::names::PipelineName;
use crate::bus::BusConfig;
use crate::tables::{schema, time_column};

/// Counters are kept for so many days: Arroyo's own default forgets a key without a word after an idle day. Years and months it refuses.
const TTL_DAYS: u32 = 18_250;

/// Properties of the client that are set by Arroyo's own options, and secrets, which must not stand in a text that anybody can read.
const SPOKEN_FOR: [&str; 6] =
    ["security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password", "bootstrap.servers"];

/// Where Arroyo finds the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Brokers as Arroyo reaches them, `host:port,host:port`.
    pub bootstrap: String,
    /// Properties of `[kafka.properties]` that its client needs, too.
    pub properties: BTreeMap<String, String>,
}

impl Surroundings {
    /// The event log of a bus, reached at `bootstrap`.
    pub fn new(bus: &BusConfig, bootstrap: &str) -> Self {
        let shared = ["security.", "sasl.", "ssl.", "socket.", "broker.", "enable.ssl."];
        let properties = bus.properties.iter().filter(|(key, _)| shared.iter().any(|p| key.starts_with(p)));
        Self { bootstrap: bootstrap.to_owned(), properties: properties.map(|(k, v)| (k.clone(), v.clone())).collect() }
    }

    /// Options of a table that say how brokers are reached.
    fn options(&self) -> Result<Vec<(String, String)>, RenderError> {
        let mut options = vec![("connector".to_owned(), "kafka".to_owned()), ("bootstrap_servers".to_owned(), self.bootstrap.clone())];
        let given = |key: &str| self.properties.get(key).map(String::as_str);
        if let Some(mechanism) = given("sasl.mechanism").or_else(|| given("sasl.mechanisms")) {
            let option = |name: &str, value: &str| (format!("auth.{name}"), value.to_owned());
            options.push(option("type", "sasl"));
            options.push(option("mechanism", mechanism));
            options.push(option("protocol", &given("security.protocol").unwrap_or("sasl_ssl").to_uppercase()));
            // Taken from the environment of Arroyo's own processes.
            options.push(option("username", "{{ HONGNIANG_KAFKA_USERNAME }}"));
            options.push(option("password", "{{ HONGNIANG_KAFKA_PASSWORD }}"));
        }
        let mut others: Vec<(&str, &str)> =
            self.properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).filter(|(k, _)| !SPOKEN_FOR.contains(k)).collect();
        if given("sasl.mechanism").or_else(|| given("sasl.mechanisms")).is_none() {
            others.extend(given("security.protocol").map(|protocol| ("security.protocol", protocol)));
        }
        if let Some((key, value)) = others.iter().find(|(_, value)| value.contains([',', '='])) {
            return Err(RenderError::Property { key: (*key).to_owned(), value: (*value).to_owned() });
        }
        if !others.is_empty() {
            let joined: Vec<String> = others.iter().map(|(key, value)| format!("{key}={value}")).collect();
            options.push(("client_configs".to_owned(), joined.join(",")));
        }
        Ok(options)
    }
}

/// A feature set cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// It is outside the dialect that Arroyo and DataFusion share.
    #[error("{}", listed(.0))]
    Dialect(Vec<Finding>),
    /// A column that Arroyo has no type for.
    #[error("features/sql/{set}.sql: column `{column}` of `{topic}` is a {kind}, which Arroyo has no type for; leave it out")]
    Column {
        /// The feature set.
        set: String,
        /// The column.
        column: String,
        /// Its topic.
        topic: &'static str,
        /// Its type.
        kind: String,
    },
    /// A property that cannot be written into a list of pairs.
    #[error("kafka.properties.\"{key}\" = \"{value}\" cannot be given to Arroyo, which takes pairs without commas and equals signs")]
    Property {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A place in a rendered text, told as people find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a feature file: name of the set, line and column, from 1.
    File(String, u64, u64),
    /// In what was put around it: line and column of the whole text, from 1.
    Around(u64, u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(set, line, column) => write!(f, "features/sql/{set}.sql:{line}:{column}"),
            Self::Around(line, column) => write!(f, "line {line}, column {column} of `hongniang pipeline render`"),
        }
    }
}

/// A pipeline: the SQL of a feature set with its source, its sink and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What it is called.
    pub name: PipelineName,
    /// The whole text.
    pub sql: String,
    /// The line of `sql` on which the feature file's SELECT begins, from 1.
    first: usize,
    /// The lines of the SELECT.
    lines: usize,
    /// The line of the file on which it begins, from 1.
    line: usize,
}

impl Rendered {
    /// The pipeline of a feature set at a generation.
    ///
    /// # Errors
    /// When it is outside the shared dialect, or needs what Arroyo lacks.
    pub fn new(set: &FeatureSet, generation: u32, around: &Surroundings) -> Result<Self, RenderError> {
        let findings = dialect::check(set);
        if !findings.is_empty() {
            return Err(RenderError::Dialect(findings));
        }
        let (bare, _) = text(set, 0, "", around)?;
        let words = bare.split_whitespace().collect::<Vec<_>>().join(" ");
        let fingerprint = Sha256::digest(words.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let name = PipelineName { set: set.name.clone(), generation, fingerprint };
        let (sql, first) = text(set, generation, &name.to_string(), around)?;
        Ok(Self { name, sql, first, lines: set.sql.lines().count(), line: set.line })
    }

    /// Where a line and column of the text are in what people wrote.
    pub fn place(&self, line: u64, column: u64) -> Place {
        match line.checked_sub(self.first as u64) {
            Some(within) if within < self.lines as u64 => Place::File(self.name.set.clone(), self.line as u64 + within, column),
            _ => Place::Around(line, column),
        }
    }

    /// Where an error message of a parser says it is, if it does.
    pub fn place_in_message(&self, message: &str) -> Option<Place> {
        position(message).map(|(line, column)| self.place(line, column))
    }
}

/// The `Line: 3, Column: 14` of a parser's message.
pub(super) fn position(message: &str) -> Option<(u64, u64)> {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let line = number(message.split_once("Line: ")?.1)?;
    let column = number(message.split_once("Column: ")?.1)?;
    Some((line, column))
}

/// The text, and the line on which the SELECT begins.
fn text(set: &FeatureSet, generation: u32, name: &str, around: &Surroundings) -> Result<(String, usize), RenderError> {
    let (topic, sink) = (set.source.name(), format!("features_{}", set.name));
    let columns = source_columns(set)?;
    let time = time_column(set.source);
    let mut source = around.options()?;
    for (key, value) in [
        ("topic", topic),
        ("type", "source"),
        ("format", "json"),
        ("source.offset", "earliest"),
        ("source.read_mode", "read_committed"),
        ("source.group_id", name),
    ] {
        source.push((key.to_owned(), value.to_owned()));
    }
    let mut target = around.options()?;
    for (key, value) in
        [("topic", set.topic().as_str()), ("type", "sink"), ("format", "debezium_json"), ("sink.commit_mode", "at_least_once")]
    {
        target.push((key.to_owned(), value.to_owned()));
    }
    let mut out = format!(
        "-- Feature set {}: features/sql/{}.sql as hongniang runs it on Arroyo.\nSET updating_ttl = INTERVAL '{TTL_DAYS}' DAY;\n\n",
        set.name, set.name
    );
    out += &format!("CREATE TABLE {topic} (\n");
    for column in columns {
        out += &format!("    {column},\n");
    }
    out += &format!("    WATERMARK FOR {time} AS {time} - INTERVAL '5' SECOND\n) WITH (\n{}\n);\n\n", with(&source));
    out += &format!("CREATE TABLE {sink} WITH (\n{}\n);\n\n", with(&target));
    let keys = set.key_columns.join(", ");
    let values: String = set.value_columns.iter().map(|name| format!(", {name}")).collect();
    out += &format!("INSERT INTO {sink}\nSELECT {keys}, version, CAST({generation} AS BIGINT) AS generation{values}\nFROM (\n");
    let first = out.lines().count() + 1;
    out += &format!("{}\n);\n", set.sql);
    Ok((out, first))
}

/// The columns of the topic that the SQL reads, and the time.
fn source_columns(set: &FeatureSet) -> Result<Vec<String>, RenderError> {
    let mentioned = dialect::mentioned(set).map_err(|finding| RenderError::Dialect(vec![finding]))?;
    let time = time_column(set.source);
    let table = schema(set.source);
    let fields = table.iter().flat_map(|table| table.fields().iter());
    let read = fields.filter(|field| field.name() == time || mentioned.contains(field.name()));
    read.map(|field| {
        columns::definition(field).map_err(|kind| RenderError::Column {
            set: set.name.clone(),
            column: field.name().clone(),
            topic: set.source.name(),
            kind,
        })
    })
    .collect()
}

fn with(options: &[(String, String)]) -> String {
    let line = |(key, value): &(String, String)| {
        let key = if key.contains('.') { format!("'{key}'") } else { key.clone() };
        format!("    {key} = '{}'", value.replace('\'', "''"))
    };
    options.iter().map(line).collect::<Vec<_>>().join(",\n")
}

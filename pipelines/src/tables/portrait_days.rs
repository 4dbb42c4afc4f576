//! A portrait as it stood at a midnight, in columns for analysts.
//!
//! Sums are kept as portraits keep them, forward-decayed (`counters`), so that a later day follows from an earlier one to the last bit; what scoring
//! reads of them is beside them, faded to that midnight.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Builder, ListBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type, Schema};
use arrow::error::ArrowError;
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use chrono::{DateTime, NaiveDate, Utc};
use features::ids::UserId;
use features::portrait::{Portrait, SIGNAL_COUNTERS, TagWeight, signals};
use features::profile::{Gender, age};
use serde::{Deserialize, Serialize};

use super::schema::portrait_days_schema;

/// The columns that are vectors; they do not travel as JSON.
const VECTORS: [&str; 2] = ["content", "taste"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sum {
    name: String,
    sum: f64,
}

/// Everything but the vectors, by column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Columns {
    user_id: UserId,
    generation: u32,
    version: u64,
    updated_at: DateTime<Utc>,
    nickname: String,
    gender: Gender,
    birth_date: NaiveDate,
    age: u8,
    height_cm: Option<u16>,
    education: Option<features::profile::Education>,
    occupation: Option<String>,
    city: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    #[serde(default)]
    languages: Vec<String>,
    bio: Option<String>,
    photos: u16,
    #[serde(default)]
    wanted_genders: Vec<Gender>,
    wanted_min_age: u8,
    wanted_max_age: u8,
    wanted_max_km: Option<u32>,
    hidden: bool,
    banned: bool,
    #[serde(rename = "virtual")]
    is_virtual: bool,
    created_at: DateTime<Utc>,
    activity: f32,
    likes: f32,
    impressions: f32,
    like_rate: f32,
    richness: f32,
    completeness: f32,
    likes_given: f32,
    looked: f32,
    likes_received: f32,
    looked_at: f32,
    replies: f32,
    comments: f32,
    tags: Vec<TagWeight>,
    liked_tags: Vec<TagWeight>,
    counters: Vec<Sum>,
    moment_ids: Vec<String>,
    model: Option<String>,
}

/// Somebody on a day.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PersonDay {
    columns: Columns,
    /// `content` and `taste`.
    vectors: [Option<Vec<f32>>; 2],
}

impl From<Portrait> for PersonDay {
    /// As it was assembled; [`PersonDay::at`] makes a day of it.
    fn from(portrait: Portrait) -> Self {
        let completeness = portrait.profile.completeness();
        let profile = portrait.profile;
        let columns = Columns {
            user_id: portrait.user_id,
            generation: portrait.generation,
            version: portrait.version,
            updated_at: portrait.updated_at,
            nickname: profile.nickname,
            gender: profile.gender,
            birth_date: profile.birth_date,
            age: 0,
            height_cm: profile.height_cm,
            education: profile.education,
            occupation: profile.occupation,
            city: profile.city,
            lat: profile.position.map(|at| at.lat),
            lon: profile.position.map(|at| at.lon),
            languages: profile.languages,
            bio: profile.bio,
            photos: profile.photos,
            wanted_genders: profile.preferences.genders,
            wanted_min_age: profile.preferences.min_age,
            wanted_max_age: profile.preferences.max_age,
            wanted_max_km: profile.preferences.max_distance_km,
            hidden: profile.hidden,
            banned: profile.banned,
            is_virtual: profile.is_virtual,
            created_at: profile.created_at,
            activity: 0.0,
            likes: 0.0,
            impressions: 0.0,
            like_rate: 0.0,
            richness: 0.0,
            completeness,
            likes_given: 0.0,
            looked: 0.0,
            likes_received: 0.0,
            looked_at: 0.0,
            replies: 0.0,
            comments: 0.0,
            tags: portrait.tags,
            liked_tags: portrait.liked_tags,
            counters: portrait.counters.into_iter().map(|(name, sum)| Sum { name, sum }).collect(),
            moment_ids: portrait.moments.iter().map(ToString::to_string).collect(),
            model: portrait.model,
        };
        Self { columns, vectors: [portrait.content, portrait.taste].map(|vector| vector.map(|vector| vector.to_f32())) }
    }
}

impl PersonDay {
    pub(crate) fn user_id(&self) -> UserId {
        self.columns.user_id
    }

    /// What makes one version newer than another.
    pub(crate) fn stamp(&self) -> (u32, u64) {
        (self.columns.generation, self.columns.version)
    }

    /// As it stands at a midnight: everything that fades has faded until then.
    pub(crate) fn at(mut self, midnight: DateTime<Utc>) -> Self {
        let c = &mut self.columns;
        let sums: BTreeMap<&str, f64> = c.counters.iter().map(|sum| (sum.name.as_str(), sum.sum)).collect();
        let s = signals(&SIGNAL_COUNTERS.map(|name| sums.get(name).copied().unwrap_or(0.0)), c.completeness, midnight);
        // The day that ends at this midnight.
        let day = (midnight - chrono::TimeDelta::microseconds(1)).date_naive();
        c.age = age(c.birth_date, day);
        (c.activity, c.likes, c.impressions, c.like_rate, c.richness) = (s.activity, s.likes, s.impressions, s.like_rate, s.richness);
        let b = s.behaviour;
        (c.likes_given, c.looked, c.likes_received, c.looked_at) = (b.likes_given, b.looked, b.likes_received, b.looked_at);
        (c.replies, c.comments) = (b.replies, b.comments);
        self
    }
}

/// Rows of the table.
///
/// # Errors
/// When a value does not fit its column.
pub(crate) fn rows_of(people: &[PersonDay]) -> Result<RecordBatch, ArrowError> {
    let schema = portrait_days_schema();
    let plain: Vec<_> = schema.fields().iter().filter(|field| !VECTORS.contains(&field.name().as_str())).cloned().collect();
    let mut decoder = ReaderBuilder::new(Arc::new(Schema::new(plain))).with_batch_size(people.len() + 1).build_decoder()?;
    decoder.serialize(&people.iter().map(|person| &person.columns).collect::<Vec<_>>())?;
    let Some(plain) = decoder.flush()? else { return Ok(RecordBatch::new_empty(schema)) };
    let vectors = VECTORS.iter().enumerate().map(|(at, _)| lists(people.iter().map(|person| person.vectors[at].as_deref())));
    let columns = plain.columns().iter().map(ArrayRef::clone).chain(vectors).collect();
    RecordBatch::try_new(schema, columns)
}

fn lists<'a>(vectors: impl Iterator<Item = Option<&'a [f32]>>) -> ArrayRef {
    let field = Arc::new(Field::new("item", DataType::Float32, true));
    let mut lists = ListBuilder::new(Float32Builder::new()).with_field(field);
    for vector in vectors {
        lists.values().append_slice(vector.unwrap_or_default());
        lists.append(vector.is_some());
    }
    Arc::new(lists.finish())
}

/// The people of rows of the table.
///
/// # Errors
/// When the rows were written by something else.
pub(crate) fn people_of(rows: &RecordBatch) -> Result<Vec<PersonDay>, ArrowError> {
    let wrong = |e: serde_json::Error| ArrowError::JsonError(format!("rows of `portrait_days` cannot be understood: {e}"));
    let plain: Vec<usize> = (0..rows.num_columns()).filter(|at| !VECTORS.contains(&rows.schema_ref().field(*at).name().as_str())).collect();
    let mut json = LineDelimitedWriter::new(Vec::new());
    json.write(&rows.project(&plain)?)?;
    json.finish()?;
    let text = json.into_inner();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let vector = |name: &str, row: usize| {
        let list = rows.column_by_name(name)?.as_list_opt::<i32>().filter(|list| list.is_valid(row))?.value(row);
        Some(list.as_primitive_opt::<Float32Type>()?.values().to_vec())
    };
    let person = |(row, line): (usize, &[u8])| {
        let columns = serde_json::from_slice(line).map_err(wrong)?;
        Ok::<_, ArrowError>(PersonDay { columns, vectors: VECTORS.map(|name| vector(name, row)) })
    };
    lines.enumerate().map(person).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::decay::weight;
    use features::ids::MomentId;
    use features::profile::{Position, Profile};
    use features::vector::QVector;

    use super::*;

    fn portrait(user: u64) -> Portrait {
        let at: DateTime<Utc> = "2026-11-02T10:00:00.5Z".parse().unwrap();
        let mut profile = Profile::new("小红", Gender::Female, "1996-11-03".parse().unwrap(), at);
        profile.position = Some(Position { lat: 31.2, lon: 121.4 });
        profile.languages = vec!["zh".to_owned()];
        Portrait {
            user_id: UserId(user),
            version: 1_790_000_000_123,
            generation: 2,
            updated_at: at,
            profile,
            counters: [("popularity.likes_d14".to_owned(), 3.0 * weight(at, 14.0)), ("given.seen".to_owned(), 0.1 + 0.2)].into(),
            tags: vec![TagWeight { tag: "咖啡".to_owned(), weight: 1.0 }],
            liked_tags: Vec::new(),
            content: Some(QVector::from_f32(&[0.5, -0.25])),
            taste: None,
            model: Some("m".to_owned()),
            moments: vec![MomentId(7)],
        }
    }

    #[test]
    fn a_day_follows_from_the_day_before_to_the_last_bit() {
        let midnights: [DateTime<Utc>; 2] = ["2026-11-03T00:00:00Z", "2026-11-17T00:00:00Z"].map(|text| text.parse().unwrap());
        let people: Vec<PersonDay> = [portrait(1), portrait(u64::MAX)].map(PersonDay::from).to_vec();
        let first: Vec<PersonDay> = people.iter().cloned().map(|person| person.at(midnights[0])).collect();
        let read = people_of(&rows_of(&first).unwrap()).unwrap();
        assert_eq!(read, first);
        let carried: Vec<PersonDay> = read.into_iter().map(|person| person.at(midnights[1])).collect();
        let direct: Vec<PersonDay> = people.into_iter().map(|person| person.at(midnights[1])).collect();
        assert_eq!(carried, direct);
        assert_eq!((first[0].columns.age, direct[0].columns.age), (29, 30), "the birthday is the day after the first");
        assert!((direct[0].columns.likes / first[0].columns.likes - 0.5).abs() < 1e-6, "a half-life later");
    }
}

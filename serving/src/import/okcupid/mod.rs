//! OkCupid profiles around San Francisco (Kim and Escobedo-Land, Journal of Statistics Education, 2015), as revised in 2021: ages noised, no
//! place, no time, no essays.
//!
//! A row becomes a profile of what its columns say, and nothing else. Of what people may not want to be found by (ethnicity, religion, drugs,
//! income) nothing is taken.

mod words;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Months, Utc};
use features::event::{Event, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use features::profile::{Gender, Preferences, Profile};
use serde_json::{Map, Value};

use self::words::{education, languages, occupation, tags};
use super::rows::{Cells, file_name, read};
use super::{Recorded, Told};

/// Columns without which there is no profile.
const REQUIRED: [&str; 3] = ["age", "sex", "orientation"];
/// Columns that are kept as they are in `extend_data`.
const KEPT: [&str; 8] = ["body_type", "diet", "drinks", "offspring", "pets", "sign", "smokes", "status"];

/// The file.
#[derive(Debug)]
pub struct OkCupid {
    path: PathBuf,
    offset: u64,
    at: DateTime<Utc>,
}

impl OkCupid {
    /// User ids are the row's number plus `offset`; `at` is the moment at which people were as old as they say.
    pub fn new(path: &Path, offset: u64, at: DateTime<Utc>) -> Self {
        Self { path: path.to_owned(), offset, at }
    }

    fn event(&self, number: u64, cells: &Cells<'_>) -> Result<Event, String> {
        let profile = self.profile(number, cells)?;
        Ok(Event::Profile(ProfileEvent {
            event_id: derived_event_id(&["okcupid", &number.to_string(), &self.offset.to_string(), &self.at.to_rfc3339()]),
            event_time: self.at,
            kind: ProfileKind::Updated,
            request_id: None,
            user_id: UserId(self.offset.saturating_add(number)),
            profile: Some(profile),
        }))
    }

    fn profile(&self, number: u64, cells: &Cells<'_>) -> Result<Profile, String> {
        let age = cells.whole("age")?;
        let months = u32::try_from(age).ok().filter(|age| (18..=120).contains(age)).map(|age| age * 12 + 6);
        let months = months.ok_or_else(|| format!("age: {age} is outside 18 to 120"))?;
        let birth_date = self.at.date_naive().checked_sub_months(Months::new(months)).ok_or("age: gives no birth date")?;
        let gender = gender(cells)?;
        Ok(Profile {
            height_cm: height(cells)?,
            education: cells.text("education").and_then(education),
            occupation: cells.text("job").and_then(occupation),
            languages: cells.text("speaks").map(languages).unwrap_or_default(),
            tags: tags(cells.text("diet"), cells.text("pets")),
            preferences: Preferences { genders: wants(gender, cells)?, ..Preferences::default() },
            extend_data: kept(cells),
            ..Profile::new(format!("OkCupid {number}"), gender, birth_date, self.at)
        })
    }
}

fn gender(cells: &Cells<'_>) -> Result<Gender, String> {
    match cells.text("sex") {
        Some("m") => Ok(Gender::Male),
        Some("f") => Ok(Gender::Female),
        Some(other) => Err(format!("sex: `{other}` is neither m nor f")),
        None => Err("sex: is missing".to_owned()),
    }
}

fn wants(gender: Gender, cells: &Cells<'_>) -> Result<Vec<Gender>, String> {
    let other = if gender == Gender::Male { Gender::Female } else { Gender::Male };
    match cells.text("orientation") {
        Some("straight") => Ok(vec![other]),
        Some("gay") => Ok(vec![gender]),
        Some("bisexual") => Ok(vec![Gender::Female, Gender::Male]),
        Some(word) => Err(format!("orientation: `{word}` is none of straight, gay, bisexual")),
        None => Err("orientation: is missing".to_owned()),
    }
}

/// Inches to centimetres; what is no height of a person (some wrote 1) is taken as not stated.
fn height(cells: &Cells<'_>) -> Result<Option<u16>, String> {
    let cm = cells.number("height")?.map(|inches| (inches * 2.54).round()).filter(|cm| (100.0..=250.0).contains(cm));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 100 and 250")]
    let cm = cm.map(|cm| cm as u16);
    Ok(cm)
}

fn kept(cells: &Cells<'_>) -> Value {
    let mut said = Map::new();
    for column in KEPT {
        if let Some(text) = cells.text(column) {
            said.insert(column.to_owned(), text.replace("&rsquo;", "’").into());
        }
    }
    said.insert("filled_in".to_owned(), serde_json::json!(["nickname", "created_at"]));
    Value::Object(said)
}

impl Recorded for OkCupid {
    fn read(&self, each: &mut dyn FnMut(Told<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let file = file_name(&self.path);
        let mut number = 0;
        read(&self.path, &REQUIRED, &mut |line, cells| {
            number += 1;
            each(Told { file: &file, line, event: cells.and_then(|cells| self.event(number, &cells)) })
        })
    }
}

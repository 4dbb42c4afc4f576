//! The Columbia speed-dating experiment (Fisman, Iyengar et al., 2002–04), from its original CSV: latin-1, one row per person and date.
//!
//! A person (`iid`) becomes a profile: gender, age, career or field, hometown, interests rated 7 or more as tags, looking for the other gender. Race,
//! religion and everything that was filled in during or after the dates are left out. A row becomes an impression of the partner (`pid`) in deck
//! `wave-<n>` at the place of its `order`, and a like or a pass by `dec`. The first wave is taken to be on 2002-10-16 at 19:00 UTC and
//! the others 30 days apart; `shift` moves everything.

use std::collections::HashSet;

use chrono::{DateTime, Months, TimeDelta, Utc};
use csv::StringRecord;
use features::event::{Event, InteractionEvent, InteractionKind, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use features::profile::{Gender, Preferences, Profile};

use super::{Refused, Row as Imported, checked};

const FIRST_WAVE: i64 = 1_034_794_800;
/// Columns of the interests, in the order of the file, and the tags that they become.
pub(crate) const INTERESTS: [(&str, &str); 17] = [
    ("sports", "sports"),
    ("tvsports", "tv sports"),
    ("exercise", "exercise"),
    ("dining", "dining"),
    ("museums", "museums"),
    ("art", "art"),
    ("hiking", "hiking"),
    ("gaming", "gaming"),
    ("clubbing", "clubbing"),
    ("reading", "reading"),
    ("tv", "tv"),
    ("theater", "theater"),
    ("movies", "movies"),
    ("concerts", "concerts"),
    ("music", "music"),
    ("shopping", "shopping"),
    ("yoga", "yoga"),
];

/// How the experiment is placed among what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeedDating {
    /// User ids are `iid` plus this.
    pub offset: u64,
    /// Moves every time, so that the last wave falls here.
    pub shift_to: Option<DateTime<Utc>>,
}

/// A row by column names.
struct Row<'a> {
    headers: &'a StringRecord,
    cells: &'a StringRecord,
}

impl Row<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        let at = self.headers.iter().position(|h| h == column)?;
        self.cells.get(at).map(str::trim).filter(|t| !t.is_empty())
    }

    fn number(&self, column: &str) -> Result<f64, String> {
        let text = self.text(column).ok_or_else(|| format!("{column}: is missing"))?;
        text.parse::<f64>()
            .ok()
            .filter(|n| n.is_finite() && (0.0..1e9).contains(n))
            .ok_or_else(|| format!("{column}: `{text}` is not a number"))
    }

    fn whole(&self, column: &str) -> Result<u32, String> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a billion")]
        let whole = self.number(column).map(|n| n as u32);
        whole
    }
}

/// Reads the file's bytes; `file` is its name, for messages.
pub fn speed_dating(file: &str, bytes: &[u8], options: SpeedDating, now: DateTime<Utc>) -> Vec<Imported> {
    let text: String = bytes.iter().map(|b| char::from(*b)).collect(); // latin-1 is the first 256 characters of Unicode
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut parsed = Parsed { file, now, rows: Vec::new() };
    let headers = match reader.headers() {
        Ok(headers) if headers.iter().any(|h| h == "iid") => headers.clone(),
        _ => {
            parsed.refuse(1, "there is no column `iid`: this is not the speed-dating file".to_owned());
            return parsed.rows;
        }
    };
    let records: Vec<(u64, StringRecord)> =
        reader.records().filter_map(Result::ok).map(|r| (r.position().map_or(0, csv::Position::line), r)).collect();
    let row = |cells| Row { headers: &headers, cells };
    let last = records.iter().filter_map(|(_, r)| row(r).whole("wave").ok()).max().unwrap_or(1);
    let shift = options.shift_to.map_or(TimeDelta::zero(), |to| to - evening(last));
    let import = Import { options, shift };
    let mut people = HashSet::new();
    for (line, cells) in &records {
        import.person(&mut parsed, &mut people, *line, &row(cells));
    }
    for (line, cells) in &records {
        import.date(&mut parsed, &people, *line, &row(cells));
    }
    parsed.rows
}

/// What was read so far.
struct Parsed<'a> {
    file: &'a str,
    now: DateTime<Utc>,
    rows: Vec<Imported>,
}

impl Parsed<'_> {
    fn refuse(&mut self, line: u64, reason: String) {
        self.rows.push(Err(Refused { file: self.file.to_owned(), line, reason }));
    }

    fn take(&mut self, line: u64, event: Event) {
        match checked(event, self.now) {
            Ok(event) => self.rows.push(Ok(event)),
            Err(reason) => self.refuse(line, reason),
        }
    }
}

fn evening(wave: u32) -> DateTime<Utc> {
    let first = DateTime::from_timestamp(FIRST_WAVE, 0).unwrap_or_default();
    first + TimeDelta::days(30 * (i64::from(wave) - 1))
}

struct Import {
    options: SpeedDating,
    shift: TimeDelta,
}

impl Import {
    fn user(&self, id: u32) -> UserId {
        UserId(self.options.offset + u64::from(id))
    }

    fn person(&self, parsed: &mut Parsed<'_>, people: &mut HashSet<u32>, line: u64, row: &Row<'_>) {
        let made =
            row.whole("iid").and_then(|iid| if people.contains(&iid) { Ok(None) } else { self.profile(iid, row).map(|p| Some((iid, p))) });
        match made {
            Ok(None) => {}
            Ok(Some((iid, event))) => {
                people.insert(iid);
                parsed.take(line, Event::Profile(event));
            }
            Err(reason) => parsed.refuse(line, reason),
        }
    }

    fn profile(&self, iid: u32, row: &Row<'_>) -> Result<ProfileEvent, String> {
        let (man, wave, age) = (row.whole("gender")? == 1, row.whole("wave")?, row.whole("age")?);
        let at = evening(wave) + self.shift;
        let birth = at.date_naive().checked_sub_months(Months::new(age.min(150) * 12 + 6)).ok_or("age: is out of range")?;
        let (gender, other) = if man { (Gender::Male, Gender::Female) } else { (Gender::Female, Gender::Male) };
        let tags = INTERESTS.iter().filter(|(column, _)| row.number(column).is_ok_and(|n| n >= 7.0)).map(|(_, tag)| (*tag).to_owned());
        let short = |text: &str| text.chars().take(60).collect::<String>();
        let profile = Profile {
            occupation: row.text("career").or_else(|| row.text("field")).map(short),
            city: Some("New York".to_owned()),
            languages: vec!["en".to_owned()],
            tags: tags.collect(),
            bio: row
                .text("from")
                .map(|from| format!("From {}. Studies {}.", short(from), short(row.text("field").unwrap_or("at Columbia")))),
            preferences: Preferences { genders: vec![other], min_age: 18, max_age: 99, max_distance_km: None },
            ..Profile::new(format!("{} {iid}", if man { "Mr." } else { "Ms." }), gender, birth, at)
        };
        let event_id = derived_event_id(&["speed-dating", "person", &iid.to_string(), &self.options.offset.to_string(), &at.to_rfc3339()]);
        Ok(ProfileEvent {
            event_id,
            event_time: at,
            kind: ProfileKind::Updated,
            request_id: None,
            user_id: self.user(iid),
            profile: Some(profile),
        })
    }

    fn date(&self, parsed: &mut Parsed<'_>, people: &HashSet<u32>, line: u64, row: &Row<'_>) {
        match self.impression_and_word(people, row) {
            Ok(events) => events.into_iter().for_each(|e| parsed.take(line, Event::Interaction(e))),
            Err(reason) => parsed.refuse(line, reason),
        }
    }

    fn impression_and_word(&self, people: &HashSet<u32>, row: &Row<'_>) -> Result<[InteractionEvent; 2], String> {
        let (iid, pid, wave, order) = (row.whole("iid")?, row.whole("pid")?, row.whole("wave")?, row.whole("order")?.max(1));
        for (column, id) in [("iid", iid), ("pid", pid)] {
            if !people.contains(&id) {
                return Err(format!("{column}: person {id} has no profile"));
            }
        }
        let word = if row.whole("dec")? == 1 { InteractionKind::Like } else { InteractionKind::Pass };
        let begin = evening(wave) + self.shift + TimeDelta::minutes(5 * i64::from(order));
        let event = |kind: InteractionKind, at: DateTime<Utc>| InteractionEvent {
            deck_id: Some(format!("wave-{wave}")),
            position: Some(order - 1),
            ..InteractionEvent::new(
                derived_event_id(&[
                    "speed-dating",
                    kind.name(),
                    &iid.to_string(),
                    &pid.to_string(),
                    &self.options.offset.to_string(),
                    &at.to_rfc3339(),
                ]),
                at,
                kind,
                self.user(iid),
                self.user(pid),
            )
        };
        Ok([event(InteractionKind::Impression, begin), event(word, begin + TimeDelta::minutes(4))])
    }
}

//! Gowalla, a network of places and check-ins (Cho, Myers, Leskovec, KDD 2011): where people live, where they were when, who knows whom.
//!
//! A home becomes a profile with a position, a check-in a reported location, a friendship two follows. Neither gender nor age was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use features::event::{Event, InteractionEvent, InteractionKind, PresenceEvent, PresenceKind, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use features::profile::{Gender, Position, Profile};

use super::rows::{Cells, file_name, read, shift};
use super::{Placing, Recorded, Told};

const HOMES: [&str; 3] = ["user", "lat", "lon"];
const CHECK_INS: [&str; 4] = ["user", "ts", "lat", "lon"];
const FRIENDS: [&str; 2] = ["u", "v"];

/// The folder of the data set.
#[derive(Debug)]
pub struct Gowalla {
    homes: PathBuf,
    check_ins: PathBuf,
    friends: PathBuf,
    offset: u64,
    shift: TimeDelta,
    /// When each person checked in first; when anybody did.
    first: BTreeMap<u64, DateTime<Utc>>,
    begin: DateTime<Utc>,
}

impl Gowalla {
    /// Finds the three files (`*users_home*`, `*checkins*`, `*friends*`) in a folder and reads the check-ins once.
    ///
    /// # Errors
    /// When one of them is not there or cannot be read.
    pub fn open(folder: &Path, placing: Placing) -> anyhow::Result<Self> {
        let [homes, check_ins, friends] = ["users_home", "checkins", "friends"].map(|word| find(folder, word));
        let (homes, check_ins, friends) = (homes?, check_ins?, friends?);
        let shift = shift(&check_ins, &CHECK_INS, "ts", placing.shift_to)?;
        let mut first: BTreeMap<u64, DateTime<Utc>> = BTreeMap::new();
        read(&check_ins, &CHECK_INS, &mut |_, cells| {
            if let Ok((user, at)) = cells.and_then(|cells| Ok((cells.whole("user")?, cells.moment("ts")?))) {
                let earliest = first.entry(user).or_insert(at + shift);
                *earliest = (*earliest).min(at + shift);
            }
            Ok(())
        })?;
        let begin = first.values().min().copied().with_context(|| format!("{} has no check-in", check_ins.display()))?;
        Ok(Self { homes, check_ins, friends, offset: placing.offset, shift, first, begin })
    }

    fn user(&self, id: u64) -> UserId {
        UserId(self.offset.saturating_add(id))
    }

    /// When somebody is taken to have joined.
    fn joined(&self, id: u64) -> DateTime<Utc> {
        self.first.get(&id).copied().unwrap_or(self.begin)
    }

    fn profile(&self, cells: &Cells<'_>) -> Result<(u64, Event), String> {
        let id = cells.whole("user")?;
        let (position, at) = (position(cells)?, self.joined(id));
        let profile = Profile {
            position: Some(position),
            extend_data: serde_json::json!({"filled_in": ["nickname", "gender", "birth_date"]}),
            ..Profile::new(format!("Gowalla {id}"), Gender::Other, NaiveDate::from_ymd_opt(1980, 1, 1).unwrap_or_default(), at)
        };
        let event_id = self.id(&["home", &id.to_string(), &at.to_rfc3339()]);
        let kind = ProfileKind::Updated;
        let event = ProfileEvent { event_id, event_time: at, kind, request_id: None, user_id: self.user(id), profile: Some(profile) };
        Ok((id, Event::Profile(event)))
    }

    fn check_in(&self, line: u64, cells: &Cells<'_>) -> Result<Event, String> {
        let (id, at) = (cells.whole("user")?, cells.moment("ts")? + self.shift);
        Ok(Event::Presence(PresenceEvent {
            event_id: self.id(&["check-in", &line.to_string(), &id.to_string(), &at.to_rfc3339()]),
            event_time: at,
            kind: PresenceKind::Location,
            request_id: None,
            user_id: self.user(id),
            position: Some(position(cells)?),
        }))
    }

    /// Each follows the other from when both have joined: the data says that they are friends and not since when.
    fn friends(&self, people: &BTreeSet<u64>, cells: &Cells<'_>) -> Result<[Event; 2], String> {
        let [u, v] = [cells.whole("u")?, cells.whole("v")?];
        for (column, id) in [("u", u), ("v", v)] {
            if !people.contains(&id) {
                return Err(format!("{column}: person {id} has no home"));
            }
        }
        if u == v {
            return Err("v: is the same as u".to_owned());
        }
        let at = self.joined(u).max(self.joined(v));
        Ok([(u, v), (v, u)].map(|(one, other)| {
            Event::Interaction(InteractionEvent::new(
                self.id(&["friend", &one.to_string(), &other.to_string(), &at.to_rfc3339()]),
                at,
                InteractionKind::Follow,
                self.user(one),
                self.user(other),
            ))
        }))
    }

    fn id(&self, parts: &[&str]) -> features::ids::EventId {
        let offset = self.offset.to_string();
        derived_event_id(&[["gowalla", offset.as_str()].as_slice(), parts].concat())
    }
}

fn position(cells: &Cells<'_>) -> Result<Position, String> {
    Ok(Position { lat: cells.must("lat")?, lon: cells.must("lon")? })
}

/// The file of a folder whose name has the word in it; of several the first by name.
fn find(folder: &Path, word: &str) -> anyhow::Result<PathBuf> {
    let listed = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut found: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| fits(path, word)).collect();
    found.sort();
    found.into_iter().next().with_context(|| format!("{} has no *{word}*.parquet or *{word}*.csv", folder.display()))
}

fn fits(path: &Path, word: &str) -> bool {
    path.extension().is_some_and(|e| e == "parquet" || e == "csv") && file_name(path).contains(word)
}

impl Recorded for Gowalla {
    fn read(&self, each: &mut dyn FnMut(Told<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut people = BTreeSet::new();
        let file = file_name(&self.homes);
        read(&self.homes, &HOMES, &mut |line, cells| {
            let event = cells.and_then(|cells| self.profile(&cells)).map(|(id, event)| {
                people.insert(id);
                event
            });
            each(Told { file: &file, line, event })
        })?;
        let file = file_name(&self.check_ins);
        read(&self.check_ins, &CHECK_INS, &mut |line, cells| {
            each(Told { file: &file, line, event: cells.and_then(|cells| self.check_in(line, &cells)) })
        })?;
        let file = file_name(&self.friends);
        read(&self.friends, &FRIENDS, &mut |line, cells| match cells.and_then(|cells| self.friends(&people, &cells)) {
            Ok(pair) => pair.into_iter().try_for_each(|event| each(Told { file: &file, line, event: Ok(event) })),
            Err(reason) => each(Told { file: &file, line, event: Err(reason) }),
        })
    }
}

//! The columns themselves.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::portrait::{Portrait, SignalCounters, Signals, TagWeight, signals};
use features::profile::{Gender, Position, Profile, epoch_days};
use h3o::CellIndex;
use roaring::RoaringBitmap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::VectorColumn;
use super::places::Places;
use super::slab::{Slab, VectorRef};
use crate::geo::{cell, centre};

/// A profile in the snapshot: JSON, because its optional fields are left out when empty.
#[derive(Debug, Clone)]
struct Kept(Arc<Profile>);

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(&*self.0).map_err(serde::ser::Error::custom)?.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let json = String::deserialize(input)?;
        serde_json::from_str(&json).map(|p| Self(Arc::new(p))).map_err(serde::de::Error::custom)
    }
}

/// One row, but for its vectors.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    user: u64,
    generation: u32,
    version: u64,
    profile: Kept,
    completeness: f32,
    birth_days: i32,
    cell: Option<u64>,
    counters: SignalCounters,
    tags: Vec<Tag>,
    liked_tags: Vec<Tag>,
}

/// A tag by its number, with its weight.
type Tag = (u32, f32);

/// Tag texts by number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tags {
    names: Vec<String>,
    #[serde(skip)]
    numbers: HashMap<String, u32>,
}

impl Tags {
    fn intern(&mut self, tags: &[TagWeight]) -> Vec<Tag> {
        let mut numbered: Vec<Tag> = tags.iter().map(|t| (self.number(&t.tag), t.weight)).collect();
        numbered.sort_unstable_by_key(|t| t.0);
        numbered
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer than 2^32 tags");
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

/// All rows; see [`super::PortraitTable`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Columns {
    rows: Vec<Option<Row>>,
    tags: Tags,
    content: Slab,
    taste: Slab,
    #[serde(skip)]
    by_user: HashMap<u64, u32>,
    #[serde(skip)]
    free: Vec<u32>,
    #[serde(skip)]
    visible: RoaringBitmap,
    #[serde(skip)]
    genders: [RoaringBitmap; 3],
    #[serde(skip)]
    places: Places,
}

impl Columns {
    pub(super) fn apply(&mut self, portrait: &Portrait) -> bool {
        if let Some(old) = self.by_user.get(&portrait.user_id.0).and_then(|row| self.rows[*row as usize].as_ref())
            && (old.generation, old.version) > (portrait.generation, portrait.version)
        {
            return false;
        }
        let row = Row {
            user: portrait.user_id.0,
            generation: portrait.generation,
            version: portrait.version,
            completeness: portrait.profile.completeness(),
            birth_days: epoch_days(portrait.profile.birth_date),
            cell: portrait.profile.position.and_then(cell).map(u64::from),
            profile: Kept(Arc::new(portrait.profile.clone())),
            counters: portrait.signal_counters(),
            tags: self.tags.intern(&portrait.tags),
            liked_tags: self.tags.intern(&portrait.liked_tags),
        };
        let at = self.put(row) as usize;
        self.content.set(at, portrait.content.as_ref());
        self.taste.set(at, portrait.taste.as_ref());
        true
    }

    pub(super) fn overlay(&mut self, user: UserId, profile: &Profile) {
        let old = self.row_of(user).and_then(|row| self.rows[row as usize].clone());
        let mut row = old.unwrap_or_else(|| Row {
            user: user.0,
            generation: 0,
            version: 0,
            profile: Kept(Arc::new(profile.clone())),
            completeness: 0.0,
            birth_days: 0,
            cell: None,
            counters: SignalCounters::default(),
            tags: Vec::new(),
            liked_tags: Vec::new(),
        });
        row.profile = Kept(Arc::new(profile.clone()));
        row.completeness = profile.completeness();
        row.birth_days = epoch_days(profile.birth_date);
        row.cell = profile.position.and_then(cell).map(u64::from);
        self.put(row);
    }

    fn put(&mut self, row: Row) -> u32 {
        let known = self.by_user.get(&row.user).copied();
        if let Some(at) = known {
            self.unlink(at);
        }
        let at = known.or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.rows.push(None);
            self.content.resize(self.rows.len());
            self.taste.resize(self.rows.len());
            u32::try_from(self.rows.len() - 1).expect("fewer than 2^32 rows")
        });
        self.rows[at as usize] = Some(row);
        self.link(at);
        at
    }

    pub(super) fn remove(&mut self, user: UserId) -> bool {
        let Some(at) = self.by_user.get(&user.0).copied() else { return false };
        self.unlink(at);
        self.by_user.remove(&user.0);
        self.rows[at as usize] = None;
        self.content.set(at as usize, None);
        self.taste.set(at as usize, None);
        self.free.push(at);
        true
    }

    fn link(&mut self, at: u32) {
        let Some(row) = &self.rows[at as usize] else { return };
        self.by_user.insert(row.user, at);
        if row.profile.0.visible() {
            self.visible.insert(at);
        }
        self.genders[row.profile.0.gender as usize].insert(at);
        if let Some(cell) = row.cell.and_then(|c| CellIndex::try_from(c).ok()) {
            self.places.insert(cell, at);
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(row) = &self.rows[at as usize] else { return };
        self.visible.remove(at);
        self.genders[row.profile.0.gender as usize].remove(at);
        if let Some(cell) = row.cell.and_then(|c| CellIndex::try_from(c).ok()) {
            self.places.remove(cell, at);
        }
    }

    /// Makes the derived structures after reading a snapshot.
    pub(super) fn rebuild(&mut self) {
        self.tags.numbers = self.tags.names.iter().cloned().zip(0..).collect();
        let rows = u32::try_from(self.rows.len()).expect("fewer than 2^32 rows");
        for at in 0..rows {
            if self.rows[at as usize].is_some() {
                self.link(at);
            } else {
                self.free.push(at);
            }
        }
    }

    fn at(&self, row: u32) -> &Row {
        self.rows[row as usize].as_ref().expect("callers pass rows of this view")
    }

    /// Number of people.
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// The row of a user.
    pub fn row_of(&self, user: UserId) -> Option<u32> {
        self.by_user.get(&user.0).copied()
    }

    /// Every row, in row order.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.rows).filter(|(_, row)| row.is_some()).map(|(at, _)| at)
    }

    /// The user of a row. As all accessors below, panics if the row is not one of this view.
    pub fn user(&self, row: u32) -> UserId {
        UserId(self.at(row).user)
    }

    /// The profile. Its `position` is exact: it must not leave the platform; ranking uses [`Self::position`].
    pub fn profile(&self, row: u32) -> &Arc<Profile> {
        &self.at(row).profile.0
    }

    /// Version of the portrait, with its generation first.
    pub fn version(&self, row: u32) -> (u32, u64) {
        (self.at(row).generation, self.at(row).version)
    }

    /// Whether the person may be shown.
    pub fn visible(&self, row: u32) -> bool {
        self.visible.contains(row)
    }

    /// Rows of people who may be shown and have one of the genders (bits of [`Gender::bit`]; 0 means all).
    pub fn selectable(&self, genders: u8) -> RoaringBitmap {
        let wanted = Gender::ALL.iter().filter(|g| genders == 0 || genders & g.bit() != 0);
        let any = wanted.fold(RoaringBitmap::new(), |all, g| all | &self.genders[*g as usize]);
        any & &self.visible
    }

    /// Age in full years at `now`.
    pub fn age(&self, row: u32, now: DateTime<Utc>) -> u8 {
        self.at(row).profile.0.age(now)
    }

    /// Birth date as days since 1970-01-01.
    pub fn birth_days(&self, row: u32) -> i32 {
        self.at(row).birth_days
    }

    /// The centre of the person's cell.
    pub fn position(&self, row: u32) -> Option<Position> {
        self.at(row).cell.and_then(|c| CellIndex::try_from(c).ok()).map(centre)
    }

    /// Rows within `radius_km` of `at`, nearest rings of cells first, at most `limit`.
    pub fn near(&self, at: Position, radius_km: f64, limit: usize) -> Vec<u32> {
        self.places.near(at, radius_km, limit)
    }

    /// What scoring reads, at `now`.
    pub fn signals(&self, row: u32, now: DateTime<Utc>) -> Signals {
        signals(&self.at(row).counters, self.at(row).completeness, now)
    }

    /// Tags the person shows: numbers with weights, by number.
    pub fn tags(&self, row: u32) -> &[(u32, f32)] {
        &self.at(row).tags
    }

    /// Tags the person likes: numbers with weights, by number.
    pub fn liked_tags(&self, row: u32) -> &[(u32, f32)] {
        &self.at(row).liked_tags
    }

    /// The text of a tag number.
    pub fn tag_name(&self, number: u32) -> &str {
        self.tags.names.get(number as usize).map_or("", String::as_str)
    }

    /// A vector, if the person has one.
    pub fn vector(&self, column: VectorColumn, row: u32) -> Option<VectorRef<'_>> {
        match column {
            VectorColumn::Content => self.content.get(row as usize),
            VectorColumn::Taste => self.taste.get(row as usize),
        }
    }
}

/// Weighted overlap of two numbered tag lists, 0 to 1: `Σ min(a, b) / Σ max(a, b)` (Ruzicka similarity). Both sorted by number.
pub fn tag_overlap(a: &[(u32, f32)], b: &[(u32, f32)]) -> f32 {
    let (mut i, mut j, mut both) = (0, 0, 0.0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.0.cmp(&y.0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both += x.1.min(y.1);
                i += 1;
                j += 1;
            }
        }
    }
    let either: f32 = a.iter().chain(b).map(|t| t.1).sum::<f32>() - both;
    if either > 0.0 { both / either } else { 0.0 }
}

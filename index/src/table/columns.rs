//! The columns themselves.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use features::ids::UserId;
use features::portrait::{Behaviour, IMPRESSIONS, IMPRESSIONS_HALF_LIFE, Portrait, Signals, behaviour, signals};
use features::profile::{Gender, Position, Profile, age, epoch_days};
use foldhash::fast::RandomState;
use h3o::CellIndex;
use roaring::RoaringBitmap;

use super::VectorColumn;
use super::places::Places;
use super::row::{Limits, Packed, Row, Words};
use super::slab::{Slab, VectorRef};
use crate::geo::centre;

/// The date of a number of days since 1970-01-01.
pub(super) fn date(epoch_days: i32) -> NaiveDate {
    NaiveDate::default().checked_add_signed(TimeDelta::days(epoch_days.into())).unwrap_or_default()
}

/// Stands in the column of centres where there is none.
const NOWHERE: Position = Position { lat: f64::NAN, lon: f64::NAN };

/// All rows; see [`super::PortraitTable`].
#[derive(Debug, Clone, Default)]
pub struct Columns {
    pub(super) rows: Vec<Option<Box<Row>>>,
    pub(super) limits: Vec<Limits>,
    pub(super) birth_days: Vec<i32>,
    pub(super) created: Vec<DateTime<Utc>>,
    /// Centres of the cells; meaningless where the cell is not known.
    centres: Vec<Position>,
    /// Impressions received, still forward-decayed.
    impressions: Vec<f64>,
    /// Whose row it is: a request asks it of thousands, and the rows themselves lie far apart.
    users: Vec<u64>,
    pub(super) words: Words,
    pub(super) content: Slab,
    pub(super) taste: Slab,
    by_user: HashMap<u64, u32, RandomState>,
    pub(super) free: Vec<u32>,
    /// Of each gender, the rows of those who may be shown.
    shown: [RoaringBitmap; 3],
    pub(super) places: Places,
    /// Rows of those who may be shown and whose place is not known.
    pub(super) placeless: RoaringBitmap,
}

impl Columns {
    pub(super) fn apply(&mut self, portrait: &Portrait) -> bool {
        let old = self.row_of(portrait.user_id);
        if old.is_some_and(|row| self.version(row) > (portrait.generation, portrait.version)) {
            return false;
        }
        // A portrait that was under way when the profile was changed here must not bring the old one back: whoever has hidden stays hidden.
        let newer =
            old.filter(|row| self.overlaid(*row)).map(|row| self.profile(row)).filter(|own| own.revision > portrait.profile.revision);
        let profile = newer.as_deref().unwrap_or(&portrait.profile);
        let row = Row {
            user: portrait.user_id.0,
            generation: portrait.generation,
            version: portrait.version,
            completeness: profile.completeness(),
            counters: portrait.signal_counters(),
            tags: self.words.tags(&portrait.tags),
            liked_tags: self.words.tags(&portrait.liked_tags),
            profile: Packed::of(profile),
        };
        let at = self.put(row, profile, newer.is_some()) as usize;
        self.content.set(at, portrait.content.as_ref());
        self.taste.set(at, portrait.taste.as_ref());
        true
    }

    pub(super) fn overlay(&mut self, user: UserId, profile: &Profile) -> bool {
        let known = self.row_of(user);
        if known.is_some_and(|row| self.profile(row).revision > profile.revision) {
            return false;
        }
        let old = known.and_then(|row| self.rows[row as usize].clone());
        let mut row = old.map_or_else(|| Row::begun(user.0), |row| *row);
        row.profile = Packed::of(profile);
        row.completeness = profile.completeness();
        self.put(row, profile, true);
        true
    }

    fn put(&mut self, row: Row, profile: &Profile, overlaid: bool) -> u32 {
        let city = profile.city.as_deref().map(|city| self.words.number(city));
        self.place(row, Limits::of(profile, city, overlaid), epoch_days(profile.birth_date), profile.created_at)
    }

    /// Puts a row in its place, or on a free one.
    pub(super) fn place(&mut self, row: Row, limits: Limits, birth_days: i32, created: DateTime<Utc>) -> u32 {
        let known = self.by_user.get(&row.user).copied();
        if let Some(at) = known {
            self.unlink(at);
        }
        let at = known.or_else(|| self.free.pop()).unwrap_or_else(|| self.grow(limits));
        let i = at as usize;
        (self.limits[i], self.birth_days[i], self.created[i]) = (limits, birth_days, created);
        self.by_user.insert(row.user, at);
        self.rows[i] = Some(Box::new(row));
        self.derive(at);
        self.link(at);
        at
    }

    fn grow(&mut self, limits: Limits) -> u32 {
        let at = u32::try_from(self.rows.len()).expect("fewer than 2^32 rows");
        self.rows.push(None);
        self.limits.push(limits);
        self.birth_days.push(0);
        self.created.push(DateTime::UNIX_EPOCH);
        self.centres.push(NOWHERE);
        self.impressions.push(0.0);
        self.users.push(0);
        self.content.resize(self.rows.len());
        self.taste.resize(self.rows.len());
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

    /// Fills the columns that follow from the others.
    fn derive(&mut self, at: u32) {
        let i = at as usize;
        self.centres[i] = CellIndex::try_from(self.limits[i].cell).map_or(NOWHERE, centre);
        (self.impressions[i], self.users[i]) = self.rows[i].as_ref().map_or((0.0, 0), |row| (row.counters[IMPRESSIONS], row.user));
    }

    fn link(&mut self, at: u32) {
        let limits = self.limits[at as usize];
        if limits.visible {
            self.shown[limits.gender as usize].insert(at);
        }
        match CellIndex::try_from(limits.cell) {
            Ok(cell) => self.places.insert(cell, at),
            Err(_) => drop(self.placeless.insert(at)),
        }
    }

    fn unlink(&mut self, at: u32) {
        let limits = self.limits[at as usize];
        self.shown[limits.gender as usize].remove(at);
        match CellIndex::try_from(limits.cell) {
            Ok(cell) => self.places.remove(cell, at),
            Err(_) => drop(self.placeless.remove(at)),
        }
    }

    /// Makes what follows from the rows after reading a snapshot. A snapshot that was written while people left and came may hold
    /// somebody twice: the newer row stays.
    pub(super) fn rebuild(&mut self) {
        let rows = u32::try_from(self.rows.len()).expect("fewer than 2^32 rows");
        self.by_user.reserve(self.rows.len());
        self.centres = vec![NOWHERE; self.rows.len()];
        self.impressions = vec![0.0; self.rows.len()];
        self.users = vec![0; self.rows.len()];
        for at in 0..rows {
            let Some(row) = &self.rows[at as usize] else {
                self.free.push(at);
                continue;
            };
            let (user, version) = (row.user, (row.generation, row.version));
            let other = self.by_user.get(&user).copied();
            let loser = match other.filter(|other| self.version(*other) > version) {
                Some(_) => Some(at),
                None => other,
            };
            if loser != Some(at) {
                self.by_user.insert(user, at);
                self.derive(at);
                self.link(at);
            }
            if let Some(gone) = loser {
                if gone != at {
                    self.unlink(gone);
                }
                self.rows[gone as usize] = None;
                self.content.set(gone as usize, None);
                self.taste.set(gone as usize, None);
                self.free.push(gone);
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
        self.rows_from(0)
    }

    /// Every row from `first` on, in row order.
    pub fn rows_from(&self, first: u32) -> impl Iterator<Item = u32> {
        (first..).zip(self.rows.iter().skip(first as usize)).filter(|(_, row)| row.is_some()).map(|(at, _)| at)
    }

    /// The user of a row. As all accessors below, panics if the row is not one of this view.
    pub fn user(&self, row: u32) -> UserId {
        UserId(self.users[row as usize])
    }

    /// The profile, unpacked: for answers, not for loops. Its `position` is exact: it must not leave the platform; ranking uses
    /// [`Self::position`].
    pub fn profile(&self, row: u32) -> Arc<Profile> {
        Arc::new(self.at(row).profile.unpack().expect("the table packed it, or checked it when it was loaded"))
    }

    /// What hard limits and terms read of the profile.
    pub fn limits(&self, row: u32) -> &Limits {
        &self.limits[row as usize]
    }

    /// The city of the profile.
    pub fn city(&self, row: u32) -> Option<&str> {
        self.limits(row).city.map(|number| self.words.name(number))
    }

    /// When the account was made.
    pub fn created_at(&self, row: u32) -> DateTime<Utc> {
        self.created[row as usize]
    }

    /// Version of the portrait, with its generation first.
    pub fn version(&self, row: u32) -> (u32, u64) {
        (self.at(row).generation, self.at(row).version)
    }

    /// Whether the profile was changed here and is newer than the portrait of [`Self::version`].
    pub fn overlaid(&self, row: u32) -> bool {
        self.limits(row).overlaid
    }

    /// Whether the person may be shown.
    pub fn visible(&self, row: u32) -> bool {
        self.limits(row).visible
    }

    /// Rows of people who may be shown and have one of the genders (bits of [`Gender::bit`]; 0 means all).
    pub fn selectable(&self, genders: u8) -> RoaringBitmap {
        self.shown_of(genders).fold(RoaringBitmap::new(), |any, shown| any | shown)
    }

    /// The bitmaps that [`Self::selectable`] is made of; nobody is in two.
    fn shown_of(&self, genders: u8) -> impl Iterator<Item = &RoaringBitmap> {
        Gender::ALL.iter().filter(move |g| genders == 0 || genders & g.bit() != 0).map(|g| &self.shown[*g as usize])
    }

    /// Whether [`Self::selectable`] has the row.
    pub(super) fn selectable_by(&self, row: u32, genders: u8) -> bool {
        let limits = self.limits(row);
        limits.visible && (genders == 0 || genders & limits.gender.bit() != 0)
    }

    /// Those of `rows` that [`Self::selectable`] has.
    pub fn only_selectable(&self, rows: &RoaringBitmap, genders: u8) -> RoaringBitmap {
        self.shown_of(genders).fold(RoaringBitmap::new(), |any, shown| any | (rows & shown))
    }

    /// How many rows [`Self::selectable`] has.
    pub fn count_selectable(&self, genders: u8) -> u64 {
        self.shown_of(genders).map(RoaringBitmap::len).sum()
    }

    /// Age in full years at `now`.
    pub fn age(&self, row: u32, now: DateTime<Utc>) -> u8 {
        age(date(self.birth_days(row)), now.date_naive())
    }

    /// Birth date as days since 1970-01-01.
    pub fn birth_days(&self, row: u32) -> i32 {
        self.birth_days[row as usize]
    }

    /// The centre of the person's cell.
    pub fn position(&self, row: u32) -> Option<Position> {
        (self.limits(row).cell != 0).then(|| self.centres[row as usize])
    }

    /// What scoring reads, at `now`.
    pub fn signals(&self, row: u32, now: DateTime<Utc>) -> Signals {
        signals(&self.at(row).counters, self.at(row).completeness, now)
    }

    /// How the person answers and is answered, at `now`: what [`Self::signals`] says of it, without the rest.
    pub fn behaviour(&self, row: u32, now: DateTime<Utc>) -> Behaviour {
        behaviour(&self.at(row).counters, now)
    }

    /// Decayed impressions received by some people, at `now`, in their order: what [`Self::signals`] says of them, without the rest.
    pub fn impressions(&self, rows: impl Iterator<Item = u32>, now: DateTime<Utc>) -> Vec<(f32, u32)> {
        let remains = features::decay::value_at(1.0, now, IMPRESSIONS_HALF_LIFE);
        #[expect(clippy::cast_possible_truncation, reason = "a count that needs no more than 24 bits")]
        let faded = |row: u32| ((self.impressions[row as usize] * remains) as f32, row);
        rows.map(faded).collect()
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
        self.words.name(number)
    }

    /// A vector, if the person has one.
    pub fn vector(&self, column: VectorColumn, row: u32) -> Option<VectorRef<'_>> {
        self.slab(column).get(row as usize)
    }

    pub(super) const fn slab(&self, column: VectorColumn) -> &Slab {
        match column {
            VectorColumn::Content => &self.content,
            VectorColumn::Taste => &self.taste,
        }
    }
}

/// Weighted overlap of two numbered tag lists, 0 to 1: `Σ min(a, b) / Σ max(a, b)` (Ruzicka similarity). Both sorted by number. The same to
/// the last bit whichever numbers the tags have: numbers differ from node to node.
pub fn tag_overlap(a: &[(u32, f32)], b: &[(u32, f32)]) -> f32 {
    let (mut i, mut j, mut both) = (0, 0, 0.0f64);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.0.cmp(&y.0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both += f64::from(x.1.min(y.1));
                i += 1;
                j += 1;
            }
        }
    }
    let either: f64 = a.iter().chain(b).map(|t| f64::from(t.1)).sum::<f64>() - both;
    #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
    let overlap = if either > 0.0 { (both / either) as f32 } else { 0.0 };
    overlap
}

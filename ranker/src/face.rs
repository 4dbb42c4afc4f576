//! What one person is to a filter or a scorer: the row of the table, read when asked.

use std::cell::OnceCell;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::portrait::Signals;
use features::profile::{Position, Profile};
use index::geo::{Bucket, km};
use index::table::{Columns, Limits, VectorColumn, VectorRef};

/// A person at a moment.
#[derive(Debug)]
pub struct Face<'a> {
    table: &'a Columns,
    row: u32,
    now: DateTime<Utc>,
    position: Option<Position>,
    signals: OnceCell<Signals>,
    profile: OnceCell<Arc<Profile>>,
}

impl<'a> Face<'a> {
    /// The person, or nothing if the table has no row.
    pub fn of(table: &'a Columns, user: UserId, now: DateTime<Utc>) -> Option<Self> {
        let row = table.row_of(user)?;
        Some(Self { table, row, now, position: table.position(row), signals: OnceCell::new(), profile: OnceCell::new() })
    }

    /// The same person at another (snapped) place.
    #[must_use]
    pub fn at(self, position: Option<Position>) -> Self {
        Self { position, ..self }
    }

    /// Who.
    pub fn user(&self) -> UserId {
        self.table.user(self.row)
    }

    /// The profile, unpacked when first asked for: stages that meet every candidate read [`Self::limits`].
    pub fn profile(&self) -> &Profile {
        self.profile.get_or_init(|| self.table.profile(self.row))
    }

    /// What hard limits and terms read of the profile.
    pub fn limits(&self) -> &'a Limits {
        self.table.limits(self.row)
    }

    /// The city of the profile.
    pub fn city(&self) -> Option<&'a str> {
        self.table.city(self.row)
    }

    /// Whether the person may be shown.
    pub fn visible(&self) -> bool {
        self.table.visible(self.row)
    }

    /// Age in full years.
    pub fn age(&self) -> u8 {
        self.table.age(self.row, self.now)
    }

    /// Where, snapped.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Activity, richness and the like.
    pub fn signals(&self) -> &Signals {
        self.signals.get_or_init(|| self.table.signals(self.row, self.now))
    }

    /// Tags shown, by number.
    pub fn tags(&self) -> &'a [(u32, f32)] {
        self.table.tags(self.row)
    }

    /// Tags liked, by number.
    pub fn liked_tags(&self) -> &'a [(u32, f32)] {
        self.table.liked_tags(self.row)
    }

    /// The text of a tag number.
    pub fn tag_name(&self, number: u32) -> &'a str {
        self.table.tag_name(number)
    }

    /// A vector.
    pub fn vector(&self, column: VectorColumn) -> Option<VectorRef<'a>> {
        self.table.vector(column, self.row)
    }

    /// Generation and version of the portrait.
    pub fn version(&self) -> (u32, u64) {
        self.table.version(self.row)
    }

    /// Whether the profile is newer than the portrait.
    pub fn overlaid(&self) -> bool {
        self.table.overlaid(self.row)
    }

    /// Whether the person joined within so many days.
    pub fn joined_within(&self, days: u32) -> bool {
        let age = self.now - self.table.created_at(self.row);
        age <= chrono::TimeDelta::days(i64::from(days))
    }
}

/// A viewer and a candidate.
#[derive(Debug)]
pub struct Pair<'a> {
    /// Who looks.
    pub viewer: &'a Face<'a>,
    /// Who may be shown.
    pub candidate: Face<'a>,
    /// Kilometres between the snapped places; must not leave the platform.
    pub km: Option<f64>,
}

impl<'a> Pair<'a> {
    /// Puts the two together.
    pub fn new(viewer: &'a Face<'a>, candidate: Face<'a>) -> Self {
        let km = viewer.position().zip(candidate.position()).map(|(a, b)| km(a, b));
        Self { viewer, candidate, km }
    }

    /// The distance as it may leave the platform.
    pub fn bucket(&self) -> Bucket {
        Bucket::of(self.km)
    }
}

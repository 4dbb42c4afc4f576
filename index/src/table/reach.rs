//! Who is in reach: by cell, gender and age, nearest first, and never more looked at than a budget allows.

use std::ops::{ControlFlow, RangeInclusive};

use features::profile::Position;
use roaring::RoaringBitmap;

use super::Columns;
use super::places::turned;

/// How many times as many people as are wanted are looked at, at most.
const LOOKS: usize = 8;

/// With more people than this in a cell, bitmaps of cell and gender are intersected before anybody is looked at.
const CROWDED: u64 = 256;

/// Whom to look for.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Genders as bits; 0 means all.
    pub genders: u8,
    /// Birth dates, in days since 1970-01-01.
    pub birth_days: RangeInclusive<i32>,
    /// From where; nowhere means from everywhere.
    pub from: Option<Position>,
    /// How far, in kilometres; without a limit also people whose place is not known.
    pub within_km: Option<f64>,
    /// People at most.
    pub most: usize,
    /// Chooses where to begin among those who stand equally near.
    pub turn: u64,
}

/// Who was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reached {
    /// Their rows.
    pub rows: RoaringBitmap,
    /// Whether these are all; otherwise the nearest.
    pub all: bool,
}

/// People taken so far.
struct Gather<'a> {
    table: &'a Columns,
    reach: &'a Reach,
    rows: Vec<u32>,
    looks: usize,
}

impl Gather<'_> {
    /// Takes those of the right gender and age; breaks when the budget is spent and somebody is left.
    fn take(&mut self, rows: &RoaringBitmap) -> ControlFlow<()> {
        let bitmap;
        let rows = if rows.len() > CROWDED {
            bitmap = self.table.only_selectable(rows, self.reach.genders);
            &bitmap
        } else {
            rows
        };
        if rows.len() <= (self.reach.most - self.rows.len()) as u64 {
            self.take_some(rows.iter())
        } else {
            self.take_some(turned(rows, self.reach.turn))
        }
    }

    fn take_some(&mut self, rows: impl Iterator<Item = u32>) -> ControlFlow<()> {
        for row in rows {
            if self.looks == 0 {
                return ControlFlow::Break(());
            }
            self.looks -= 1;
            if self.reach.birth_days.contains(&self.table.birth_days(row)) && self.table.selectable_by(row, self.reach.genders) {
                if self.rows.len() == self.reach.most {
                    return ControlFlow::Break(());
                }
                self.rows.push(row);
            }
        }
        ControlFlow::Continue(())
    }
}

impl Columns {
    /// The people in reach who may be shown: all of them when they are at most `most`, else the nearest `most`. Looks at no more than
    /// eight times as many. Somebody without a place is in reach when no distance is set, after everybody who has one.
    pub fn reach(&self, reach: &Reach) -> Reached {
        let looks = reach.most.saturating_mul(LOOKS);
        let mut gather = Gather { table: self, reach, rows: Vec::new(), looks };
        let mut left = ControlFlow::Continue(());
        match (reach.from, reach.within_km) {
            (Some(from), within) if within.is_some() || self.count_selectable(reach.genders) > reach.most as u64 => {
                self.places.walk(from, within.unwrap_or(f64::INFINITY), |rows| {
                    left = gather.take(rows);
                    left
                });
                if within.is_none() && left.is_continue() {
                    left = gather.take(&self.placeless);
                }
            }
            _ => left = gather.take(&self.selectable(reach.genders)),
        }
        gather.rows.sort_unstable();
        let rows = RoaringBitmap::from_sorted_iter(gather.rows.iter().copied()).unwrap_or_else(|_| gather.rows.iter().copied().collect());
        Reached { rows, all: left.is_continue() }
    }

    /// Rows within `radius_km` of `at`, nearest rings of cells first, at most `limit`; `turn` chooses where to begin in a cell.
    pub fn near(&self, at: Position, radius_km: f64, limit: usize, turn: u64) -> Vec<u32> {
        let mut found = Vec::new();
        self.places.walk(at, radius_km, |rows| {
            let room = limit.saturating_sub(found.len());
            found.extend(turned(rows, turn).take(room));
            if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }
}

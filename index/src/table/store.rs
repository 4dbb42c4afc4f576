//! The table on disk: sections of rows, then the texts they use. See [`crate::snapshot`] for what a snapshot promises.
//!
//! Rows are written by cell, gender and age and numbered anew when they are read: people who are looked at together lie side by side in memory
//! then.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use chrono::{DateTime, Utc};
use features::profile::Gender;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::PortraitTable;
use super::columns::Columns;
use super::row::{Limits, Row, Words};
use super::slab::Piece;
use crate::IndexError;
use crate::snapshot::{OffsetMap, Reader, Writer};

const FORMAT: u32 = 4;
/// Rows of a section: the table is locked for reading for as long as it takes to serialise so many, about a millisecond.
const SECTION: usize = 1_000;

/// Cell, gender, birth date and row.
type Neighbour = (u64, Gender, i32, u32);

/// What is written.
#[derive(Serialize)]
enum PartRef<'a> {
    Rows { rows: Vec<&'a Row>, limits: Vec<Limits>, birth_days: Vec<i32>, created: Vec<(i64, u32)>, content: Piece, taste: Piece },
    Names(Vec<&'a str>),
}

/// What is read: the same.
#[derive(Deserialize)]
enum Part {
    Rows { rows: Vec<Row>, limits: Vec<Limits>, birth_days: Vec<i32>, created: Vec<(i64, u32)>, content: Piece, taste: Piece },
    Names(Vec<String>),
}

impl Columns {
    /// Everybody, with what they are sorted by.
    fn neighbours(&self) -> Vec<Neighbour> {
        self.rows().map(|row| (self.limits(row).cell, self.limits(row).gender, self.birth_days(row), row)).collect()
    }

    /// Those of some rows that are still there; `used` learns which texts they use.
    fn section(&self, rows: &[Neighbour], used: &mut RoaringBitmap) -> PartRef<'_> {
        let numbers: Vec<usize> = rows.iter().map(|neighbour| neighbour.3 as usize).filter(|row| self.rows[*row].is_some()).collect();
        let rows: Vec<&Row> = numbers.iter().filter_map(|row| self.rows[*row].as_deref()).collect();
        for (row, number) in rows.iter().zip(&numbers) {
            used.extend(row.tags.iter().chain(&row.liked_tags).map(|tag| tag.0).chain(self.limits[*number].city));
        }
        PartRef::Rows {
            rows,
            limits: numbers.iter().map(|row| self.limits[*row]).collect(),
            birth_days: numbers.iter().map(|row| self.birth_days[*row]).collect(),
            created: numbers.iter().map(|row| (self.created[*row].timestamp(), self.created[*row].timestamp_subsec_nanos())).collect(),
            content: self.content.piece(&numbers),
            taste: self.taste.piece(&numbers),
        }
    }

    /// Adds what a section holds; `false` if its columns do not fit together.
    fn take(&mut self, part: Part) -> bool {
        match part {
            Part::Names(names) => self.words = Words::from_names(names),
            Part::Rows { rows, limits, birth_days, created, content, taste } => {
                let many = rows.len();
                if [limits.len(), birth_days.len(), created.len(), content.rows(), taste.rows()] != [many; 5] {
                    return false;
                }
                self.rows.extend(rows.into_iter().map(|row| Some(Box::new(row))));
                self.limits.extend(limits);
                self.birth_days.extend(birth_days);
                let time = |(seconds, nanos)| DateTime::<Utc>::from_timestamp(seconds, nanos).unwrap_or_default();
                self.created.extend(created.into_iter().map(time));
                return self.content.push(content) && self.taste.push(taste);
            }
        }
        true
    }
}

impl PortraitTable {
    /// Writes a snapshot with the offsets that led to it. Others read and write meanwhile: the offsets must have been taken before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path, offsets: &OffsetMap) -> Result<(), IndexError> {
        let mut writer = Writer::create(path, FORMAT, offsets)?;
        let mut order = self.read().neighbours();
        order.sort_unstable();
        let mut used = RoaringBitmap::new();
        for rows in order.chunks(SECTION) {
            let columns = self.read();
            writer.encode(&columns.section(rows, &mut used))?;
            drop(columns);
            writer.flush()?;
        }
        writer.encode(&PartRef::Names(self.read().words.used(&used)))?;
        writer.flush()?;
        writer.finish()
    }

    /// Reads a snapshot; an empty table without offsets when there is none.
    ///
    /// # Errors
    /// When the file is damaged or of another version.
    pub fn load(path: &Path) -> Result<(Self, OffsetMap), IndexError> {
        let Some((mut reader, offsets)) = Reader::open(path, FORMAT)? else { return Ok((Self::default(), OffsetMap::new())) };
        let mut columns = Columns::default();
        while let Some(part) = reader.section::<Part>()? {
            if !columns.take(part) {
                return Err(IndexError::Snapshot { path: path.to_path_buf(), reason: "a section's columns differ in length".to_owned() });
            }
        }
        columns.rebuild();
        Ok((Self { columns: RwLock::new(columns) }, offsets))
    }

    /// Replaces the contents by those of another table, such as a loaded one.
    pub fn replace(&self, other: Self) {
        let loaded = other.columns.into_inner().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *self.columns.write().unwrap_or_else(PoisonError::into_inner), loaded);
        drop(old);
    }
}

//! Who is in which cell, and walking outwards from one in rings.

use std::collections::HashMap;

use features::profile::Position;
use h3o::CellIndex;

use crate::geo::{CELL_SPACING_KM, cell, centre, km};

/// Rows by cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    rows: HashMap<CellIndex, Vec<u32>>,
}

impl Places {
    pub(super) fn insert(&mut self, cell: CellIndex, row: u32) {
        self.rows.entry(cell).or_default().push(row);
    }

    pub(super) fn remove(&mut self, cell: CellIndex, row: u32) {
        if let Some(rows) = self.rows.get_mut(&cell) {
            rows.retain(|r| *r != row);
            if rows.is_empty() {
                self.rows.remove(&cell);
            }
        }
    }

    /// Rows within `radius_km` of `at` (between cell centres), nearest rings first, at most `limit`.
    pub(super) fn near(&self, at: Position, radius_km: f64, limit: usize) -> Vec<u32> {
        let Some(home) = cell(at) else { return Vec::new() };
        let here = centre(home);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred rings at most")]
        let rings = (radius_km / CELL_SPACING_KM).ceil().clamp(0.0, 4000.0) as u32;
        let ring_cells = 3 * u64::from(rings) * (u64::from(rings) + 1) + 1;
        let mut found = Vec::new();
        if ring_cells > self.rows.len() as u64 {
            // Fewer cells are inhabited than the disk has: sort the inhabited ones instead of walking the disk.
            let mut cells: Vec<(f64, CellIndex)> =
                self.rows.keys().map(|c| (km(here, centre(*c)), *c)).filter(|(d, _)| *d <= radius_km).collect();
            cells.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            self.take(cells.into_iter().map(|(_, c)| c), limit, &mut found);
        } else {
            for ring in 0..=rings {
                let mut cells: Vec<CellIndex> = home.grid_ring::<Vec<_>>(ring);
                cells.sort_unstable();
                self.take(cells.into_iter().filter(|c| km(here, centre(*c)) <= radius_km), limit, &mut found);
            }
        }
        found
    }

    fn take(&self, cells: impl Iterator<Item = CellIndex>, limit: usize, found: &mut Vec<u32>) {
        for rows in cells.filter_map(|c| self.rows.get(&c)) {
            let room = limit.saturating_sub(found.len());
            found.extend(rows.iter().take(room));
            if room == 0 {
                return;
            }
        }
    }
}

//! Who is in which cell, and walking outwards from one in rings.

use std::collections::{BTreeSet, HashMap, HashSet};

use features::profile::Position;
use h3o::{CellIndex, Resolution};
use roaring::RoaringBitmap;

use crate::geo::{cell, centre, km};

/// Rings that are walked cell by cell; what lies farther is visited region by region.
const WALKED: u32 = 3;
/// Resolution of regions: about 42 km from side to side.
const REGION: Resolution = Resolution::Four;
/// No cell of a region lies farther from its centre than this, in kilometres.
const REGION_KM: f64 = 35.0;
/// Centres of neighbouring cells are nowhere nearer to each other than this, in kilometres.
const LEAST_SPACING_KM: f64 = 4.5;

/// A cell where somebody lives.
#[derive(Debug, Clone)]
struct Place {
    centre: Position,
    rows: RoaringBitmap,
}

/// Cells and rows of a region.
#[derive(Debug, Clone)]
struct Region {
    centre: Position,
    cells: BTreeSet<CellIndex>,
    rows: RoaringBitmap,
}

/// Rows by cell and by region.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    cells: HashMap<CellIndex, Place>,
    regions: HashMap<CellIndex, Region>,
}

fn region(cell: CellIndex) -> CellIndex {
    cell.parent(REGION).unwrap_or(cell)
}

impl Places {
    pub(super) fn insert(&mut self, cell: CellIndex, row: u32) {
        let place = || Place { centre: centre(cell), rows: RoaringBitmap::new() };
        self.cells.entry(cell).or_insert_with(place).rows.insert(row);
        let around = region(cell);
        let empty = || Region { centre: centre(around), cells: BTreeSet::new(), rows: RoaringBitmap::new() };
        let region = self.regions.entry(around).or_insert_with(empty);
        region.cells.insert(cell);
        region.rows.insert(row);
    }

    pub(super) fn remove(&mut self, cell: CellIndex, row: u32) {
        let (Some(place), Some(around)) = (self.cells.get_mut(&cell), self.regions.get_mut(&region(cell))) else { return };
        place.rows.remove(row);
        around.rows.remove(row);
        if place.rows.is_empty() {
            self.cells.remove(&cell);
            around.cells.remove(&cell);
        }
        if around.cells.is_empty() {
            self.regions.remove(&region(cell));
        }
    }

    /// Whoever lives within `radius_km` of `at` (between centres of cells), until `visit` breaks: nearest first, cell by cell, and beyond about 20 km
    /// region by region. Costs what is visited, a look at the rings near by, and one at every region, not at every cell.
    pub(super) fn walk(&self, at: Position, radius_km: f64, mut visit: impl FnMut(&RoaringBitmap) -> std::ops::ControlFlow<()>) {
        let Some(home) = cell(at) else { return };
        let here = centre(home);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred rings at most")]
        let rings = (radius_km / LEAST_SPACING_KM).ceil().clamp(0.0, 4000.0) as u32;
        let mut walked = HashSet::new();
        for ring in 0..=rings.min(WALKED) {
            if 6 * ring as usize > self.cells.len() {
                break;
            }
            let mut cells: Vec<CellIndex> = home.grid_ring::<Vec<_>>(ring);
            cells.sort_unstable();
            let inhabited = cells.into_iter().filter_map(|c| self.cells.get(&c).map(|place| (c, place)));
            for (cell, place) in inhabited.filter(|(_, place)| km(here, place.centre) <= radius_km) {
                if visit(&place.rows).is_break() {
                    return;
                }
                walked.insert(cell);
            }
            if ring == rings {
                return;
            }
        }
        let mut regions: Vec<(f64, CellIndex, &Region)> =
            self.regions.iter().map(|(number, region)| (km(here, region.centre), *number, region)).collect();
        regions.retain(|(distance, _, _)| distance - REGION_KM <= radius_km);
        regions.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (distance, _, region) in regions {
            if distance + REGION_KM <= radius_km && region.cells.iter().all(|cell| !walked.contains(cell)) {
                if visit(&region.rows).is_break() {
                    return;
                }
                continue;
            }
            let cells = region.cells.iter().filter(|cell| !walked.contains(*cell));
            let places = cells.filter_map(|cell| self.cells.get(cell)).map(|place| (km(here, place.centre), place));
            let mut places: Vec<(f64, &Place)> = places.filter(|(distance, _)| *distance <= radius_km).collect();
            places.sort_by(|a, b| a.0.total_cmp(&b.0)); // stable: cells come by number
            for (_, place) in places {
                if visit(&place.rows).is_break() {
                    return;
                }
            }
        }
    }
}

/// Rows of a set, from one that `turn` chooses onwards and around the end: however many are taken, nobody always stands first.
pub(super) fn turned(rows: &RoaringBitmap, turn: u64) -> impl Iterator<Item = u32> + '_ {
    let start = u32::try_from(turn % rows.len().max(1)).ok().and_then(|nth| rows.select(nth)).unwrap_or(0);
    rows.range(start..).chain(rows.range(..start))
}

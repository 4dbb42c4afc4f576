//! Places: H3 cells, distances and the buckets that leave the platform.
//!
//! A position is snapped to the centre of its H3 cell (resolution 6, edges of about 3.7 km, 36 km²) as soon as it enters an
//! index. Distances are measured between centres and leave as buckets, so that nobody can be found by measuring from many places:
//! all answers inside one cell are the same.

use features::profile::Position;
use h3o::{CellIndex, LatLng, Resolution};
use serde::{Deserialize, Serialize};

/// Resolution of the cells people are snapped to.
pub const RESOLUTION: Resolution = Resolution::Six;

/// Distance between the centres of neighbouring cells in kilometres, about.
pub const CELL_SPACING_KM: f64 = 6.5;

/// The cell of a position; `None` for coordinates that are not on the Earth.
pub fn cell(at: Position) -> Option<CellIndex> {
    let on_earth = (-90.0..=90.0).contains(&at.lat) && (-180.0..=180.0).contains(&at.lon);
    if !on_earth {
        return None;
    }
    LatLng::new(at.lat, at.lon).ok().map(|p| p.to_cell(RESOLUTION))
}

/// The centre of a cell.
pub fn centre(cell: CellIndex) -> Position {
    let point = LatLng::from(cell);
    Position { lat: point.lat(), lon: point.lng() }
}

/// The position snapped to the centre of its cell.
pub fn snap(at: Position) -> Option<Position> {
    cell(at).map(centre)
}

/// Great-circle distance in kilometres (haversine).
pub fn km(a: Position, b: Position) -> f64 {
    const EARTH_KM: f64 = 6371.0088;
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let (d_lat, d_lon) = (lat_b - lat_a, (b.lon - a.lon).to_radians());
    let h = (d_lat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (d_lon / 2.0).sin().powi(2);
    2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
}

/// A distance as it may leave the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bucket {
    /// Under 5 km.
    #[serde(rename = "<5 km")]
    Under5,
    /// 5 to 10 km.
    #[serde(rename = "5-10 km")]
    Under10,
    /// 10 to 20 km.
    #[serde(rename = "10-20 km")]
    Under20,
    /// 20 to 50 km.
    #[serde(rename = "20-50 km")]
    Under50,
    /// 50 to 100 km.
    #[serde(rename = "50-100 km")]
    Under100,
    /// Farther than that.
    #[serde(rename = ">100 km")]
    Farther,
    /// One of the two places is not known.
    #[serde(rename = "unknown")]
    Unknown,
}

impl Bucket {
    /// The bucket of a distance between snapped positions.
    pub fn of(km: Option<f64>) -> Self {
        match km {
            None => Self::Unknown,
            Some(km) if km < 5.0 => Self::Under5,
            Some(km) if km < 10.0 => Self::Under10,
            Some(km) if km < 20.0 => Self::Under20,
            Some(km) if km < 50.0 => Self::Under50,
            Some(km) if km < 100.0 => Self::Under100,
            Some(_) => Self::Farther,
        }
    }

    /// The text on the wire.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Under5 => "<5 km",
            Self::Under10 => "5-10 km",
            Self::Under20 => "10-20 km",
            Self::Under50 => "20-50 km",
            Self::Under100 => "50-100 km",
            Self::Farther => ">100 km",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_distances() {
        let (beijing, shanghai) = (Position { lat: 39.9042, lon: 116.4074 }, Position { lat: 31.2304, lon: 121.4737 });
        assert!((km(beijing, shanghai) - 1067.0).abs() < 3.0);
        assert!(km(beijing, beijing).abs() < 1e-9);
        assert_eq!(snap(Position { lat: 91.0, lon: 0.0 }), None);
        assert_eq!(snap(Position { lat: f64::NAN, lon: 0.0 }), None);
    }

    proptest! {
        #[test]
        fn all_places_of_a_cell_look_the_same(lat in -80f64..80.0, lon in -180f64..180.0, d_lat in -0.02f64..0.02, d_lon in -0.02f64..0.02) {
            let (here, there) = (Position { lat, lon }, Position { lat: lat + d_lat, lon: (lon + d_lon).clamp(-180.0, 180.0) });
            if cell(here) == cell(there) {
                prop_assert_eq!(snap(here), snap(there));
            }
            prop_assert!(km(here, snap(here).unwrap()) < 6.0);
        }
    }
}

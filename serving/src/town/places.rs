//! Cities with their share of the town, and where in them people live.

use features::profile::Position;
use rand::Rng;

use super::chance::normal;

/// A city.
#[derive(Debug)]
pub(super) struct City {
    pub(super) name: &'static str,
    pub(super) chinese: bool,
    lat: f64,
    lon: f64,
    share: u32,
}

/// The cities of the town.
pub(super) const CITIES: [City; 8] = [
    City { name: "上海", chinese: true, lat: 31.2304, lon: 121.4737, share: 30 },
    City { name: "北京", chinese: true, lat: 39.9042, lon: 116.4074, share: 20 },
    City { name: "成都", chinese: true, lat: 30.5728, lon: 104.0668, share: 14 },
    City { name: "深圳", chinese: true, lat: 22.5431, lon: 114.0579, share: 10 },
    City { name: "London", chinese: false, lat: 51.5074, lon: -0.1278, share: 10 },
    City { name: "Singapore", chinese: true, lat: 1.3521, lon: 103.8198, share: 6 },
    City { name: "New York", chinese: false, lat: 40.7128, lon: -74.006, share: 6 },
    City { name: "Berlin", chinese: false, lat: 52.52, lon: 13.405, share: 4 },
];

/// A city by its share.
pub(super) fn city(dice: &mut impl Rng) -> &'static City {
    let mut left = dice.random_range(0..CITIES.iter().map(|c| c.share).sum());
    for city in &CITIES {
        if left < city.share {
            return city;
        }
        left -= city.share;
    }
    &CITIES[0]
}

impl City {
    /// Somewhere in the city: dense in the middle, thin outside; rounded to about 10 m.
    pub(super) fn home(&self, dice: &mut impl Rng) -> Position {
        let km = normal(dice, 0.0, 9.0).abs();
        let angle = dice.random_range(0.0..std::f64::consts::TAU);
        let round = |degrees: f64| (degrees * 1e4).round() / 1e4;
        let lat = self.lat + km * angle.sin() / 111.0;
        let lon = self.lon + km * angle.cos() / (111.0 * self.lat.to_radians().cos());
        Position { lat: round(lat), lon: round(lon) }
    }
}

//! Synthetic people for measurements of size: straight portraits, without a stream. The same seed makes the same people.
//!
//! Cities have sizes by Zipf's law and spread over an area as large as China; people live around the centre of theirs, densest in the middle.
//! They have a profile, tags, counters and both vectors, which cluster as real ones do.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use features::decay::{column_half_life, weight};
use features::event::{InteractionEvent, InteractionKind};
use features::ids::{UserId, derived_event_id};
use features::portrait::{Portrait, SIGNAL_COUNTERS, TagWeight};
use features::profile::{Education, Gender, Position, Preferences, Profile};
use features::vector::QVector;

use super::dice::Dice;

/// How many people, and what they are like.
#[derive(Debug, Clone)]
pub(crate) struct Crowd {
    /// How many.
    pub(crate) users: u64,
    /// In how many cities.
    pub(crate) cities: u64,
    /// Dimensions of their vectors.
    pub(crate) dim: usize,
    /// Exposures each has had, on average.
    pub(crate) exposures: u64,
    /// For the chance in all of it.
    pub(crate) seed: u64,
    /// The time at which they are measured.
    pub(crate) now: DateTime<Utc>,
}

const TASTES: u64 = 64;
const TAGS: u64 = 400;
/// Kilometres from the centre of a city at which two thirds of its people live.
const SPREAD_KM: f64 = 9.0;
const BIOS: [&str; 6] = [
    "周末喜欢爬山和做饭，想找一个能一起去看海的人",
    "I like hiking, cooking and quiet evenings with a book",
    "养了两只猫，平时看展、喝咖啡，也会下厨",
    "Weekend climber, weekday engineer, always up for noodles",
    "喜欢摄影和慢跑，正在学吉他，希望认识有趣的你",
    "Looking for somebody to share travels, films and long walks",
];
const JOBS: [&str; 6] = ["工程师", "teacher", "设计师", "nurse", "厨师", "student"];

/// Zipf's law by inversion of its integral, good enough for sizes of cities.
fn zipf(dice: &mut Dice, n: u64) -> u64 {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred cities")]
    let city = ((n as f64 + 1.0).powf(dice.unit()) - 1.0) as u64;
    city.min(n - 1)
}

impl Crowd {
    fn dice(&self, purpose: u64, user: u64) -> Dice {
        Dice::new(self.seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ user.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// The number of the city where somebody lives.
    pub(crate) fn city(&self, user: u64) -> u64 {
        zipf(&mut self.dice(1, user), self.cities)
    }

    fn place(&self, city: u64, dice: &mut Dice) -> Position {
        let mut centre = self.dice(2, city);
        let (lat, lon) = (22.0 + 22.0 * centre.unit(), 100.0 + 22.0 * centre.unit());
        let (north, east) = (dice.normal() * SPREAD_KM / 111.0, dice.normal() * SPREAD_KM / (111.0 * lat.to_radians().cos()));
        Position { lat: lat + north, lon: lon + east }
    }

    /// The portrait of user `user`, 1 to `users`.
    pub(crate) fn portrait(&self, user: u64) -> Portrait {
        let mut dice = self.dice(3, user);
        let taste = dice.below(TASTES);
        let profile = self.profile(user, taste, &mut dice);
        let liked = dice.below(TASTES);
        let tags = self.tags(taste, 4 + dice.below(7), &mut dice);
        Portrait {
            user_id: UserId(user),
            version: 1 + dice.below(500),
            generation: 1,
            updated_at: self.now,
            counters: self.counters(&mut dice),
            liked_tags: if dice.below(5) > 0 { self.tags(liked, 3 + dice.below(7), &mut dice) } else { Vec::new() },
            content: (dice.below(20) > 0).then(|| self.vector(taste, &mut dice)),
            taste: (dice.below(5) > 0).then(|| self.vector(liked, &mut dice)),
            model: Some("crowd".to_owned()),
            moments: Vec::new(),
            tags,
            profile,
        }
    }

    fn profile(&self, user: u64, taste: u64, dice: &mut Dice) -> Profile {
        let gender = [Gender::Female, Gender::Male][usize::from(dice.below(100) >= 48)];
        let other = if gender == Gender::Female { Gender::Male } else { Gender::Female };
        let genders = if dice.below(12) == 0 { vec![Gender::Female, Gender::Male] } else { vec![other] };
        let age = 18 + dice.below(18) + dice.below(18);
        let born =
            self.now.date_naive() - TimeDelta::days(365 * i64::try_from(age).unwrap_or(30) + i64::try_from(dice.below(365)).unwrap_or(0));
        let (small, pick) = (
            |n: u64| u8::try_from(n).unwrap_or(u8::MAX),
            |list: &[&str], n: u64| list[usize::try_from(n).unwrap_or(0) % list.len()].to_owned(),
        );
        let city = self.city(user);
        let limits = [10, 20, 30, 50, 100];
        Profile {
            nickname: format!("用户{user}"),
            gender,
            birth_date: born.max(NaiveDate::MIN),
            height_cm: (dice.below(4) > 0).then(|| u16::from(small(155 + dice.below(35)))),
            education: (dice.below(4) > 0).then(|| {
                [Education::Secondary, Education::College, Education::Bachelor, Education::Master][usize::from(small(dice.below(4)))]
            }),
            occupation: (dice.below(3) > 0).then(|| pick(&JOBS, dice.below(6))),
            city: Some(format!("城市{city}")),
            position: (dice.below(40) > 0).then(|| self.place(city, dice)),
            languages: vec!["zh".to_owned()],
            tags: self.tags(taste, 3 + dice.below(3), dice).into_iter().map(|t| t.tag).collect(),
            bio: (dice.below(4) > 0).then(|| pick(&BIOS, dice.below(6))),
            photos: u16::from(small(dice.below(5))),
            preferences: Preferences {
                genders,
                min_age: small(18.max(age.saturating_sub(4 + dice.below(8)))),
                max_age: small(age + 3 + dice.below(10)),
                max_distance_km: (dice.below(2) == 0).then(|| limits[usize::from(small(dice.below(5)))]),
            },
            hidden: dice.below(100) == 0,
            banned: false,
            is_virtual: false,
            created_at: self.now - TimeDelta::minutes(i64::try_from(dice.below(400 * 1_440)).unwrap_or(0)),
            extend_data: serde_json::Value::Null,
            visibility: None,
            verified: false,
            album: Vec::new(),
            revision: 0,
        }
    }

    fn tags(&self, taste: u64, many: u64, dice: &mut Dice) -> Vec<TagWeight> {
        let mut numbers: Vec<u64> =
            (0..many).map(|_| if dice.below(3) == 0 { dice.below(TAGS) } else { (taste * 6 + dice.below(12)) % TAGS }).collect();
        numbers.sort_unstable();
        numbers.dedup();
        #[expect(clippy::cast_possible_truncation, reason = "a weight between 0 and 1")]
        let tags = numbers.into_iter().map(|n| TagWeight { tag: format!("兴趣{n}"), weight: (0.2 + 0.8 * dice.unit()) as f32 }).collect();
        tags
    }

    /// A vector around the centre of a taste.
    fn vector(&self, taste: u64, dice: &mut Dice) -> QVector {
        let mut centre = self.dice(4, taste);
        let mut codes = Vec::with_capacity(self.dim + 8);
        while codes.len() < self.dim {
            let (a, b, c) = (centre.next().to_le_bytes(), dice.next().to_le_bytes(), dice.next().to_le_bytes());
            // The centre and two noises of half its strength: people of one taste have a cosine of about .7.
            codes
                .extend((0..8).map(|i| (a[i].cast_signed() / 2).wrapping_add(b[i].cast_signed() / 5).wrapping_add(c[i].cast_signed() / 5)));
        }
        codes.truncate(self.dim);
        QVector { scale: 0.001, codes }
    }

    fn counters(&self, dice: &mut Dice) -> std::collections::BTreeMap<String, f64> {
        let seen = 150.0 * dice.unit().powi(3);
        let values = [6.0 * dice.unit(), 10.0 * dice.unit(), 20.0 * dice.unit(), 5.0 * dice.unit(), seen * 0.3 * dice.unit(), seen];
        let moments = [5.0 * dice.unit(), 4.0 * dice.unit(), 600.0 * dice.unit(), 200.0 * dice.unit()];
        // Likes and looks, given and received, replies and comments follow from the rest.
        let (looked, received) = (12.0 * values[0], values[4]);
        let behaviour = [0.3 * looked, looked, received, 0.8 * seen, 0.1 * received, 0.2 * received];
        let named = SIGNAL_COUNTERS.iter().zip(values.into_iter().chain(moments).chain(behaviour));
        named.map(|(name, value)| ((*name).to_owned(), value * weight(self.now, column_half_life(name).unwrap_or(14.0)))).collect()
    }

    /// What `viewer` has seen and said within the last month: mostly exposures to people of the same city, `neighbours` being its people.
    pub(crate) fn history(&self, viewer: u64, neighbours: &[u32]) -> Vec<InteractionEvent> {
        let mut dice = self.dice(5, viewer);
        let many = if neighbours.len() < 2 { 0 } else { dice.below(2 * self.exposures + 1) };
        let mut events = Vec::new();
        for _ in 0..many {
            let target = u64::from(neighbours[usize::try_from(dice.below(neighbours.len() as u64)).unwrap_or(0)]);
            if target == viewer {
                continue;
            }
            let ago = TimeDelta::seconds(i64::try_from(60 + dice.below(29 * 86_400)).unwrap_or(60));
            let answer = match dice.below(300) {
                0 => Some(InteractionKind::Block),
                1..=24 => Some(InteractionKind::Like),
                25..=170 => Some(InteractionKind::Pass),
                _ => None,
            };
            for kind in std::iter::once(InteractionKind::Impression).chain(answer) {
                events.push(happened(viewer, target, kind, self.now - ago));
            }
        }
        events
    }
}

fn happened(actor: u64, target: u64, kind: InteractionKind, event_time: DateTime<Utc>) -> InteractionEvent {
    InteractionEvent::new(derived_event_id(&[]), event_time, kind, UserId(actor), UserId(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd() -> Crowd {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        Crowd { users: 500, cities: 10, dim: 64, exposures: 10, seed: 3, now }
    }

    #[test]
    fn the_same_seed_makes_the_same_people_and_all_are_possible() {
        let (crowd, again) = (crowd(), crowd());
        let mut cities = vec![0; 10];
        for user in 1..=500 {
            let p = crowd.portrait(user);
            assert_eq!(p, again.portrait(user));
            assert!(features::validate::validate_profile(&p.profile, crowd.now, "").is_ok(), "{:?}", p.profile);
            cities[usize::try_from(crowd.city(user)).unwrap_or(0)] += 1;
        }
        assert!(cities[0] > 3 * cities[9], "cities differ in size: {cities:?}");
        assert_ne!(crowd.portrait(1).content, Crowd { seed: 4, ..crowd.clone() }.portrait(1).content);
    }

    #[test]
    fn people_of_one_taste_are_alike() {
        let crowd = crowd();
        let vector = |taste, user| crowd.vector(taste, &mut crowd.dice(9, user));
        let (alike, other) = (vector(1, 1).cosine(&vector(1, 2)), vector(1, 1).cosine(&vector(2, 2)));
        assert!(alike > 0.5 && alike < 0.95 && other < 0.3, "{alike} {other}");
    }
}

//! A small world for tests and benchmarks: portraits by id, a vector index that can fail, and events.

#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use features::decay::weight;
use features::event::{InteractionEvent, InteractionKind};
use features::ids::{UserId, derived_event_id};
use features::portrait::{Portrait, TagWeight, rank_tags};
use features::profile::{Education, Gender, Position, Preferences, Profile};
use features::vector::QVector;
use index::IndexError;
use index::table::{PortraitTable, VectorColumn};
use index::vectors::{Collection, Hit, VectorIndex, VectorName, VectorPoint, VectorQuery};

/// The time of every test.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// Numbers that look random, the same for the same id.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }

    pub fn unit(&mut self) -> f64 {
        self.roll(1 << 30) as f64 / f64::from(1 << 30)
    }
}

const TAGS: [&str; 12] = ["爬山", "coffee", "电影", "hiking", "猫", "cooking", "摄影", "jazz", "跑步", "reading", "桌游", "travel"];

fn vector(dice: &mut Dice, taste: u64, dim: usize) -> QVector {
    let mut centre = Dice::new(1_000 + taste);
    let values: Vec<f32> = (0..dim).map(|_| (centre.unit() - 0.5 + 0.6 * (dice.unit() - 0.5)) as f32).collect();
    QVector::from_f32(&values)
}

/// A plain profile: a woman of 30 in Shanghai, seen by everybody who looks for nobody in particular.
pub fn profile(user: u64) -> Profile {
    Profile {
        city: Some("上海".into()),
        position: Some(Position { lat: 31.23, lon: 121.47 }),
        ..Profile::new(format!("p{user}"), Gender::Female, NaiveDate::from_ymd_opt(1996, 3, 1).unwrap(), now() - TimeDelta::days(200))
    }
}

/// A portrait of that profile with nothing else in it.
pub fn plain(user: u64) -> Portrait {
    Portrait {
        user_id: UserId(user),
        version: 1,
        generation: 1,
        updated_at: now(),
        profile: profile(user),
        counters: Default::default(),
        tags: vec![],
        liked_tags: vec![],
        content: None,
        taste: None,
        model: None,
        moments: vec![],
    }
}

fn tags(dice: &mut Dice, taste: u64, many: u64) -> Vec<TagWeight> {
    let pick = (0..many).map(|_| {
        let at = if dice.roll(3) == 0 { dice.roll(12) } else { (taste * 2 + dice.roll(3)) % 12 };
        (TAGS[at as usize].to_owned(), 0.2 + dice.unit())
    });
    rank_tags(pick.collect::<Vec<_>>(), 20)
}

/// A person of a town of men and women in one city, with vectors of `dim` dimensions.
pub fn person(user: u64, dim: usize) -> Portrait {
    let mut dice = Dice::new(user);
    let mut p = plain(user);
    let taste = dice.roll(6);
    p.profile.gender = if user.is_multiple_of(2) { Gender::Female } else { Gender::Male };
    p.profile.birth_date =
        NaiveDate::from_ymd_opt(1986 + dice.roll(19) as i32, 1 + dice.roll(12) as u32, 1 + dice.roll(28) as u32).unwrap();
    p.profile.height_cm = (dice.roll(4) > 0).then(|| 155 + dice.roll(35) as u16);
    p.profile.education = (dice.roll(4) > 0)
        .then(|| [Education::Secondary, Education::College, Education::Bachelor, Education::Master][dice.roll(4) as usize]);
    p.profile.position = (dice.roll(20) > 0).then(|| Position { lat: 31.0 + dice.unit() * 0.5, lon: 121.2 + dice.unit() * 0.6 });
    p.profile.photos = dice.roll(4) as u16;
    p.profile.preferences = Preferences {
        genders: vec![if user.is_multiple_of(2) { Gender::Male } else { Gender::Female }],
        min_age: 18 + dice.roll(6) as u8,
        max_age: 34 + dice.roll(20) as u8,
        max_distance_km: (dice.roll(5) == 0).then(|| 30 + dice.roll(60) as u32),
    };
    p.profile.hidden = dice.roll(50) == 0;
    p.profile.created_at = now() - TimeDelta::days(dice.roll(120) as i64);
    p.content = Some(vector(&mut dice, taste, dim));
    let likes = dice.roll(6);
    p.taste = (dice.roll(4) > 0).then(|| vector(&mut dice, likes, dim));
    p.tags = tags(&mut dice, taste, 4);
    p.liked_tags = tags(&mut dice, likes, 3);
    counters(&mut p, &mut dice);
    p
}

fn counters(p: &mut Portrait, dice: &mut Dice) {
    let seen = 200.0 * dice.unit().powi(3);
    let values = [
        ("activity_sessions.sessions_d7", 7.0, 6.0 * dice.unit()),
        ("activity_actions.actions_d7", 7.0, 20.0 * dice.unit()),
        ("popularity.impressions_d14", 14.0, seen),
        ("popularity.likes_d14", 14.0, seen * 0.4 * dice.unit()),
        ("moment_richness.moments_d30", 30.0, 5.0 * dice.unit()),
        ("moment_richness.text_chars_d30", 30.0, 600.0 * dice.unit()),
    ];
    p.counters = values.into_iter().map(|(name, half, value)| (name.to_owned(), value * weight(now(), half))).collect();
}

/// Lets somebody have given likes to looks, received likes from looks, and replied to comments.
pub fn behaves(p: &mut Portrait, given: (f64, f64), received: (f64, f64), replied: (f64, f64)) {
    let values = [given.0, given.1, received.0, received.1, replied.0, replied.1];
    for (name, value) in features::portrait::SIGNAL_COUNTERS[10..].iter().zip(values) {
        p.counters.insert((*name).to_owned(), value * weight(now(), features::portrait::BEHAVIOUR_HALF_LIFE));
    }
}

/// Something somebody did, `ago` before [`now`].
pub fn did(actor: u64, target: u64, kind: InteractionKind, ago: TimeDelta) -> InteractionEvent {
    InteractionEvent::new(derived_event_id(&["t"]), now() - ago, kind, UserId(actor), UserId(target))
}

/// A vector index for tests.
pub enum Vectors {
    /// Knows nobody.
    Empty,
    /// Refuses.
    Broken,
    /// Never answers.
    Slow,
    /// Compares with everybody in the table, ignoring the filter but for gender.
    All(Arc<PortraitTable>),
}

#[async_trait]
impl VectorIndex for Vectors {
    async fn upsert(&self, _: Collection, _: Vec<VectorPoint>) -> Result<(), IndexError> {
        Ok(())
    }

    async fn delete(&self, _: Collection, _: Vec<u64>) -> Result<(), IndexError> {
        Ok(())
    }

    async fn delete_of(&self, _: Vec<UserId>) -> Result<(), IndexError> {
        Ok(())
    }

    async fn search(&self, _: Collection, query: VectorQuery) -> Result<Vec<Hit>, IndexError> {
        match self {
            Self::Empty => Ok(Vec::new()),
            Self::Broken => Err(IndexError::Vectors("connection refused".into())),
            Self::Slow => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(Vec::new())
            }
            Self::All(table) => {
                let column = if query.name == VectorName::Content { VectorColumn::Content } else { VectorColumn::Taste };
                let read = table.read();
                let rows = read.selectable(query.filter.genders);
                let found = read.scan_cosine(column, &QVector::from_f32(&query.vector), rows.iter(), query.limit);
                Ok(found.into_iter().map(|(row, score)| Hit { id: read.user(row).0, score }).collect())
            }
        }
    }

    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn len(&self, _: Collection) -> Result<u64, IndexError> {
        Ok(0)
    }
}

//! What a row holds: what filters and scorers read, in columns; what only answers need, packed.

use chrono::{DateTime, Utc};
use features::portrait::{SignalCounters, TagWeight};
use features::profile::{Education, Gender, Position, Preferences, Profile, Visibility, epoch_days};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::geo::cell;
use crate::snapshot::Block;

/// A tag by its number, with its weight.
pub(super) type Tag = (u32, f32);

/// Steps of a tag's weight: of such numbers up to 1 thousands can be added as `f64` without rounding, in whatever order.
const STEPS: f32 = 16_777_216.0;

/// What is rarely read: identity, versions, counters, tags and the packed profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) user: u64,
    pub(super) generation: u32,
    pub(super) version: u64,
    pub(super) completeness: f32,
    pub(super) counters: SignalCounters,
    pub(super) tags: Box<[Tag]>,
    pub(super) liked_tags: Box<[Tag]>,
    pub(super) profile: Packed,
}

impl Row {
    /// A row of somebody of whom there is a profile and no portrait yet.
    pub(super) fn begun(user: u64) -> Self {
        Self {
            user,
            generation: 0,
            version: 0,
            completeness: 0.0,
            counters: SignalCounters::default(),
            tags: Box::default(),
            liked_tags: Box::default(),
            profile: Packed::default(),
        }
    }
}

/// What the hard limits of both sides read: 40 bytes a person, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Cell of the person; 0: not known.
    pub(super) cell: u64,
    /// Number of the city's name.
    pub(super) city: Option<u32>,
    /// Farthest distance looked for, in kilometres.
    pub max_distance_km: Option<u32>,
    /// Genders looked for, as bits of [`Gender::bit`]; 0 means all.
    pub wants: u8,
    /// Youngest age looked for.
    pub min_age: u8,
    /// Oldest age looked for.
    pub max_age: u8,
    /// Gender.
    pub gender: Gender,
    /// Highest finished education.
    pub education: Option<Education>,
    /// Height in centimetres.
    pub height_cm: Option<u16>,
    /// Neither hidden nor paused nor banned.
    pub visible: bool,
    /// Whether the profile is newer than the portrait of the row's version.
    pub(super) overlaid: bool,
}

impl Limits {
    /// What the profile says; `city` is the number of its city's name.
    pub(super) fn of(profile: &Profile, city: Option<u32>, overlaid: bool) -> Self {
        let wants = &profile.preferences;
        Self {
            cell: profile.position.and_then(cell).map_or(0, u64::from),
            city,
            max_distance_km: wants.max_distance_km,
            wants: bits(&wants.genders),
            min_age: wants.min_age,
            max_age: wants.max_age,
            gender: profile.gender,
            education: profile.education,
            height_cm: profile.height_cm,
            visible: profile.visible(),
            overlaid,
        }
    }

    /// Whether the person looks for somebody of this gender.
    pub fn wants_gender(&self, gender: Gender) -> bool {
        self.wants == 0 || self.wants & gender.bit() != 0
    }

    /// Whether the person looks for somebody of this age.
    pub fn wants_age(&self, age: u8) -> bool {
        (self.min_age..=self.max_age).contains(&age)
    }
}

/// Genders as bits; 0 for none named, which means all.
fn bits(genders: &[Gender]) -> u8 {
    genders.iter().fold(0, |bits, gender| bits | gender.bit())
}

/// A profile in one block of bytes (postcard), about 200 of them where the struct with its strings takes 800.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Packed(Box<[u8]>);

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let packed = Self(Block::deserialize(input)?.0.into_boxed_slice());
        let whole = packed.unpack().is_some();
        whole.then_some(packed).ok_or_else(|| serde::de::Error::custom("a profile cannot be unpacked"))
    }
}

/// The profile as it is packed: other than in JSON, nothing is left out.
#[derive(Serialize, Deserialize)]
struct Flat<'a> {
    nickname: &'a str,
    gender: Gender,
    birth_days: i32,
    height_cm: Option<u16>,
    education: Option<Education>,
    occupation: Option<&'a str>,
    city: Option<&'a str>,
    position: Option<(f64, f64)>,
    #[serde(borrow)]
    languages: Vec<&'a str>,
    #[serde(borrow)]
    tags: Vec<&'a str>,
    bio: Option<&'a str>,
    photos: u16,
    genders: Vec<Gender>,
    ages: (u8, u8),
    max_distance_km: Option<u32>,
    /// Hidden, banned, virtual, verified.
    flags: (bool, bool, bool, bool),
    created: (i64, u32),
    /// JSON; empty for none.
    extend_data: &'a str,
    visibility: Option<Visibility>,
    #[serde(borrow)]
    album: Vec<&'a str>,
    revision: u64,
}

fn refs(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}

fn owned(strings: &[&str]) -> Vec<String> {
    strings.iter().map(|s| (*s).to_owned()).collect()
}

impl Packed {
    pub(super) fn of(p: &Profile) -> Self {
        let extend_data = if p.extend_data.is_null() { String::new() } else { p.extend_data.to_string() };
        let flat = Flat {
            nickname: &p.nickname,
            gender: p.gender,
            birth_days: epoch_days(p.birth_date),
            height_cm: p.height_cm,
            education: p.education,
            occupation: p.occupation.as_deref(),
            city: p.city.as_deref(),
            position: p.position.map(|at| (at.lat, at.lon)),
            languages: refs(&p.languages),
            tags: refs(&p.tags),
            bio: p.bio.as_deref(),
            photos: p.photos,
            genders: p.preferences.genders.clone(),
            ages: (p.preferences.min_age, p.preferences.max_age),
            max_distance_km: p.preferences.max_distance_km,
            flags: (p.hidden, p.banned, p.is_virtual, p.verified),
            created: (p.created_at.timestamp(), p.created_at.timestamp_subsec_nanos()),
            extend_data: &extend_data,
            visibility: p.visibility,
            album: refs(&p.album),
            revision: p.revision,
        };
        Self(postcard::to_stdvec(&flat).expect("a plain struct into memory").into_boxed_slice())
    }

    /// The profile again; nothing when the bytes are not what [`Self::of`] made, as of a damaged snapshot.
    pub(super) fn unpack(&self) -> Option<Profile> {
        let flat: Flat<'_> = postcard::from_bytes(&self.0).ok()?;
        Some(Profile {
            nickname: flat.nickname.to_owned(),
            gender: flat.gender,
            birth_date: super::columns::date(flat.birth_days),
            height_cm: flat.height_cm,
            education: flat.education,
            occupation: flat.occupation.map(str::to_owned),
            city: flat.city.map(str::to_owned),
            position: flat.position.map(|(lat, lon)| Position { lat, lon }),
            languages: owned(&flat.languages),
            tags: owned(&flat.tags),
            bio: flat.bio.map(str::to_owned),
            photos: flat.photos,
            preferences: Preferences {
                genders: flat.genders,
                min_age: flat.ages.0,
                max_age: flat.ages.1,
                max_distance_km: flat.max_distance_km,
            },
            hidden: flat.flags.0,
            banned: flat.flags.1,
            is_virtual: flat.flags.2,
            created_at: DateTime::<Utc>::from_timestamp(flat.created.0, flat.created.1)?,
            extend_data: if flat.extend_data.is_empty() { serde_json::Value::Null } else { serde_json::from_str(flat.extend_data).ok()? },
            visibility: flat.visibility,
            verified: flat.flags.3,
            album: owned(&flat.album),
            revision: flat.revision,
        })
    }
}

/// Texts by number: tags and cities.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    names: Vec<String>,
    numbers: std::collections::HashMap<String, u32>,
    free: Vec<u32>,
}

impl Words {
    /// Numbers and weights, by number. Weights are rounded to [`STEPS`], so that sums of them are exact whatever the numbers.
    pub(super) fn tags(&mut self, tags: &[TagWeight]) -> Box<[Tag]> {
        let mut numbered: Box<[Tag]> = tags.iter().map(|t| (self.number(&t.tag), (t.weight * STEPS).round() / STEPS)).collect();
        numbered.sort_unstable_by_key(|t| t.0);
        numbered
    }

    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.names.push(String::new());
            u32::try_from(self.names.len() - 1).expect("fewer than 2^32 tags")
        });
        name.clone_into(&mut self.names[number as usize]);
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The text of a number; empty when there is none.
    pub(super) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }

    /// The texts whose numbers are in use, at their numbers; empty ones between. So a snapshot keeps no text of somebody who has gone.
    pub(super) fn used(&self, used: &roaring::RoaringBitmap) -> Vec<&str> {
        (0u32..).zip(&self.names).map(|(number, name)| if used.contains(number) { name.as_str() } else { "" }).collect()
    }

    /// What [`Self::used`] gave.
    pub(super) fn from_names(names: Vec<String>) -> Self {
        let numbered = || (0u32..).zip(&names);
        let numbers = numbered().filter(|(_, name)| !name.is_empty()).map(|(number, name)| (name.clone(), number)).collect();
        let free = numbered().filter(|(_, name)| name.is_empty()).map(|(number, _)| number).collect();
        Self { names, numbers, free }
    }
}

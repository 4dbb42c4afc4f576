//! Who somebody says they are, and whom they look for.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{UserId, blank_is_none};

/// Gender as the person states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    /// A woman.
    Female,
    /// A man.
    Male,
    /// Neither, or not stated.
    Other,
}

impl Gender {
    /// Every value; the position is the bit in [`Gender::bit`].
    pub const ALL: [Self; 3] = [Self::Female, Self::Male, Self::Other];

    /// A bit for sets of genders.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Highest finished education, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Education {
    /// Less than high school.
    Primary,
    /// High school.
    Secondary,
    /// Vocational or two-year college.
    College,
    /// Bachelor's degree.
    Bachelor,
    /// Master's degree.
    Master,
    /// Doctorate.
    Doctor,
}

/// A point on the Earth, WGS 84 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Latitude, −90 to 90.
    pub lat: f64,
    /// Longitude, −180 to 180.
    pub lon: f64,
}

/// Whom somebody wants to meet. Hard limits, applied in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// Genders looked for; empty means all.
    pub genders: Vec<Gender>,
    /// Youngest age, at least 18.
    pub min_age: u8,
    /// Oldest age.
    pub max_age: u8,
    /// Farthest distance in kilometres; none means anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_distance_km: Option<u32>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { genders: Vec::new(), min_age: 18, max_age: 120, max_distance_km: None }
    }
}

/// A profile as it now stands: the value of the `profiles` topic inside its event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// Shown name, 1 to 40 characters.
    pub nickname: String,
    /// Gender.
    pub gender: Gender,
    /// Birth date; at least 18 years ago.
    pub birth_date: NaiveDate,
    /// Height in centimetres, 100 to 250.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_cm: Option<u16>,
    /// Highest finished education.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub education: Option<Education>,
    /// Occupation, free text of at most 60 characters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "blank_is_none")]
    pub occupation: Option<String>,
    /// City, which also names the region whose weights and hot pool apply.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "blank_is_none")]
    pub city: Option<String>,
    /// Where the person was last, if known. Never leaves the platform as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Languages as BCP 47 tags, such as `zh` or `en`.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Interests, at most 30 tags of at most 30 characters.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Bio, at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "blank_is_none")]
    pub bio: Option<String>,
    /// Number of profile photos.
    #[serde(default)]
    pub photos: u16,
    /// Whom this person looks for.
    #[serde(default)]
    pub preferences: Preferences,
    /// Hidden by the person: not recommended, not found.
    #[serde(default)]
    pub hidden: bool,
    /// Banned by moderation.
    #[serde(default)]
    pub banned: bool,
    /// An account whose messages the agent writes.
    #[serde(default, rename = "virtual")]
    pub is_virtual: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// Room for what the app adds.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Object)]
    pub extend_data: serde_json::Value,
}

/// Full years between `birth` and `on`; 0 for dates to come.
pub fn age(birth: NaiveDate, on: NaiveDate) -> u8 {
    let mut years = on.year() - birth.year();
    if (on.month(), on.day()) < (birth.month(), birth.day()) {
        years -= 1;
    }
    u8::try_from(years.clamp(0, 150)).expect("clamped to 0..=150")
}

/// Days from 1970-01-01 to `date`.
pub fn epoch_days(date: NaiveDate) -> i32 {
    const UNIX_EPOCH_CE: i32 = 719_163;
    date.num_days_from_ce() - UNIX_EPOCH_CE
}

impl Profile {
    /// A profile with what there must be, and nothing else filled in.
    pub fn new(nickname: impl Into<String>, gender: Gender, birth_date: NaiveDate, created_at: DateTime<Utc>) -> Self {
        Self {
            nickname: nickname.into(),
            gender,
            birth_date,
            height_cm: None,
            education: None,
            occupation: None,
            city: None,
            position: None,
            languages: Vec::new(),
            tags: Vec::new(),
            bio: None,
            photos: 0,
            preferences: Preferences::default(),
            hidden: false,
            banned: false,
            is_virtual: false,
            created_at,
            extend_data: serde_json::Value::Null,
        }
    }

    /// Age in full years at `now`.
    pub fn age(&self, now: DateTime<Utc>) -> u8 {
        age(self.birth_date, now.date_naive())
    }

    /// How much of the profile is filled in, 0 to 1.
    pub fn completeness(&self) -> f32 {
        let parts = [
            self.height_cm.is_some(),
            self.education.is_some(),
            self.occupation.is_some(),
            self.city.is_some(),
            self.position.is_some(),
            !self.languages.is_empty(),
            self.tags.len() >= 3,
            self.bio.as_ref().is_some_and(|bio| bio.chars().count() >= 20),
            self.photos >= 1,
            self.photos >= 3,
        ];
        let filled = u8::try_from(parts.iter().filter(|p| **p).count()).expect("ten parts");
        f32::from(filled) / 10.0
    }

    /// Who may be shown: neither hidden nor banned.
    pub fn visible(&self) -> bool {
        !self.hidden && !self.banned
    }

    /// The text that stands for the profile in embeddings and in the text index.
    pub fn text(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        parts.extend(self.bio.as_deref());
        parts.extend(self.occupation.as_deref());
        let tags = self.tags.join(" ");
        if !tags.is_empty() {
            parts.push(&tags);
        }
        parts.join("\n")
    }
}

/// A user with a profile, as an index or a list carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UserProfile {
    /// The user.
    pub user_id: UserId,
    /// The profile.
    #[serde(flatten)]
    pub profile: Profile,
}

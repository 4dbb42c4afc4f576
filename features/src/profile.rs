//! Who somebody says they are, and whom they look for.

pub mod completeness;

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

/// Who gets to see somebody, by their own choice. What each means for every room is in docs/PROFILES.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Recommended and found.
    #[default]
    Visible,
    /// Nobody new: neither recommended nor found. Friends see the profile, lists and conversations go on.
    Paused,
    /// As paused, and in no list of others. Friends who open the profile still see it.
    Hidden,
}

impl Visibility {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Visible, Self::Paused, Self::Hidden];

    /// Whether people who are no friends may see the person.
    pub const fn is_shown(self) -> bool {
        matches!(self, Self::Visible)
    }

    /// Whether the person is in lists of others, such as those of friends.
    pub const fn is_listed(self) -> bool {
        !matches!(self, Self::Hidden)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
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
    /// Not recommended and not found, by the person's choice; where `visibility` is given that decides, and this follows.
    #[serde(default)]
    pub hidden: bool,
    /// Banned by moderation; only service keys set it.
    #[serde(default)]
    pub banned: bool,
    /// An account whose messages the agent writes; only service keys set it.
    #[serde(default, rename = "virtual")]
    pub is_virtual: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// Room for what the app adds: at most 16,384 bytes of JSON, nested at most 8 deep.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Object)]
    pub extend_data: serde_json::Value,
    /// Who gets to see the person; where it is left out, `hidden` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Whether somebody has checked that the person is who they say; only service keys set it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// Profile photos in order: names of objects in the media store, at most 9. Where there are any, `photos` is their number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub album: Vec<String>,
    /// Grows with every change that is made here, in microseconds since 1970 or one more than before; 0 where nobody has changed it here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u64,
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
            visibility: None,
            verified: false,
            album: Vec::new(),
            revision: 0,
        }
    }

    /// Age in full years at `now`.
    pub fn age(&self, now: DateTime<Utc>) -> u8 {
        age(self.birth_date, now.date_naive())
    }

    /// How much of the profile is filled in, 0 to 1: a hundredth of [`completeness::score`].
    pub fn completeness(&self) -> f32 {
        f32::from(completeness::score(self)) / 100.0
    }

    /// Number of profile photos.
    pub fn photo_count(&self) -> usize {
        self.album.len().max(usize::from(self.photos))
    }

    /// Who gets to see the person, by their own choice.
    pub fn visibility(&self) -> Visibility {
        let otherwise = if self.hidden { Visibility::Hidden } else { Visibility::Visible };
        self.visibility.unwrap_or(otherwise)
    }

    /// Who may be shown to people who are no friends: neither hidden nor paused nor banned.
    pub fn visible(&self) -> bool {
        self.visibility().is_shown() && !self.banned
    }

    /// Who may be in lists of others: neither hidden nor banned.
    pub fn listed(&self) -> bool {
        self.visibility().is_listed() && !self.banned
    }

    /// The same with what follows from other fields: `hidden`, which older readers go by, from `visibility`, and `photos` from `album`.
    #[must_use]
    pub fn settled(mut self) -> Self {
        let visibility = self.visibility();
        self.visibility = Some(visibility);
        self.hidden = !visibility.is_shown();
        if !self.album.is_empty() {
            self.photos = u16::try_from(self.album.len()).unwrap_or(u16::MAX);
        }
        self
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

//! Profiles as they are answered: to the person and to services, and to everybody else.

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::{Education, Gender, Profile, completeness};
use features::validate::Language;
use index::geo::Bucket;
use serde::Serialize;
use utoipa::ToSchema;

/// How much of a profile is filled in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Completeness {
    /// Points, 0 to 100.
    score: u8,
    /// What lacks.
    missing: Vec<Missing>,
}

/// Something that lacks.
#[derive(Debug, Serialize, ToSchema)]
struct Missing {
    /// The field.
    field: &'static str,
    /// What it is worth.
    points: u8,
    /// What to do, in the language of `Accept-Language`.
    hint: &'static str,
}

/// A profile, for the person themself and for services.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnProfile {
    /// Who.
    user_id: UserId,
    /// The profile; its position is the centre of its cell.
    #[serde(flatten)]
    profile: Profile,
    /// Age in years.
    age: u8,
    /// How much is filled in.
    completeness: Completeness,
}

impl OwnProfile {
    pub(super) fn new(user_id: UserId, mut profile: Profile, language: Language, now: DateTime<Utc>) -> Self {
        // As everywhere the position is the centre of its cell, so that no answer tells where somebody is.
        profile.position = profile.position.and_then(index::geo::snap);
        let hint = |part: &'static completeness::Part| Missing {
            field: part.field,
            points: part.points,
            hint: if language == Language::Chinese { part.zh } else { part.en },
        };
        let missing = completeness::missing(&profile).map(hint).collect();
        let completeness = Completeness { score: completeness::score(&profile), missing };
        Self { user_id, age: profile.age(now), completeness, profile: profile.settled() }
    }
}

/// A profile, for other people.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublicProfile {
    /// Who.
    user_id: UserId,
    /// Shown name.
    nickname: String,
    /// Gender.
    gender: Gender,
    /// Age in years.
    age: u8,
    /// Height in centimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    height_cm: Option<u16>,
    /// Highest finished education.
    #[serde(skip_serializing_if = "Option::is_none")]
    education: Option<Education>,
    /// Occupation.
    #[serde(skip_serializing_if = "Option::is_none")]
    occupation: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    /// How far, as a bucket.
    distance: &'static str,
    /// Languages.
    languages: Vec<String>,
    /// Interests.
    tags: Vec<String>,
    /// Bio.
    #[serde(skip_serializing_if = "Option::is_none")]
    bio: Option<String>,
    /// Number of photos.
    photos: usize,
    /// The photos, by their names in the media store.
    album: Vec<String>,
    /// Whether somebody has checked that the person is who they say.
    verified: bool,
    /// Whether an agent writes for the account.
    #[serde(rename = "virtual")]
    is_virtual: bool,
}

impl PublicProfile {
    pub(super) fn new(user_id: UserId, profile: Profile, distance: Bucket, now: DateTime<Utc>) -> Self {
        Self {
            user_id,
            age: profile.age(now),
            photos: profile.photo_count(),
            nickname: profile.nickname,
            gender: profile.gender,
            height_cm: profile.height_cm,
            education: profile.education,
            occupation: profile.occupation,
            city: profile.city,
            distance: distance.label(),
            languages: profile.languages,
            tags: profile.tags,
            bio: profile.bio,
            album: profile.album,
            verified: profile.verified,
            is_virtual: profile.is_virtual,
        }
    }
}

/// A profile as whoever asks may see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Seen {
    /// By the person or a service.
    Own(Box<OwnProfile>),
    /// By another person.
    Public(Box<PublicProfile>),
}

//! What is judged, and what comes of it.

use std::borrow::Cow;

use clap::ValueEnum;
use features::event::{Event, InteractionKind, MediaKind, MomentEvent, MomentKind};
use features::moderation::Finding;
use features::profile::Profile;
use features::validate::FieldError;
use serde::{Deserialize, Serialize};

use super::checker::Down;
use crate::http::{ApiError, IMAGE_REFUSED, TEXT_REFUSED};

/// The code of a write that waits for a service which does not answer.
pub(crate) const UNAVAILABLE: &str = "moderation_unavailable";

/// What something is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A shown name.
    Nickname,
    /// What a profile says in words.
    Bio,
    /// A Moment: title, text, answers, tags.
    Moment,
    /// A comment or a reply.
    Comment,
    /// A photo of a profile or a Moment, by the name of its object in the media store.
    Image,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Nickname, Self::Bio, Self::Moment, Self::Comment, Self::Image];

    /// The name in configuration, metrics and requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nickname => "nickname",
            Self::Bio => "bio",
            Self::Moment => "moment",
            Self::Comment => "comment",
            Self::Image => "image",
        }
    }

    /// Whether it is something that was written.
    pub const fn is_text(self) -> bool {
        !matches!(self, Self::Image)
    }
}

/// A text or a photo that others are to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What it is for.
    pub kind: SubjectKind,
    /// The field of the request that it came in.
    pub field: Cow<'a, str>,
    /// The text, or the name of the object.
    pub content: &'a str,
}

impl<'a> Subject<'a> {
    /// One of them.
    pub fn new(kind: SubjectKind, field: impl Into<Cow<'a, str>>, content: &'a str) -> Self {
        Self { kind, field: field.into(), content }
    }

    /// What others see of a profile.
    pub fn of_profile(profile: &'a Profile) -> Vec<Self> {
        let texts = [("bio", &profile.bio), ("occupation", &profile.occupation), ("city", &profile.city)];
        let texts = texts.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?)));
        let texts = texts.chain(profile.tags.iter().map(|tag| ("tags", tag.as_str())));
        let photos = profile.album.iter().enumerate().map(|(n, name)| Self::new(SubjectKind::Image, format!("album[{n}]"), name));
        let name = Self::new(SubjectKind::Nickname, "nickname", &profile.nickname);
        [name].into_iter().chain(texts.map(|(field, text)| Self::new(SubjectKind::Bio, field, text))).chain(photos).collect()
    }

    /// What others see of a Moment and its author made.
    pub fn of_moment(moment: &'a MomentEvent) -> Vec<Self> {
        let answers = moment.answers.iter().map(|round| ("answers.answer", round.answer.as_str()));
        let tags = moment.tags.iter().map(|tag| ("tags", tag.as_str()));
        let texts = [("title", moment.title.as_str()), ("text", moment.text.as_str())].into_iter().chain(answers).chain(tags);
        let texts = texts.filter(|(_, text)| !text.is_empty()).map(|(field, text)| Self::new(SubjectKind::Moment, field, text));
        let photos = moment.media.iter().enumerate().filter(|(_, media)| media.kind == MediaKind::Photo);
        texts.chain(photos.map(|(n, media)| Self::new(SubjectKind::Image, format!("media[{n}].object"), &media.object))).collect()
    }

    /// What others see of what an event brings.
    pub fn of_event(event: &'a Event) -> Vec<Self> {
        match event {
            Event::Interaction(i) if matches!(i.kind, InteractionKind::Comment | InteractionKind::Reply) => {
                i.text.iter().map(|text| Self::new(SubjectKind::Comment, "text", text)).collect()
            }
            Event::Moment(m) if m.kind == MomentKind::Published => Self::of_moment(m),
            Event::Profile(p) => p.profile.as_ref().map(Self::of_profile).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// What follows, from mild to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was found, or nobody looks.
    #[default]
    Accept,
    /// Accepted, and counted.
    Flag,
    /// Not accepted.
    Refuse,
}

impl Verdict {
    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Flag => "flag",
            Self::Refuse => "refuse",
        }
    }
}

/// What was found in a subject, each with what follows, and what follows for the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// The strictest of all.
    pub verdict: Verdict,
    /// What was found.
    pub findings: Vec<(Verdict, Finding)>,
    /// Why a check that should have looked could not.
    pub missed: Option<Down>,
}

/// Why a write is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Something in these fields; each says what its author can do, without what was found.
    Refused {
        /// Whether it is all about photos.
        only_images: bool,
        /// Which.
        fields: Vec<FieldError>,
    },
    /// A check does not answer, and nothing is accepted without it.
    Unavailable,
}

impl Refusal {
    /// Stable, for programs: the codes of problems.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { only_images: false, .. } => TEXT_REFUSED,
            Self::Refused { only_images: true, .. } => IMAGE_REFUSED,
            Self::Unavailable => UNAVAILABLE,
        }
    }

    /// The fields, or what can be done.
    pub fn fields(self, otherwise: &str) -> Vec<FieldError> {
        match self {
            Self::Refused { fields, .. } => fields,
            Self::Unavailable => vec![FieldError { field: otherwise.to_owned(), message: WAIT.to_owned() }],
        }
    }
}

const WAIT: &str = "it cannot be judged now whether this is accepted; try again in a moment";

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Refused { only_images: false, fields } => Self::TextRefused(fields),
            Refusal::Refused { only_images: true, fields } => Self::ImageRefused(fields),
            Refusal::Unavailable => Self::coded(503, UNAVAILABLE, "Not now; try again", WAIT),
        }
    }
}

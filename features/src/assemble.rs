//! Assembling a portrait from everything that is known of a user.
//!
//! All inputs are upserts: order and repetition do not matter, so at-least-once delivery is enough. (Of vectors of one subject with one time, as a
//! changed encoder makes them, the last one counts; they are in one partition, so every reader sees the same one last.) What is kept is bounded,
//! and the bounds do not depend on order either. The output is a pure function of the inputs and of the vectors of those who were liked: decay is
//! measured at the newest input, not at a clock.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{InteractionEvent, InteractionKind};
use crate::ids::{MomentId, UserId};
use crate::portrait::{Portrait, TagWeight, rank_tags};
use crate::profile::Profile;
use crate::row::FeatureRow;
use crate::sets::FeatureSet;
use crate::text::normal_tag;
use crate::vector::{Contribution, QVector, decayed_mean};

/// Half-life of one's own Moments in `content`, in days.
pub const CONTENT_HALF_LIFE: f64 = 60.0;
/// Half-life of likes and passes in `taste`, in days.
pub const TASTE_HALF_LIFE: f64 = 30.0;
/// Share of a pass in `taste`, against a like.
pub const PASS_SHARE: f32 = 0.3;
/// Weight of the bio in `content`, against a fresh Moment.
pub const BIO_WEIGHT: f32 = 0.5;

const OPINIONS: usize = 200;
const MOMENTS: usize = 100;
const TAG_ROWS: usize = 300;
const TAGS: usize = 20;
const LISTED_MOMENTS: usize = 10;

/// A vector with the model that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Model name with version.
    pub model: String,
    /// Event time of what was embedded.
    pub at: DateTime<Utc>,
    /// The vector.
    pub vector: QVector,
}

impl Embedding {
    fn supersedes(&self, old: &Self) -> bool {
        self.at > old.at || (self.at == old.at && self.model != old.model)
    }
}

/// What somebody said last about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// When.
    pub at: DateTime<Utc>,
    /// Like or pass.
    pub liked: bool,
    /// The Moment it was about.
    pub moment: Option<MomentId>,
}

/// Vectors of others, for `taste`.
pub trait VectorLookup {
    /// The vector of a Moment.
    fn moment(&self, moment: MomentId) -> Option<&Embedding>;
    /// The `content` of a person.
    fn person(&self, user: UserId) -> Option<&Embedding>;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    generation: u32,
    version: i64,
    values: BTreeMap<String, f64>,
}

mod json_text {
    //! The profile as JSON text, because compact formats cannot leave out fields.
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::profile::Profile;

    pub(super) fn serialize<S: Serializer>(profile: &Option<Profile>, out: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(profile).map_err(S::Error::custom)?.serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Profile>, D::Error> {
        serde_json::from_str(&String::deserialize(input)?).map_err(D::Error::custom)
    }
}

/// Everything known of one user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Assembly {
    #[serde(with = "json_text")]
    profile: Option<Profile>,
    profile_at: Option<DateTime<Utc>>,
    rows: BTreeMap<String, Row>,
    tag_rows: BTreeMap<(String, String), Row>,
    bio: Option<Embedding>,
    moments: BTreeMap<MomentId, Embedding>,
    opinions: BTreeMap<UserId, Opinion>,
    newest: Option<DateTime<Utc>>,
}

fn newer(row: &Row, than: Option<&Row>) -> bool {
    than.is_none_or(|old| (row.generation, row.version) > (old.generation, old.version))
}

impl Assembly {
    fn touch(&mut self, at: DateTime<Utc>) {
        self.newest = self.newest.max(Some(at));
    }

    /// Whether there is a profile, without which there is no portrait.
    pub fn has_profile(&self) -> bool {
        self.profile.is_some()
    }

    /// Takes a profile over; the later one wins. `false` if nothing changed.
    pub fn put_profile(&mut self, at: DateTime<Utc>, profile: &Profile) -> bool {
        self.touch(at);
        if self.profile_at.is_some_and(|old| old > at) || self.profile.as_ref() == Some(profile) {
            return false;
        }
        self.profile = Some(profile.clone());
        self.profile_at = Some(at);
        true
    }

    /// Takes a feature row of a set keyed by user, or by user and tag, over. `false` if it is old.
    pub fn put_row(&mut self, set: &FeatureSet, row: FeatureRow) -> bool {
        let new = Row { generation: row.generation, version: row.version, values: row.values };
        match row.key.get(1) {
            None => {
                let fresh = newer(&new, self.rows.get(&set.name));
                if fresh {
                    self.rows.insert(set.name.clone(), new);
                }
                fresh
            }
            Some(tag) => {
                let key = (set.name.clone(), tag.clone());
                let known = self.tag_rows.get(&key);
                let fresh = newer(&new, known);
                if fresh {
                    self.tag_rows.insert(key, new);
                    self.drop_rarest_tag();
                }
                fresh
            }
        }
    }

    /// Keeps the three hundred rows that most events went into. Versions only grow, so the same rows stay in whatever order they came.
    fn drop_rarest_tag(&mut self) {
        let rank = |(key, row): (&(String, String), &Row)| (row.generation, row.version, key.clone());
        if self.tag_rows.len() > TAG_ROWS
            && let Some((_, _, rarest)) = self.tag_rows.iter().map(rank).min()
        {
            self.tag_rows.remove(&rarest);
        }
    }

    /// Takes the vector of the profile over; the later one wins.
    pub fn put_bio(&mut self, embedding: Embedding) -> bool {
        self.touch(embedding.at);
        let fresh = self.bio.as_ref().is_none_or(|old| embedding.supersedes(old));
        if fresh {
            self.bio = Some(embedding);
        }
        fresh
    }

    /// The profile has no text any more.
    pub fn drop_bio(&mut self) -> bool {
        self.bio.take().is_some()
    }

    /// Takes the vector of an own Moment over; the newest hundred are kept.
    pub fn put_moment(&mut self, moment: MomentId, embedding: Embedding) -> bool {
        self.touch(embedding.at);
        let fresh = self.moments.get(&moment).is_none_or(|old| embedding.supersedes(old));
        if fresh {
            self.moments.insert(moment, embedding);
            if self.moments.len() > MOMENTS
                && let Some(oldest) = self.moments.iter().min_by_key(|(id, e)| (e.at, **id)).map(|(id, _)| *id)
            {
                self.moments.remove(&oldest);
            }
        }
        fresh
    }

    /// Drops an own Moment.
    pub fn drop_moment(&mut self, moment: MomentId) -> bool {
        self.moments.remove(&moment).is_some()
    }

    /// Takes an interaction of this user over, if it says something about taste. The later word about somebody wins, at the same
    /// time the like; the newest two hundred are kept.
    pub fn put_interaction(&mut self, event: &InteractionEvent) -> bool {
        let liked = match event.kind {
            InteractionKind::Like | InteractionKind::Follow | InteractionKind::Comment => true,
            InteractionKind::Pass | InteractionKind::Block | InteractionKind::Unfollow => false,
            _ => return false,
        };
        self.touch(event.event_time);
        let opinion = Opinion { at: event.event_time, liked, moment: event.moment_id };
        let rank = |o: &Opinion| (o.at, o.liked, o.moment);
        let fresh = self.opinions.get(&event.target_id).is_none_or(|old| rank(&opinion) > rank(old));
        if fresh {
            self.opinions.insert(event.target_id, opinion);
            if self.opinions.len() > OPINIONS
                && let Some(oldest) = self.opinions.iter().min_by_key(|(id, o)| (o.at, **id)).map(|(id, _)| *id)
            {
                self.opinions.remove(&oldest);
            }
        }
        fresh
    }

    /// Drops what this user thought of somebody. `false` if there was nothing.
    pub fn forget(&mut self, other: UserId) -> bool {
        self.opinions.remove(&other).is_some()
    }

    /// Whether this user has an opinion of somebody.
    pub fn has_opinion(&self, other: UserId) -> bool {
        self.opinions.contains_key(&other)
    }

    /// Everybody this user liked, as far as kept.
    pub fn liked(&self) -> impl Iterator<Item = (UserId, Opinion)> {
        self.opinions.iter().filter(|(_, o)| o.liked).map(|(user, o)| (*user, *o))
    }

    /// The vector of an own Moment.
    pub fn moment(&self, moment: MomentId) -> Option<&Embedding> {
        self.moments.get(&moment)
    }

    fn model(&self) -> Option<&str> {
        let newest = self.moments.values().chain(&self.bio).max_by_key(|e| (e.at, &e.model));
        newest.map(|e| e.model.as_str())
    }

    /// Who I am: decayed mean of own Moments and bio, of the newest model only.
    pub fn content(&self) -> Option<Embedding> {
        let (model, at) = (self.model()?.to_owned(), self.newest?);
        let own = self.moments.values().map(|e| (e, e.at, 1.0));
        let bio = self.bio.iter().map(|e| (e, at, BIO_WEIGHT)); // a bio does not age
        let parts: Vec<Contribution<'_>> = own
            .chain(bio)
            .filter(|(e, _, _)| e.model == model)
            .map(|(e, at, weight)| Contribution { vector: &e.vector, at, weight })
            .collect();
        decayed_mean(&parts, at, CONTENT_HALF_LIFE).map(|vector| Embedding { model, at, vector })
    }

    /// Whom I like: decayed mean of what was liked, minus a share of what was passed, in the given model.
    pub fn taste(&self, lookup: &dyn VectorLookup, model: &str) -> Option<QVector> {
        let at = self.newest?;
        let parts: Vec<Contribution<'_>> = self
            .opinions
            .iter()
            .filter_map(|(user, o)| {
                let found = o.moment.and_then(|m| lookup.moment(m)).or_else(|| lookup.person(*user))?;
                let weight = if o.liked { 1.0 } else { -PASS_SHARE };
                (found.model == model).then_some(Contribution { vector: &found.vector, at: o.at, weight })
            })
            .collect();
        let any_like = parts.iter().any(|p| p.weight > 0.0);
        if any_like { decayed_mean(&parts, at, TASTE_HALF_LIFE) } else { None }
    }

    fn tags(&self) -> Vec<TagWeight> {
        let own = self.tag_sums("moment_tags", |row| row.values.get("published_d30").copied().unwrap_or(0.0));
        let top = own.iter().map(|t| t.1).fold(0.0, f64::max);
        let said = self.profile.iter().flat_map(|p| &p.tags).map(|tag| (normal_tag(tag), 1.0));
        let shown = own.into_iter().filter(|_| top > 0.0).map(|(tag, w)| (tag, w / top));
        rank_tags(said.chain(shown), TAGS)
    }

    fn liked_tags(&self) -> Vec<TagWeight> {
        let value = |row: &Row, name: &str| row.values.get(name).copied().unwrap_or(0.0);
        let sums = self.tag_sums("tag_affinity", |row| value(row, "liked_d28") - f64::from(PASS_SHARE) * value(row, "passed_d28"));
        rank_tags(sums, TAGS)
    }

    fn tag_sums(&self, set: &str, weigh: impl Fn(&Row) -> f64) -> Vec<(String, f64)> {
        self.tag_rows.iter().filter(|((name, _), _)| name == set).map(|((_, tag), row)| (normal_tag(tag), weigh(row))).collect()
    }

    /// Value columns of the user-keyed feature sets, by `<set>.<column>`, still forward-decayed.
    pub fn counters(&self) -> impl Iterator<Item = (String, f64)> {
        self.rows.iter().flat_map(|(set, row)| row.values.iter().map(move |(column, value)| (format!("{set}.{column}"), *value)))
    }

    /// The portrait, if there is a profile.
    pub fn portrait(&self, user_id: UserId, version: u64, lookup: &dyn VectorLookup) -> Option<Portrait> {
        let profile = self.profile.clone()?;
        let content = self.content();
        let model = content
            .as_ref()
            .map(|c| c.model.clone())
            .or_else(|| self.liked().find_map(|(user, _)| lookup.person(user)).map(|e| e.model.clone()));
        let taste = model.as_deref().and_then(|model| self.taste(lookup, model));
        let mut moments: Vec<(DateTime<Utc>, MomentId)> = self.moments.iter().map(|(id, e)| (e.at, *id)).collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        Some(Portrait {
            user_id,
            version,
            generation: 1,
            updated_at: self.newest?,
            profile,
            counters: self.counters().collect(),
            tags: self.tags(),
            liked_tags: self.liked_tags(),
            content: content.map(|c| c.vector),
            taste,
            model,
            moments: moments.into_iter().take(LISTED_MOMENTS).map(|(_, id)| id).collect(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

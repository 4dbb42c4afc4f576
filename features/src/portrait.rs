//! The portrait 画像: everything computed about a user, as one record of the compacted `portraits` topic.
//!
//! Decayed counters are kept as forward-decayed sums, so a portrait does not have to be rewritten because time passes:
//! whoever reads it fades them ([`Portrait::signals`]).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decay::{column_half_life, value_at};
use crate::ids::{MomentId, UserId};
use crate::profile::Profile;
use crate::vector::QVector;

/// A tag and how much it counts, 0 to 1, the strongest of a portrait being 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TagWeight {
    /// The normalised tag.
    pub tag: String,
    /// Its weight.
    pub weight: f32,
}

/// Everything computed about a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Portrait {
    /// Whose portrait.
    pub user_id: UserId,
    /// Grows with every assembly of this user's portrait.
    pub version: u64,
    /// Raised by a backfill or an erasure; wins before `version`.
    pub generation: u32,
    /// Event time of the newest thing that went in.
    pub updated_at: DateTime<Utc>,
    /// The profile.
    pub profile: Profile,
    /// Value columns of the user-keyed feature sets, by `<set>.<column>`, still forward-decayed.
    #[serde(default)]
    pub counters: BTreeMap<String, f64>,
    /// What the person shows: profile tags and tags of own Moments, strongest first, at most 20.
    #[serde(default)]
    pub tags: Vec<TagWeight>,
    /// What the person likes in others, strongest first, at most 20.
    #[serde(default)]
    pub liked_tags: Vec<TagWeight>,
    /// Who I am: decayed mean of own Moments and bio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<QVector>,
    /// Whom I like: decayed mean of what was liked, minus a share of what was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taste: Option<QVector>,
    /// Model of both vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Newest Moments first, at most 10.
    #[serde(default)]
    pub moments: Vec<MomentId>,
}

/// A portrait read at a moment in time: what scoring works with.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Signals {
    /// How present the person is, 0 to 1.
    pub activity: f32,
    /// Decayed likes received.
    pub likes: f32,
    /// Decayed impressions received.
    pub impressions: f32,
    /// Smoothed share of impressions that became likes, 0 to 1.
    pub like_rate: f32,
    /// How rich the Moments are, 0 to 1.
    pub richness: f32,
    /// How much of the profile is filled in, 0 to 1.
    pub completeness: f32,
    /// How the person answers and is answered.
    pub behaviour: Behaviour,
}

/// How somebody answers and is answered, in events that fade by half in 60 days; all 0 or more.
///
/// Only impressions and likes that carry a position count as such: who was found by a search was not shown by us.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Behaviour {
    /// Likes given to people whom a deck showed.
    pub likes_given: f32,
    /// Impressions of others that were looked at, as far as can be told: at least the likes.
    pub looked: f32,
    /// Likes received from people to whom a deck showed the person.
    pub likes_received: f32,
    /// Impressions of the person that others looked at, as far as can be told: at least the likes.
    pub looked_at: f32,
    /// Replies written.
    pub replies: f32,
    /// Comments received.
    pub comments: f32,
}

/// The chance that an impression is looked at, relative to the first, by groups of positions 0, 1–2, 3–6, 7–14, 15 and more.
///
/// Estimated by the adjacent-chain estimator of `ranker::warm::Examination::fit` on the order of the evenings in 16 waves of the Columbia speed-dating
/// data (5,434 dates; docs/WARM.md). The SQL of `given` and `popularity` spells out what follows from it.
pub const EXAMINED: [f64; 5] = [1.0, 0.79, 0.79, 0.77, 0.70];
/// The share of likes among what was looked at, in the same data.
pub const LOOKED_LIKE_RATE: f64 = 0.42;

/// As how much an impression counts that no like answered: `θ(1 − b) / (1 − θ·b)`, the chance of having been looked at given that no like
/// came, with `θ` of [`EXAMINED`] and `b` = [`LOOKED_LIKE_RATE`] (the expectation step for the position-based model: Wang et al., WSDM 2018). 0 to 1.
pub fn unanswered(position: u32) -> f64 {
    let group = (position.saturating_add(1).ilog2() as usize).min(EXAMINED.len() - 1);
    EXAMINED[group] * (1.0 - LOOKED_LIKE_RATE) / (1.0 - EXAMINED[group] * LOOKED_LIKE_RATE)
}

/// Weight of the prior in [`like_rate`], in impressions.
pub const LIKE_RATE_PRIOR_WEIGHT: f64 = 20.0;
/// The prior like rate: what is assumed of somebody nobody has seen.
pub const LIKE_RATE_PRIOR: f64 = 0.12;

/// `(likes + k·p) / (impressions + k)`: the mean of a Beta posterior with prior mean `p` and weight `k`. 0 to 1.
pub fn like_rate(likes: f64, impressions: f64) -> f64 {
    let k = LIKE_RATE_PRIOR_WEIGHT;
    ((likes + k * LIKE_RATE_PRIOR) / (impressions.max(likes) + k)).clamp(0.0, 1.0)
}

/// Saturating measure: 0 at 0, about .63 at `scale`, towards 1.
fn saturate(value: f64, scale: f64) -> f64 {
    1.0 - (-value.max(0.0) / scale).exp()
}

/// Activity from decayed counts (half-life 7 days): sessions weigh most.
pub fn activity(sessions: f64, heartbeats: f64, actions: f64, sent: f64) -> f64 {
    saturate(sessions + 0.1 * heartbeats + 0.1 * actions + 0.1 * sent, 3.0)
}

/// Moment richness from decayed sums (half-life 30 days).
pub fn richness(moments: f64, media: f64, text_chars: f64, answer_chars: f64) -> f64 {
    saturate(0.5 * moments + 0.3 * media + text_chars / 400.0 + answer_chars / 200.0, 4.0)
}

/// The counters behind [`Signals`], by `<set>.<column>`.
pub const SIGNAL_COUNTERS: [&str; 16] = [
    "activity_sessions.sessions_d7",
    "activity_sessions.heartbeats_d7",
    "activity_actions.actions_d7",
    "activity_messages.sent_d7",
    "popularity.likes_d14",
    "popularity.impressions_d14",
    "moment_richness.moments_d30",
    "moment_richness.media_d30",
    "moment_richness.text_chars_d30",
    "moment_richness.answer_chars_d30",
    "given.answered_d60",
    "given.looked_d60",
    "popularity.answered_d60",
    "popularity.looked_d60",
    "given.replies_d60",
    "popularity.comments_d60",
];

/// Where the impressions received stand in [`SIGNAL_COUNTERS`].
pub const IMPRESSIONS: usize = 5;
/// Half-life of the impressions received, in days.
pub const IMPRESSIONS_HALF_LIFE: f64 = 14.0;

/// Half-life of the counters behind [`Behaviour`], in days: what somebody is like changes more slowly than who is talked about.
pub const BEHAVIOUR_HALF_LIFE: f64 = 60.0;

/// Values of [`SIGNAL_COUNTERS`], in that order, still forward-decayed.
pub type SignalCounters = [f64; 16];

/// What scoring reads of `counters` at `now`.
pub fn signals(counters: &SignalCounters, completeness: f32, now: DateTime<Utc>) -> Signals {
    // What remains of a sum is a factor of its half-life alone: three powers serve the ten that scores read first.
    let [week, fortnight, month] = [7.0, 14.0, 30.0].map(|days| value_at(1.0, now, days));
    let [sessions, heartbeats, actions, sent, likes, impressions, moments, media, text, answers, ..] = *counters;
    let (likes, impressions) = (likes * fortnight, impressions * fortnight);
    #[expect(clippy::cast_possible_truncation, reason = "scores need no more than 24 bits")]
    let f = |value: f64| value as f32;
    Signals {
        activity: f(activity(sessions * week, heartbeats * week, actions * week, sent * week)),
        likes: f(likes),
        impressions: f(impressions),
        like_rate: f(like_rate(likes, impressions)),
        richness: f(richness(moments * month, media * month, text * month, answers * month)),
        completeness,
        behaviour: behaviour(counters, now),
    }
}

/// How somebody of these counters answers and is answered, at `now`.
pub fn behaviour(counters: &SignalCounters, now: DateTime<Utc>) -> Behaviour {
    let remains = value_at(1.0, now, BEHAVIOUR_HALF_LIFE);
    let [.., given, looked, received, looked_at, replies, comments] = counters.map(|sum| (sum * remains).max(0.0));
    #[expect(clippy::cast_possible_truncation, reason = "scores need no more than 24 bits")]
    let f = |value: f64| value as f32;
    Behaviour {
        likes_given: f(given),
        looked: f(looked.max(given)),
        likes_received: f(received),
        looked_at: f(looked_at.max(received)),
        replies: f(replies),
        comments: f(comments),
    }
}

impl Portrait {
    /// A counter of `<set>.<column>` at `now`: faded if its name announces a half-life, 0 if unknown.
    pub fn counter(&self, name: &str, now: DateTime<Utc>) -> f64 {
        let raw = self.counters.get(name).copied().unwrap_or(0.0);
        column_half_life(name).map_or(raw, |days| value_at(raw, now, days))
    }

    /// The counters that [`signals`] needs, still forward-decayed.
    pub fn signal_counters(&self) -> SignalCounters {
        SIGNAL_COUNTERS.map(|name| self.counters.get(name).copied().unwrap_or(0.0))
    }

    /// What scoring reads, at `now`.
    pub fn signals(&self, now: DateTime<Utc>) -> Signals {
        signals(&self.signal_counters(), self.profile.completeness(), now)
    }

    /// Whether this portrait replaces `other`.
    pub fn supersedes(&self, other: &Self) -> bool {
        (self.generation, self.version) > (other.generation, other.version)
    }
}

/// Merges weighted tags: sums repeats, drops what is not positive, scales the strongest to 1, keeps the `limit` strongest
/// (ties by name, so that equal inputs give equal outputs).
pub fn rank_tags(weighted: impl IntoIterator<Item = (String, f64)>, limit: usize) -> Vec<TagWeight> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (tag, weight) in weighted {
        *sums.entry(tag).or_default() += weight;
    }
    let mut tags: Vec<(String, f64)> = sums.into_iter().filter(|(tag, w)| !tag.is_empty() && w.is_finite() && *w > 0.0).collect();
    tags.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    tags.truncate(limit);
    let top = tags.first().map_or(1.0, |t| t.1);
    #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
    let scaled = tags.into_iter().map(|(tag, w)| TagWeight { tag, weight: (w / top) as f32 }).collect();
    scaled
}

/// Weighted overlap of two tag lists, 0 to 1: `Σ min(a, b) / Σ max(a, b)` (Ruzicka similarity).
pub fn tag_overlap(a: &[TagWeight], b: &[TagWeight]) -> f32 {
    let weight_in = |list: &[TagWeight], tag: &str| list.iter().find(|t| t.tag == tag).map_or(0.0, |t| t.weight);
    let both: f32 = a.iter().map(|t| t.weight.min(weight_in(b, &t.tag))).sum();
    let either: f32 = a.iter().map(|t| t.weight).sum::<f32>() + b.iter().map(|t| t.weight).sum::<f32>() - both;
    if either > 0.0 { both / either } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_like_rate_starts_at_the_prior_and_follows_the_evidence() {
        assert!((like_rate(0.0, 0.0) - LIKE_RATE_PRIOR).abs() < 1e-12);
        assert!(like_rate(50.0, 100.0) > 0.4);
        assert!(like_rate(0.0, 1000.0) < 0.01);
        assert!(like_rate(10.0, 0.0) <= 1.0, "likes from outside recommendations do not exceed one");
    }

    #[test]
    fn impressions_stand_where_they_are_looked_for() {
        assert_eq!(SIGNAL_COUNTERS[IMPRESSIONS], "popularity.impressions_d14");
        assert_eq!(column_half_life(SIGNAL_COUNTERS[IMPRESSIONS]), Some(IMPRESSIONS_HALF_LIFE));
    }

    #[test]
    fn behaviour_is_the_last_six_counters_and_never_more_likes_than_looks() {
        assert!(SIGNAL_COUNTERS[10..].iter().all(|name| column_half_life(name) == Some(BEHAVIOUR_HALF_LIFE)));
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        let mut counters = [0.0; 16];
        (10..).zip(&mut counters[10..]).for_each(|(n, sum)| *sum = f64::from(n) * crate::decay::weight(now, 60.0));
        let close = |a: f32, b: f32| (a - b).abs() < 1e-3;
        let b = behaviour(&counters, now);
        assert!(close(b.likes_given, 10.0) && close(b.looked, 11.0) && close(b.likes_received, 12.0) && close(b.looked_at, 13.0));
        assert!(close(b.replies, 14.0) && close(b.comments, 15.0));
        counters[11] = 0.0;
        assert!(close(behaviour(&counters, now).looked, 10.0));
        assert_eq!(signals(&counters, 0.5, now).behaviour, behaviour(&counters, now));
    }

    #[test]
    fn the_sql_counts_looks_as_the_table_says() {
        for set in ["given", "popularity"] {
            let sql = &crate::sets::feature_set(set).expect("a set").sql;
            for (below, position) in
                [("WHEN position < 1", 0), ("WHEN position < 7", 1), ("WHEN position < 7", 6), ("WHEN position < 15", 7), ("ELSE", 15)]
            {
                let part = unanswered(position);
                assert!(
                    sql.contains(&format!("{below} THEN {part:.4}").replace("1.0000", "1.0").replace("ELSE THEN", "ELSE")),
                    "{set} {position} {part}"
                );
                let rest = format!("{below} THEN {:.4}", 1.0 - part).replace("0.0000", "0.0").replace("ELSE THEN", "ELSE");
                assert!(sql.contains(&rest), "{set} {position}: {rest}");
            }
        }
        assert!((unanswered(2) - unanswered(1)).abs() < 1e-12 && (unanswered(u32::MAX) - unanswered(15)).abs() < 1e-12);
    }

    #[test]
    fn tags_are_ranked_and_compared() {
        let tags = rank_tags([("茶".into(), 2.0), ("tea".into(), 1.0), ("茶".into(), 2.0), ("no".into(), -1.0)], 5);
        assert_eq!(tags, [TagWeight { tag: "茶".into(), weight: 1.0 }, TagWeight { tag: "tea".into(), weight: 0.25 }]);
        assert!((tag_overlap(&tags, &tags) - 1.0).abs() < 1e-6);
        assert!(tag_overlap(&tags, &[]).abs() < f32::EPSILON);
    }
}

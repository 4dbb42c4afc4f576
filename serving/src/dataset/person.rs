//! A person as the platform knew them at a moment, out of the same rows that the ranker reads.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use features::decay::{column_half_life, value_at};
use features::ids::UserId;
use features::portrait::Signals;
use index::geo::cell;
use index::table::{Columns, VectorColumn};
use ranker::face::Face;

use super::cell::{Feature, Kind};
use crate::world::World;

/// Everything features tell of a person.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Person {
    pub(super) age: i32,
    pub(super) gender: &'static str,
    pub(super) height_cm: Option<i32>,
    /// Its place in the order of educations, with its name.
    pub(super) education: Option<(i32, String)>,
    pub(super) city: Option<String>,
    /// The H3 cell that indexes know, never the position.
    pub(super) cell: Option<String>,
    pub(super) wants_min_age: i32,
    pub(super) wants_max_age: i32,
    pub(super) wants_km: Option<i32>,
    pub(super) photos: i32,
    pub(super) bio_chars: i32,
    pub(super) account_age_s: f64,
    pub(super) newcomer: bool,
    pub(super) last_active_s: Option<f64>,
    pub(super) received_today: i32,
    pub(super) signals: Signals,
    /// Smoothed rates: of likes given, of likes received, of replies.
    pub(super) rates: [f32; 3],
    /// Counters faded to the moment, by `<set>.<column>`.
    pub(super) counters: BTreeMap<String, f64>,
    pub(super) tags: Vec<(String, f32)>,
    pub(super) liked_tags: Vec<(String, f32)>,
    pub(super) content: Option<Vec<f32>>,
    pub(super) taste: Option<Vec<f32>>,
}

/// Seconds from one time to another.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit 2^53")]
pub(super) fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).num_microseconds().unwrap_or(i64::MAX) as f64 / 1e6
}

/// Tags by name, strongest first.
fn named(table: &Columns, tags: &[(u32, f32)]) -> Vec<(String, f32)> {
    let mut named: Vec<(String, f32)> = tags.iter().map(|(tag, weight)| (table.tag_name(*tag).to_owned(), *weight)).collect();
    // Numbers of tags differ from node to node.
    named.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    named
}

/// A name as JSON writes it.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Person {
    /// A person as the world stands; signals fade until `now`.
    pub(super) fn of(world: &World, table: &Columns, user: UserId, now: DateTime<Utc>, newcomer_days: u32) -> Option<Self> {
        let face = Face::of(table, user, now)?;
        let (profile, limits, signals) = (face.profile(), face.limits(), *face.signals());
        let rates = world.parts().rates.get();
        let segment = rates.segment(limits.gender, face.age(), face.city());
        let behaviour = &signals.behaviour;
        #[expect(clippy::cast_possible_truncation, reason = "features need no more than 24 bits")]
        let rates = [segment.choosy(behaviour), segment.liked(behaviour), segment.reply(behaviour)].map(|rate| rate as f32);
        let faded = |(name, sum): (String, f64)| {
            let value = column_half_life(&name).map_or(sum, |days| value_at(sum, now, days));
            (name, value)
        };
        let vector = |column| face.vector(column).map(|vector| vector.to_owned().to_f32());
        let whole = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        Some(Self {
            age: face.age().into(),
            gender: match limits.gender {
                features::profile::Gender::Female => "female",
                features::profile::Gender::Male => "male",
                features::profile::Gender::Other => "other",
            },
            height_cm: limits.height_cm.map(i32::from),
            education: limits.education.map(|education| (education as i32, word(education))),
            city: face.city().map(str::to_owned),
            cell: profile.position.and_then(cell).map(|cell| cell.to_string()),
            wants_min_age: limits.min_age.into(),
            wants_max_age: limits.max_age.into(),
            wants_km: limits.max_distance_km.map(|km| i32::try_from(km).unwrap_or(i32::MAX)),
            photos: profile.photos.into(),
            bio_chars: profile.bio.as_ref().map_or(0, |bio| whole(bio.chars().count())),
            account_age_s: seconds(profile.created_at, now),
            newcomer: face.joined_within(newcomer_days),
            last_active_s: world.past().last_active(user).map(|at| seconds(at, now)),
            received_today: i32::try_from(world.parts().ledger.received(user, now)).unwrap_or(i32::MAX),
            signals,
            rates,
            counters: world.past().counters(user).into_iter().map(faded).collect(),
            tags: named(table, face.tags()),
            liked_tags: named(table, face.liked_tags()),
            content: vector(VectorColumn::Content),
            taste: vector(VectorColumn::Taste),
        })
    }
}

/// A feature of a person.
pub(super) type Trait = Feature<Person>;

/// What the profile says.
fn profile() -> Vec<Trait> {
    use Kind::{Bool, Double, Number, Text, Whole};
    vec![
        Trait::of("age", Whole, "years", "full years", |p| p.age),
        Trait::of("gender", Text, "", "`female`, `male` or `other`", |p| p.gender),
        Trait::of("height_cm", Whole, "cm", "height; null if not told", |p| p.height_cm),
        Trait::of("education", Text, "", "highest finished education, `primary` to `doctor`; null if not told", |p| {
            p.education.as_ref().map(|(_, name)| name.clone())
        }),
        Trait::of("city", Text, "", "city of the profile, which names the region", |p| p.city.clone()),
        Trait::of("cell", Text, "", "H3 cell of resolution 6 (36 km²) that the profile's position was snapped to; never nearer", |p| {
            p.cell.clone()
        }),
        Trait::of("wants_min_age", Whole, "years", "youngest age looked for", |p| p.wants_min_age),
        Trait::of("wants_max_age", Whole, "years", "oldest age looked for", |p| p.wants_max_age),
        Trait::of("wants_km", Whole, "km", "farthest distance looked for; null for anywhere", |p| p.wants_km),
        Trait::of("photos", Whole, "", "profile photos", |p| p.photos),
        Trait::of("bio_chars", Whole, "characters", "length of the bio", |p| p.bio_chars),
        Trait::of("completeness", Number, "0 to 1", "how much of the profile is filled in", |p| p.signals.completeness),
        Trait::of("account_age_s", Double, "s", "since the account was made", |p| p.account_age_s),
        Trait::of("newcomer", Bool, "", "joined within `ranker.sources.newcomer_days`", |p| p.newcomer),
    ]
}

/// What the person did and met with.
fn life() -> Vec<Trait> {
    use Kind::{Double, Number, Whole};
    vec![
        Trait::of(
            "last_active_s",
            Double,
            "s",
            "since anything the person did before: app open, interaction, Moment, message, profile; null if nothing",
            |p| p.last_active_s,
        ),
        Trait::of("received_today", Whole, "people", "people they were shown to on this day (UTC) before", |p| p.received_today),
        Trait::of("activity", Number, "0 to 1", "how present: the ranker's signal", |p| p.signals.activity),
        Trait::of("like_rate", Number, "0 to 1", "smoothed share of impressions that became likes: the ranker's signal", |p| {
            p.signals.like_rate
        }),
        Trait::of("richness", Number, "0 to 1", "how rich the Moments are: the ranker's signal", |p| p.signals.richness),
        Trait::of(
            "choosy",
            Number,
            "0 to 1",
            "rate of likes given to whom they looked at, drawn towards the segment's (docs/WARM.md)",
            |p| p.rates[0],
        ),
        Trait::of(
            "liked_rate",
            Number,
            "0 to 1",
            "rate of likes received from those who looked at them, drawn towards the segment's",
            |p| p.rates[1],
        ),
        Trait::of("reply_rate", Number, "0 to 1", "rate of replies to comments, drawn towards the segment's", |p| p.rates[2]),
    ]
}

/// Every value column of the feature sets keyed by people.
fn counters() -> Vec<Trait> {
    let sets = features::sets::feature_sets().iter().filter(|set| set.key_columns.len() == 1);
    let each = sets.flat_map(|set| set.value_columns.iter().map(move |column| (set, column)));
    let counter = |(set, column): (&features::sets::FeatureSet, &String)| {
        let name = format!("{}.{column}", set.name);
        let faded = column_half_life(column).map_or("in all".to_owned(), |days| format!("faded by half in {days} days"));
        let read = name.clone();
        #[expect(clippy::cast_possible_truncation, reason = "features need no more than 24 bits")]
        let value = move |p: &Person| p.counters.get(&read).copied().unwrap_or(0.0) as f32;
        Trait::of(
            &format!("{}_{column}", set.name),
            Kind::Number,
            "sum",
            &format!("`{name}` of `features/sql/{}.sql`, {faded}", set.name),
            value,
        )
    };
    each.map(counter).collect()
}

/// What the person shows and likes; vectors of so many numbers, if there are any.
fn tastes(dim: Option<i32>) -> Vec<Trait> {
    use Kind::{Numbers, Texts, Vector};
    let names = |tags: &[(String, f32)]| tags.iter().map(|(tag, _)| tag.clone()).collect::<Vec<_>>();
    let weights = |tags: &[(String, f32)]| tags.iter().map(|(_, weight)| *weight).collect::<Vec<_>>();
    let mut all = vec![
        Trait::of("tags", Texts, "", "tags shown by profile and Moments, strongest first, at most 20", move |p| names(&p.tags)),
        Trait::of("tag_weights", Numbers, "0 to 1", "their weights", move |p| weights(&p.tags)),
        Trait::of("liked_tags", Texts, "", "tags liked in others, strongest first, at most 20", move |p| names(&p.liked_tags)),
        Trait::of("liked_tag_weights", Numbers, "0 to 1", "their weights", move |p| weights(&p.liked_tags)),
    ];
    if let Some(dim) = dim {
        all.push(Trait::of("content", Vector(dim), "", "who they are: decayed mean of own Moments and bio; null without any", |p| {
            p.content.clone()
        }));
        all.push(Trait::of(
            "taste",
            Vector(dim),
            "",
            "whom they like: decayed mean of what was liked, less a share of what was passed",
            |p| p.taste.clone(),
        ));
    }
    all
}

/// Every feature of a person.
pub(super) fn traits(dim: Option<i32>) -> Vec<Trait> {
    [profile(), life(), counters(), tastes(dim)].into_iter().flatten().collect()
}

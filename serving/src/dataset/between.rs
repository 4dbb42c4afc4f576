//! What is known of two people together before an impression: distance, what both share, how they stood, and the ranker's own terms.

use chrono::{DateTime, TimeDelta, Utc};
use index::table::{Columns, VectorColumn};
use ranker::deck::Side;
use ranker::face::Face;
use ranker::{DeckItem, TermName};

use super::cell::{Feature, Kind};
use super::impressions::Impression;
use super::person::{Person, seconds};
use crate::world::World;

/// Everything features tell of a pair.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Between {
    pub(super) age_gap: i32,
    pub(super) height_gap: Option<i32>,
    pub(super) education_gap: Option<i32>,
    pub(super) shared_tags: i32,
    /// Cosines: viewer's taste to candidate's content, candidate's taste to viewer's content, both contents.
    pub(super) cosines: [Option<f32>; 3],
    pub(super) shown_before_s: Option<f64>,
    pub(super) viewer_likes: bool,
    pub(super) candidate_likes: bool,
    pub(super) viewer_passed: bool,
    pub(super) candidate_passed: bool,
    /// By the formula, by `warm`, and by what is configured.
    pub(super) formula: Option<DeckItem>,
    pub(super) warm: Option<DeckItem>,
    pub(super) configured: Option<DeckItem>,
    pub(super) refused_by: Option<&'static str>,
}

/// Cosines of two people's vectors.
pub(super) fn cosines(table: &Columns, shown: &Impression) -> [Option<f32>; 3] {
    let face = |user| Face::of(table, user, shown.at);
    let (Some(viewer), Some(candidate)) = (face(shown.viewer), face(shown.candidate)) else { return [None; 3] };
    let cosine = |a: &Face<'_>, of: VectorColumn, b: &Face<'_>| {
        let (a, b) = (a.vector(of)?, b.vector(VectorColumn::Content)?);
        Some(a.cosine(&b))
    };
    [
        cosine(&viewer, VectorColumn::Taste, &candidate),
        cosine(&candidate, VectorColumn::Taste, &viewer),
        cosine(&viewer, VectorColumn::Content, &candidate),
    ]
}

impl Between {
    /// What is known of the two beside terms and cosines.
    pub(super) fn new(world: &World, shown: &Impression, [viewer, candidate]: [&Person; 2], keep: TimeDelta) -> Self {
        let (ledger, now): (_, DateTime<Utc>) = (&world.parts().ledger, shown.at);
        let (v, c) = (shown.viewer, shown.candidate);
        let gap = |a: Option<i32>, b: Option<i32>| a.zip(b).map(|(a, b)| a - b);
        let level = |person: &Person| person.education.as_ref().map(|(level, _)| *level);
        let shared = viewer.tags.iter().filter(|(tag, _)| candidate.tags.iter().any(|(other, _)| tag == other)).count();
        Self {
            age_gap: viewer.age - candidate.age,
            height_gap: gap(viewer.height_cm, candidate.height_cm),
            education_gap: gap(level(viewer), level(candidate)),
            shared_tags: i32::try_from(shared).unwrap_or(i32::MAX),
            cosines: [None; 3],
            shown_before_s: ledger.last_shown(v, c, now, keep).map(|at| seconds(at, now)),
            viewer_likes: ledger.likes(v, c),
            candidate_likes: ledger.likes(c, v),
            viewer_passed: ledger.passed(v, c),
            candidate_passed: ledger.passed(c, v),
            formula: None,
            warm: None,
            configured: None,
            refused_by: None,
        }
    }
}

/// A feature of a pair.
pub(super) type Bond = Feature<Between>;

fn alike() -> Vec<Bond> {
    use Kind::{Number, Text, Whole};
    vec![
        Bond::of(
            "distance",
            Text,
            "",
            "bucket of the distance between the two cells, `<5 km` to `>100 km`, or `unknown`; never more",
            |b| b.formula.as_ref().map(|item| item.distance.label()),
        ),
        Bond::of("age_gap", Whole, "years", "viewer's age less candidate's", |b| b.age_gap),
        Bond::of("height_gap", Whole, "cm", "viewer's height less candidate's; null if one is not told", |b| b.height_gap),
        Bond::of("education_gap", Whole, "levels", "viewer's education less candidate's; null if one is not told", |b| b.education_gap),
        Bond::of("shared_tags", Whole, "", "tags that both show", |b| b.shared_tags),
        Bond::of("cosine_taste_content", Number, "-1 to 1", "viewer's taste to candidate's content; null without both", |b| b.cosines[0]),
        Bond::of("cosine_content_taste", Number, "-1 to 1", "candidate's taste to viewer's content; null without both", |b| b.cosines[1]),
        Bond::of("cosine_content", Number, "-1 to 1", "content to content; null without both", |b| b.cosines[2]),
    ]
}

fn relations() -> Vec<Bond> {
    use Kind::{Bool, Double, Text};
    vec![
        Bond::of(
            "shown_before_s",
            Double,
            "s",
            "since the viewer was last shown the candidate, to the second; null if not within `ledger.keep_days`",
            |b| b.shown_before_s,
        ),
        Bond::of("viewer_likes", Bool, "", "the viewer likes or follows the candidate already", |b| b.viewer_likes),
        Bond::of("candidate_likes", Bool, "", "the candidate likes or follows the viewer already; the viewer need not know", |b| {
            b.candidate_likes
        }),
        Bond::of("viewer_passed", Bool, "", "the viewer passed the candidate and has not liked them since", |b| b.viewer_passed),
        Bond::of("candidate_passed", Bool, "", "the candidate passed the viewer and has not liked them since", |b| b.candidate_passed),
        Bond::of("refused_by", Text, "", "the ranker's filter that would refuse the candidate by what was known; null if none", |b| {
            b.refused_by
        }),
    ]
}

/// Reads a number of an item.
type Part = fn(&DeckItem) -> f32;

/// Reads what a strategy thought.
type Item = fn(&Between) -> &Option<DeckItem>;

fn sums() -> Vec<Bond> {
    let strategies: [(&str, &str, Item); 2] =
        [("formula", "0 to 1 by `formula`", |b| &b.formula), ("warm", "chance of a like by `warm`", |b| &b.warm)];
    let mut all = Vec::new();
    for (strategy, what, item) in strategies {
        let parts: [(&str, &str, Part); 3] = [
            ("viewer", "what the candidate is worth to the viewer", |i| i.sides.viewer),
            ("candidate", "what the viewer is worth to the candidate", |i| i.sides.candidate),
            ("match", "both together", |i| i.sides.mutual),
        ];
        for (part, meaning, read) in parts {
            let read = move |b: &Between| item(b).as_ref().map(read);
            all.push(Bond::of(&format!("{strategy}_{part}"), Kind::Number, "0 to 1", &format!("{meaning}, {what}"), read));
        }
    }
    let configured: [(&str, &str, Part); 4] = [
        ("score", "score before chance by the configured strategy, region and arms: a deck's `score`", |i| i.score),
        ("worth", "what that strategy says, before popularity and exposure", |i| i.worth),
        ("popularity_factor", "smoothed like rate over a stranger's, within bounds: the draw's factor", |i| i.draw.popularity),
        ("exposure_factor", "1 for somebody nobody has seen, less the more have: the draw's factor", |i| i.draw.exposure),
    ];
    let range = |name: &str| if name == "popularity_factor" { "0 and more" } else { "0 to 1" };
    all.extend(configured.map(|(name, meaning, read)| {
        Bond::of(&format!("ranker_{name}"), Kind::Number, range(name), meaning, move |b| b.configured.as_ref().map(read))
    }));
    all
}

/// The ranker's terms of both sides: those of the formula, and those that `warm` adds.
fn terms() -> Vec<Bond> {
    let mut all = Vec::new();
    for (side, who) in [(Side::Viewer, "viewer"), (Side::Candidate, "candidate")] {
        for name in TermName::ALL.iter().copied() {
            let similar = TermName::SIMILAR.contains(&name);
            let meaning = format!("the term `{}` of the {who}'s side; null where it is not known or has no weight", name.name());
            let read = move |b: &Between| {
                let item = if similar { &b.formula } else { &b.warm };
                item.as_ref()?.terms.iter().find(|term| term.side == side && term.name == name).map(|term| term.value)
            };
            all.push(Bond::of(&format!("{who}_term_{}", name.name()), Kind::Number, "0 to 1", &meaning, read));
        }
    }
    all
}

/// Every feature of a pair.
pub(super) fn bonds() -> Vec<Bond> {
    [alike(), relations(), sums(), terms()].into_iter().flatten().collect()
}

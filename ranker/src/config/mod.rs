//! The `[ranker]` section of the configuration: every knob of ranking.
//!
//! Everything but `regions`, `holdout` and `experiments` may be overridden per region: `[ranker.regions."上海".weights] distance = 2.0` is
//! merged over the values of the section, and the overrides of an experiment's arm over those of the region.

mod region;
mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::region::{Effective, Regions};
pub(crate) use self::region::{lay, seal};
use crate::experiments::{ExperimentConfig, HoldoutConfig};
use crate::names::{SourceName, TermName};
use crate::strategy::FORMULA;

/// How people are ranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankerConfig {
    /// Who says what a candidate is worth: `formula`, a baseline, or a strategy of your own; see [`crate::strategy`].
    pub strategy: String,
    /// Size and cost of a deck.
    pub deck: DeckConfig,
    /// Where candidates come from.
    pub sources: SourcesConfig,
    /// Weights of the terms of the score.
    pub weights: Weights,
    /// How raw differences become terms.
    pub curves: Curves,
    /// How chance and popularity enter.
    pub draw: DrawConfig,
    /// How exposure is spread over a day.
    pub exposure: ExposureConfig,
    /// How the drawn are put in order.
    pub selector: SelectorConfig,
    /// Overrides by region (the city of the viewer's profile): any of the sections above, in part.
    pub regions: BTreeMap<String, Overrides>,
    /// Who takes part in no experiment.
    pub holdout: HoldoutConfig,
    /// Experiments by name.
    pub experiments: BTreeMap<String, ExperimentConfig>,
}

impl Default for RankerConfig {
    fn default() -> Self {
        Self {
            strategy: FORMULA.to_owned(),
            deck: DeckConfig::default(),
            sources: SourcesConfig::default(),
            weights: Weights::default(),
            curves: Curves::default(),
            draw: DrawConfig::default(),
            exposure: ExposureConfig::default(),
            selector: SelectorConfig::default(),
            regions: BTreeMap::new(),
            holdout: HoldoutConfig::default(),
            experiments: BTreeMap::new(),
        }
    }
}

/// Some keys of the section, in part: laid upon it, tables are merged and everything else is replaced.
pub type Overrides = serde_json::Map<String, serde_json::Value>;

/// Size and cost of a deck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeckConfig {
    /// People in a deck at most.
    pub size: usize,
    /// Candidates that are scored at most: the bound of a deck's cost.
    pub candidates_to_score: usize,
    /// Nobody is shown to the same viewer twice within so many days.
    pub exposure_window_days: u32,
    /// When the viewer's gender, age and distance limits leave at most so many people, sources look at each of them, and vector sources
    /// compare exactly.
    pub exact_scan_below: usize,
    /// What happens when they leave more.
    pub beyond: Beyond,
    /// Reasons given for an item at most.
    pub reasons: usize,
}

/// What sources do when more people are in reach than can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// They look at the nearest `exact_scan_below`. With `exact_scan_below = 0` the index is asked all the same.
    #[default]
    Nearest,
    /// Vector sources ask the vector index, which knows everybody; the others look at everybody of the right gender.
    Index,
}

impl Default for DeckConfig {
    fn default() -> Self {
        Self {
            size: 200,
            candidates_to_score: 1_000,
            exposure_window_days: 30,
            exact_scan_below: 5_000,
            beyond: Beyond::Nearest,
            reasons: 4,
        }
    }
}

/// What one source may give and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Candidates at most; 0 turns the source off.
    pub limit: usize,
    /// Milliseconds after which the deck goes on without it.
    pub timeout_ms: u64,
}

/// Where candidates come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourcesConfig {
    /// People around the viewer.
    pub near_me: Budget,
    /// People whose `content` the viewer's `taste` likes.
    pub taste_content: Budget,
    /// People whose `taste` the viewer's `content` suits.
    pub content_taste: Budget,
    /// People who joined lately.
    pub newcomers: Budget,
    /// People few have been shown.
    pub under_shown: Budget,
    /// Friends of friends.
    pub friends_of_friends: Budget,
    /// People whom those like who like as the viewer does.
    pub co_like: Budget,
    /// The ready-made list of the region.
    pub hot: Budget,
    /// How far `near_me` looks at most, in kilometres.
    pub near_radius_km: f64,
    /// People `near_me` looks at, nearest cells first.
    pub near_scan: usize,
    /// Who joined within so many days is a newcomer.
    pub newcomer_days: u32,
    /// People `newcomers` looks at.
    pub newcomer_scan: usize,
    /// Who has fewer decayed impressions (half-life 14 days) is under-shown.
    pub under_shown_below: f32,
    /// People `under_shown` looks at.
    pub under_shown_scan: usize,
    /// Friends whose friends are looked at.
    pub friends_scan: usize,
    /// Newest likes from which `co_like` sets out, and of everybody it meets the newest likes it looks at.
    pub co_like_scan: usize,
    /// People alike whose likes `co_like` looks at, the most alike first.
    pub co_like_alike: usize,
}

impl Default for SourcesConfig {
    fn default() -> Self {
        let budget = |limit, timeout_ms| Budget { limit, timeout_ms };
        Self {
            near_me: budget(300, 50),
            taste_content: budget(300, 80),
            content_taste: budget(300, 80),
            newcomers: budget(100, 50),
            under_shown: budget(150, 50),
            friends_of_friends: budget(100, 50),
            co_like: budget(200, 50),
            hot: budget(150, 50),
            near_radius_km: 50.0,
            near_scan: 4_000,
            newcomer_days: 14,
            newcomer_scan: 10_000,
            under_shown_below: 20.0,
            under_shown_scan: 2_000,
            friends_scan: 50,
            co_like_scan: 50,
            co_like_alike: 100,
        }
    }
}

impl SourcesConfig {
    /// The budget of a source.
    pub const fn budget(&self, source: SourceName) -> Budget {
        match source {
            SourceName::NearMe => self.near_me,
            SourceName::TasteContent => self.taste_content,
            SourceName::ContentTaste => self.content_taste,
            SourceName::Newcomers => self.newcomers,
            SourceName::UnderShown => self.under_shown,
            SourceName::FriendsOfFriends => self.friends_of_friends,
            SourceName::CoLike => self.co_like,
            SourceName::Hot => self.hot,
        }
    }
}

/// Weights of the terms. A side's score is the weighted mean of the terms that are known, so only their ratios matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// How near.
    pub distance: f64,
    /// How close in age.
    pub age: f64,
    /// How close in height.
    pub height: f64,
    /// How close in education.
    pub education: f64,
    /// How much the other shows of what one likes.
    pub liked_tags: f64,
    /// How much both show the same.
    pub shared_tags: f64,
    /// How well the other's `content` fits one's `taste`.
    pub taste: f64,
    /// How present the other is.
    pub activity: f64,
    /// How rich the other's Moments are.
    pub richness: f64,
    /// How much of the other's profile is filled in.
    pub completeness: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            distance: 1.5,
            age: 1.0,
            height: 0.2,
            education: 0.3,
            liked_tags: 1.0,
            shared_tags: 0.7,
            taste: 2.5,
            activity: 0.8,
            richness: 0.6,
            completeness: 0.4,
        }
    }
}

impl Weights {
    /// The weight of a term.
    pub const fn of(&self, term: TermName) -> f64 {
        match term {
            TermName::Distance => self.distance,
            TermName::Age => self.age,
            TermName::Height => self.height,
            TermName::Education => self.education,
            TermName::LikedTags => self.liked_tags,
            TermName::SharedTags => self.shared_tags,
            TermName::Taste => self.taste,
            TermName::Activity => self.activity,
            TermName::Richness => self.richness,
            TermName::Completeness => self.completeness,
        }
    }
}

/// How raw differences become terms between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Curves {
    /// Kilometres after which nearness has halved.
    pub distance_half_km: f64,
    /// Years of age gap after which closeness has halved.
    pub age_half_years: f64,
    /// Centimetres of difference after which closeness in height has halved.
    pub height_half_cm: f64,
    /// Cosine that counts as no fit at all. Depends on the text encoder: its cosines may live in a narrow band.
    pub cosine_floor: f64,
    /// Cosine that counts as a perfect fit.
    pub cosine_ceiling: f64,
}

impl Default for Curves {
    fn default() -> Self {
        Self { distance_half_km: 20.0, age_half_years: 5.0, height_half_cm: 20.0, cosine_floor: 0.0, cosine_ceiling: 0.9 }
    }
}

/// How chance and popularity enter. An item's key is
/// `sharpness·ln(match) + popularity_exponent·ln(popularity) − exposure_exponent·ln(1 + impressions/exposure_scale) − budget + temperature·gumbel`;
/// the deck is drawn in the order of the keys. What the budget takes off: [`ExposureConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrawConfig {
    /// How much chance: 0 sorts strictly.
    pub temperature: f64,
    /// How much a better match counts.
    pub sharpness: f64,
    /// How much popularity counts: 0 not at all.
    pub popularity_exponent: f64,
    /// Popularity (the smoothed like rate over that of a stranger, so 1 for somebody nobody has seen) is not below this.
    pub popularity_floor: f64,
    /// Popularity is not above this.
    pub popularity_ceiling: f64,
    /// How much many impressions hold back, so that exposure spreads: 0 not at all.
    pub exposure_exponent: f64,
    /// Decayed impressions (half-life 14 days) at which holding back begins to tell.
    pub exposure_scale: f64,
}

impl Default for DrawConfig {
    fn default() -> Self {
        Self {
            temperature: 0.5,
            sharpness: 8.0,
            popularity_exponent: 0.4,
            popularity_floor: 0.25,
            popularity_ceiling: 4.0,
            exposure_exponent: 1.0,
            exposure_scale: 50.0,
        }
    }
}

/// How exposure is spread over a day (UTC), and who has a right to it. What counts are people: being shown to the same viewer again counts once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExposureConfig {
    /// People whom somebody is shown to in a day before they give way; 0: no budget.
    pub daily_budget: u32,
    /// What the budget takes off the key: `budget_strength · max(0, received/daily_budget − 1)`.
    pub budget_strength: f64,
    /// Who was shown today to so many times as many people as the mean of those scored for the deck (a mean below 1 counts as 1) stands behind
    /// everybody else; 0: no cap.
    pub pile_up_cap: f64,
    /// Who did nothing for so many days and then something has come back, and shares the guaranteed places of newcomers.
    pub returning_away_days: u32,
    /// For so many days, that of the return being the first; 0: coming back guarantees nothing.
    pub returning_days: u32,
}

impl Default for ExposureConfig {
    fn default() -> Self {
        Self { daily_budget: 0, budget_strength: 2.0, pile_up_cap: 1.0, returning_away_days: 7, returning_days: 2 }
    }
}

/// How the drawn are put in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectorConfig {
    /// What likeness to the people just before costs, in units of the key; 0 turns diversity off.
    pub diversity: f64,
    /// How many of the next by key compete for a position.
    pub look_ahead: usize,
    /// With how many people just before they are compared.
    pub window: usize,
    /// Every so many positions at least one newcomer or somebody who came back, as long as there are any; 0 guarantees none.
    pub newcomer_every: usize,
    /// Greatest share of a deck that may owe its place to one source alone, 0 to 1. Gives way when the deck would stay short.
    pub source_caps: BTreeMap<SourceName, f64>,
}

impl Default for SelectorConfig {
    fn default() -> Self {
        let caps = [(SourceName::Hot, 0.2), (SourceName::Newcomers, 0.3), (SourceName::UnderShown, 0.3), (SourceName::NearMe, 0.6)];
        Self { diversity: 1.5, look_ahead: 30, window: 5, newcomer_every: 10, source_caps: caps.into() }
    }
}

#[cfg(test)]
mod tests;

//! The deck and everything that explains it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use index::geo::Bucket;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::filters::Refusal;
use crate::measure::StageTiming;
use crate::names::{FilterName, SourceName, TermName};

/// The ranked slate of one viewer: computed once, served by pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deck {
    /// Its id, chosen by the caller.
    pub deck_id: String,
    /// Whose deck.
    pub viewer: UserId,
    /// When.
    pub made_at: DateTime<Utc>,
    /// The seed of every draw in it; text in JSON, because JavaScript numbers lose everything above 2^53.
    #[serde(with = "text")]
    #[schema(value_type = String, example = "17907264482398237471")]
    pub seed: u64,
    /// Hash of the configuration that held.
    pub config_version: String,
    /// The city of the viewer's profile, whose weights and hot pool apply; none without a city.
    pub region: Option<String>,
    /// The strategy that said what people are worth.
    pub strategy: String,
    /// Experiment arms that held for the viewer, each as `experiment:arm`; `holdout:in` or `holdout:out` where there is a holdout.
    pub experiments: Vec<String>,
    /// The people, in order.
    pub items: Vec<DeckItem>,
    /// Every other candidate that a source found: refused by a filter, too low to be scored, or not drawn.
    pub removed: Vec<Removed>,
    /// What did not work and was done without, such as `source taste_content: no answer within 80 ms`. Empty when all is well.
    pub degraded: Vec<String>,
    /// What each stage cost.
    pub timings: Vec<StageTiming>,
}

/// One shown person and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeckItem {
    /// Who.
    pub user_id: UserId,
    /// The strategy that said what the person is worth.
    pub strategy: String,
    /// What the strategy says, 0 to 1; of `formula` the match, of `warm` the mean of the two chances that its `combine` stands for.
    pub worth: f32,
    /// `worth · popularity^popularity_exponent · (1 + impressions/exposure_scale)^−exposure_exponent · e^−budget`: how good, before chance.
    pub score: f32,
    /// The chance, 0 to 1, with which the draw puts this person first among all it drew from, before diversity, caps and newcomers.
    pub propensity: f32,
    /// How far, as a bucket over snapped cells.
    #[schema(value_type = String, example = "5-10 km")]
    pub distance: Bucket,
    /// Where the candidate came from.
    pub sources: Vec<SourceName>,
    /// The two sides and what they make together.
    pub sides: Sides,
    /// The terms of both sides; the contributions of a side sum to its score, of the strategy `warm` to its log-odds. Terms that are not known are left
    /// out.
    pub terms: Vec<Term>,
    /// How the place in the deck was drawn.
    pub draw: Draw,
    /// Whether the person joined lately.
    pub newcomer: bool,
    /// Whether the person came back lately after some days away.
    #[serde(default)]
    pub returning: bool,
    /// Which portrait was read.
    pub portrait_version: PortraitVersion,
    /// The strongest reasons in words, strongest first.
    pub reasons: Vec<Reason>,
}

/// What each is worth to the other, 0 to 1; of the strategy `warm` the chance that each likes the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sides {
    /// What the candidate is worth to the viewer.
    pub viewer: f32,
    /// What the viewer is worth to the candidate.
    pub candidate: f32,
    /// `2ab / (a + b)` of the two: high only when both are. Of `warm` that, or their product, by `warm.combine`.
    #[serde(rename = "match")]
    pub mutual: f32,
}

/// Which of the two judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The viewer judges the candidate.
    Viewer,
    /// The candidate judges the viewer.
    Candidate,
}

/// One term of one side's score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Term {
    /// Which.
    pub name: TermName,
    /// Who judges.
    pub side: Side,
    /// The value, 0 to 1.
    pub value: f32,
    /// Its weight as configured.
    pub weight: f32,
    /// `value · weight / Σ weights of this side's known terms`. Of the strategy `warm` in log-odds: `similarity · weight / Σ weights · (value − ½)` of a
    /// term of the formula; `ln(value / (1 − value)) + intercept` of `base`; `weight · (ln(value / (1 − value)) − that of base)` of `choosy` and `liked`;
    /// `weight · (value − ½)` of `recency` and `reply`.
    pub contribution: f32,
}

/// How a place was drawn:
/// `key = sharpness·ln(worth) + popularity_exponent·ln(popularity) + exposure_exponent·ln(exposure) − budget + temperature·noise`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Draw {
    /// Smoothed like rate over that of a stranger, within the configured bounds.
    pub popularity: f32,
    /// `1 / (1 + impressions/exposure_scale)`: 1 for somebody nobody has seen.
    pub exposure: f32,
    /// As configured.
    pub sharpness: f32,
    /// As configured.
    pub popularity_exponent: f32,
    /// As configured.
    pub exposure_exponent: f32,
    /// As configured.
    pub temperature: f32,
    /// People the candidate was shown to on the day (UTC) of the deck, before it; 0 also where no exposure is counted.
    #[serde(default)]
    pub received: u32,
    /// What exposures beyond the daily budget take off the key, 0 or more.
    #[serde(default)]
    pub budget: f32,
    /// Whether the candidate was shown to so many today that everybody else of the deck comes first.
    #[serde(default)]
    pub capped: bool,
    /// Gumbel noise of (seed, candidate).
    pub noise: f32,
    /// The key; higher comes first, but for diversity, caps and guaranteed places.
    pub key: f32,
}

/// Which portrait was read: the generation comes before the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct PortraitVersion {
    /// Raised by backfills and erasures.
    pub generation: u32,
    /// Grows with every assembly.
    pub version: u64,
}

/// A reason in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Stable code, such as `shared_tags`.
    pub code: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// A candidate that is not in the deck. There may be a thousand beside a deck, so the reasons are not copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Who.
    pub user_id: UserId,
    /// What took them out; of filters the first that refuses is named.
    pub filter: FilterName,
    /// Why, in English.
    #[schema(value_type = String)]
    pub reason: Cow<'static, str>,
    /// Why, in Chinese.
    #[schema(value_type = String)]
    pub reason_zh: Cow<'static, str>,
}

impl Removed {
    /// Somebody refused.
    pub fn new(user_id: UserId, filter: FilterName, refusal: Refusal) -> Self {
        Self { user_id, filter, reason: Cow::Borrowed(refusal.en), reason_zh: Cow::Borrowed(refusal.zh) }
    }

    /// Somebody who was erased after the deck was made.
    pub fn erased(user_id: UserId) -> Self {
        Self::new(user_id, FilterName::Erased, Refusal { en: "erased after the deck was made", zh: "推荐生成后已注销" })
    }
}

/// A 64-bit number as decimal text.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a seed: expected a decimal number below 2^64, as a string")))
    }
}

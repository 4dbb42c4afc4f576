//! Ways to order whom somebody is shown, and what each thinks of an impression.

use chrono::{DateTime, Utc};
use features::profile::Gender;
use index::geo::Bucket;
use ranker::chance::{Purpose, bits, uniform};
use ranker::config::WarmConfig;
use ranker::strategy::{FORMULA, WARM};
use ranker::warm::Combine;
use ranker::{DeckItem, DeckRequest, RankerConfig, Recommender};

use super::outcomes::Shown;
use crate::world::World;

/// What every lake is judged by: chance; likes received lately; the smoothed like rate; nearness; what the candidate is worth to the viewer, and what both are
/// worth to each other, by the formula; what a deck of the configuration goes by before chance, popularity and exposure included.
pub(super) const STRATEGIES: [&str; 7] = ["random", "popularity", "like_rate", "distance", "one_sided", "reciprocal", "configured"];
/// What each [`Warm`] adds: the chance that the viewer likes the candidate, and both chances together in either way.
const ADDED: [&str; 3] = ["one_sided", "product", "harmonic"];

/// An impression with what each strategy thought of it, in the order of [`Judges::names`], and what the viewer was then.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    pub(super) shown: Shown,
    pub(super) scores: Vec<f64>,
    /// Of each of [`Judges::warm`] the chances that the viewer likes the candidate and the other way round.
    pub(super) chances: Vec<[f64; 2]>,
    pub(super) gender: &'static str,
    pub(super) city: Option<String>,
    pub(super) account_age: &'static str,
}

/// Nearest first; a distance that is not known comes last.
fn nearness(bucket: Bucket) -> f64 {
    match bucket {
        Bucket::Under5 => 6.0,
        Bucket::Under10 => 5.0,
        Bucket::Under20 => 4.0,
        Bucket::Under50 => 3.0,
        Bucket::Under100 => 2.0,
        Bucket::Farther => 1.0,
        Bucket::Unknown => 0.0,
    }
}

fn account_age(created: DateTime<Utc>, now: DateTime<Utc>) -> &'static str {
    match (now - created).num_days() {
        ..7 => "under 7 days",
        7..30 => "7 to 30 days",
        _ => "over 30 days",
    }
}

/// A number between 0 and 1 that depends on the two people alone.
pub(super) fn chance(seed: u64, shown: &Shown) -> f64 {
    uniform(bits(seed, Purpose::Draw, shown.viewer), Purpose::Sample, shown.candidate)
}

/// The strategy `warm` with some weights.
pub(super) struct Warm {
    /// What it is called: `warm`, or `fitted` for weights that were fitted just now.
    pub(super) name: &'static str,
    judge: Recommender,
}

impl Warm {
    pub(super) fn new(name: &'static str, world: &World, ranker: &RankerConfig, weights: &WarmConfig) -> anyhow::Result<Self> {
        Ok(Self { name, judge: world.by(WARM, &RankerConfig { warm: weights.clone(), ..ranker.alone() })? })
    }

    /// The item of a candidate; nothing when one of the two is not known yet.
    pub(super) fn item(&self, shown: &Shown) -> Option<DeckItem> {
        judged(&self.judge, shown)
    }
}

fn judged(judge: &Recommender, shown: &Shown) -> Option<DeckItem> {
    let request = DeckRequest { viewer: shown.viewer, deck_id: String::new(), seed: 0, now: shown.at, position: None, limit: 1 };
    judge.judge(&request, shown.candidate).ok()?.items.into_iter().next()
}

/// [`STRATEGIES`], the chances of `warm`, and the arms of the experiments.
pub(super) struct Judges {
    names: Vec<String>,
    formula: Recommender,
    pub(super) warm: Vec<Warm>,
    arms: Vec<Recommender>,
}

impl Judges {
    /// Arms are named `<experiment>:<arm>`, whether they run now or not. Weights that were `fitted` are judged beside the configured ones.
    ///
    /// # Errors
    /// When an arm does not make sense.
    pub(super) fn new(world: &World, ranker: &RankerConfig, fitted: Option<&WarmConfig>) -> anyhow::Result<Self> {
        let mut warm = vec![Warm::new("warm", world, ranker, &ranker.warm)?];
        if let Some(weights) = fitted {
            warm.push(Warm::new("fitted", world, ranker, weights)?);
        }
        let added = warm.iter().flat_map(|warm| ADDED.map(|what| format!("{}_{what}", warm.name)));
        let names = STRATEGIES.map(str::to_owned).into_iter().chain(added).collect();
        let mut judges = Self { names, formula: world.by(FORMULA, ranker)?, warm, arms: Vec::new() };
        for (experiment, config) in &ranker.experiments {
            for arm in config.arms.keys() {
                let holds = ranker.in_arm(experiment, arm)?;
                judges.arms.push(Recommender::new(world.parts().clone(), &holds)?.with_filters(Vec::new()));
                judges.names.push(format!("{experiment}:{arm}"));
            }
        }
        Ok(judges)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// What every strategy thinks of an impression as the world stands; nothing when one of the two is not known yet.
    pub(super) fn score(&self, world: &World, shown: &Shown, seed: u64) -> Option<Scored> {
        let configured = world.judge(shown.viewer, shown.candidate, shown.at).item?;
        let formula = judged(&self.formula, shown)?;
        let chances = self.warm.iter().map(|warm| warm.item(shown).map(|item| [item.sides.viewer, item.sides.candidate].map(f64::from)));
        let chances: Vec<[f64; 2]> = chances.collect::<Option<_>>()?;
        let by_arms: Vec<f64> = self.arms.iter().map(|arm| judged(arm, shown).map(|item| item.score.into())).collect::<Option<_>>()?;
        let table = world.parts().table.read();
        let signals = table.signals(table.row_of(shown.candidate)?, shown.at);
        let profile = table.profile(table.row_of(shown.viewer)?);
        let gender = match profile.gender {
            Gender::Female => "female",
            Gender::Male => "male",
            Gender::Other => "other",
        };
        let house: [f64; STRATEGIES.len()] = [
            chance(seed, shown),
            f64::from(signals.likes),
            f64::from(signals.like_rate),
            nearness(formula.distance),
            f64::from(formula.sides.viewer),
            f64::from(formula.sides.mutual),
            f64::from(configured.score),
        ];
        let together = |[ours, theirs]: &[f64; 2]| [*ours, Combine::Product.apply(*ours, *theirs), Combine::Harmonic.apply(*ours, *theirs)];
        let scores = house.into_iter().chain(chances.iter().flat_map(together)).chain(by_arms).collect();
        let (city, account_age) = (profile.city.clone(), account_age(profile.created_at, shown.at));
        Some(Scored { shown: *shown, scores, chances, gender, city, account_age })
    }
}

//! Ways to order whom somebody is shown, and what each thinks of an impression.

use chrono::{DateTime, Utc};
use features::profile::Gender;
use index::geo::Bucket;
use ranker::chance::{Purpose, bits, uniform};
use ranker::{DeckRequest, RankerConfig, Recommender};

use super::outcomes::Shown;
use crate::world::World;

/// What every lake is judged by: chance; likes received lately; the smoothed like rate; nearness; what the candidate is worth to the viewer; what both are
/// worth to each other; what a deck of the configuration goes by before chance, popularity and exposure included.
pub(super) const STRATEGIES: [&str; 7] = ["random", "popularity", "like_rate", "distance", "one_sided", "reciprocal", "configured"];

/// An impression with what each strategy thought of it, in the order of [`Judges::names`], and what the viewer was then.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    pub(super) shown: Shown,
    pub(super) scores: Vec<f64>,
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

/// [`STRATEGIES`], and the arms of the experiments.
pub(super) struct Judges {
    names: Vec<String>,
    arms: Vec<Recommender>,
}

impl Judges {
    /// Arms are named `<experiment>:<arm>`, whether they run now or not.
    ///
    /// # Errors
    /// When an arm does not make sense.
    pub(super) fn new(world: &World, ranker: &RankerConfig) -> anyhow::Result<Self> {
        let mut judges = Self { names: STRATEGIES.map(str::to_owned).to_vec(), arms: Vec::new() };
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
        let item = world.judge(shown.viewer, shown.candidate, shown.at).item?;
        let request = DeckRequest { viewer: shown.viewer, deck_id: String::new(), seed: 0, now: shown.at, position: None, limit: 1 };
        let by_arms = self.arms.iter().map(|arm| Some(f64::from(arm.judge(&request, shown.candidate).ok()?.items.first()?.score)));
        let by_arms: Vec<f64> = by_arms.collect::<Option<_>>()?;
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
            nearness(item.distance),
            f64::from(item.sides.viewer),
            f64::from(item.sides.mutual),
            f64::from(item.score),
        ];
        let scores = house.into_iter().chain(by_arms).collect();
        let (city, account_age) = (profile.city.clone(), account_age(profile.created_at, shown.at));
        Some(Scored { shown: *shown, scores, gender, city, account_age })
    }
}

//! Weights of the strategy `warm`, fitted to what happened before the split.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use ranker::config::WarmConfig;
use ranker::deck::Side;
use ranker::warm::position::Impression;
use ranker::warm::reciprocal::HeldOut;
use ranker::warm::{Direction, Examination, Ridge, live};

use super::LakeProtocol;
use super::outcomes::Outcomes;
use super::strategies::Warm;
use crate::config::Config;
use crate::world::{World, stand};

/// No impression is worth more than so many.
const CAP: f64 = 10.0;
/// Positions whose groups are told.
const POSITIONS: [u32; 5] = [0, 1, 3, 7, 15];

/// What was fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The weights, with what else was configured.
    pub weights: WarmConfig,
    /// Impressions they were fitted to.
    pub rows: usize,
    /// Of those, likes.
    pub likes: usize,
    /// How many impressions of a position are looked at.
    pub examined: Examination,
    /// The chances of both sides by the fitted weights, and whether it became a match, of those who could answer.
    pub(super) earlier: Vec<HeldOut>,
}

impl Fitted {
    /// The weights as a section of the configuration, with what they rest on.
    pub fn toml(&self) -> String {
        let w = &self.weights;
        let mut text = format!("# fitted to {} impressions, {} of them likes\n[ranker.warm]\n", self.rows, self.likes);
        let parts = [
            ("intercept", w.intercept),
            ("choosy", w.choosy),
            ("liked", w.liked),
            ("similarity", w.similarity),
            ("recency", w.recency),
            ("reply", w.reply),
        ];
        for (name, weight) in parts {
            let _ = writeln!(text, "{name} = {weight:.3}");
        }
        let looked: Vec<String> = POSITIONS.iter().map(|at| format!("{:.2}", self.examined.examined(*at))).collect();
        let _ = write!(text, "# looked at, by positions 0, 1-2, 3-6, 7-14, 15 and more: {}", looked.join(", "));
        text
    }
}

/// Fits to the impressions from `from` to the split; what came of them at or after the split is not known. Moves the world close to the split.
pub(super) async fn fit(world: &mut World, config: &Config, protocol: &LakeProtocol, from: DateTime<Utc>) -> anyhow::Result<Fitted> {
    anyhow::ensure!(from < protocol.split, "--fit-from {from} does not lie before --split {}", protocol.split);
    let training = LakeProtocol { split: from, until: protocol.split, ..*protocol };
    let outcomes = Outcomes::read(&config.lake_place(), &training).await?;
    world.advance(from).await?;
    let start = &config.ranker.warm;
    let judge = Warm::new("warm", world, &config.ranker, start)?;
    let mut rows = Vec::new();
    for shown in &outcomes.shown {
        world.advance_for(stand(shown.at, protocol.step).max(from), &[shown.viewer, shown.candidate]).await?;
        let Some(item) = judge.item(shown) else { continue };
        let [ours, theirs] = [Side::Viewer, Side::Candidate].map(|side| Direction::of_terms(&item.terms, side));
        rows.extend(ours.zip(theirs).map(|sides| (sides, *shown)));
    }
    let told: Vec<(Direction, bool)> = rows.iter().map(|((ours, _), shown)| (*ours, shown.liked)).collect();
    let Some(weights) = live::fit(&told, start, Ridge::default()) else {
        anyhow::bail!("from {from} to {} there are no impressions of which some became likes and some did not", protocol.split)
    };
    let both = rows.iter().filter(|(_, shown)| shown.both_shown);
    let earlier = both.map(|((ours, theirs), shown)| (ours.probability(&weights), theirs.probability(&weights), shown.matched)).collect();
    let placed = outcomes.shown.iter().filter_map(|s| Some(Impression { candidate: s.candidate.0, position: s.position?, liked: s.liked }));
    let examined = Examination::fit(&placed.collect::<Vec<_>>(), CAP);
    Ok(Fitted { rows: told.len(), likes: told.iter().filter(|row| row.1).count(), weights, examined, earlier })
}

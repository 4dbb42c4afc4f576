//! The world before an impression, as features tell it.

use std::sync::Arc;

use chrono::TimeDelta;
use features::embed::TextEncoder;
use ranker::strategy::{FORMULA, WARM};
use ranker::{DeckItem, DeckRequest, Recommender};

use super::between::{Between, cosines};
use super::impressions::Impression;
use super::person::Person;
use crate::config::Config;
use crate::world::World;

/// The world, moving with the impressions.
pub(super) struct Scene {
    world: World,
    formula: Recommender,
    warm: Recommender,
    newcomer_days: u32,
    keep: TimeDelta,
}

/// Both people and what is between them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) viewer: Person,
    pub(super) candidate: Person,
    pub(super) between: Between,
}

/// Who was not known before an impression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Viewer,
    Candidate,
}

impl Scene {
    pub(super) async fn begin(config: &Config, encoder: Option<Arc<dyn TextEncoder>>) -> anyhow::Result<Self> {
        let mut config = config.clone();
        // Reasons in words are for people; the terms say the same.
        config.ranker.deck.reasons = 0;
        let world = World::begin(&config, encoder).await?;
        let (formula, warm) = (world.by(FORMULA, &config.ranker)?, world.by(WARM, &config.ranker)?);
        let keep = TimeDelta::days(config.ledger.keep_days.into());
        Ok(Self { world, formula, warm, newcomer_days: config.ranker.sources.newcomer_days, keep })
    }

    /// What was known strictly before an impression; impressions come in the order of time.
    pub(super) async fn before(&mut self, shown: &Impression) -> anyhow::Result<Result<Seen, Unknown>> {
        let world = &mut self.world;
        world.advance_for(shown.at, &[shown.viewer, shown.candidate]).await?;
        let (people, cosines) = {
            let table = world.parts().table.read();
            let known = |user| Person::of(world, &table, user, shown.at, self.newcomer_days);
            ((known(shown.viewer), known(shown.candidate)), cosines(&table, shown))
        };
        let (viewer, candidate) = match people {
            (Some(viewer), Some(candidate)) => (viewer, candidate),
            (None, _) => return Ok(Err(Unknown::Viewer)),
            (_, None) => return Ok(Err(Unknown::Candidate)),
        };
        let verdict = world.judge(shown.viewer, shown.candidate, shown.at);
        let between = Between {
            cosines,
            formula: item(&self.formula, shown),
            warm: item(&self.warm, shown),
            configured: verdict.item,
            refused_by: verdict.refusal.map(|refusal| refusal.name()),
            ..Between::new(world, shown, [&viewer, &candidate], self.keep)
        };
        Ok(Ok(Seen { viewer, candidate, between }))
    }
}

/// What a recommender thinks of the candidate for the viewer.
fn item(judge: &Recommender, shown: &Impression) -> Option<DeckItem> {
    let request = DeckRequest { viewer: shown.viewer, deck_id: String::new(), seed: 0, now: shown.at, position: None, limit: 1 };
    judge.judge(&request, shown.candidate).ok()?.items.into_iter().next()
}

//! The ranking against what happened in a lake after a split in time.
//!
//! A row is the first impression of a pair at or after the split. It is scored by the world as it stood when it was shown ([`crate::world`]): by chance, by
//! popularity, by distance, by the viewer's side alone, by both sides, by the configured strategy, and by what holds in each arm of each experiment. What the viewer and the candidate did from then on decides
//! whether it was a like, and a match. People saw what the platform of that time chose to show, so the figures compare orders of what was shown,
//! not of all who could have been; recall asks the sources as they stood at the split.

mod newcomers;
mod orders;
mod outcomes;
mod sources;
mod strategies;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use features::embed::TextEncoder;
use ranker::eval::{Bootstrap, Row};

use crate::config::Config;
use crate::world::{World, stand};

use self::outcomes::Outcomes;
use self::strategies::{Judges, Scored};

/// How an evaluation is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LakeProtocol {
    /// Everything strictly before is history; impressions at or after it are rows.
    pub split: DateTime<Utc>,
    /// Nothing at or after this counts, neither impressions nor likes.
    pub until: DateTime<Utc>,
    /// How far the world may lie behind an impression.
    pub step: TimeDelta,
    /// Viewers whose recall is measured at most.
    pub recall_viewers: usize,
    /// How intervals are drawn, whole viewers at a time; its seed is that of everything.
    pub bootstrap: Bootstrap,
}

/// Judges every strategy on the lake of the configuration. `told` hears how many of how many impressions are scored.
///
/// # Errors
/// When the lake cannot be read, the encoder fails, or nobody was shown to anybody between split and end.
pub async fn evaluate(
    config: &Config,
    encoder: Option<Arc<dyn TextEncoder>>,
    protocol: &LakeProtocol,
    mut told: impl FnMut(usize, usize),
) -> anyhow::Result<Vec<Row>> {
    anyhow::ensure!(protocol.split < protocol.until, "--split {} does not lie before --until {}", protocol.split, protocol.until);
    let outcomes = Outcomes::read(&config.lake_place(), protocol).await?;
    anyhow::ensure!(
        !outcomes.shown.is_empty(),
        "the lake {} has no impression from {} to {}; `hongniang query 'SELECT MIN(event_time), MAX(event_time) FROM interactions'` tells what it has",
        config.lake_place(),
        protocol.split,
        protocol.until
    );
    let mut world = World::as_of(config, encoder, protocol.split).await?;
    let judges = Judges::new(&world, &config.ranker)?;
    let mut rows = sources::rows(&world, &config.ranker, &outcomes, protocol).await?;
    let mut scored: Vec<Scored> = Vec::with_capacity(outcomes.shown.len());
    for (done, shown) in outcomes.shown.iter().enumerate() {
        world.advance(stand(shown.at, protocol.step).max(protocol.split)).await?;
        scored.extend(judges.score(&world, shown, protocol.bootstrap.seed));
        told(done + 1, outcomes.shown.len());
    }
    world.advance(protocol.until).await?;
    let judged = tokio::task::spawn_blocking({
        let (bootstrap, all) = (protocol.bootstrap, outcomes.shown.len());
        move || orders::rows(judges.names(), &scored, all, &bootstrap)
    });
    rows.extend(judged.await?);
    rows.extend(newcomers::rows(&world, &outcomes, protocol));
    Ok(rows)
}

#[cfg(test)]
mod tests;

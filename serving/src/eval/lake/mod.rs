//! The ranking against what happened in a lake after a split in time.
//!
//! A row is the first impression of a pair at or after the split. It is scored by the world as it stood when it was shown ([`crate::world`]): by chance, by
//! popularity, by distance, by the viewer's side alone, by both sides, by the configured strategy, and by what holds in each arm of each experiment. What the viewer and the candidate did from then on decides
//! whether it was a like, and a match. People saw what the platform of that time chose to show, so the figures compare orders of what was shown,
//! not of all who could have been; recall asks the sources as they stood at the split.

mod calibration;
mod fit;
mod newcomers;
mod orders;
mod outcomes;
mod sources;
mod strategies;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use features::embed::TextEncoder;
use ranker::eval::Bootstrap;

use crate::config::Config;
use crate::eval::Findings;
use crate::world::{World, stand};

pub use self::fit::Fitted;
use self::outcomes::Outcomes;
use self::strategies::{Judges, Scored};

/// How an evaluation is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LakeProtocol {
    /// Everything strictly before is history; impressions at or after it are rows.
    pub split: DateTime<Utc>,
    /// Nothing at or after this counts, neither impressions nor likes.
    pub until: DateTime<Utc>,
    /// From here to the split impressions are rows to which the weights of the strategy `warm` are fitted; nothing is fitted without.
    pub fit_from: Option<DateTime<Utc>>,
    /// How far the world may lie behind an impression.
    pub step: TimeDelta,
    /// Viewers whose recall is measured at most.
    pub recall_viewers: usize,
    /// How intervals are drawn, whole viewers at a time; its seed is that of everything.
    pub bootstrap: Bootstrap,
}

/// What an evaluation found.
#[derive(Debug, Clone)]
pub struct LakeFindings {
    /// Measures and reliability tables.
    pub findings: Findings,
    /// What was fitted, when that was asked for.
    pub fitted: Option<Fitted>,
}

/// Judges every strategy on the lake of the configuration. `told` hears how many of how many impressions are scored.
///
/// # Errors
/// When the lake cannot be read, the encoder fails, nobody was shown to anybody between split and end, or there is nothing to fit to.
pub async fn evaluate(
    config: &Config,
    encoder: Option<Arc<dyn TextEncoder>>,
    protocol: &LakeProtocol,
    mut told: impl FnMut(usize, usize),
) -> anyhow::Result<LakeFindings> {
    anyhow::ensure!(protocol.split < protocol.until, "--split {} does not lie before --until {}", protocol.split, protocol.until);
    let outcomes = Outcomes::read(&config.lake_place(), protocol).await?;
    anyhow::ensure!(
        !outcomes.shown.is_empty(),
        "the lake {} has no impression from {} to {}; `hongniang query 'SELECT MIN(event_time), MAX(event_time) FROM interactions'` tells what it has",
        config.lake_place(),
        protocol.split,
        protocol.until
    );
    let mut world = World::begin(config, encoder).await?;
    let fitted = match protocol.fit_from {
        Some(from) => Some(fit::fit(&mut world, config, protocol, from).await?),
        None => None,
    };
    world.advance(protocol.split).await?;
    world.refresh_hot();
    let judges = Judges::new(&world, &config.ranker, fitted.as_ref().map(|fitted| &fitted.weights))?;
    let mut findings = Findings::new(protocol.bootstrap);
    let sources = sources::rows(&world, &config.ranker, &outcomes, protocol).await?;
    let mut scored: Vec<Scored> = Vec::with_capacity(outcomes.shown.len());
    for (done, shown) in outcomes.shown.iter().enumerate() {
        world.advance_for(stand(shown.at, protocol.step).max(protocol.split), &[shown.viewer, shown.candidate]).await?;
        scored.extend(judges.score(&world, shown, protocol.bootstrap.seed));
        told(done + 1, outcomes.shown.len());
    }
    world.advance(protocol.until).await?;
    findings.push(sources);
    let (bootstrap, all) = (protocol.bootstrap, outcomes.shown.len());
    let (mut findings, fitted) = tokio::task::spawn_blocking(move || {
        findings.push(orders::rows(judges.names(), &scored, all, &bootstrap));
        calibration::judge(&mut findings, &judges, &scored);
        if let Some(fitted) = &fitted {
            calibration::combinations(&mut findings, fitted, &judges, &scored);
        }
        (findings, fitted)
    })
    .await?;
    findings.push(newcomers::rows(&world, &outcomes, protocol));
    Ok(LakeFindings { findings, fitted })
}

#[cfg(test)]
mod tests;

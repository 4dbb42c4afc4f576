//! What a town looks like, beside what real ones look like.

use std::collections::HashMap;

use features::event::{Event, InteractionKind};
use serde::Serialize;

use super::Town;

/// A figure of the town; `target` is that of 17 million ratings of a dating site (libimseti), where it has one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TownStats {
    /// What is measured.
    pub metric: &'static str,
    /// In this town.
    pub value: f64,
    /// In the data.
    pub target: Option<f64>,
}

/// The Gini coefficient: 0 when all have the same, towards 1 when one has all.
fn gini(mut counts: Vec<f64>) -> f64 {
    counts.sort_by(f64::total_cmp);
    let (n, total): (f64, f64) = (count(counts.len()), counts.iter().sum());
    let weighted: f64 = counts.iter().enumerate().map(|(i, c)| (count(i) + 1.0) * c).sum();
    if total > 0.0 { 2.0 * weighted / (n * total) - (n + 1.0) / n } else { 0.0 }
}

fn count(n: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a town")]
    let float = n as f64;
    float
}

/// Figures of a town's events.
pub fn stats(town: &Town, events: &[Event]) -> Vec<TownStats> {
    let (mut received, mut given): (HashMap<u64, f64>, HashMap<u64, f64>) =
        town.residents().iter().map(|r| ((r.user_id.0, 0.0), (r.user_id.0, 0.0))).unzip();
    let (mut likes, mut impressions, mut moments) = (0.0, 0.0, 0.0);
    for event in events {
        match event {
            Event::Interaction(i) if i.kind == InteractionKind::Like => {
                *received.entry(i.target_id.0).or_default() += 1.0;
                *given.entry(i.actor_id.0).or_default() += 1.0;
                likes += 1.0;
            }
            Event::Interaction(i) if i.kind == InteractionKind::Impression => impressions += 1.0,
            Event::Moment(_) => moments += 1.0,
            _ => {}
        }
    }
    let mut top: Vec<f64> = received.values().copied().collect();
    top.sort_by(|a, b| b.total_cmp(a));
    let first = top.len().div_ceil(100);
    let people = count(town.residents().len()).max(1.0);
    let row = |metric, value, target| TownStats { metric, value, target };
    vec![
        row("events", count(events.len()), None),
        row("likes received, Gini", gini(top.clone()), Some(0.807)),
        row("likes received, share of the top 1 %", top.iter().take(first).sum::<f64>() / f64::max(likes, 1.0), Some(0.28)),
        row("likes given, Gini", gini(given.into_values().collect()), Some(0.58)),
        row("likes per impression", likes / f64::max(impressions, 1.0), None),
        row("likes per person", likes / people, None),
        row("Moments per person", moments / people, None),
    ]
}

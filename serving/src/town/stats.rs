//! What a town looks like, beside what real ones look like.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, InteractionKind, PresenceKind};
use serde::Serialize;

use super::Town;

/// What the marginals of real dating sites say; a test computes them again where the shared data are at hand.
pub(super) mod targets {
    /// Ratings received by each of 168,791 people (libimseti): Gini.
    pub(in crate::town) const RECEIVED_GINI: f64 = 0.807;
    /// The share of them that the most rated 1 % received.
    pub(in crate::town) const RECEIVED_TOP: f64 = 0.282;
    /// Ratings given by each of 135,359 people (libimseti, those who gave 20 or more): Gini.
    pub(in crate::town) const GIVEN_GINI: f64 = 0.580;
    /// Visits to the profiles of 3,992 women (lovoo): Gini.
    pub(in crate::town) const VISITS_GINI: f64 = 0.688;
    /// The share of them that the most visited 1 % received.
    pub(in crate::town) const VISITS_TOP: f64 = 0.122;
    /// Their photos: mean.
    pub(in crate::town) const PHOTOS_MEAN: f64 = 4.79;
    /// Their photos: Gini.
    pub(in crate::town) const PHOTOS_GINI: f64 = 0.436;
}

/// A figure of the town; `target` is that of a real dating site, where one can be compared (docs/SIMULATION.md tells which).
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
pub(super) fn gini(mut counts: Vec<f64>) -> f64 {
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

/// The share of the whole that the first 1 % by number have.
pub(super) fn top_share(mut counts: Vec<f64>) -> f64 {
    counts.sort_by(|a, b| b.total_cmp(a));
    let first: f64 = counts.iter().take(counts.len().div_ceil(100)).sum();
    first / counts.iter().sum::<f64>().max(f64::MIN_POSITIVE)
}

/// What each resident did and what came to them.
#[derive(Default, Clone)]
struct Tally {
    received: f64,
    given: f64,
    shown: f64,
    sessions: f64,
    seen_last: Option<DateTime<Utc>>,
}

fn tallies(town: &Town, events: &[Event]) -> Vec<Tally> {
    let mut tallies: HashMap<u64, Tally> = town.residents().iter().map(|r| (r.user_id.0, Tally::default())).collect();
    for event in events {
        match event {
            Event::Interaction(i) if i.kind == InteractionKind::Like => {
                tallies.entry(i.target_id.0).or_default().received += 1.0;
                tallies.entry(i.actor_id.0).or_default().given += 1.0;
            }
            Event::Interaction(i) if i.kind == InteractionKind::Impression => tallies.entry(i.target_id.0).or_default().shown += 1.0,
            Event::Presence(p) => {
                let who = tallies.entry(p.user_id.0).or_default();
                who.sessions += f64::from(u8::from(p.kind == PresenceKind::AppOpen));
                who.seen_last = who.seen_last.max(Some(p.event_time));
            }
            _ => {}
        }
    }
    tallies.into_values().collect()
}

/// Figures of a town's events.
pub fn stats(town: &Town, events: &[Event]) -> Vec<TownStats> {
    let tallies = tallies(town, events);
    let each = |of: fn(&Tally) -> f64| tallies.iter().map(of).collect::<Vec<f64>>();
    let (received, shown) = (each(|t| t.received), each(|t| t.shown));
    let photos: Vec<f64> = town.residents().iter().map(|r| f64::from(r.profile.photos)).collect();
    let people = count(town.residents().len()).max(1.0);
    let moments = count(events.iter().filter(|e| matches!(e, Event::Moment(_))).count());
    let (likes, impressions) = (received.iter().sum::<f64>(), shown.iter().sum::<f64>());
    let seen_within = |days: i64| {
        let since = town.spec.until - TimeDelta::days(days);
        count(tallies.iter().filter(|t| t.seen_last.is_some_and(|at| at >= since)).count()) / people
    };
    let row = |metric, value, target| TownStats { metric, value, target };
    vec![
        row("events", count(events.len()), None),
        row("likes received, Gini", gini(received.clone()), Some(targets::RECEIVED_GINI)),
        row("likes received, share of the top 1 %", top_share(received), Some(targets::RECEIVED_TOP)),
        row("likes given, Gini", gini(each(|t| t.given)), Some(targets::GIVEN_GINI)),
        row("impressions received, Gini", gini(shown.clone()), Some(targets::VISITS_GINI)),
        row("impressions received, share of the top 1 %", top_share(shown), Some(targets::VISITS_TOP)),
        row("photos, mean", photos.iter().sum::<f64>() / people, Some(targets::PHOTOS_MEAN)),
        row("photos, Gini", gini(photos), Some(targets::PHOTOS_GINI)),
        row("sessions, Gini", gini(each(|t| t.sessions)), None),
        row("seen within a day", seen_within(1), None),
        row("seen within a week", seen_within(7), None),
        row("likes per impression", likes / impressions.max(1.0), None),
        row("likes per person", likes / people, None),
        row("Moments per person", moments / people, None),
    ]
}

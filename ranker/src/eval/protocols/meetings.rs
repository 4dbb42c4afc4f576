//! Warm matches: people meet in turns within a group and say yes or no; the first part of each group is history.

use std::collections::BTreeMap;

use super::Outcome;
use crate::eval::TimeSplit;
use crate::eval::bootstrap::groups;
use crate::warm::reciprocal::choose;
use crate::warm::{BetaPrior, Combine, Criterion, Extras, Ridge, SideInputs, SideModel, Tally};

/// Two people met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    /// The group (wave, evening); groups with higher numbers met later.
    pub group: u32,
    /// The turn within the group.
    pub turn: u32,
    /// The two, always in the same order of sides.
    pub people: [u64; 2],
    /// Whether the first said yes to the second, and the second to the first.
    pub yes: [bool; 2],
}

impl Meeting {
    /// Whether both said yes.
    pub fn matched(&self) -> bool {
        self.yes[0] && self.yes[1]
    }
}

/// How rates are smoothed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Smoothing {
    /// Towards the rate of the group's history, worth this many rows.
    Fixed(f64),
    /// The same, worth as much as the group's people are alike.
    Fitted,
}

/// What is judged and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    /// The share of a group's meetings that is history, 0 to 1.
    pub history: f64,
    /// How rates are smoothed.
    pub smoothing: Smoothing,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { history: 0.7, smoothing: Smoothing::Fixed(4.0) }
    }
}

/// A meeting that was asked about, with everything that history said of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// The meeting.
    pub meeting: Meeting,
    /// Inputs of the first's side and of the second's.
    pub inputs: [SideInputs; 2],
    /// Probabilities by the odds model.
    pub plain: [f64; 2],
    /// Probabilities by the model fitted to the history of this group and of those before it.
    pub fitted: [f64; 2],
    /// The combination that was better on that history.
    pub chosen: Combine,
}

/// Every way to score a meeting, by name.
pub const STRATEGIES: [&str; 6] =
    ["popularity_one", "popularity_product", "sides_product", "sides_harmonic", "sides_chosen", "fitted_product"];

impl Asked {
    /// The score by a strategy, 0 to 1; nothing for a name that is not in [`STRATEGIES`].
    pub fn score(&self, strategy: &str) -> Option<f64> {
        let [ours, theirs] = self.plain;
        Some(match strategy {
            "popularity_one" => self.inputs[0].liked,
            "popularity_product" => self.inputs[0].liked * self.inputs[1].liked,
            "sides_product" => Combine::Product.apply(ours, theirs),
            "sides_harmonic" => Combine::Harmonic.apply(ours, theirs),
            "sides_chosen" => self.chosen.mean(ours, theirs),
            "fitted_product" => Combine::Product.apply(self.fitted[0], self.fitted[1]),
            _ => return None,
        })
    }
}

/// Splits each group in time and scores what comes after its history, in the order of groups and turns.
///
/// Weights and the combination are learned from history alone: its own first 70 % give the rates, its last 30 % the outcomes, so that no
/// rate was counted from the row it explains.
pub fn ask(meetings: &[Meeting], protocol: &Protocol) -> Vec<Asked> {
    let mut learned: [Vec<(SideInputs, Extras, bool)>; 2] = Default::default();
    let mut asked = Vec::new();
    for mut group in groups(meetings.iter().map(|m| (m.group, *m))) {
        group.sort_unstable_by_key(|m| (m.turn, m.people));
        let Some(split) = TimeSplit::at_share(group.iter().map(|m| m.turn), protocol.history) else { continue };
        let (history, later) = split.apply(group, |m| m.turn);
        if let Some(inner) = TimeSplit::at_share(history.iter().map(|m| m.turn), 0.7) {
            let (before, after) = inner.apply(history.iter().copied(), |m| m.turn);
            let rates = Rates::of(&before, protocol.smoothing);
            for meeting in after {
                let inputs = rates.inputs(&meeting);
                (0..2).for_each(|side| learned[side].push((inputs[side], Extras::default(), meeting.yes[side])));
            }
        }
        let models: [SideModel; 2] = [0, 1].map(|side| SideModel::fit(&learned[side], Ridge { l2: 10.0 }));
        let chosen = combination(&learned);
        let rates = Rates::of(&history, protocol.smoothing);
        asked.extend(later.into_iter().map(|meeting| {
            let inputs = rates.inputs(&meeting);
            let fitted = [0, 1].map(|side| models[side].probability(&inputs[side], &Extras::default()));
            Asked { meeting, inputs, plain: inputs.map(|i| i.probability()), fitted, chosen }
        }));
    }
    asked
}

/// The outcomes of a strategy, grouped by the group of the meeting.
pub fn outcomes(asked: &[Asked], strategy: &str) -> Vec<Outcome> {
    let one = |a: &Asked| Some(Outcome { group: a.meeting.group.into(), score: a.score(strategy)?, yes: a.meeting.matched() });
    asked.iter().filter_map(one).collect()
}

/// The better combination on what was learned, calibrated on the first half and judged on the second.
fn combination(learned: &[Vec<(SideInputs, Extras, bool)>; 2]) -> Combine {
    let [ours, theirs] = learned;
    let pair = |(a, b): (&(SideInputs, Extras, bool), &(SideInputs, Extras, bool))| (a.0.probability(), b.0.probability(), a.2 && b.2);
    let pairs: Vec<_> = ours.iter().zip(theirs).map(pair).collect();
    let (earlier, later) = pairs.split_at(pairs.len() / 2);
    choose(earlier, later, Criterion::Auc)
}

/// How often each person of a side said yes and was said yes to.
#[derive(Default)]
struct Rates {
    /// By side: what each person said.
    said: [BTreeMap<u64, Tally>; 2],
    /// By side: what was said to the people of the other side.
    heard: [BTreeMap<u64, Tally>; 2],
    priors: [Option<(BetaPrior, BetaPrior)>; 2],
}

impl Rates {
    fn of(history: &[Meeting], smoothing: Smoothing) -> Self {
        let mut rates = Self::default();
        for meeting in history {
            for side in 0..2 {
                rates.said[side].entry(meeting.people[side]).or_default().add(meeting.yes[side]);
                rates.heard[side].entry(meeting.people[1 - side]).or_default().add(meeting.yes[side]);
            }
        }
        for side in 0..2 {
            let mut all = Tally::default();
            history.iter().for_each(|m| all.add(m.yes[side]));
            // Half a yes and half a no keep a group of one mind from certainty.
            let base = BetaPrior::new(0.5, 1.0).smoothed(all);
            let fit = |people: &BTreeMap<u64, Tally>| match smoothing {
                Smoothing::Fixed(strength) => BetaPrior::new(base, strength),
                Smoothing::Fitted => BetaPrior::fit(&people.values().copied().collect::<Vec<_>>(), BetaPrior::new(base, 4.0)),
            };
            rates.priors[side] = Some((fit(&rates.said[side]), fit(&rates.heard[side])));
        }
        rates
    }

    fn inputs(&self, meeting: &Meeting) -> [SideInputs; 2] {
        [0, 1].map(|side| {
            let even = BetaPrior::new(0.5, 1.0);
            let (own, others) = self.priors[side].unwrap_or((even, even));
            let of = |map: &BTreeMap<u64, Tally>, id: u64| map.get(&id).copied().unwrap_or_default();
            let choosy = own.smoothed(of(&self.said[side], meeting.people[side]));
            let liked = others.smoothed(of(&self.heard[side], meeting.people[1 - side]));
            SideInputs { choosy, liked, base: own.rate() }
        })
    }
}

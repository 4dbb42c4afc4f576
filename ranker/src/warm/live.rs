//! How likely one person likes another, out of what the live recommender knows: rates, similarity, recency, replies.

use crate::config::WarmConfig;
use crate::deck::{Side, Term};
use crate::face::Face;
use crate::names::TermName;

use super::{Logistic, Rates, Ridge, logit, sigmoid};

/// What is known of one direction: would v like c?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direction {
    /// The rate of likes between the genders of both: the mean, on the log-odds scale, of what v's gender gives and c's gender receives. Strictly
    /// between 0 and 1.
    pub base: f64,
    /// The smoothed rate at which v likes whom v looks at, strictly between 0 and 1; that of v's segment for somebody unknown.
    pub choosy: f64,
    /// The smoothed rate at which c is liked by those who look at c, strictly between 0 and 1; that of c's segment for somebody unknown.
    pub liked: f64,
    /// What c is worth to v by the terms of the formula, 0 to 1.
    pub similarity: f64,
    /// How present c is, 0 to 1.
    pub recency: f64,
    /// The smoothed rate at which c replies to comments, strictly between 0 and 1.
    pub reply: f64,
}

/// A value of a [`Direction`] that has a weight, with what it adds to the log-odds per unit of weight.
type Part = (TermName, f64, f64);

impl Direction {
    /// What is known of `judge` and `other`, with the similarity that the formula found.
    pub fn between(judge: &Face<'_>, other: &Face<'_>, similarity: f64, rates: &Rates) -> Self {
        let of = |face: &Face<'_>| *rates.segment(face.limits().gender, face.age(), face.city());
        let (gives, receives) = (rates.gender(judge.limits().gender).given.rate(), rates.gender(other.limits().gender).received.rate());
        let (theirs, shown) = (of(other), &other.signals().behaviour);
        Self {
            base: sigmoid(f64::midpoint(logit(gives), logit(receives))),
            choosy: of(judge).choosy(&judge.signals().behaviour),
            liked: theirs.liked(shown),
            similarity,
            recency: other.signals().activity.into(),
            reply: theirs.reply(shown),
        }
    }

    /// Reads it back out of the terms of an item that the strategy `warm` scored; nothing if another did.
    pub fn of_terms(terms: &[Term], side: Side) -> Option<Self> {
        let mine = || terms.iter().filter(|term| term.side == side);
        let value = |name: TermName| mine().find(|term| term.name == name).map(|term| f64::from(term.value));
        let similar = || mine().filter(|term| TermName::SIMILAR.contains(&term.name));
        let total: f64 = similar().map(|term| f64::from(term.weight)).sum();
        let worth: f64 = similar().map(|term| f64::from(term.weight) * f64::from(term.value)).sum();
        Some(Self {
            base: value(TermName::Base)?,
            choosy: value(TermName::Choosy)?,
            liked: value(TermName::Liked)?,
            similarity: if total > 0.0 { worth / total } else { 0.0 },
            recency: value(TermName::Recency)?,
            reply: value(TermName::Reply)?,
        })
    }

    /// What each part adds to the log-odds per unit of its weight: rates as log-odds beside those of the base, the others beside one half.
    pub(crate) fn parts(&self) -> [Part; 4] {
        let beside = |rate: f64| logit(rate) - logit(self.base);
        [
            (TermName::Choosy, self.choosy, beside(self.choosy)),
            (TermName::Liked, self.liked, beside(self.liked)),
            (TermName::Recency, self.recency, self.recency - 0.5),
            (TermName::Reply, self.reply, self.reply - 0.5),
        ]
    }

    /// `logit base + intercept + choosy·(logit choosy − logit base) + liked·(logit liked − logit base) + similarity·(s − ½) + recency·(r − ½) +
    /// reply·(q − ½)`.
    ///
    /// With weights of 1 for the two rates and 0 for the rest this is the model of Rasch (1960), see [`super::SideInputs::probability`].
    pub fn log_odds(&self, weights: &WarmConfig) -> f64 {
        let known: f64 = self.parts().iter().map(|(name, _, per_weight)| weights.of(*name) * per_weight).sum();
        logit(self.base) + weights.intercept + weights.similarity * (self.similarity - 0.5) + known
    }

    /// How likely v likes c, strictly between 0 and 1.
    pub fn probability(&self, weights: &WarmConfig) -> f64 {
        sigmoid(self.log_odds(weights)).clamp(1e-9, 1.0 - 1e-9)
    }

    fn features(&self) -> Vec<f64> {
        let mut features = vec![self.similarity - 0.5];
        features.extend(self.parts().iter().map(|part| part.2));
        features
    }

    fn rasch(&self) -> f64 {
        logit(self.choosy) + logit(self.liked) - logit(self.base)
    }
}

/// Weights fitted to what happened; the rest of `start` is kept. The model of Rasch enters as a fixed offset and the ridge draws the weights towards
/// it, as in [`super::SideModel::fit`]. What is known of a row must not have been counted from that row. Nothing when the rows have one class only.
pub fn fit(rows: &[(Direction, bool)], start: &WarmConfig, ridge: Ridge) -> Option<WarmConfig> {
    let features: Vec<Vec<f64>> = rows.iter().map(|(d, _)| d.features()).collect();
    let offset: Vec<f64> = rows.iter().map(|(d, _)| d.rasch()).collect();
    let labels: Vec<bool> = rows.iter().map(|(_, yes)| *yes).collect();
    let (intercept, weights) = Logistic::fit_with_offset(&features, &offset, &labels, ridge)?.raw();
    let [similarity, choosy, liked, recency, reply]: [f64; 5] = weights.try_into().ok()?;
    Some(WarmConfig { intercept, similarity, choosy: 1.0 + choosy, liked: 1.0 + liked, recency, reply, ..start.clone() })
}

#[cfg(test)]
mod tests;

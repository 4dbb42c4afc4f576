//! Whether the chances that `warm` tells are those with which it happens, and which strategy orders better on the same rows.

use ranker::eval::Row;
use ranker::eval::protocols::Outcome;
use ranker::warm::Combine;
use ranker::warm::reciprocal::{HeldOut, judge as judge_combinations};

use super::fit::Fitted;
use super::strategies::{Judges, Scored};
use crate::eval::Findings;

/// Slices that are told apart.
type Slice = (&'static str, fn(&Scored) -> bool);

const SLICES: [Slice; 3] = [("all", |_| true), ("warm", |s| s.shown.warm), ("cold", |s| !s.shown.warm)];
/// Only who was shown the viewer, too, could make it a match.
const BOTH: Slice = ("both_shown", |s| s.shown.both_shown);

fn outcomes(scored: &[Scored], keep: fn(&Scored) -> bool, score: impl Fn(&Scored) -> f64, yes: fn(&Scored) -> bool) -> Vec<Outcome> {
    let one = |s: &Scored| Outcome { group: s.shown.viewer.0, score: score(s), yes: yes(s) };
    scored.iter().filter(|s| keep(s)).map(one).collect()
}

fn liked(one: &Scored) -> bool {
    one.shown.liked
}

fn matched(one: &Scored) -> bool {
    one.shown.matched
}

/// The reliability of each side's chance, of likes, and of the product, of matches among those who could answer; by how much `warm` orders better than the
/// formula, and the product better than the harmonic mean.
pub(super) fn judge(findings: &mut Findings, judges: &Judges, scored: &[Scored]) {
    let at = |name: &str| judges.names().iter().position(|known| known == name).expect("a name of the judges");
    for (number, warm) in judges.warm.iter().enumerate() {
        let name = |what: &str| format!("{}_{what}", warm.name);
        for (slice, keep) in SLICES {
            let rows = outcomes(scored, keep, |s| s.chances[number][0], liked);
            findings.calibrated(&name("one_sided"), slice, &rows);
        }
        let product = |s: &Scored| s.chances[number][0] * s.chances[number][1];
        findings.calibrated(&name("product"), BOTH.0, &outcomes(scored, BOTH.1, product, matched));
        for (slice, keep) in SLICES.into_iter().chain([BOTH]) {
            let mut gain = |ours: &str, theirs: &str, yes: fn(&Scored) -> bool| {
                let of = |name: &str| {
                    let place = at(name);
                    outcomes(scored, keep, |s| s.scores[place], yes)
                };
                findings.gain([ours, theirs], slice, [&of(ours), &of(theirs)]);
            };
            gain(&name("one_sided"), "one_sided", liked);
            gain(&name("one_sided"), "like_rate", liked);
            gain(&name("product"), "reciprocal", matched);
            gain(&name("product"), &name("harmonic"), matched);
        }
    }
}

/// What the product and the harmonic mean of the fitted chances reach after the split, once each is turned into a probability by a curve fitted before it.
pub(super) fn combinations(findings: &mut Findings, fitted: &Fitted, judges: &Judges, scored: &[Scored]) {
    let Some(number) = judges.warm.iter().position(|warm| warm.name == "fitted") else { return };
    let later = scored.iter().filter(|s| BOTH.1(s)).map(|s| (s.chances[number][0], s.chances[number][1], matched(s)));
    let later: Vec<HeldOut> = later.collect();
    for judged in judge_combinations(&fitted.earlier, &later) {
        let name = if judged.combine == Combine::Product { "fitted_product" } else { "fitted_harmonic" };
        findings
            .push([Row::plain(name, BOTH.0, "auc_match", judged.auc), Row::plain(name, BOTH.0, "log_loss_after_curve", judged.log_loss)]);
    }
}

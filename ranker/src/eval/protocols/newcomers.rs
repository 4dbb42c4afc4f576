//! Cold matches: nothing but sign-up answers, and a group that the model has not seen.

use std::collections::BTreeSet;

use super::Outcome;
use crate::eval::real;
use crate::warm::{Boost, BoostOptions, Logistic, Ridge};

/// What one person answered at sign-up. NaN where there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// Years.
    pub age: f64,
    /// Code of the answer, compared for being the same.
    pub race: f64,
    /// How much it matters that a partner is of the same, 1 to 10.
    pub race_matters: f64,
    /// Code of the field of work or study, compared for being the same.
    pub field: f64,
    /// What one came for, as coded.
    pub goal: f64,
    /// How rarely one goes on dates, 1 (several a week) to 7.
    pub dates: f64,
    /// How rarely one goes out, 1 to 7.
    pub goes_out: f64,
    /// How happy one expects to be with the people one meets, 1 to 10.
    pub hopes: f64,
    /// How one sees oneself, 1 to 10 each: attractive, sincere, intelligent, fun, ambitious.
    pub sees_self: [f64; 5],
    /// Interest in activities, 1 to 10 each, in the same order for everybody.
    pub interests: Vec<f64>,
    /// Which of the interests is exercise.
    pub exercise: usize,
}

/// A pair that met.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The group; people of different groups share nothing.
    pub group: u32,
    /// From [`features`].
    pub features: Vec<f64>,
    /// Whether the first said yes to the second, and the second to the first.
    pub yes: [bool; 2],
}

/// The features of a pair: what each says alone explains how choosy and how popular somebody is; the rest is about the two.
pub fn features(first: &Answers, second: &Answers) -> Vec<f64> {
    let mut row = alone(first);
    row.extend(alone(second));
    let gap = first.age - second.age;
    let same = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { f64::from(u8::from(a == b)) };
    let race = same(first.race, second.race);
    row.extend([gap, gap.abs(), race, race * first.race_matters, race * second.race_matters]);
    row.extend([same(first.field, second.field), same(first.goal, second.goal)]);
    row.extend([correlation(&first.interests, &second.interests), distance(&first.interests, &second.interests)]);
    row
}

fn alone(answers: &Answers) -> Vec<f64> {
    let known: Vec<f64> = answers.sees_self.iter().copied().filter(|x| !x.is_nan()).collect();
    let mean = known.iter().sum::<f64>() / real(known.len());
    let [attractive, _, intelligent, fun, _] = answers.sees_self;
    let is = |code: f64| if answers.race.is_nan() { f64::NAN } else { f64::from(u8::from(answers.race == code)) };
    let exercise = answers.interests.get(answers.exercise).copied().unwrap_or(f64::NAN);
    let Answers { age, race_matters, goal, dates, goes_out, hopes, .. } = *answers;
    vec![age, race_matters, goal, dates, goes_out, hopes, mean, attractive, fun, intelligent, is(2.0), is(4.0), exercise]
}

/// Pearson's correlation of what both answered, −1 to 1; NaN when there is none.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let both: Vec<(f64, f64)> = a.iter().zip(b).map(|(x, y)| (*x, *y)).filter(|(x, y)| !x.is_nan() && !y.is_nan()).collect();
    let n = real(both.len());
    let (mx, my) = (both.iter().map(|p| p.0).sum::<f64>() / n, both.iter().map(|p| p.1).sum::<f64>() / n);
    let sum = |f: &dyn Fn(f64, f64) -> f64| both.iter().map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

/// Euclidean distance over what both answered.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).filter(|d| !d.is_nan()).sum::<f64>().sqrt()
}

/// Every way to score a pair, by name.
pub const STRATEGIES: [&str; 5] = ["same_race_close_age", "logistic", "logistic_sides", "logistic_both", "trees_sides"];

/// Leaves each group out in turn, fits on the others and scores it: the outcomes of all strategies, in the order of [`STRATEGIES`].
///
/// The groups are not parted in time but wholly: nobody of a judged group, and no answer of theirs, is in what is fitted.
/// `logistic` predicts the match, `logistic_sides` and `trees_sides` each direction apart and multiply, `logistic_both` is the geometric
/// mean of the first two. A group is left out of the results when nothing can be fitted without it.
pub fn judge(pairs: &[Pair]) -> [Vec<Outcome>; 5] {
    let mut results: [Vec<Outcome>; 5] = Default::default();
    let ridge = Ridge { l2: 30.0 };
    for group in pairs.iter().map(|p| p.group).collect::<BTreeSet<u32>>() {
        let (judged, known): (Vec<&Pair>, Vec<&Pair>) = pairs.iter().partition(|p| p.group == group);
        let rows: Vec<Vec<f64>> = known.iter().map(|p| p.features.clone()).collect();
        let labels = |yes: &dyn Fn(&Pair) -> bool| known.iter().map(|p| yes(p)).collect::<Vec<bool>>();
        let sides = [labels(&|p| p.yes[0]), labels(&|p| p.yes[1])];
        let whole = Logistic::fit(&rows, &labels(&|p| p.yes[0] && p.yes[1]), ridge);
        let lines = [0, 1].map(|side: usize| Logistic::fit(&rows, &sides[side], ridge));
        let trees = [0, 1].map(|side: usize| Boost::fit(&rows, &sides[side], &BoostOptions::default()));
        let (Some(whole), [Some(ours), Some(theirs)], [Some(our_trees), Some(their_trees)]) = (whole, lines, trees) else { continue };
        for pair in judged {
            let x = &pair.features;
            let (direct, product) = (whole.predict(x), ours.predict(x) * theirs.predict(x));
            let scores = [by_hand(x), direct, product, (direct * product).sqrt(), our_trees.predict(x) * their_trees.predict(x)];
            let yes = pair.yes[0] && pair.yes[1];
            results.iter_mut().zip(scores).for_each(|(r, score)| r.push(Outcome { group: group.into(), score, yes }));
        }
    }
    results
}

/// Same race, then close age: what one would do without data.
fn by_hand(features: &[f64]) -> f64 {
    let pair = &features[features.len() - 9..];
    let known = |x: f64| if x.is_nan() { 0.0 } else { x };
    known(pair[2]) - known(pair[1]) / 10.0
}

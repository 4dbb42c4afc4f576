//! From sums to rows that say what may be concluded.

use chrono::{DateTime, Utc};
use ranker::RankerConfig;
use ranker::experiments::compare::FEW;
use ranker::experiments::tails::normal_reach;
use ranker::experiments::{Comparison, HOLDOUT, Looks, SUSPICIOUS, Sums, Verdict, compare, split_p_value};
use serde::Serialize;

use super::lake::{ArmSums, Outcomes, outcomes};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Metric {
    /// Likes per impression.
    LikeRate,
    /// Mutual matches per impression.
    MatchRate,
    /// Mutual matches per user.
    Matches,
    /// Likes per user.
    Likes,
    /// Impressions per user.
    Impressions,
}

impl Metric {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::LikeRate, Self::MatchRate, Self::Matches, Self::Likes, Self::Impressions];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LikeRate => "like_rate",
            Self::MatchRate => "match_rate",
            Self::Matches => "matches",
            Self::Likes => "likes",
            Self::Impressions => "impressions",
        }
    }

    fn sums(self, arm: &ArmSums) -> Sums {
        match self {
            Self::LikeRate => arm.like_rate(),
            Self::MatchRate => arm.match_rate(),
            Self::Impressions => arm.per_user(0),
            Self::Likes => arm.per_user(1),
            Self::Matches => arm.per_user(2),
        }
    }
}

/// An experiment as a report needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its name, or `holdout`.
    pub name: String,
    /// The arm the others are compared with.
    pub control: String,
    /// Arms and their weights.
    pub arms: Vec<(String, f64)>,
    /// Users of all arms at the planned look.
    pub planned_users: u64,
}

impl Trial {
    /// Every experiment of a configuration, and its holdout if anybody is held out.
    pub fn all(config: &RankerConfig) -> Vec<Self> {
        let mut trials: Vec<Self> = Vec::new();
        for (name, experiment) in &config.experiments {
            let arms = experiment.arms.iter().map(|(arm, of)| (arm.clone(), of.weight)).collect();
            trials.push(Self { name: name.clone(), control: experiment.control.clone(), arms, planned_users: experiment.planned_users });
        }
        let share = config.holdout.share;
        if share > 0.0 && share < 1.0 {
            let arms = vec![("in".to_owned(), share), ("out".to_owned(), 1.0 - share)];
            trials.push(Self { name: HOLDOUT.to_owned(), control: "in".to_owned(), arms, planned_users: 100_000 });
        }
        trials
    }

    fn weight(&self, arm: &str) -> f64 {
        self.arms.iter().find(|(name, _)| name == arm).map_or(0.0, |(_, weight)| *weight)
    }

    fn total(&self) -> f64 {
        self.arms.iter().map(|(_, weight)| weight).sum()
    }
}

/// How a report is made.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOptions {
    /// What is compared.
    pub metrics: Vec<Metric>,
    /// For how many days from the first impression on each user counts; none: all that happened.
    pub days: Option<u32>,
    /// The chance to err that is accepted.
    pub alpha: f64,
    /// The time of the look.
    pub now: DateTime<Utc>,
}

/// One arm in one metric. What compares with the control is absent in the row of the control itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportRow {
    /// The experiment.
    pub experiment: String,
    /// The metric.
    pub metric: &'static str,
    /// The arm.
    pub arm: String,
    /// The arm it is compared with.
    pub control: String,
    /// Users of the arm.
    pub users: u64,
    /// Users it would have if the split were exact.
    pub users_expected: f64,
    /// Chi-square p-value of the whole split; absent when there are too few users to say.
    pub split_p: Option<f64>,
    /// Users with impressions of more than one arm, who are not counted.
    pub in_two_arms: u64,
    /// Impressions of the arm.
    pub impressions: f64,
    /// Likes of the arm.
    pub likes: f64,
    /// Mutual matches of the arm.
    pub matches: f64,
    /// The metric.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
    /// Arm minus control.
    pub difference: Option<f64>,
    /// Lower end, for the one planned look.
    pub difference_low: Option<f64>,
    /// Upper end, for the one planned look.
    pub difference_high: Option<f64>,
    /// Two-sided p-value, for the one planned look.
    pub p_value: Option<f64>,
    /// Lower end, however often one looks.
    pub always_low: Option<f64>,
    /// Upper end, however often one looks.
    pub always_high: Option<f64>,
    /// p-value, however often one looks.
    pub always_p: Option<f64>,
    /// What may be concluded, in words.
    pub conclusion: String,
}

/// What came of experiments, by the lake at a place: a row for each arm and metric.
///
/// # Errors
/// When the lake cannot be read.
pub async fn report(place: &str, trials: &[Trial], options: &ReportOptions) -> anyhow::Result<Vec<ReportRow>> {
    let mut rows = Vec::new();
    for trial in trials {
        let arms: Vec<&str> = trial.arms.iter().map(|(arm, _)| arm.as_str()).collect();
        let found = outcomes(place, &trial.name, &arms, options.days, options.now).await?;
        rows.extend(rows_of(trial, &found, options));
    }
    Ok(rows)
}

fn rows_of(trial: &Trial, found: &Outcomes, options: &ReportOptions) -> Vec<ReportRow> {
    let of = |arm: &str| found.arms.get(arm).copied().unwrap_or_default();
    let (users, weights): (Vec<u64>, Vec<f64>) = trial.arms.iter().map(|(arm, weight)| (of(arm).users, *weight)).unzip();
    let split_p = split_p_value(&users, &weights);
    let all: u64 = users.iter().sum();
    let mut rows = Vec::new();
    for metric in &options.metrics {
        for (arm, weight) in &trial.arms {
            let sums = of(arm);
            let estimate = metric.sums(&sums).estimate();
            let half = estimate.map(|e| normal_reach(options.alpha) * e.variance.sqrt());
            let compared =
                (*arm != trial.control).then(|| compared(trial, *metric, (&of(&trial.control), &sums), arm, options.alpha)).flatten();
            let difference = |of: fn(&Comparison) -> f64| compared.as_ref().map(of);
            #[expect(clippy::cast_precision_loss, reason = "users stay far below 2^53")]
            let users_expected = all as f64 * weight / trial.total();
            rows.push(ReportRow {
                experiment: trial.name.clone(),
                metric: metric.name(),
                arm: arm.clone(),
                control: trial.control.clone(),
                users: sums.users,
                users_expected,
                split_p,
                in_two_arms: found.in_two_arms,
                impressions: sums.impressions,
                likes: sums.likes,
                matches: sums.matches,
                value: estimate.map(|e| e.value),
                low: estimate.zip(half).map(|(e, half)| e.value - half),
                high: estimate.zip(half).map(|(e, half)| e.value + half),
                difference: difference(|c| c.difference),
                difference_low: difference(|c| c.low),
                difference_high: difference(|c| c.high),
                p_value: difference(|c| c.p_value),
                always_low: difference(|c| c.always_low),
                always_high: difference(|c| c.always_high),
                always_p: difference(|c| c.always_p),
                conclusion: conclusion(trial, arm, compared.as_ref(), split_p, all),
            });
        }
    }
    rows
}

fn compared(trial: &Trial, metric: Metric, sides: (&ArmSums, &ArmSums), arm: &str, alpha: f64) -> Option<Comparison> {
    #[expect(clippy::cast_precision_loss, reason = "users stay far below 2^53")]
    let planned = trial.planned_users as f64 * (trial.weight(arm) + trial.weight(&trial.control)) / trial.total();
    #[expect(clippy::cast_precision_loss, reason = "a handful of arms")]
    let others = (trial.arms.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of users")]
    let looks = Looks { alpha: alpha / others, planned_users: planned.ceil() as u64 };
    compare(&metric.sums(sides.0), &metric.sums(sides.1), looks)
}

fn conclusion(trial: &Trial, arm: &str, compared: Option<&Comparison>, split_p: Option<f64>, users: u64) -> String {
    if let Some(p) = split_p.filter(|p| *p < SUSPICIOUS) {
        return format!("not to be trusted: the split is broken (p = {p:.1e}); find out why before reading on");
    }
    if arm == trial.control {
        return "control".to_owned();
    }
    let Some(comparison) = compared else { return "nothing to compare yet".to_owned() };
    match comparison.verdict {
        Verdict::TooFew => format!("too early: fewer than {FEW} users in an arm"),
        Verdict::Higher => "higher than the control; holds however often it was looked at, may be ended".to_owned(),
        Verdict::Lower => "lower than the control; holds however often it was looked at, may be ended".to_owned(),
        Verdict::Leaning => {
            let sign = if comparison.difference > 0.0 { "higher" } else { "lower" };
            format!(
                "looks {sign}, but only if this is the one look that was planned (at {} users, now {users}); do not end it for this",
                trial.planned_users
            )
        }
        Verdict::Open => "no difference shown".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn trial() -> Trial {
        let arms = vec![("control".to_owned(), 1.0), ("near".to_owned(), 1.0)];
        Trial { name: "closer".to_owned(), control: "control".to_owned(), arms, planned_users: 2_000 }
    }

    fn options() -> ReportOptions {
        ReportOptions { metrics: Metric::ALL.to_vec(), days: None, alpha: 0.05, now: DateTime::UNIX_EPOCH }
    }

    /// Users of whom every fortieth likes `likes` of ten, the others one.
    fn sums(users: u64, likes: f64) -> ArmSums {
        (0..users).fold(ArmSums::default(), |sums, user| sums.with(10.0, if user % 40 == 0 { likes } else { 1.0 }, 0.0))
    }

    fn rows(control: ArmSums, near: ArmSums) -> Vec<ReportRow> {
        let arms = BTreeMap::from([("control".to_owned(), control), ("near".to_owned(), near)]);
        rows_of(&trial(), &Outcomes { arms, in_two_arms: 0 }, &options())
    }

    #[test]
    fn a_row_for_each_arm_and_metric_and_words_that_fit() {
        let all = rows(sums(1_000, 1.0), sums(1_010, 9.0));
        assert_eq!(all.len(), 10);
        let near = all.iter().find(|r| r.metric == "like_rate" && r.arm == "near").unwrap();
        let value = (26.0 * 9.0 + 984.0) / 10_100.0;
        assert!((near.value.unwrap() - value).abs() < 1e-9 && (near.difference.unwrap() - (value - 0.1)).abs() < 1e-9, "{near:?}");
        assert!(near.conclusion.starts_with("higher"), "{near:?}");
        assert!(near.low.unwrap() < value && near.always_low.unwrap() < near.difference_low.unwrap());
        let control = all.iter().find(|r| r.metric == "like_rate" && r.arm == "control").unwrap();
        assert_eq!((control.difference, control.conclusion.as_str()), (None, "control"));
        let matches = all.iter().find(|r| r.metric == "matches" && r.arm == "near").unwrap();
        assert_eq!(matches.conclusion, "no difference shown");
    }

    #[test]
    fn a_broken_split_silences_everything_else() {
        let broken = rows(sums(1_000, 1.0), sums(1_300, 9.0));
        assert!(broken.iter().all(|row| row.conclusion.starts_with("not to be trusted")), "{broken:?}");
    }

    #[test]
    fn early_looks_are_held_back() {
        let early = rows(sums(60, 1.0), sums(60, 9.0));
        assert!(early.iter().filter(|r| r.arm == "near").all(|r| r.conclusion.starts_with("too early")), "{early:?}");
        let leaning = rows(sums(300, 1.0), sums(300, 9.0));
        let row = leaning.iter().find(|r| r.metric == "likes" && r.arm == "near").unwrap();
        assert!(row.p_value.unwrap() < 0.05 && row.always_p.unwrap() > 0.05, "{row:?}");
        assert!(row.conclusion.starts_with("looks higher, but only if this is the one look"), "{row:?}");
        let nobody = rows(ArmSums::default(), ArmSums::default());
        assert!(nobody.iter().filter(|r| r.arm == "near").all(|r| r.conclusion == "nothing to compare yet"));
    }
}

//! What an evaluation found: rows, and reliability tables that are rows too.

use std::collections::BTreeMap;

use features::ids::UserId;
use ranker::chance::{Purpose, uniform};
use ranker::eval::bootstrap::groups;
use ranker::eval::protocols::{Outcome, auc_row, brier_row, log_loss_row, mean_row};
use ranker::eval::{Bootstrap, Reliability, Row, auc, ndcg_at_k, real, reliability};

use super::report::{Plot, RELIABILITY};

/// Bins of a reliability table.
const BINS: usize = 10;
/// Places of a list that count.
const PLACES: usize = 10;

/// One candidate of somebody's list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Listed {
    /// Rows of one group are not independent.
    pub(super) group: u64,
    /// Whose list.
    pub(super) viewer: u64,
    /// Higher is further up.
    pub(super) score: f64,
    /// Whether it was right.
    pub(super) yes: bool,
}

/// Rows of all strategies.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    bootstrap: Bootstrap,
    rows: Vec<Row>,
    tables: Vec<(String, String, Reliability)>,
}

impl Findings {
    /// Nothing yet; intervals will be drawn like this.
    pub fn new(bootstrap: Bootstrap) -> Self {
        Self { bootstrap, rows: Vec::new(), tables: Vec::new() }
    }

    /// Measures of strategies, in the order in which they were found.
    pub fn measures(&self) -> &[Row] {
        &self.rows
    }

    /// How often it happened, on how many rows, and what a strategy without any knowledge reaches.
    pub(super) fn baseline(&mut self, slice: &str, outcomes: &[Outcome]) {
        let seed = self.bootstrap.seed;
        let values: Vec<(u64, f64)> = outcomes.iter().map(|o| (o.group, f64::from(u8::from(o.yes)))).collect();
        self.rows.push(Row::plain("all", slice, "rows", real(outcomes.len())));
        self.rows.extend(mean_row("all", slice, "base_rate", &values, &self.bootstrap));
        let blind: Vec<Outcome> =
            (0..).zip(outcomes).map(|(at, o)| Outcome { score: uniform(seed, Purpose::Sample, UserId(at)), ..*o }).collect();
        self.order("random", slice, &blind);
    }

    /// How well scores order what happened.
    pub(super) fn order(&mut self, strategy: &str, slice: &str, outcomes: &[Outcome]) {
        self.rows.extend(auc_row(strategy, slice, outcomes, &self.bootstrap));
    }

    /// The same for scores that are probabilities, and whether they can be believed.
    pub(super) fn probabilities(&mut self, strategy: &str, slice: &str, outcomes: &[Outcome]) {
        self.order(strategy, slice, outcomes);
        self.rows.extend(log_loss_row(strategy, slice, outcomes, &self.bootstrap));
        self.reliable(strategy, slice, outcomes);
    }

    /// Whether scores that are probabilities can be believed, for strategies whose order is judged elsewhere.
    pub(super) fn calibrated(&mut self, strategy: &str, slice: &str, outcomes: &[Outcome]) {
        self.rows.extend(log_loss_row(strategy, slice, outcomes, &self.bootstrap));
        self.rows.extend(brier_row(strategy, slice, outcomes, &self.bootstrap));
        self.reliable(strategy, slice, outcomes);
    }

    fn reliable(&mut self, strategy: &str, slice: &str, outcomes: &[Outcome]) {
        let pairs: Vec<(f64, bool)> = outcomes.iter().map(|o| (o.score, o.yes)).collect();
        if let Some(table) = reliability(&pairs, BINS) {
            // Drawn again, the error only grows, because every draw adds noise to the bins: an interval would not hold it.
            self.rows.push(Row::plain(strategy, slice, "calibration_error", table.expected_error));
            self.tables.push((strategy.to_owned(), slice.to_owned(), table));
        }
    }

    /// By how much one strategy orders better than another on the same rows, in AUC: drawn together, because the two see the same luck.
    pub(super) fn gain(&mut self, [name, than]: [&str; 2], slice: &str, [ours, theirs]: [&[Outcome]; 2]) {
        let rows = groups(ours.iter().zip(theirs).map(|(a, b)| (a.group, (a.score, b.score, a.yes))));
        let one = |rows: &[(f64, f64, bool)], pick: fn(&(f64, f64, bool)) -> f64| {
            auc(&rows.iter().map(|row| (pick(row), row.2)).collect::<Vec<_>>())
        };
        let gain = self.bootstrap.interval(&rows, |rows| Some(one(rows, |row| row.0)? - one(rows, |row| row.1)?));
        self.rows.extend(gain.map(|gain| Row::estimated(&format!("{name} over {than}"), slice, "auc_gain", gain)));
    }

    /// How far up everybody's own list the right ones stand: the mean over those who have any. Equal scores are in the order of chance.
    pub(super) fn lists(&mut self, strategy: &str, slice: &str, listed: &[Listed]) {
        /// Score, chance, gain.
        type Place = (f64, f64, f64);
        let mut lists: BTreeMap<(u64, u64), Vec<Place>> = BTreeMap::new();
        for (at, one) in (0..).zip(listed) {
            let chance = uniform(self.bootstrap.seed, Purpose::Sample, UserId(at));
            let gain = f64::from(u8::from(one.yes));
            lists.entry((one.group, one.viewer)).or_default().push((one.score, chance, gain));
        }
        let mut values = Vec::new();
        for ((group, _), mut list) in lists {
            list.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
            let gains: Vec<f64> = list.iter().map(|l| l.2).collect();
            values.extend(ndcg_at_k(&gains, &gains, PLACES).map(|ndcg| (group, ndcg)));
        }
        self.rows.extend(mean_row(strategy, slice, &format!("ndcg@{PLACES}"), &values, &self.bootstrap));
    }

    /// Rows that were made elsewhere.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = Row>) {
        self.rows.extend(row);
    }

    /// A count that belongs to a slice.
    pub(super) fn count(&mut self, slice: &str, count: usize) {
        self.rows.push(Row::plain("all", slice, "rows", real(count)));
    }

    /// Adds what another evaluation found.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.tables.extend(other.tables);
    }

    /// The reliability tables as rows: `reliability_predicted`, `reliability_observed` with its interval, `reliability_rows`, in the slice
    /// `<slice> bin=<number>/<bins>`.
    pub fn reliability(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (strategy, slice, table) in &self.tables {
            for (number, bin) in (1..).zip(&table.bins) {
                let slice = format!("{slice} bin={number}/{}", table.bins.len());
                let row = |metric: &str, value: f64| Row::plain(strategy, &slice, &format!("{RELIABILITY}{metric}"), value);
                rows.push(row("predicted", bin.predicted));
                rows.push(Row { low: Some(bin.low), high: Some(bin.high), ..row("observed", bin.observed) });
                rows.push(row("rows", real(bin.count)));
            }
        }
        rows
    }

    /// Measures and reliability tables.
    pub fn rows(&self) -> Vec<Row> {
        [self.rows.clone(), self.reliability()].concat()
    }

    /// The pictures: one for each metric, one for the reliability of each slice.
    pub fn plots(&self) -> Vec<Plot> {
        self.plots_of(|_| true)
    }

    /// The same of some measures only.
    pub fn plots_of(&self, drawn: impl Fn(&Row) -> bool) -> Vec<Plot> {
        let measures: Vec<Row> = self.rows.iter().filter(|row| row.metric != "rows" && drawn(row)).cloned().collect();
        let mut plots = Plot::per_metric(&measures);
        let mut slices: BTreeMap<&str, Vec<(&str, &Reliability)>> = BTreeMap::new();
        for (strategy, slice, table) in &self.tables {
            slices.entry(slice).or_default().push((strategy, table));
        }
        plots.extend(slices.iter().map(|(slice, series)| Plot::reliability(&format!("Reliability 校准: {slice}"), series)));
        plots
    }
}

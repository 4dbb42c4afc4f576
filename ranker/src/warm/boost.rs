//! Gradient-boosted trees for effects that are not straight lines: small, by histograms, deterministic.

use serde::{Deserialize, Serialize};

use super::{logit, sigmoid};
use crate::eval::real;

/// How trees are grown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoostOptions {
    /// Trees.
    pub trees: usize,
    /// Questions from root to leaf, 1 or more.
    pub depth: usize,
    /// The part of each tree's answer that is taken: greater than 0, at most 1.
    pub rate: f64,
    /// Penalty on leaf values.
    pub l2: f64,
    /// Rows that a leaf must have.
    pub leaf: usize,
    /// Most bins of a feature, at most 255; one more is for "not known".
    pub bins: usize,
}

impl Default for BoostOptions {
    fn default() -> Self {
        Self { trees: 100, depth: 2, rate: 0.05, l2: 5.0, leaf: 40, bins: 32 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Node {
    Leaf(f64),
    /// Rows whose bin of the feature is at most `bin` go left, the others right; bin 0 is "not known".
    Split {
        feature: usize,
        bin: u8,
        left: Box<Node>,
        right: Box<Node>,
    },
}

/// A fitted model: the log-odds of the base rate plus the leaves of all trees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boost {
    base: f64,
    /// Upper borders of the bins of each feature, ascending.
    borders: Vec<Vec<f64>>,
    trees: Vec<Node>,
}

/// First and second derivative of the log-loss, and rows.
#[derive(Clone, Copy, Default)]
struct Sum {
    slope: f64,
    curve: f64,
    rows: usize,
}

impl Sum {
    fn value(self, l2: f64) -> f64 {
        self.slope / (self.curve + l2)
    }

    fn gain(self, l2: f64) -> f64 {
        self.slope * self.slope / (self.curve + l2)
    }

    fn minus(self, other: Self) -> Self {
        Self { slope: self.slope - other.slope, curve: self.curve - other.curve, rows: self.rows - other.rows }
    }

    fn add(&mut self, other: Self) {
        self.slope += other.slope;
        self.curve += other.curve;
        self.rows += other.rows;
    }
}

/// What a tree is grown from.
struct Ground<'a> {
    binned: &'a [Vec<u8>],
    sums: &'a [Sum],
    bins: &'a [usize],
    options: &'a BoostOptions,
}

impl Boost {
    /// Fits by second-order boosting of the log-loss with binned features: Friedman (2001); Chen and Guestrin (KDD 2016).
    ///
    /// Rows are all of the same width; NaN is "not known". Of equally good splits the first feature and the lowest border win. `None`
    /// without rows, when one class is empty, or when rows and labels differ in number.
    pub fn fit(rows: &[Vec<f64>], labels: &[bool], options: &BoostOptions) -> Option<Self> {
        let yes = labels.iter().filter(|y| **y).count();
        if rows.len() != labels.len() || yes == 0 || yes == labels.len() {
            return None;
        }
        let borders: Vec<Vec<f64>> = (0..rows[0].len()).map(|i| borders(rows.iter().map(|row| row[i]), options.bins)).collect();
        let base = logit(real(yes) / real(rows.len()));
        let mut model = Self { base, borders, trees: Vec::with_capacity(options.trees) };
        let binned: Vec<Vec<u8>> = rows.iter().map(|row| model.bins(row)).collect();
        let bins: Vec<usize> = model.borders.iter().map(|b| b.len() + 2).collect();
        let mut line = vec![base; rows.len()];
        for _ in 0..options.trees {
            let sums: Vec<Sum> = line.iter().zip(labels).map(|(z, yes)| derivatives(*z, *yes)).collect();
            let ground = Ground { binned: &binned, sums: &sums, bins: &bins, options };
            let tree = ground.grow(&(0..rows.len()).collect::<Vec<_>>(), options.depth);
            line.iter_mut().zip(&binned).for_each(|(z, row)| *z += tree.value(row));
            model.trees.push(tree);
        }
        Some(model)
    }

    /// Log-odds of a row.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        let binned = self.bins(row);
        self.base + self.trees.iter().map(|tree| tree.value(&binned)).sum::<f64>()
    }

    /// Probability of a row, strictly between 0 and 1.
    pub fn predict(&self, row: &[f64]) -> f64 {
        sigmoid(self.log_odds(row)).clamp(1e-12, 1.0 - 1e-12)
    }

    fn bins(&self, row: &[f64]) -> Vec<u8> {
        let bin = |(x, borders): (&f64, &Vec<f64>)| {
            let at = if x.is_nan() { 0 } else { 1 + borders.partition_point(|border| border < x) };
            u8::try_from(at).unwrap_or(u8::MAX)
        };
        row.iter().zip(&self.borders).map(bin).collect()
    }
}

fn derivatives(z: f64, yes: bool) -> Sum {
    let p = sigmoid(z);
    Sum { slope: f64::from(u8::from(yes)) - p, curve: p * (1.0 - p), rows: 1 }
}

impl Node {
    fn value(&self, binned: &[u8]) -> f64 {
        match self {
            Self::Leaf(value) => *value,
            Self::Split { feature, bin, left, right } => (if binned[*feature] <= *bin { left } else { right }).value(binned),
        }
    }
}

impl Ground<'_> {
    fn grow(&self, rows: &[usize], depth: usize) -> Node {
        let total = rows.iter().fold(Sum::default(), |mut sum, row| {
            sum.add(self.sums[*row]);
            sum
        });
        let split = if depth == 0 { None } else { self.best(rows, total) };
        let Some((feature, bin)) = split else { return Node::Leaf(total.value(self.options.l2) * self.options.rate) };
        let (left, right): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| self.binned[**row][feature] <= bin);
        Node::Split { feature, bin, left: Box::new(self.grow(&left, depth - 1)), right: Box::new(self.grow(&right, depth - 1)) }
    }

    /// The feature and the last bin of the left side with the largest gain, if there is any.
    fn best(&self, rows: &[usize], total: Sum) -> Option<(usize, u8)> {
        let l2 = self.options.l2;
        let mut best: Option<(f64, usize, u8)> = None;
        for (feature, bins) in self.bins.iter().enumerate() {
            let mut histogram = vec![Sum::default(); *bins];
            for row in rows {
                histogram[usize::from(self.binned[*row][feature])].add(self.sums[*row]);
            }
            let mut left = Sum::default();
            for (bin, sum) in (0u8..).zip(&histogram[..bins - 1]) {
                left.add(*sum);
                let right = total.minus(left);
                let gain = left.gain(l2) + right.gain(l2) - total.gain(l2);
                let enough = left.rows.min(right.rows) >= self.options.leaf.max(1);
                if enough && gain > best.map_or(1e-9, |(most, _, _)| most) {
                    best = Some((gain, feature, bin));
                }
            }
        }
        best.map(|(_, feature, bin)| (feature, bin))
    }
}

/// Borders at which a feature is cut into bins of about equal count; values equal to a border lie below it.
fn borders(column: impl Iterator<Item = f64>, bins: usize) -> Vec<f64> {
    let mut known: Vec<f64> = column.filter(|x| !x.is_nan()).collect();
    known.sort_unstable_by(f64::total_cmp);
    let bins = bins.clamp(2, 254);
    let mut cuts: Vec<f64> = (1..bins).filter_map(|i| known.get(i * known.len() / bins).copied()).collect();
    cuts.dedup();
    // A border at the largest value would leave nothing above it.
    cuts.retain(|cut| known.last().is_some_and(|last| cut < last));
    cuts
}

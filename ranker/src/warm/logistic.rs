//! Logistic regression with a ridge: the few weights of a small model, fitted exactly.

use serde::{Deserialize, Serialize};

use super::sigmoid;
use crate::eval::real;

/// How strongly weights are drawn to 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ridge {
    /// `λ` of the penalty `λ/2 · Σ w²` beside the summed log-loss, for weights of standardised features; 0 or more. The intercept is free.
    pub l2: f64,
}

impl Default for Ridge {
    fn default() -> Self {
        Self { l2: 1.0 }
    }
}

/// A fitted model: `logit p = intercept + Σ wᵢ·(xᵢ − meanᵢ)/scaleᵢ`. A feature that is not a number counts as average.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Log-odds of an average row.
    pub intercept: f64,
    /// Weights of the standardised features.
    pub weights: Vec<f64>,
    mean: Vec<f64>,
    scale: Vec<f64>,
}

const STEPS: usize = 50;
const SMALL: f64 = 1e-9;

impl Logistic {
    /// Fits by Newton's method, that is iteratively reweighted least squares (Hastie, Tibshirani, Friedman, "The Elements of
    /// Statistical Learning", section 4.4.1; le Cessie and van Houwelingen 1992 for the ridge). Rows are all of the same width.
    ///
    /// `None` without rows, when one class is empty, or when rows and labels differ in number.
    pub fn fit(rows: &[Vec<f64>], labels: &[bool], ridge: Ridge) -> Option<Self> {
        Self::fit_with_offset(rows, &vec![0.0; rows.len()], labels, ridge)
    }

    /// The same with log-odds that are known beforehand, one a row, which the model corrects.
    pub fn fit_with_offset(rows: &[Vec<f64>], offset: &[f64], labels: &[bool], ridge: Ridge) -> Option<Self> {
        let yes = labels.iter().filter(|y| **y).count();
        if rows.len() != labels.len() || offset.len() != labels.len() || yes == 0 || yes == labels.len() {
            return None;
        }
        let width = rows[0].len();
        let (mean, scale): (Vec<f64>, Vec<f64>) = (0..width).map(|i| moments(rows.iter().map(|row| row[i]))).unzip();
        let mut model = Self { intercept: 0.0, weights: vec![0.0; width], mean, scale };
        let design: Vec<Vec<f64>> = rows.iter().map(|row| model.standardised(row)).collect();
        let mut cost = model.cost(&design, offset, labels, ridge);
        for _ in 0..STEPS {
            let step = model.newton(&design, offset, labels, ridge)?;
            let Some((next, lower)) = model.descend(&step, cost, |m| m.cost(&design, offset, labels, ridge)) else { break };
            let gained = cost - lower;
            (model, cost) = (next, lower);
            if gained <= SMALL * (1.0 + cost.abs()) {
                break;
            }
        }
        Some(model)
    }

    /// Log-odds of a row.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        self.line(&self.standardised(row))
    }

    /// Probability of a row, strictly between 0 and 1.
    pub fn predict(&self, row: &[f64]) -> f64 {
        sigmoid(self.log_odds(row)).clamp(1e-12, 1.0 - 1e-12)
    }

    /// The same model for features as they are: intercept and weights with `log_odds(x) = intercept + Σ wᵢ·xᵢ`.
    pub fn raw(&self) -> (f64, Vec<f64>) {
        let weights: Vec<f64> = self.weights.iter().zip(&self.scale).map(|(w, scale)| w / scale).collect();
        let shift: f64 = weights.iter().zip(&self.mean).map(|(w, mean)| w * mean).sum();
        (self.intercept - shift, weights)
    }

    fn standardised(&self, row: &[f64]) -> Vec<f64> {
        let one = |(x, (mean, scale)): (&f64, (&f64, &f64))| if x.is_nan() { 0.0 } else { (x - mean) / scale };
        row.iter().zip(self.mean.iter().zip(&self.scale)).map(one).collect()
    }

    fn line(&self, standardised: &[f64]) -> f64 {
        self.intercept + self.weights.iter().zip(standardised).map(|(w, x)| w * x).sum::<f64>()
    }

    fn cost(&self, design: &[Vec<f64>], offset: &[f64], labels: &[bool], ridge: Ridge) -> f64 {
        let surprise = |((x, offset), yes): ((&Vec<f64>, &f64), &bool)| {
            let z = self.line(x) + offset;
            // ln(1 + e^z), minus z where it happened, without overflow
            z.max(0.0) + (-z.abs()).exp().ln_1p() - if *yes { z } else { 0.0 }
        };
        let loss: f64 = design.iter().zip(offset).zip(labels).map(surprise).sum();
        loss + ridge.l2 / 2.0 * self.weights.iter().map(|w| w * w).sum::<f64>()
    }

    /// The step to the minimum of the quadratic that touches the cost here: intercept first.
    fn newton(&self, design: &[Vec<f64>], offset: &[f64], labels: &[bool], ridge: Ridge) -> Option<Vec<f64>> {
        let n = self.weights.len() + 1;
        let mut gradient = vec![0.0; n];
        let mut hessian = vec![vec![0.0; n]; n];
        let mut with_one = vec![1.0; n];
        for ((x, offset), yes) in design.iter().zip(offset).zip(labels) {
            with_one[1..].copy_from_slice(x);
            let p = sigmoid(self.line(x) + offset);
            let (error, curve) = (f64::from(u8::from(*yes)) - p, p * (1.0 - p));
            for (i, xi) in with_one.iter().enumerate() {
                gradient[i] += error * xi;
                for (h, xj) in hessian[i][..=i].iter_mut().zip(&with_one) {
                    *h += curve * xi * xj;
                }
            }
        }
        for (i, w) in self.weights.iter().enumerate() {
            gradient[i + 1] -= ridge.l2 * w;
            hessian[i + 1][i + 1] += ridge.l2;
        }
        for (i, row) in hessian.iter_mut().enumerate() {
            row[i] += SMALL; // a constant column and no ridge would leave it singular
        }
        solve(hessian, gradient)
    }

    /// The model after the step, halved until the cost falls; nothing when it falls no more.
    fn descend(&self, step: &[f64], cost: f64, cost_of: impl Fn(&Self) -> f64) -> Option<(Self, f64)> {
        let mut share = 1.0;
        for _ in 0..30 {
            let mut next = self.clone();
            next.intercept += share * step[0];
            next.weights.iter_mut().zip(&step[1..]).for_each(|(w, s)| *w += share * s);
            let lower = cost_of(&next);
            if lower < cost {
                return Some((next, lower));
            }
            share /= 2.0;
        }
        None
    }
}

/// Mean and standard deviation of what is known; a column that does not vary has scale 1.
fn moments(column: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let known = column.filter(|x| !x.is_nan());
    let count = real(known.clone().count()).max(1.0);
    let mean = known.clone().sum::<f64>() / count;
    let deviation = (known.map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    (mean, if deviation > 1e-12 { deviation } else { 1.0 })
}

/// Solves `A x = b` for a symmetric positive definite matrix of which the lower triangle is given (Cholesky); nothing if it is not.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            let left = a[i][j] - dot;
            if i == j && (left.is_nan() || left <= 0.0) {
                return None;
            }
            a[i][j] = if i == j { left.sqrt() } else { left / a[j][j] };
        }
    }
    for i in 0..n {
        let known: f64 = (0..i).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| a[k][i] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    Some(b)
}

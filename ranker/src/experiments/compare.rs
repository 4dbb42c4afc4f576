//! An arm against its control, once as it is usually done and once so that it may be looked at every day.
//!
//! A 95 % interval keeps its promise for *one* look that was planned beforehand. Who looks every day and stops when the interval leaves 0
//! finds differences that are not there in far more than 5 % of the cases. An *always-valid* interval (a confidence sequence) holds at
//! all looks together: whenever one stops, and whatever for, the chance that it ever missed the truth is at most `alpha`. The price is
//! width, about 1.5 times as wide around the planned number of users.

use super::estimate::Sums;
use super::tails::{normal_reach, normal_tails};
use crate::eval::real;

/// Arms with fewer users are not judged: everything here rests on means of many users being normal.
pub const FEW: u64 = 100;

/// How it is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looks {
    /// The chance to err that is accepted, such as 0.05; with several arms against one control, divided by their number (Bonferroni).
    pub alpha: f64,
    /// Users of both arms together at the planned look, fixed before the first.
    pub planned_users: u64,
}

/// What may be concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Fewer than [`FEW`] users in an arm.
    TooFew,
    /// Higher than the control, whenever one looked.
    Higher,
    /// Lower than the control, whenever one looked.
    Lower,
    /// The fixed interval excludes no difference, the always-valid one does not.
    Leaning,
    /// Neither excludes it.
    Open,
}

/// An arm against its control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Arm minus control.
    pub difference: f64,
    /// Lower end of the fixed interval.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// Two-sided p-value, for the one planned look.
    pub p_value: f64,
    /// Lower end of the always-valid interval.
    pub always_low: f64,
    /// Upper end of it.
    pub always_high: f64,
    /// The p-value that may be looked at whenever one likes.
    pub always_p: f64,
    /// What may be concluded.
    pub verdict: Verdict,
}

/// Compares two arms. `None` when one of them has no estimate.
///
/// Fixed: the difference of two independent estimates is normal. Always valid: the mixture sequential probability ratio test with a normal
/// mixture (Robbins 1970; Johari, Koomen, Pekelis and Walsh, KDD 2017), as an asymptotic confidence sequence with a plugged-in variance
/// (Howard et al. 2021; Waudby-Smith et al. 2024). With `V` the variance of the difference at `n` users and `r = n·ρ²`:
///
/// `|difference − truth| ≤ √( V·(1 + r)/r · (2·ln(1/α) + ln(1 + r)) )` at all `n` at once, and the p-value is
/// `√(1 + r) · exp(−r/(1 + r) · difference²/(2V))`, at most 1. `ρ² = (2·ln(1/α) + ln(1 + 2·ln(1/α))) / planned` makes it tightest around the
/// planned number of users. Neither may be changed after a look.
pub fn compare(control: &Sums, arm: &Sums, looks: Looks) -> Option<Comparison> {
    let (theirs, ours) = (control.estimate()?, arm.estimate()?);
    let (difference, variance) = (ours.value - theirs.value, ours.variance + theirs.variance);
    let reach = normal_reach(looks.alpha) * variance.sqrt();
    let users = usize::try_from(control.users + arm.users).unwrap_or(usize::MAX);
    let doubt = 2.0 * (1.0 / looks.alpha).ln();
    let r = real(users) * (doubt + doubt.ln_1p()) / real(usize::try_from(looks.planned_users.max(1)).unwrap_or(usize::MAX));
    let always = (variance * (1.0 + r) / r * (doubt + r.ln_1p())).sqrt();
    // Without any variance a difference is certain, and none is none.
    let (p_value, always_p) = if variance > 0.0 {
        let square = difference * difference / variance;
        (normal_tails(square.sqrt()), ((1.0 + r).sqrt() * (-0.5 * square * r / (1.0 + r)).exp()).min(1.0))
    } else {
        let none = f64::from(u8::from(difference == 0.0));
        (none, none)
    };
    let verdict = if control.users.min(arm.users) < FEW {
        Verdict::TooFew
    } else if difference.abs() > always {
        if difference > 0.0 { Verdict::Higher } else { Verdict::Lower }
    } else if difference.abs() > reach {
        Verdict::Leaning
    } else {
        Verdict::Open
    };
    Some(Comparison {
        difference,
        low: difference - reach,
        high: difference + reach,
        p_value,
        always_low: difference - always,
        always_high: difference + always,
        always_p,
        verdict,
    })
}

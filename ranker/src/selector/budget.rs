//! Who has been shown enough today: a budget beyond which somebody gives way little by little, and a cap on piling up.
//!
//! The budget is a price: each budget's worth of exposures beyond the first costs `budget_strength` units of the key, so that who is much better still
//! comes. The cap is relative to the market of the deck, the people scored for it, because what is much in a village is little in a city.

use index::ledger::{Ledger, Return, Standing};

use crate::config::ExposureConfig;
use crate::filters::Entrant;
use crate::query::Query;

/// What exposure says about one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Spent {
    /// People they were shown to today.
    pub(super) received: u32,
    /// What that takes off the key.
    pub(super) budget: f64,
    /// Whether everybody else comes first.
    pub(super) capped: bool,
    /// Whether they came back lately.
    pub(super) returning: bool,
}

/// How everybody stands, in their order. The ledger is asked once, and not at all where nothing would come of it: then nobody is in the answer.
pub(crate) fn standings(query: &Query, entrants: &[Entrant<'_>], ledger: &Ledger) -> Vec<Standing> {
    let config = &query.config().exposure;
    if config.daily_budget == 0 && config.pile_up_cap == 0.0 && config.returning_days == 0 {
        return Vec::new();
    }
    let back = Return { away_days: config.returning_away_days, within_days: config.returning_days };
    ledger.standings(entrants.iter().map(|entrant| entrant.pair.candidate.user()), query.now, back)
}

/// What exposure says about `many` candidates, of whose standings there are as many or none.
pub(crate) fn spent(query: &Query, standings: &[Standing], many: usize) -> Vec<Spent> {
    let mut spent = of(standings, &query.config().exposure);
    spent.resize(many, Spent::default());
    spent
}

fn of(standings: &[Standing], config: &ExposureConfig) -> Vec<Spent> {
    let total: f64 = standings.iter().map(|s| f64::from(s.received)).sum();
    let mean = total / crate::eval::real(standings.len().max(1));
    let most = if config.pile_up_cap > 0.0 { config.pile_up_cap * mean.max(1.0) } else { f64::INFINITY };
    let one = |standing: &Standing| {
        let received = f64::from(standing.received);
        let over = if config.daily_budget > 0 { (received / f64::from(config.daily_budget) - 1.0).max(0.0) } else { 0.0 };
        Spent { received: standing.received, budget: config.budget_strength * over, capped: received >= most, returning: standing.returned }
    };
    standings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn received(counts: &[u32]) -> Vec<Standing> {
        counts.iter().map(|received| Standing { received: *received, returned: false }).collect()
    }

    #[test]
    fn the_budget_costs_nothing_until_it_is_spent() {
        let config = ExposureConfig { daily_budget: 10, budget_strength: 3.0, ..ExposureConfig::default() };
        let costs: Vec<f64> = of(&received(&[0, 10, 15, 30]), &config).iter().map(|s| s.budget).collect();
        assert_eq!(costs, [0.0, 0.0, 1.5, 6.0]);
    }

    #[test]
    fn the_cap_is_a_multiple_of_the_mean_and_of_one_at_least() {
        let config = ExposureConfig { pile_up_cap: 3.0, ..ExposureConfig::default() };
        let capped = |counts: &[u32]| of(&received(counts), &config).iter().map(|s| s.capped).collect::<Vec<_>>();
        assert_eq!(capped(&[0, 0, 0, 2]), [false; 4], "a mean of a half counts as one");
        assert_eq!(capped(&[0, 0, 0, 3]), [false, false, false, true]);
        assert_eq!(capped(&[4, 4, 4, 36]), [false, false, false, true], "a mean of 12");
        assert_eq!(capped(&[12, 12, 12, 12]), [false; 4]);
    }

    proptest! {
        #[test]
        fn who_received_more_is_never_better_off(counts in prop::collection::vec(0u32..200, 1..50), daily_budget in 0u32..50, budget_strength in 0.0..10.0, pile_up_cap in 0.0..5.0) {
            let mut counts = counts;
            counts.sort_unstable();
            let config = ExposureConfig { daily_budget, budget_strength, pile_up_cap, ..ExposureConfig::default() };
            let spent = of(&received(&counts), &config);
            for two in spent.windows(2) {
                prop_assert!(two[0].budget <= two[1].budget && two[0].capped <= two[1].capped);
            }
            prop_assert!(pile_up_cap <= 1.0 || !spent[0].capped, "who received least is above a multiple of the mean");
        }
    }
}

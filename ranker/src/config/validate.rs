//! Values that make sense.

use std::ops::RangeInclusive;

use super::RankerConfig;
use crate::error::ConfigError;
use crate::experiments;
use crate::names::{SourceName, TermName};

/// Checks one section of values; the first complaint wins.
struct Check {
    prefix: String,
}

impl Check {
    fn refuse(&self, field: &str, problem: String) -> Result<(), ConfigError> {
        Err(ConfigError { field: format!("{}{field}", self.prefix), problem })
    }

    fn within(&self, field: &str, value: f64, range: RangeInclusive<f64>) -> Result<(), ConfigError> {
        if range.contains(&value) {
            return Ok(());
        }
        self.refuse(field, format!("{value} is out of range, use {} to {}", range.start(), range.end()))
    }

    fn count(&self, field: &str, value: usize, range: RangeInclusive<usize>) -> Result<(), ConfigError> {
        if range.contains(&value) {
            return Ok(());
        }
        self.refuse(field, format!("{value} is out of range, use {} to {}", range.start(), range.end()))
    }
}

impl RankerConfig {
    /// Checks every value, those of regions included.
    ///
    /// # Errors
    /// Names the first field that is wrong and what it may be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.check_at("")?;
        for region in self.regions.keys() {
            self.in_region(region)?.check_at(&format!("regions.{region}."))?;
        }
        experiments::validate(self)
    }

    /// Checks the values that hold in one place; `prefix` goes before every field name.
    pub(crate) fn check_at(&self, prefix: &str) -> Result<(), ConfigError> {
        self.check(&Check { prefix: prefix.to_owned() })
    }

    fn check(&self, check: &Check) -> Result<(), ConfigError> {
        if !experiments::is_name(&self.strategy) {
            check.refuse("strategy", format!("`{}` is no name, use {}", self.strategy, experiments::NAMES))?;
        }
        self.check_deck(check)?;
        self.check_sources(check)?;
        self.check_weights(check)?;
        self.check_curves(check)?;
        self.check_warm(check)?;
        self.check_draw(check)?;
        self.check_exposure(check)?;
        self.check_selector(check)
    }

    fn check_deck(&self, check: &Check) -> Result<(), ConfigError> {
        let deck = &self.deck;
        check.count("deck.size", deck.size, 1..=2_000)?;
        check.count("deck.candidates_to_score", deck.candidates_to_score, deck.size..=50_000)?;
        check.within("deck.exposure_window_days", f64::from(deck.exposure_window_days), 0.0..=3_650.0)?;
        check.count("deck.exact_scan_below", deck.exact_scan_below, 0..=10_000_000)?;
        check.count("deck.reasons", deck.reasons, 0..=20)
    }

    fn check_sources(&self, check: &Check) -> Result<(), ConfigError> {
        let sources = &self.sources;
        for name in SourceName::ALL {
            let budget = sources.budget(*name);
            check.count(&format!("sources.{}.limit", name.name()), budget.limit, 0..=10_000)?;
            if !(1..=60_000).contains(&budget.timeout_ms) {
                check.refuse(
                    &format!("sources.{}.timeout_ms", name.name()),
                    format!("{} is out of range, use 1 to 60000", budget.timeout_ms),
                )?;
            }
        }
        if SourceName::ALL.iter().all(|name| sources.budget(*name).limit == 0) {
            check.refuse("sources", "every source is turned off: give at least one a limit".to_owned())?;
        }
        check.within("sources.near_radius_km", sources.near_radius_km, 1.0..=20_100.0)?;
        check.count("sources.near_scan", sources.near_scan, 1..=1_000_000)?;
        check.within("sources.newcomer_days", f64::from(sources.newcomer_days), 0.0..=3_650.0)?;
        check.count("sources.newcomer_scan", sources.newcomer_scan, 1..=1_000_000)?;
        check.within("sources.under_shown_below", f64::from(sources.under_shown_below), 0.0..=1e9)?;
        check.count("sources.under_shown_scan", sources.under_shown_scan, 1..=1_000_000)?;
        check.count("sources.friends_scan", sources.friends_scan, 0..=10_000)?;
        check.count("sources.co_like_scan", sources.co_like_scan, 1..=index::co_likes::KEPT)?;
        check.count("sources.co_like_alike", sources.co_like_alike, 1..=10_000)
    }

    fn check_weights(&self, check: &Check) -> Result<(), ConfigError> {
        for term in TermName::SIMILAR {
            check.within(&format!("weights.{}", term.name()), self.weights.of(*term), 0.0..=1_000.0)?;
        }
        let always_known = [TermName::Age, TermName::Activity, TermName::Richness, TermName::Completeness];
        if always_known.iter().all(|term| self.weights.of(*term) == 0.0) {
            check.refuse(
                "weights",
                "one of age, activity, richness and completeness must be above 0: only they are known of everybody".to_owned(),
            )?;
        }
        Ok(())
    }

    fn check_curves(&self, check: &Check) -> Result<(), ConfigError> {
        let curves = &self.curves;
        check.within("curves.distance_half_km", curves.distance_half_km, 0.1..=20_000.0)?;
        check.within("curves.age_half_years", curves.age_half_years, 0.1..=100.0)?;
        check.within("curves.height_half_cm", curves.height_half_cm, 0.1..=200.0)?;
        check.within("curves.cosine_floor", curves.cosine_floor, -1.0..=0.99)?;
        check.within("curves.cosine_ceiling", curves.cosine_ceiling, curves.cosine_floor + 0.01..=1.0)
    }

    fn check_warm(&self, check: &Check) -> Result<(), ConfigError> {
        let warm = &self.warm;
        check.within("warm.intercept", warm.intercept, -20.0..=20.0)?;
        // With a weight below 0 somebody would be shown less because they are liked more.
        check.within("warm.choosy", warm.choosy, 0.0..=10.0)?;
        check.within("warm.liked", warm.liked, 0.0..=10.0)?;
        check.within("warm.similarity", warm.similarity, -100.0..=100.0)?;
        check.within("warm.recency", warm.recency, -100.0..=100.0)?;
        check.within("warm.reply", warm.reply, -100.0..=100.0)?;
        check.within("warm.sharpness", warm.sharpness, 0.0..=1_000.0)
    }

    fn check_draw(&self, check: &Check) -> Result<(), ConfigError> {
        let draw = &self.draw;
        check.within("draw.temperature", draw.temperature, 0.0..=100.0)?;
        check.within("draw.sharpness", draw.sharpness, 0.0..=1_000.0)?;
        check.within("draw.popularity_exponent", draw.popularity_exponent, -10.0..=10.0)?;
        check.within("draw.popularity_floor", draw.popularity_floor, 0.001..=1.0)?;
        check.within("draw.popularity_ceiling", draw.popularity_ceiling, 1.0..=1_000.0)?;
        check.within("draw.exposure_exponent", draw.exposure_exponent, 0.0..=10.0)?;
        check.within("draw.exposure_scale", draw.exposure_scale, 0.1..=1e9)
    }

    fn check_exposure(&self, check: &Check) -> Result<(), ConfigError> {
        let exposure = &self.exposure;
        check.within("exposure.daily_budget", f64::from(exposure.daily_budget), 0.0..=1e9)?;
        check.within("exposure.budget_strength", exposure.budget_strength, 0.0..=1_000.0)?;
        check.within("exposure.pile_up_cap", exposure.pile_up_cap, 0.0..=1e6)?;
        check.within("exposure.returning_away_days", f64::from(exposure.returning_away_days), 1.0..=60.0)?;
        check.within("exposure.returning_days", f64::from(exposure.returning_days), 0.0..=60.0)
    }

    fn check_selector(&self, check: &Check) -> Result<(), ConfigError> {
        let selector = &self.selector;
        check.within("selector.diversity", selector.diversity, 0.0..=1_000.0)?;
        check.count("selector.look_ahead", selector.look_ahead, 1..=1_000)?;
        check.count("selector.window", selector.window, 0..=100)?;
        check.count("selector.newcomer_every", selector.newcomer_every, 0..=1_000)?;
        for (source, share) in &selector.source_caps {
            check.within(&format!("selector.source_caps.{}", source.name()), *share, 0.0..=1.0)?;
        }
        Ok(())
    }
}

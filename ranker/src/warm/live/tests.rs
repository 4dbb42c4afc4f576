use proptest::prelude::*;

use super::*;
use crate::chance::{Purpose, uniform};
use features::ids::UserId;

fn rate() -> std::ops::Range<f64> {
    0.01..0.99
}

prop_compose! {
    fn direction()(base in rate(), choosy in rate(), liked in rate(), similarity in 0.0f64..=1.0, recency in 0.0f64..=1.0, reply in rate()) -> Direction {
        Direction { base, choosy, liked, similarity, recency, reply }
    }
}

prop_compose! {
    fn weights()(intercept in -3.0f64..3.0, choosy in 0.0f64..3.0, liked in 0.0f64..3.0, similarity in 0.0f64..10.0, recency in 0.0f64..5.0, reply in 0.0f64..5.0) -> WarmConfig {
        WarmConfig { intercept, choosy, liked, similarity, recency, reply, ..WarmConfig::default() }
    }
}

proptest! {
    #[test]
    fn it_is_a_probability_and_grows_with_each_thing_known(d in direction(), weights in weights(), more in 0.0f64..0.5) {
        let p = d.probability(&weights);
        prop_assert!(0.0 < p && p < 1.0);
        let up = |value: f64| (value + more).min(0.995);
        for raised in [
            Direction { choosy: up(d.choosy), ..d },
            Direction { liked: up(d.liked), ..d },
            Direction { similarity: (d.similarity + more).min(1.0), ..d },
            Direction { recency: (d.recency + more).min(1.0), ..d },
            Direction { reply: up(d.reply), ..d },
        ] {
            prop_assert!(raised.probability(&weights) >= p);
        }
    }

    #[test]
    fn with_rates_of_the_base_it_is_the_base(d in direction()) {
        let plain = WarmConfig { intercept: 0.0, choosy: 1.0, liked: 1.0, similarity: 0.0, recency: 0.0, reply: 0.0, ..WarmConfig::default() };
        let cold = Direction { choosy: d.base, liked: d.base, ..d };
        prop_assert!((cold.probability(&plain) - d.base).abs() < 1e-9);
        let rasch = crate::warm::SideInputs { choosy: d.choosy, liked: d.liked, base: d.base };
        prop_assert!((d.probability(&plain) - rasch.probability()).abs() < 1e-9);
    }
}

fn chance(seed: u64, i: usize) -> f64 {
    uniform(seed, Purpose::Sample, UserId(i as u64))
}

#[test]
fn the_fit_finds_the_weights_that_made_the_likes() {
    let truth = WarmConfig { intercept: -0.4, choosy: 0.7, liked: 1.2, similarity: 3.0, recency: 0.0, reply: 0.8, ..WarmConfig::default() };
    let rows: Vec<(Direction, bool)> = (0..40_000)
        .map(|i| {
            let of = |seed| 0.05 + 0.9 * chance(seed, i);
            let d = Direction { base: 0.3, choosy: of(1), liked: of(2), similarity: of(3), recency: of(4), reply: of(5) };
            (d, chance(6, i) < d.probability(&truth))
        })
        .collect();
    let Some(found) = fit(&rows, &WarmConfig::default(), Ridge::default()) else { panic!("both classes are there") };
    let near = |a: f64, b: f64| (a - b).abs() < 0.15;
    assert!(near(found.intercept, -0.4) && near(found.choosy, 0.7) && near(found.liked, 1.2), "{found:?}");
    assert!(near(found.similarity, 3.0) && near(found.recency, 0.0) && near(found.reply, 0.8), "{found:?}");
    assert_eq!(fit(&rows[..0], &WarmConfig::default(), Ridge::default()), None);
}

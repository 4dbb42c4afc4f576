#![allow(clippy::unwrap_used)]

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use features::ids::UserId;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::chance::{Purpose, uniform};
use crate::eval::{Bootstrap, Interval};

const ACTIONS: u64 = 6;

/// What showing an action at a position earns, on average: the later the less.
fn truth(position: u32, action: u64) -> f64 {
    (0.05 + 0.1 * action as f64) / (1.0 + 0.3 * f64::from(position))
}

/// Chances of a logging policy that prefers what earns little, so that its plain mean misleads.
fn logging(action: u64) -> f64 {
    let weight = |a: u64| (ACTIONS - a) as f64;
    weight(action) / (0..ACTIONS).map(weight).sum::<f64>()
}

/// A log of a synthetic world.
fn log(seed: u64, rows: u64) -> Vec<Decision> {
    let row = |at: u64| {
        let dice = |n: u64| uniform(seed, Purpose::Draw, UserId(at * 3 + n));
        let mut left = dice(0);
        let action = (0..ACTIONS).find(|a| {
            left -= logging(*a);
            left < 0.0
        });
        let (action, position) = (action.unwrap_or(ACTIONS - 1), u32::try_from(at % 3).unwrap());
        let reward = f64::from(u8::from(dice(1) < truth(position, action)));
        Decision { position, action, reward, propensity: logging(action) }
    };
    (0..rows).map(row).collect()
}

fn weigh(log: &[Decision], policy: &Policy, model: &RewardModel) -> Vec<Weighed> {
    log.iter().map(|d| Weighed::new(d, policy, model, f64::INFINITY)).collect()
}

/// What a policy truly earns, positions alike.
fn worth(policy: &Policy) -> f64 {
    (0..3).flat_map(|p| (0..ACTIONS).map(move |a| policy.chance(p, a) * truth(p, a))).sum::<f64>() / 3.0
}

#[test]
fn inverse_propensities_and_doubly_robust_are_unbiased_and_the_plain_mean_is_not() {
    let model = RewardModel::fit(&log(1, 4_000), 50.0);
    for policy in [Policy::uniform(&model), Policy::proportional(&model), Policy::greedy(&model, 0.1)] {
        let logs: Vec<Vec<Decision>> = (2..202).map(|seed| log(seed, 600)).collect();
        let of = |estimate: &dyn Fn(&[Weighed]) -> Option<f64>| -> (f64, f64) {
            let all: Vec<f64> = logs.iter().map(|log| estimate(&weigh(log, &policy, &model)).unwrap()).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let error = (all.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64 / all.len() as f64).sqrt();
            (mean, error)
        };
        let truth = worth(&policy);
        for (name, (mean, error)) in [("ips", of(&ips)), ("dr", of(&doubly_robust)), ("snips", of(&snips))] {
            assert!((mean - truth).abs() < 4.0 * error, "{} {name}: {mean} ± {error}, truly {truth}", policy.name());
        }
        let (plain, error) = of(&|rows| mean(rows, |row| row.reward));
        assert!(truth - plain > 8.0 * error, "{}: the log's own mean {plain} ± {error} is no answer, truly {truth}", policy.name());
        // The model takes noise out, so that doubly robust is the calmer of the two unbiased ones.
        assert!(of(&doubly_robust).1 < of(&ips).1, "{}", policy.name());
    }
}

#[test]
fn doubly_robust_survives_a_wrong_model_or_wrong_propensities() {
    let (good, rows) = (RewardModel::fit(&log(1, 60_000), 10.0), log(7, 60_000));
    let policy = Policy::proportional(&good);
    let truth = worth(&policy);
    let upside_down: Vec<Decision> = log(1, 4_000).into_iter().map(|d| Decision { reward: 1.0 - d.reward, ..d }).collect();
    let bad = RewardModel::fit(&upside_down, 10.0);
    let bad_model = weigh(&rows, &policy, &bad);
    let wrong: Vec<Decision> = rows.iter().map(|d| Decision { propensity: 1.0 / ACTIONS as f64, ..*d }).collect();
    let bad_propensities = weigh(&wrong, &policy, &good);
    let off = |estimate: Option<f64>| (estimate.unwrap() - truth).abs();
    assert!(off(doubly_robust(&bad_model)) < 0.02 && off(direct(&bad_model)) > 0.2, "the model is corrected");
    assert!(off(doubly_robust(&bad_propensities)) < 0.01 && off(ips(&bad_propensities)) > 0.02, "the model stands in");
}

#[test]
fn intervals_cover_the_truth() {
    let model = RewardModel::fit(&log(1, 4_000), 50.0);
    let policy = Policy::greedy(&model, 0.1);
    let truth = worth(&policy);
    let covered = (0..100).filter(|seed| {
        let rows: Vec<Vec<Weighed>> = weigh(&log(1_000 + seed, 500), &policy, &model).into_iter().map(|row| vec![row]).collect();
        let interval = Bootstrap { replicates: 200, ..Bootstrap::default() }.interval(&rows, doubly_robust).unwrap();
        (interval.low..=interval.high).contains(&truth)
    });
    assert!(covered.count() >= 88, "95 % intervals");
}

#[test]
fn what_is_not_defined_is_none() {
    assert_eq!((ips(&[]), snips(&[]), direct(&[]), doubly_robust(&[]), effective_size(&[])), (None, None, None, None, None));
    let never = Weighed { reward: 1.0, weight: 0.0, direct: 0.5, expected: 0.5 };
    assert_eq!((ips(&[never]), snips(&[never]), effective_size(&[never])), (Some(0.0), None, None));
    assert!(judge(&[], &JudgeOptions::default()).is_empty() && judge(&log(1, 1), &JudgeOptions::default()).is_empty());
}

proptest! {
    #[test]
    fn bounds_hold(seed in any::<u64>(), clip in 0.1f64..5.0) {
        let log = log(seed, 120);
        let model = RewardModel::fit(&log, 5.0);
        for policy in [Policy::uniform(&model), Policy::proportional(&model), Policy::greedy(&model, 0.2)] {
            for position in model.positions() {
                let sum: f64 = model.actions().map(|action| policy.chance(position, action)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-9);
            }
            let rows: Vec<Weighed> = log.iter().map(|d| Weighed::new(d, &policy, &model, clip)).collect();
            // Means of nothing but ones may round to a little more.
            let within = |mean: f64| (-1e-9..=1.0 + 1e-9).contains(&mean);
            prop_assert!(rows.iter().all(|row| row.weight <= clip && within(row.direct)), "{rows:?}");
            prop_assert!(within(snips(&rows).unwrap()), "within the rewards seen");
            prop_assert!(effective_size(&rows).unwrap() <= rows.len() as f64 + 1e-9);
            let free = ips(&weigh(&log, &policy, &model)).unwrap();
            prop_assert!(ips(&rows).unwrap() <= free + 1e-12, "clipping takes away");
        }
    }
}

/// The Open Bandit rows of a campaign in the order of time, or nothing, with the reason printed.
fn open_bandit(campaign: &str) -> Option<Vec<Decision>> {
    let file = std::fs::File::open(crate::parts::data(&format!("open_bandit/random_{campaign}.parquet"))?).unwrap();
    let mut log = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let of = |name: &str| -> Vec<f64> {
            let numbers = cast(batch.column_by_name(name).unwrap(), &DataType::Float64).unwrap();
            numbers.as_primitive::<Float64Type>().values().to_vec()
        };
        let (position, action, reward, propensity) = (of("position"), of("item_id"), of("click"), of("propensity_score"));
        log.extend((0..batch.num_rows()).map(|i| Decision {
            position: position[i] as u32,
            action: action[i] as u64,
            reward: reward[i],
            propensity: propensity[i],
        }));
    }
    Some(log)
}

fn interval(rows: &[Weighed], estimate: impl Fn(&[Weighed]) -> Option<f64>) -> Interval {
    let apart: Vec<Vec<Weighed>> = rows.iter().map(|row| vec![*row]).collect();
    Bootstrap { replicates: 200, ..Bootstrap::default() }.interval(&apart, estimate).unwrap()
}

/// Keeps rows of a uniform log as another policy would have made them: items that were clicked in `history` always, others with chance
/// `keep`. What is left is a log of that policy, with its own propensities.
fn as_if_logged_by(rows: &[Decision], history: &RewardModel, keep: f64, seed: u64) -> (Vec<Decision>, Policy) {
    let likes = |action: u64| if history.expects(0, action) > history.expects(0, u64::MAX) { 1.0 } else { keep };
    let policy = Policy::weighted("picky", history, |_, action| likes(action));
    let kept = rows.iter().enumerate().filter(|(at, row)| uniform(seed, Purpose::Draw, UserId(*at as u64)) < likes(row.action));
    let log = kept.map(|(_, row)| Decision { propensity: policy.chance(row.position, row.action), ..*row }).collect();
    (log, policy)
}

#[test]
fn on_real_logs_the_estimates_agree_with_what_a_policy_earned() {
    for campaign in ["all", "men", "women"] {
        let Some(rows) = open_bandit(campaign) else { return };
        let plain = rows.iter().map(|row| row.reward).sum::<f64>() / rows.len() as f64;
        let model = RewardModel::fit(&rows, 200.0);
        // The uniform policy made the log: its value is the mean, by every estimate, and no row is lost.
        let own = weigh(&rows, &Policy::uniform(&model), &model);
        for estimate in [ips(&own), snips(&own)] {
            assert!((estimate.unwrap() / plain - 1.0).abs() < 1e-9, "{campaign}: {estimate:?} {plain}");
        }
        assert!((doubly_robust(&own).unwrap() / plain - 1.0).abs() < 0.02, "{campaign}: the model adds noise, little of it");
        assert!((effective_size(&own).unwrap() - rows.len() as f64).abs() < 1.0);
        // A policy that prefers what is clicked earns more, and its log says so; weighed, it says what the uniform policy earned.
        let (mut earned, mut back, mut covered) = (0.0, 0.0, 0);
        for seed in 0..20 {
            let (picky, policy) = as_if_logged_by(&rows, &model, 0.3, seed);
            let on_policy = picky.iter().map(|row| row.reward).sum::<f64>() / picky.len() as f64;
            let turned = interval(&weigh(&picky, &Policy::uniform(&model), &model), ips);
            covered += u32::from((turned.low..=turned.high).contains(&plain));
            (earned, back) = (earned + on_policy / 20.0, back + turned.value / 20.0);
            // And the other way round: what the picky policy earned, from the uniform log.
            let forth = interval(&weigh(&rows, &policy, &model), snips);
            assert!((forth.low..=forth.high).contains(&on_policy), "{campaign}: {forth:?} {on_policy}");
        }
        println!(
            "{campaign}: uniform earned {plain:.5}; picky logs {earned:.5} by themselves, {back:.5} weighed; {covered} of 20 intervals hold it"
        );
        assert!(earned > 1.25 * plain, "{campaign}: {earned} {plain}");
        assert!((back / plain - 1.0).abs() < 0.12 && covered >= 18, "{campaign}: {back} {plain}, {covered} of 20");
    }
}

#[test]
fn a_real_log_makes_a_whole_report() {
    let Some(rows) = open_bandit("men") else { return };
    let options = JudgeOptions { bootstrap: Bootstrap { replicates: 100, ..Bootstrap::default() }, ..JudgeOptions::default() };
    let report = judge(&rows, &options);
    for slice in ["all", "position=1", "position=2", "position=3"] {
        for strategy in ["uniform", "proportional", "greedy"] {
            for metric in ["ips", "snips", "dm", "dr", "effective_size", "clipped_share"] {
                assert!(
                    report.iter().any(|r| r.strategy == strategy && r.slice == slice && r.metric == metric),
                    "{strategy} {slice} {metric}"
                );
            }
        }
        assert!(report.iter().any(|r| r.strategy == "logged" && r.slice == slice && r.metric == "mean"), "{slice}");
    }
}

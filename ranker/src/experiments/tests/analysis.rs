//! Estimates, intervals and what they promise, by simulation.

use super::*;
use crate::eval::Bootstrap;

fn of(rows: &[(f64, f64)]) -> Sums {
    rows.iter().fold(Sums::default(), |mut sums, (y, x)| {
        sums.add(*y, *x);
        sums
    })
}

#[test]
fn tails_are_those_of_the_tables() {
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6 * b.max(1e-3), "{a} {b}");
    near(tails::normal_tails(1.959_963_985), 0.05);
    near(tails::normal_tails(3.290_526_731), 0.001);
    near(tails::chi_square_tail(3.841_458_821, 1), 0.05);
    near(tails::chi_square_tail(16.266_236_2, 3), 0.001);
    near(tails::chi_square_tail(2.0, 2), (-1.0f64).exp());
    near(tails::chi_square_tail(99.0, 100), 0.509_472_2);
    near(tails::normal_reach(0.05), 1.959_963_985);
    near(tails::normal_reach(0.01), 2.575_829_304);
    assert_eq!(tails::chi_square_tail(0.0, 4), 1.0);
    assert!(tails::chi_square_tail(5_000.0, 1) < 1e-300);
}

#[test]
fn a_broken_split_is_found_and_a_fair_one_is_not() {
    assert!(split_p_value(&[5_000, 5_300], &[1.0, 1.0]).unwrap() > SUSPICIOUS);
    assert!(split_p_value(&[50_000, 51_500], &[1.0, 1.0]).unwrap() < SUSPICIOUS, "3 % too many of 100,000");
    assert!(split_p_value(&[9_000, 1_000], &[9.0, 1.0]).unwrap() > 0.99);
    assert_eq!(split_p_value(&[3, 4], &[1.0, 1.0]), None, "too few to say");
    assert_eq!(split_p_value(&[10], &[1.0]), None);
    assert_eq!(split_p_value(&[], &[]), None);
    // Losing every tenth user of one arm, as a crash in it would, among 40,000 assigned ones.
    let config = config(serde_json::json!({"experiments": {"closer": one(1.0)}}));
    let (mut seen, mut lost) = ([0u64; 2], [0u64; 2]);
    for (user, arms) in arms(&config, 40_000).iter().enumerate() {
        let near = usize::from(arms[0] == "closer:near");
        seen[near] += 1;
        lost[near] += u64::from(near == 0 || user % 10 != 0);
    }
    assert!(split_p_value(&seen, &[1.0, 1.0]).unwrap() > SUSPICIOUS);
    assert!(split_p_value(&lost, &[1.0, 1.0]).unwrap() < SUSPICIOUS, "{lost:?}");
}

#[test]
fn the_delta_method_agrees_with_the_bootstrap_over_users() {
    // Some like nearly everybody, the others hardly anybody: rows of one user are far from independent.
    let rows: Vec<(f64, f64)> = (0..800)
        .map(|user| {
            let x = 1.0 + (uniform(3, Purpose::Draw, UserId(user)) * 20.0).floor();
            let easy = uniform(4, Purpose::Draw, UserId(user)) < 0.4;
            let rate = if easy { 0.9 - x / 50.0 } else { 0.05 };
            ((x * rate).round(), x)
        })
        .collect();
    let estimate = of(&rows).estimate().unwrap();
    let groups: Vec<Vec<(f64, f64)>> = rows.iter().map(|row| vec![*row]).collect();
    let ratio = |rows: &[(f64, f64)]| Some(rows.iter().map(|r| r.0).sum::<f64>() / rows.iter().map(|r| r.1).sum::<f64>());
    let drawn = Bootstrap::default().interval(&groups, ratio).unwrap();
    let half = 1.96 * estimate.variance.sqrt();
    assert!((estimate.value - drawn.value).abs() < 1e-12);
    assert!(((drawn.high - drawn.low) / (2.0 * half) - 1.0).abs() < 0.08, "{half} {drawn:?}");
    // Taking impressions as independent would promise too much.
    let n: f64 = rows.iter().map(|r| r.1).sum();
    let naive = 1.96 * (estimate.value * (1.0 - estimate.value) / n).sqrt();
    assert!(naive < 0.9 * half, "{naive} {half}");
}

#[test]
fn without_users_or_variance_nothing_is_made_up() {
    let looks = Looks { alpha: 0.05, planned_users: 1_000 };
    assert_eq!(compare(&Sums::default(), &of(&[(1.0, 1.0), (0.0, 1.0)]), looks), None);
    assert_eq!(of(&[(0.0, 0.0), (0.0, 0.0)]).estimate(), None, "nobody could");
    let same = compare(&of(&[(1.0, 1.0); 200]), &of(&[(1.0, 1.0); 200]), looks).unwrap();
    assert_eq!((same.verdict, same.p_value, same.always_p), (Verdict::Open, 1.0, 1.0));
    let few = compare(&of(&[(0.0, 1.0); 50]), &of(&[(1.0, 1.0); 500]), looks).unwrap();
    assert_eq!(few.verdict, Verdict::TooFew);
    let certain = compare(&of(&[(1.0, 1.0); 200]), &of(&[(0.0, 1.0); 200]), looks).unwrap();
    assert_eq!(certain.verdict, Verdict::Lower);
}

#[test]
fn interval_and_p_value_say_the_same() {
    for seed in 0..200 {
        let rows = |offset: u64, shift: f64| -> Vec<(f64, f64)> { (0..300).map(|i| (normal(seed, offset + i) + shift, 1.0)).collect() };
        let shift = f64::from(u32::try_from(seed).unwrap()) / 400.0;
        let looks = Looks { alpha: 0.05, planned_users: 600 };
        let c = compare(&of(&rows(0, 0.0)), &of(&rows(10_000, shift)), looks).unwrap();
        assert_eq!(c.p_value < 0.05, c.low > 0.0 || c.high < 0.0, "{c:?}");
        assert_eq!(c.always_p < 0.05, c.always_low > 0.0 || c.always_high < 0.0, "{c:?}");
        assert!(c.always_low < c.low && c.high < c.always_high && c.always_p >= c.p_value, "never tighter than for one look: {c:?}");
    }
}

/// What became of A/A tests, or of such with a true difference, looked at after every hundred users until 6,000: the share in which the
/// fixed, and the always-valid, interval ever missed the truth.
fn ever_missed(tests: u64, truth: f64, done: impl Fn(u64, u64, u64) -> (f64, f64)) -> (f64, f64) {
    let looks = Looks { alpha: 0.05, planned_users: 3_000 };
    let (mut fixed, mut always) = (0u32, 0u32);
    for test in 0..tests {
        let (mut missed, mut ever) = (false, false);
        for look in 1..=60u64 {
            let mut sums = [Sums::default(); 2];
            for user in 0..look * 100 {
                let arm = usize::from(user % 2 == 1);
                let (y, x) = done(test, user, look * 100 - user);
                sums[arm].add(y + truth * x * f64::from(u8::from(arm == 1)), x);
            }
            let Some(c) = compare(&sums[0], &sums[1], looks) else { continue };
            missed |= !(c.low..=c.high).contains(&truth);
            ever |= !(c.always_low..=c.always_high).contains(&truth);
        }
        fixed += u32::from(missed);
        always += u32::from(ever);
    }
    let share = |count: u32| f64::from(count) / tests as f64;
    (share(fixed), share(always))
}

#[test]
fn looking_every_day_fools_the_fixed_interval_and_not_the_always_valid_one() {
    // Each user's outcome is complete when they are counted; skewed, as likes are.
    let (fixed, always) = ever_missed(300, 0.2, |test, user, _| {
        let z = normal(test, user);
        (z * z, 1.0)
    });
    println!("complete outcomes: fixed {fixed:.3}, always {always:.3}");
    assert!(fixed > 0.20, "peeking at a fixed interval errs often: {fixed}");
    // At most 5 %, and three standard deviations of what 300 tests show.
    assert!(always <= 0.05 + 3.0 * (0.05f64 * 0.95 / 300.0).sqrt(), "{always}");
}

#[test]
fn the_promise_survives_users_who_go_on_after_they_were_counted() {
    // Rates of users whose impressions keep coming in: up to 20, one for every 300 users who come after them.
    let (fixed, always) = ever_missed(120, 0.0, |test, user, since| {
        let x = (1 + since / 300).min(20);
        let likes = |own: f64| (0..x).filter(|i| uniform(test, Purpose::Draw, UserId(user * 100 + i)) < own).count();
        (likes(0.4 * uniform(test, Purpose::Sample, UserId(user))) as f64, x as f64)
    });
    println!("growing outcomes: fixed {fixed:.3}, always {always:.3}");
    assert!(fixed > 0.12, "{fixed}");
    assert!(always <= 0.05 + 3.0 * (0.05f64 * 0.95 / 120.0).sqrt(), "{always}");
}

#[test]
fn a_true_difference_is_found_and_the_planned_look_is_where_it_is_tightest() {
    let rows = |offset: u64, shift: f64, n: u64| -> Vec<(f64, f64)> { (0..n).map(|i| (normal(9, offset + i) + shift, 1.0)).collect() };
    let at =
        |n: u64| compare(&of(&rows(0, 0.0, n / 2)), &of(&rows(1 << 30, 0.2, n / 2)), Looks { alpha: 0.05, planned_users: 4_000 }).unwrap();
    assert_eq!(at(4_000).verdict, Verdict::Higher, "{:?}", at(4_000));
    let wider = |n: u64| (at(n).always_high - at(n).always_low) / (at(n).high - at(n).low);
    assert!(wider(4_000) < wider(100) && wider(4_000) < wider(400_000), "{} {} {}", wider(100), wider(4_000), wider(400_000));
    assert!((1.3..1.7).contains(&wider(4_000)), "{}", wider(4_000));
}

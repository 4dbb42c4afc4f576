#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use features::event::InteractionKind;
use features::text::is_chinese;
use features::validate::validate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::stats::{gini, targets, top_share};
use super::*;

fn spec(users: u32, days: u32, seed: u64) -> TownSpec {
    TownSpec { users, days, seed, until: DateTime::from_timestamp(1_795_000_000, 0).unwrap() }
}

#[test]
fn the_same_seed_gives_the_same_town_and_another_another() {
    let bytes = |seed| Town::new(spec(60, 3, seed)).events().iter().map(Event::encode).collect::<Vec<_>>();
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

/// The gate drops an event whose id it has seen: an id that two towns share would take something out of the second.
#[test]
fn towns_that_differ_in_anything_share_no_id() {
    let ids = |spec: TownSpec| {
        let town = Town::new(spec);
        let events = town.events();
        let decks = events.iter().filter_map(|e| if let Event::Interaction(i) = e { i.deck_id.clone() } else { None });
        let all: HashSet<String> = events.iter().map(|e| e.event_id().to_string()).chain(decks).collect();
        assert!(all.len() > 150, "{}", all.len());
        all
    };
    let one = spec(60, 3, 1);
    let first = ids(one.clone());
    let others = [
        TownSpec { users: 61, ..one.clone() },
        TownSpec { days: 4, ..one.clone() },
        TownSpec { seed: 2, ..one.clone() },
        TownSpec { until: one.until + TimeDelta::seconds(1), ..one },
    ];
    for other in others {
        let shared = ids(other.clone()).intersection(&first).count();
        assert_eq!(shared, 0, "{other:?}");
    }
}

#[test]
fn every_event_passes_the_gate_once_and_in_order() {
    let town = Town::new(spec(200, 5, 3));
    let events = town.events();
    let now = town.spec.until;
    let mut ids = HashSet::new();
    for event in &events {
        assert!(validate(event, now).is_ok(), "{:?}: {event:?}", validate(event, now));
        assert!(ids.insert(event.event_id()), "{event:?}");
        assert!(event.event_time() <= now);
    }
    let lived: Vec<_> = events.iter().skip(town.residents().len()).map(Event::event_time).collect();
    assert!(lived.is_sorted() && lived.len() > 1000);
}

#[test]
fn both_languages_are_written() {
    let town = Town::new(spec(400, 7, 5));
    let events = town.events();
    let texts: Vec<&str> = events.iter().filter_map(|e| if let Event::Moment(m) = e { Some(m.text.as_str()) } else { None }).collect();
    let chinese = texts.iter().filter(|t| is_chinese(t)).count();
    assert!(chinese * 10 > texts.len() && (texts.len() - chinese) * 10 > texts.len(), "{chinese} of {}", texts.len());
}

/// Of people sorted by the hidden truth of each impression into tenths, each tenth is liked as often as the truth says, and more than the one before.
#[test]
fn likes_follow_the_truth() {
    let town = Town::new(spec(1500, 14, 5));
    let (mut shown, mut liked) = (Vec::new(), HashSet::new());
    for event in town.events() {
        let Event::Interaction(i) = event else { continue };
        let pair = ((i.actor_id.0 - 1) as usize, (i.target_id.0 - 1) as usize);
        match i.kind {
            InteractionKind::Impression => shown.push(pair),
            InteractionKind::Like => drop(liked.insert(pair)),
            _ => {}
        }
    }
    assert!(shown.len() > 3_000 && liked.len() > 300, "{} {}", shown.len(), liked.len());
    let mut rows: Vec<(f64, f64)> = shown.iter().map(|p| (town.truth(p.0, p.1), f64::from(u8::from(liked.contains(p))))).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let tenths: Vec<(f64, f64, f64)> = rows
        .chunks(rows.len().div_ceil(10))
        .map(|rows| {
            let n = rows.len() as f64;
            (n, rows.iter().map(|r| r.0).sum::<f64>() / n, rows.iter().map(|r| r.1).sum::<f64>() / n)
        })
        .collect();
    println!("number, truth, liked: {tenths:.3?}");
    for (n, truth, rate) in &tenths {
        let deviation = (truth * (1.0 - truth) / n).sqrt();
        assert!((rate - truth).abs() < 4.0 * deviation + 1e-3, "{rate} instead of {truth} ± {deviation}");
    }
    let rises = tenths.windows(2).filter(|pair| pair[1].2 >= pair[0].2).count();
    assert!(rises >= 8, "{rises} of 9 steps rise: {tenths:.3?}");
    assert!(tenths[9].2 > 0.5 && tenths[0].2 < 0.05, "{tenths:.3?}");
}

/// A table of the shared data, one column of it as numbers.
fn column(file: &str, name: &str) -> Option<Vec<f64>> {
    let file = std::fs::File::open(crate::parts::data(file)?).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let numbers = |batch: RecordBatch| {
        let column = cast(batch.column_by_name(name).unwrap(), &DataType::Float64).unwrap();
        column.as_primitive::<Float64Type>().iter().map(|x| x.unwrap_or(0.0)).collect::<Vec<f64>>()
    };
    Some(batches.flat_map(|batch| numbers(batch.unwrap())).collect())
}

/// The numbers of ratings of everybody, from how many people have which.
fn degrees(file: &str) -> Option<Vec<f64>> {
    let (degrees, users) = (column(file, "degree")?, column(file, "n_users")?);
    Some(degrees.iter().zip(users).flat_map(|(degree, users)| std::iter::repeat_n(*degree, users as usize)).collect())
}

#[test]
fn the_targets_are_what_the_data_say() {
    let near = |value: f64, target: f64, digit: f64| assert!((value - target).abs() <= digit / 2.0 + 1e-9, "{value}, not {target}");
    if let Some(received) = degrees("libimseti_degrees/in_degree_counts.parquet") {
        assert_eq!(received.len(), 168_791);
        near(gini(received.clone()), targets::RECEIVED_GINI, 0.001);
        near(top_share(received), targets::RECEIVED_TOP, 0.001);
    }
    if let Some(given) = degrees("libimseti_degrees/out_degree_counts.parquet") {
        assert_eq!(given.len(), 135_359);
        near(gini(given), targets::GIVEN_GINI, 0.001);
    }
    const LOVOO: &str = "lovoo/users_no_pii.parquet";
    if let (Some(visits), Some(photos)) = (column(LOVOO, "counts_profileVisits"), column(LOVOO, "counts_pictures")) {
        assert_eq!(visits.len(), 3_992);
        near(gini(visits.clone()), targets::VISITS_GINI, 0.001);
        near(top_share(visits), targets::VISITS_TOP, 0.001);
        near(photos.iter().sum::<f64>() / 3_992.0, targets::PHOTOS_MEAN, 0.01);
        near(gini(photos), targets::PHOTOS_GINI, 0.001);
    }
}

#[test]
fn popularity_and_activity_are_as_uneven_as_in_the_data() {
    let town = Town::new(spec(1500, 14, 1));
    let figures = stats(&town, &town.events());
    println!("{figures:#?}");
    // How far from the data a town of this size may be, as a part of the figure.
    let held = [
        ("likes received, Gini", 0.06),
        ("likes received, share of the top 1 %", 0.2),
        ("likes given, Gini", 0.1),
        ("impressions received, Gini", 0.15),
        ("impressions received, share of the top 1 %", 0.2),
        ("photos, mean", 0.1),
        ("photos, Gini", 0.1),
    ];
    for (metric, part) in held {
        let figure = figures.iter().find(|f| f.metric == metric).unwrap();
        let target = figure.target.unwrap();
        assert!((figure.value - target).abs() <= part * target, "{figure:?}: more than {part} of it away");
    }
    assert_eq!(figures.iter().filter(|f| f.target.is_some()).count(), held.len(), "every target is held");
    let of = |metric: &str| figures.iter().find(|f| f.metric == metric).unwrap().value;
    assert!((0.05..0.50).contains(&of("likes per impression")));
    assert!(of("seen within a day") > 0.15 && of("seen within a week") < 1.0);
}

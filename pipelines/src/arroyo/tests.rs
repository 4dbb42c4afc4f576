use std::collections::BTreeMap;

use features::sets::{FeatureSet, feature_set, feature_sets};
use proptest::prelude::*;

use super::dialect::{self, TRIED};
use super::{PipelineName, Place, RenderError, Rendered, Surroundings};
use crate::bus::BusConfig;
use crate::runner::FeaturePlan;

fn around() -> Surroundings {
    Surroundings { bootstrap: "127.0.0.1:9092".to_owned(), properties: BTreeMap::new() }
}

fn set(sql: &str) -> FeatureSet {
    FeatureSet::parse("mine", sql).unwrap()
}

/// Every file that is in the folder: no list to forget one in.
#[tokio::test]
async fn every_feature_file_is_in_the_dialect_of_all_three_runtimes() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../features/sql")).unwrap();
    let mut looked_at = 0;
    for file in files.map(|file| file.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let set = FeatureSet::parse(&name, &std::fs::read_to_string(&file).unwrap()).unwrap();
        let findings: Vec<String> = dialect::check(&set).iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
        FeaturePlan::new(&set).await.unwrap_or_else(|error| panic!("{name}.sql does not plan in DataFusion: {error}"));
        looked_at += 1;
    }
    assert_eq!(looked_at, feature_sets().len());
}

const GOOD: &str = "SELECT actor_id AS user_id, COUNT(*) AS version, SUM(CASE WHEN kind = 'like' THEN 1 ELSE 0 END) AS likes,\n  SUM(CASE WHEN kind = 'like' THEN power(2.0, 1.5) ELSE 0.0 END) AS warm\nFROM interactions\nGROUP BY actor_id";

#[test]
fn what_arroyo_refuses_or_computes_wrongly_is_found_where_it_stands() {
    assert_eq!(dialect::check(&set(GOOD)), []);
    let likes = "SUM(CASE WHEN kind = 'like' THEN 1 ELSE 0 END) AS likes";
    let with = |value: &str| GOOD.replace(likes, value);
    let after = |tail: &str| format!("{GOOD}\n{tail}");
    let cases: Vec<(String, &str, u64)> = vec![
        (with("MIN(position) AS likes"), "min does not add up", 1),
        (with("MAX(position) AS likes"), "max does not add up", 1),
        (with("AVG(position) AS likes"), "avg does not add up", 1),
        (with("ARRAY_AGG(kind) AS likes"), "array_agg sees only distinct", 1),
        (with("SUM(DISTINCT position) AS likes"), "sum(DISTINCT", 1),
        (with("COUNT(DISTINCT target_id) AS likes"), "count(DISTINCT", 1),
        (with("SUM(exp2(1.5)) AS likes"), "exp2 is missing", 1),
        (with("SUM(pow(2.0, 1.5)) AS likes"), "pow is missing", 1),
        (with("SUM(mod(position, 2)) AS likes"), "mod is missing", 1),
        (with("SUM(sqrt(position)) AS likes"), "sqrt was not tried", 1),
        (with("SUM(1) / COUNT(*) AS likes"), "must be one COUNT or SUM", 1),
        (with("SUM(1) OVER (PARTITION BY kind) AS likes"), "window functions", 1),
        (with("SUM(CASE WHEN target_id IN (SELECT actor_id FROM interactions) THEN 1 ELSE 0 END) AS likes"), "IN (SELECT", 1),
        (with("SUM(CASE WHEN EXISTS (SELECT 1 FROM interactions) THEN 1 ELSE 0 END) AS likes"), "EXISTS", 1),
        (with("SUM((SELECT position FROM interactions)) AS likes"), "a subquery as a value", 1),
        (with("SUM(CASE WHEN event_time > now() THEN 1 ELSE 0 END) AS likes"), "now gives another value", 1),
        (with("COUNT(*) FILTER (WHERE kind = 'like') AS likes"), "write SUM(CASE WHEN kind = 'like' THEN 1 ELSE 0 END)", 1),
        (with("SUM(position) FILTER (WHERE kind = 'like') AS likes"), "sum FILTER", 1),
        (with("COUNT(*)"), "needs a name", 1),
        (after("ORDER BY actor_id"), "ORDER BY", 5),
        (after("LIMIT 3"), "LIMIT", 5),
        (after("HAVING COUNT(*) > 3"), "HAVING", 5),
        (after("UNION ALL SELECT actor_id, COUNT(*), COUNT(*), 1.0 FROM interactions GROUP BY actor_id"), "UNION", 1),
        (GOOD.replace("\nGROUP BY actor_id", ""), "GROUP BY is missing", 1),
        (GOOD.replace("GROUP BY actor_id", "GROUP BY ROLLUP(actor_id)"), "ROLLUP", 1),
        (GOOD.replace("GROUP BY actor_id", "GROUP BY actor_id, kind"), "GROUP BY names 2", 4),
        (GOOD.replace("COUNT(*) AS version", "SUM(1) AS version"), "must be COUNT(*) AS version", 1),
        (GOOD.replace("COUNT(*) AS version", "COUNT(*) FILTER (WHERE kind = 'like') AS version"), "must be COUNT(*) AS version", 1),
        (GOOD.replace("COUNT(*) AS version", "COUNT(target_id) AS version"), "must be COUNT(*) AS version", 1),
        (GOOD.replacen("SELECT", "SELECT DISTINCT", 1), "SELECT DISTINCT", 1),
        (GOOD.replace("FROM interactions", "FROM interactions JOIN interactions AS b ON true"), "joins", 3),
        (
            GOOD.replace("FROM interactions", "FROM (SELECT actor_id, kind, COUNT(*) AS n FROM interactions GROUP BY actor_id, kind)"),
            "aggregates of aggregates",
            3,
        ),
        (GOOD.replace("FROM interactions", "FROM interactions, moments"), "joins", 3),
        (format!("WITH a AS (SELECT 1) {GOOD}"), "WITH", 1),
        (format!("{GOOD}; {GOOD}"), "exactly one SELECT", 1),
        (GOOD.replace("GROUP BY actor_id", "GROUP BY actor_id,"), "sql parser error", 4),
    ];
    for (sql, words, line) in cases {
        let set = FeatureSet { sql: sql.clone(), line: 11, ..set(GOOD) };
        let found = dialect::check(&set);
        let named = found.iter().find(|f| f.message.to_lowercase().contains(&words.to_lowercase()));
        let Some(named) = named else { panic!("{words} is not found in: {sql}\n{found:?}") };
        assert_eq!(named.line, line + 10, "{words} in: {sql}\n{found:?}");
        assert!(named.to_string().starts_with(&format!("features/sql/mine.sql:{}:", line + 10)), "{named}");
        assert!(matches!(Rendered::new(&set, 1, &around()), Err(RenderError::Dialect(_))), "and never sent");
    }
}

#[test]
fn what_was_tried_passes() {
    for name in TRIED.iter().filter(|name| **name != "unnest") {
        let call = if *name == "date_part" { "date_part('epoch', event_time)".to_owned() } else { format!("{name}(2.0)") };
        let sql = GOOD.replace("power(2.0, 1.5)", &call);
        assert_eq!(dialect::check(&set(&sql)), [], "{sql}");
    }
}

#[test]
fn a_pipeline_has_everything_that_arroyo_must_be_told() {
    let rendered = Rendered::new(feature_set("popularity").unwrap(), 3, &around()).unwrap();
    let sql = &rendered.sql;
    for must in [
        "SET updating_ttl = INTERVAL '18250' DAY;",
        "event_time TIMESTAMP NOT NULL",
        "kind TEXT NOT NULL",
        "position BIGINT,",
        "WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND",
        "'source.offset' = 'earliest'",
        "'source.read_mode' = 'read_committed'",
        "'sink.commit_mode' = 'at_least_once'",
        "format = 'debezium_json'",
        "topic = 'features.popularity'",
        "CAST(3 AS BIGINT) AS generation",
        &format!("'source.group_id' = '{}'", rendered.name),
        &feature_set("popularity").unwrap().sql,
    ] {
        assert!(sql.contains(must), "{must} is not in\n{sql}");
    }
    for no in ["deck_id", "experiments", "propensity", "bad_data", "exactly_once"] {
        assert!(!sql.contains(no), "{no} is in\n{sql}");
    }
    let tags = Rendered::new(feature_set("tag_affinity").unwrap(), 1, &around()).unwrap().sql;
    assert!(tags.contains("    tags TEXT[],\n"), "{tags}");
    let moments = Rendered::new(feature_set("moment_richness").unwrap(), 1, &around()).unwrap().sql;
    assert!(moments.contains("published_at TIMESTAMP NOT NULL") && moments.contains("media_count BIGINT NOT NULL"), "{moments}");
}

#[test]
fn a_line_of_the_text_is_a_line_of_the_file() {
    for set in feature_sets() {
        let rendered = Rendered::new(set, 2, &around()).unwrap();
        let file = std::fs::read_to_string(format!("{}/../features/sql/{}.sql", env!("CARGO_MANIFEST_DIR"), set.name)).unwrap();
        let mut of_file = 0;
        for (n, line) in rendered.sql.lines().enumerate() {
            if let Place::File(name, at, 7) = rendered.place(n as u64 + 1, 7) {
                assert_eq!(name, set.name);
                let there = file.lines().nth(at as usize - 1).unwrap();
                assert_eq!(line, there.split("--").next().unwrap(), "{name}.sql:{at}");
                of_file += 1;
            }
        }
        assert_eq!(of_file, set.sql.lines().count(), "{}", set.name);
        assert_eq!(rendered.place(1, 1), Place::Around(1, 1));
    }
    let rendered = Rendered::new(feature_set("given").unwrap(), 1, &around()).unwrap();
    let line = rendered.sql.lines().position(|l| l.starts_with("FROM interactions")).unwrap() + 1;
    let place = rendered.place_in_message(&format!("sql parser error: Expected: x, found: y at Line: {line}, Column: 6"));
    let in_file = include_str!("../../../features/sql/given.sql").lines().position(|l| l.starts_with("FROM interactions")).unwrap() + 1;
    assert_eq!(place.unwrap().to_string(), format!("features/sql/given.sql:{in_file}:6"));
}

#[test]
fn the_name_follows_from_the_text_and_not_from_the_generation() {
    let popularity = feature_set("popularity").unwrap();
    let name = |set: &FeatureSet, generation, around: &Surroundings| Rendered::new(set, generation, around).unwrap().name;
    let one = name(popularity, 1, &around());
    assert_eq!(one.fingerprint, name(popularity, 7, &around()).fingerprint);
    let respaced = FeatureSet { sql: popularity.sql.replace('\n', "  \n "), ..popularity.clone() };
    assert_eq!(one, name(&respaced, 1, &around()), "layout is no change");
    let changed = FeatureSet { sql: popularity.sql.replace("'pass'", "'block'"), ..popularity.clone() };
    assert_ne!(one.fingerprint, name(&changed, 1, &around()).fingerprint);
    let elsewhere = Surroundings { bootstrap: "kafka:9092".to_owned(), ..around() };
    assert_ne!(one.fingerprint, name(popularity, 1, &elsewhere).fingerprint);
}

#[test]
fn secrets_stay_out_of_the_text() {
    let pairs = [
        ("security.protocol", "sasl_ssl"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "hn"),
        ("sasl.password", "hunter2"),
        ("ssl.ca.location", "/etc/ca.pem"),
    ];
    let mut properties: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    properties.insert("linger.ms".to_owned(), "7".to_owned());
    let bus = BusConfig { properties, ..BusConfig::default() };
    let mut around = Surroundings::new(&bus, "kafka:9092");
    let sql = Rendered::new(feature_set("given").unwrap(), 1, &around).unwrap().sql;
    for word in [
        "'auth.type' = 'sasl'",
        "'auth.protocol' = 'SASL_SSL'",
        "{{ HONGNIANG_KAFKA_PASSWORD }}",
        "client_configs = 'ssl.ca.location=/etc/ca.pem'",
    ] {
        assert!(sql.contains(word), "{word}: {sql}");
    }
    assert!(!sql.contains("hunter2") && !sql.contains("linger"), "{sql}");
    around.properties.insert("ssl.cipher.suites".to_owned(), "a,b".to_owned());
    assert!(matches!(Rendered::new(feature_set("given").unwrap(), 1, &around), Err(RenderError::Property { .. })));
}

proptest! {
    #[test]
    fn names_are_read_as_they_were_written(set in "[a-z][a-z_-]{0,20}", generation in any::<u32>(), fingerprint in "[0-9a-f]{12}") {
        let name = PipelineName { set, generation, fingerprint };
        prop_assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn names_of_others_are_none(name in ".{0,40}") {
        prop_assume!(!name.starts_with("hongniang-"));
        prop_assert!(name.parse::<PipelineName>().is_err());
    }

    #[test]
    fn no_text_makes_the_dialect_panic(sql in "[ -~\n]{0,120}") {
        let set = FeatureSet { sql, ..feature_set("given").unwrap().clone() };
        let _ = dialect::check(&set);
    }
}

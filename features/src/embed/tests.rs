//! The encoders against their reference implementations. These tests read the models from
//! `$HONGNIANG_MODELS` or `~/.cache/hongniang/models`, where `hongniang models pull` puts them; where
//! they are not installed, the tests say so and pass, unless `CI=true`.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::{EmbedError, TextEncoder, TextKind, load_encoder};
use crate::manifest::{Manifest, ModelSpec};

const MODELS: [&str; 2] = ["use-multilingual", "multilingual-e5-small"];

/// Largest difference to a reference vector, place by place.
const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    kind: String,
    vector: Vec<f32>,
}

fn golden(name: &str) -> Golden {
    let text = match name {
        "use-multilingual" => include_str!("golden/use-multilingual.json"),
        _ => include_str!("golden/multilingual-e5-small.json"),
    };
    serde_json::from_str(text).unwrap()
}

fn folder(spec: &ModelSpec) -> PathBuf {
    let cache = std::env::var_os("HONGNIANG_MODELS")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hongniang/models"));
    cache.join(spec.folder())
}

fn spec(name: &str) -> ModelSpec {
    Manifest::built_in().unwrap().model(name).unwrap().clone()
}

/// The encoder of that name, loaded once for all tests.
fn installed(name: &str) -> Option<Arc<dyn TextEncoder>> {
    static LOADED: [OnceLock<Option<Arc<dyn TextEncoder>>>; 2] = [const { OnceLock::new() }; 2];
    let i = MODELS.iter().position(|known| *known == name).unwrap();
    LOADED[i].get_or_init(|| load(name)).clone()
}

fn load(name: &str) -> Option<Arc<dyn TextEncoder>> {
    let spec = spec(name);
    let dir = folder(&spec);
    if dir.exists() {
        return Some(load_encoder(&dir, &spec).unwrap());
    }
    crate::parts::missing(name, &format!("`hongniang models pull {name}` installs it"));
    None
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn vectors_equal_those_of_the_reference_implementations() {
    for name in MODELS {
        let Some(encoder) = installed(name) else { continue };
        for row in golden(name).rows {
            let kind = if row.kind == "query" { TextKind::Query } else { TextKind::Passage };
            let found = &encoder.encode(&[&row.text], kind).unwrap()[0];
            let off = distance(found, &row.vector);
            assert!(off < TOLERANCE, "{name}: {off} off for {:?}", row.text);
        }
    }
}

#[test]
fn a_batch_equals_its_texts_one_by_one() {
    for name in MODELS {
        let Some(encoder) = installed(name) else { continue };
        let rows = golden(name).rows;
        // Many texts of very different lengths, so that there are several batches.
        let texts: Vec<String> = (0..36).map(|i| rows[i % rows.len()].text.repeat(1 + i / 30)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let together = encoder.encode(&texts, TextKind::Passage).unwrap();
        assert_eq!(together.len(), texts.len());
        for (text, vector) in texts.iter().zip(&together).step_by(7) {
            let alone = &encoder.encode(&[text], TextKind::Passage).unwrap()[0];
            assert!(distance(alone, vector) < 1e-4, "{name}: {text}");
            assert!((cosine(vector, vector) - 1.0).abs() < 1e-4, "{name}: length of {text}");
        }
    }
}

#[test]
fn texts_without_content_give_the_zero_vector_in_their_place() {
    for name in MODELS {
        let Some(encoder) = installed(name) else { continue };
        let vectors = encoder.encode(&["", "猫", " \n\t"], TextKind::Passage).unwrap();
        assert_eq!(vectors[0], vec![0.0; encoder.dim()]);
        assert_eq!(vectors[2], vectors[0]);
        assert!((cosine(&vectors[1], &vectors[1]) - 1.0).abs() < 1e-4);
        assert!(encoder.encode(&[], TextKind::Query).unwrap().is_empty());
    }
}

#[test]
fn long_texts_are_cut_and_odd_ones_are_taken() {
    for name in MODELS {
        let Some(encoder) = installed(name) else { continue };
        let (long, longer) = ("我们去爬山吧 ".repeat(400), "我们去爬山吧 ".repeat(60_000));
        let odd = ["\u{0}", "<s></s><unk><pad>", "👩‍👩‍👧‍👦🏳️‍🌈", "\u{202e}\u{200b}", "e\u{301}\u{301}\u{301}", "a".repeat(100_000).leak()];
        let vectors = encoder.encode(&[&long, &longer], TextKind::Passage).unwrap();
        assert!(distance(&vectors[0], &vectors[1]) < 1e-4, "{name}: both are cut at the same token");
        for vector in encoder.encode(&odd, TextKind::Passage).unwrap() {
            assert!(vector.iter().all(|x| x.is_finite()), "{name}");
        }
    }
}

#[test]
fn the_default_encoder_understands_both_languages() {
    let spec = Manifest::built_in().unwrap().default_model().unwrap().clone();
    let Some(encoder) = installed(&spec.name) else { return };
    assert_eq!(encoder.name(), spec.label());
    let texts = [
        "周末和朋友爬了香山,红叶正好。",
        "Climbed Fragrant Hills with friends this weekend; the red leaves were perfect.",
        "凌晨三点,那只小老鼠又在健身了",
        "Bought a year's gym membership and have been three times.",
    ];
    let v = encoder.encode(&texts, TextKind::Passage).unwrap();
    let translation = cosine(&v[0], &v[1]);
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        assert!(translation > cosine(&v[a], &v[b]) + 0.2, "{} | {}", texts[a], texts[b]);
    }
}

#[test]
fn a_missing_or_damaged_model_is_named_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec("use-multilingual");
    let message = |spec: &ModelSpec| match load_encoder(dir.path(), spec) {
        Err(error @ (EmbedError::File { .. } | EmbedError::Damaged { .. })) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("an empty folder is no model"),
    };
    let missing = message(&spec);
    assert!(missing.contains("config.json") && missing.contains("models pull"), "{missing}");
    std::fs::write(dir.path().join("config.json"), r#"{"rows": 1, "dim": "x"}"#).unwrap();
    assert!(message(&spec).contains("damaged"));
    let config = r#"{"rows": 1, "dim": 3, "parts": 1, "width": 1, "orders": [], "head": 1, "epsilon": 0}"#;
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    assert!(message(&spec).contains("dim 3 instead of 512"), "{}", message(&spec));
}

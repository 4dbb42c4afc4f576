//! Compares the text encoders of the manifest: relevance within and across Chinese and English, and
//! texts per second of wall and of CPU time. Prints the tables of `docs/MODELS.md`.
//!
//! `cargo bench -p features --bench compare --profile dev`. Needs the models (`hongniang models pull`);
//! with the shared data in `../shared/data` or `$HONGNIANG_TEST_DATA` also captions and distractors.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use features::embed::{HashingEncoder, TextEncoder, TextKind, load_encoder};
use features::manifest::Manifest;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;

const MOMENTS: &str = include_str!("../src/embed/golden/moments.tsv");
/// Chinese sentences of other kinds among which the right Moment must be found.
const DISTRACTORS: usize = 2_000;

type Vectors = Vec<Vec<f32>>;

struct Texts {
    topics: Vec<&'static str>,
    /// Chinese, its English translation, a chatty Chinese paraphrase, a chatty English one.
    moments: [Vec<&'static str>; 4],
    /// English and simplified Chinese captions of the same pictures.
    captions: (Vec<String>, Vec<String>),
    distractors: Vec<String>,
}

impl Texts {
    fn load(data: &Path) -> Self {
        let rows: Vec<Vec<&str>> = MOMENTS.lines().map(|line| line.split('\t').collect()).collect();
        let column = |i: usize| rows.iter().map(|row| row[i]).collect();
        Self {
            topics: column(0),
            moments: [column(1), column(2), column(3), column(4)],
            captions: captions(&data.join("media/captions.json")),
            distractors: distractors(&data.join("zh_text/common_voice_zh_cc0.parquet")),
        }
    }
}

fn captions(path: &Path) -> (Vec<String>, Vec<String>) {
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("no captions: {} is missing", path.display());
        return Default::default();
    };
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let mut seen = HashSet::new();
    rows.iter()
        .filter_map(|row| Some((row["caption"].as_str()?.to_owned(), row["caption_zh_CN"].as_str()?.to_owned())))
        .filter(|(en, zh)| seen.insert(en.clone()) & seen.insert(zh.clone()))
        .unzip()
}

/// Every so-many-th sentence of 8 to 40 characters.
fn distractors(path: &Path) -> Vec<String> {
    let Ok(file) = File::open(path) else {
        eprintln!("no distractors: {} is missing", path.display());
        return Vec::new();
    };
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_string(0).unwrap().clone());
    let fitting: Vec<String> = rows.filter(|text| (8..=40).contains(&text.chars().count())).collect();
    fitting.iter().step_by((fitting.len() / DISTRACTORS).max(1)).take(DISTRACTORS).cloned().collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// How well query `i` finds text `i` among all texts: share at rank one, mean reciprocal rank.
fn retrieval(queries: &Vectors, texts: &[&[f32]]) -> String {
    let rank = |(i, query): (usize, &Vec<f32>)| {
        let own = cosine(query, texts[i]);
        // Ties count against the encoder.
        texts.iter().filter(|text| cosine(query, text) >= own).count().max(1)
    };
    let ranks: Vec<usize> = queries.iter().enumerate().map(rank).collect();
    let count = ranks.len() as f64;
    let first = ranks.iter().filter(|&&rank| rank == 1).count() as f64 / count;
    let reciprocal = ranks.iter().map(|&rank| 1.0 / rank as f64).sum::<f64>() / count;
    format!("{first:.2} / {reciprocal:.2}")
}

/// Neighbours of every Moment text among all others: share of its topic, share of the other language.
fn neighbours(vectors: &[Vectors], topics: &[&str]) -> (String, String) {
    let all: Vec<(usize, usize, &Vec<f32>)> =
        vectors.iter().enumerate().flat_map(|(c, column)| column.iter().enumerate().map(move |(r, v)| (c % 2, r, v))).collect();
    let (mut same_topic, mut other_language) = (0, 0);
    for (language, row, vector) in &all {
        let mut others: Vec<_> = all.iter().filter(|(_, r, _)| r != row).collect();
        others.sort_by(|a, b| cosine(b.2, vector).total_cmp(&cosine(a.2, vector)));
        same_topic += others[..5].iter().filter(|(_, r, _)| topics[*r] == topics[*row]).count();
        other_language += others[..5].iter().filter(|(l, _, _)| l != language).count();
    }
    let share = |count: usize| format!("{:.2}", count as f64 / (5 * all.len()) as f64);
    (share(same_topic), share(other_language))
}

fn relevance(encoder: &dyn TextEncoder, texts: &Texts) -> Vec<(&'static str, String)> {
    let encode = |texts: &[&str], kind| encoder.encode(texts, kind).unwrap();
    let passages = texts.moments.each_ref().map(|column| encode(column, TextKind::Passage));
    let queries = texts.moments.each_ref().map(|column| encode(column, TextKind::Query));
    let strs = |texts: &'_ [String]| texts.iter().map(String::clone).collect::<Vec<_>>();
    let owned = |list: &[String], kind| {
        let list = strs(list);
        encode(&list.iter().map(String::as_str).collect::<Vec<_>>(), kind)
    };
    let (en, zh) = &texts.captions;
    let noise_zh = owned(&texts.distractors, TextKind::Passage);
    let (captions_en, captions_zh) = (owned(en, TextKind::Passage), owned(zh, TextKind::Passage));
    let pool = |right: &'_ Vectors, noise: &'_ Vectors| right.iter().chain(noise).cloned().collect::<Vectors>();
    let (pool_zh, pool_en) = (pool(&passages[0], &noise_zh), pool(&passages[1], &captions_en));
    fn slices(pool: &Vectors) -> Vec<&[f32]> {
        pool.iter().map(Vec::as_slice).collect()
    }
    let (zh_pool, en_pool) = (slices(&pool_zh), slices(&pool_en));
    let mut rows = vec![
        ("en translation → zh Moment", retrieval(&queries[1], &zh_pool)),
        ("zh original → en Moment", retrieval(&queries[0], &en_pool)),
        ("zh paraphrase → zh Moment", retrieval(&queries[2], &zh_pool)),
        ("en paraphrase → en Moment", retrieval(&queries[3], &en_pool)),
        ("en paraphrase → zh Moment", retrieval(&queries[3], &zh_pool)),
        ("zh paraphrase → en Moment", retrieval(&queries[2], &en_pool)),
    ];
    if !en.is_empty() {
        rows.push(("en caption → zh caption", retrieval(&owned(en, TextKind::Query), &slices(&captions_zh))));
        rows.push(("zh caption → en caption", retrieval(&owned(zh, TextKind::Query), &slices(&captions_en))));
    }
    let (topic, language) = neighbours(&passages, &texts.topics);
    rows.push(("5 nearest: same topic", topic));
    rows.push(("5 nearest: other language", language));
    rows
}

/// CPU time of all threads in seconds (Linux; zero elsewhere).
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
    let time = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok();
    tasks.filter_map(time).map(|nanoseconds: f64| nanoseconds / 1e9).sum()
}

/// Texts per second of wall time and of CPU time, `size` texts per call.
fn speed(encoder: &dyn TextEncoder, texts: &[&str], size: usize) -> String {
    let mut batches = texts.chunks(size).cycle();
    let mut encode = || encoder.encode(batches.next().unwrap(), TextKind::Passage).unwrap().len();
    encode();
    let (start, cpu, mut count) = (Instant::now(), cpu_seconds(), 0);
    while start.elapsed().as_secs_f64() < 3.0 {
        count += encode();
    }
    let per = |seconds: f64| (count as f64 / seconds).round();
    format!("{} / {}", per(start.elapsed().as_secs_f64()), per(cpu_seconds() - cpu))
}

fn main() {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let cache = std::env::var_os("HONGNIANG_MODELS").map_or(home.join(".cache/hongniang/models"), PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let texts = Texts::load(&std::env::var_os("HONGNIANG_TEST_DATA").map_or(beside, PathBuf::from));
    println!("{} Moments × 4, {} caption pairs, {} distractors", texts.topics.len(), texts.captions.0.len(), texts.distractors.len());
    let moments: Vec<&str> = texts.moments.iter().flatten().copied().collect();
    let manifest = Manifest::built_in().unwrap();
    for spec in &manifest.models {
        let folder = cache.join(spec.folder());
        if !folder.exists() {
            println!("{}: not installed, `hongniang models pull {}`", spec.name, spec.name);
            continue;
        }
        let start = Instant::now();
        let encoder = load_encoder(&folder, spec).unwrap();
        println!("\n{} (loaded in {:.2} s)", encoder.name(), start.elapsed().as_secs_f64());
        report(encoder.as_ref(), &texts, &moments);
    }
    let hashing = HashingEncoder::new(512);
    println!("\n{}", hashing.name());
    report(&hashing, &texts, &moments);
}

fn report(encoder: &dyn TextEncoder, texts: &Texts, moments: &[&str]) {
    for (what, figure) in relevance(encoder, texts) {
        println!("  {what:<28} {figure}");
    }
    for size in [1, 16, 160] {
        println!("  {:<28} {}", format!("texts/s, texts/CPU-s by {size}"), speed(encoder, moments, size));
    }
}

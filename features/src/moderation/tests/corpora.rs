//! Innocent texts in bulk.

use std::fs::File;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::*;

/// The sentences that people wrote to be read aloud (Common Voice, CC0), as far as they are on this machine.
fn sentences() -> Option<Vec<String>> {
    let path = crate::parts::data("zh_text/common_voice_zh_cc0.parquet")?;
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    let text = |row: parquet::record::Row| {
        row.get_column_iter().find_map(|(_, field)| if let Field::Str(text) = field { Some(text.clone()) } else { None }).unwrap()
    };
    Some(rows.map(text).collect())
}

#[test]
fn sentences_of_everyday_are_left_alone() {
    let Some(sentences) = sentences() else { return };
    assert!(sentences.len() > 30_000);
    let screen = screen();
    let told: Vec<String> = sentences
        .iter()
        .map(|text| (text, screen.look(text)))
        .filter(|(_, found)| !found.is_empty())
        .map(|(text, found)| {
            format!("{text}\t{:?}", found.iter().map(|f| format!("{}:{}", f.category.name(), f.entry)).collect::<Vec<_>>())
        })
        .collect();
    println!("{} of {} sentences", told.len(), sentences.len());
    told.iter().for_each(|line| println!("{line}"));
    assert!(told.len() * 1_000 <= sentences.len(), "more than one of 1,000:\n{}", told.join("\n"));
}

#[test]
fn the_sample_moments_are_left_alone() {
    let screen = screen();
    let moments = include_str!("../../embed/golden/moments.tsv");
    for text in moments.lines().flat_map(|line| line.split('\t')) {
        assert_eq!(screen.look(text), [], "{text}");
    }
}

//! How text becomes terms.

use tantivy::schema::Field;
use tantivy::tokenizer::{Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer};
use tantivy::{Index, Term};
use tantivy_jieba::JiebaTokenizer;

pub(super) const CHINESE: &str = "zh_jieba";
pub(super) const ENGLISH: &str = "en_stem";

/// Registers both analysers with an index.
pub(super) fn register(index: &Index) {
    let chinese = TextAnalyzer::builder(JiebaTokenizer::new()).filter(RemoveLongFilter::limit(60)).filter(LowerCaser).build();
    let english = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(60))
        .filter(LowerCaser)
        .filter(Stemmer::new(Language::English))
        .build();
    index.tokenizers().register(CHINESE, chinese);
    index.tokenizers().register(ENGLISH, english);
}

/// The distinct terms of a query in a field; at most 64, punctuation dropped.
pub(super) fn terms(index: &Index, field: Field, text: &str) -> Vec<Term> {
    let Ok(mut analyser) = index.tokenizer_for_field(field) else { return Vec::new() };
    let mut found: Vec<Term> = Vec::new();
    let short: String = text.chars().take(500).collect();
    analyser.token_stream(&short).process(&mut |token| {
        let term = Term::from_field_text(field, &token.text);
        if token.text.chars().any(char::is_alphanumeric) && found.len() < 64 && !found.contains(&term) {
            found.push(term);
        }
    });
    found
}

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

/// Words that say little: left out of a query that has others.
const LITTLE: &str = "a an and are as at be but by for from had has have he her his i if in into is it its me my no not of on or our she so \
    than that the their them then there these they this to was we were what when which who will with you your \
    的 了 是 在 我 你 他 她 它 们 我们 你们 他们 她们 和 与 也 就 都 而 及 着 或 一个 这 那 这个 那个 吗 吧 呢 啊 很 有 不 没有 要 会 对 把 被 跟";

/// The distinct terms of a query in a field; at most 64, punctuation dropped, and words that say little unless there are no others.
pub(super) fn terms(index: &Index, field: Field, text: &str) -> Vec<Term> {
    let Ok(mut analyser) = index.tokenizer_for_field(field) else { return Vec::new() };
    let mut cut = |text: &str, most: usize| {
        let mut found: Vec<Term> = Vec::new();
        analyser.token_stream(text).process(&mut |token| {
            let term = Term::from_field_text(field, &token.text);
            if token.text.chars().any(char::is_alphanumeric) && found.len() < most && !found.contains(&term) {
                found.push(term);
            }
        });
        found
    };
    let short: String = text.chars().take(500).collect();
    let (all, little) = (cut(&short, 64), cut(LITTLE, usize::MAX));
    let telling: Vec<Term> = all.iter().filter(|term| !little.contains(term)).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

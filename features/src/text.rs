//! Words of Chinese and English text.
//!
//! Chinese has no spaces: jieba cuts it into words. English words are lower-cased. The text index has its own
//! pipeline over the same dictionary; this one serves tags, hashing and tests.

use std::sync::OnceLock;

use tantivy_jieba::jieba_rs::Jieba;

fn jieba() -> &'static Jieba {
    static JIEBA: OnceLock<Jieba> = OnceLock::new();
    JIEBA.get_or_init(Jieba::new)
}

/// Cuts text into lower-case words; punctuation and blanks are dropped.
pub fn words(text: &str) -> Vec<String> {
    let cut = jieba().cut(text, true);
    cut.into_iter().map(|token| token.word).filter(|word| word.chars().any(char::is_alphanumeric)).map(str::to_lowercase).collect()
}

/// Whether the text is mostly Chinese: at least a third of its letters are Han characters.
pub fn is_chinese(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let han = text.chars().filter(|c| matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{f900}'..='\u{faff}')).count();
    letters > 0 && han * 3 >= letters
}

/// A tag as it is compared and counted: trimmed, lower-case, without a leading `#`.
pub fn normal_tag(tag: &str) -> String {
    tag.trim().trim_start_matches(['#', '＃']).trim().to_lowercase()
}

/// Text as it may stand in an HTML element or in a quoted attribute.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#x27;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_html() {
        assert_eq!(escape_html("a\"><b>&'咖啡"), "a&quot;&gt;&lt;b&gt;&amp;&#x27;咖啡");
    }

    #[test]
    fn both_languages_become_words() {
        assert_eq!(words("我们一起去爬山吧"), ["我们", "一起", "去", "爬山", "吧"]);
        assert_eq!(words("Hiking, and 咖啡!"), ["hiking", "and", "咖啡"]);
        assert!(words("!?。，").is_empty());
    }

    #[test]
    fn language_is_told_apart() {
        assert!(is_chinese("今天天气不错 ok"));
        assert!(!is_chinese("a walk in 北京 with the dog and friends"));
        assert!(!is_chinese("123"));
    }

    #[test]
    fn tags_are_compared_without_dress() {
        assert_eq!(normal_tag(" #Coffee "), "coffee");
        assert_eq!(normal_tag("＃咖啡"), "咖啡");
    }
}

//! Text as it is compared: what looks alike to a reader becomes alike.
//!
//! In this order: compatibility forms become plain (NFKD: full width, circled and mathematical letters, ligatures), marks and invisible characters go,
//! letters become small, lookalikes of other scripts become Latin letters, traditional Chinese characters simplified ones, runs of blanks
//! one blank, and what is left is composed again (NFC). Twice is the same as once. For comparing only: nothing that is kept or shown is changed.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::folds::fold;

/// Characters that take no place on the screen, or none that can be seen.
fn invisible(c: char) -> bool {
    let blank = c.is_whitespace();
    (c.is_control() && !blank)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text as it is compared.
pub fn normalise(text: &str) -> String {
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c) && !invisible(*c)).flat_map(char::to_lowercase);
    // A small letter can be a mark on another one again, as that of `İ`.
    let folded = plain.filter(|c| !is_combining_mark(*c)).map(fold);
    let mut out = String::with_capacity(text.len());
    let mut blanks: Option<char> = None;
    for c in folded.nfc() {
        if c.is_whitespace() {
            // A line that ends stays one.
            blanks = Some(if c == '\n' || blanks == Some('\n') { '\n' } else { ' ' });
            continue;
        }
        if let Some(blank) = blanks.take().filter(|_| !out.is_empty()) {
            out.push(blank);
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_alike_becomes_alike() {
        assert_eq!(normalise("Ｆｕｌｌ　Ｗｉｄｔｈ"), "full width");
        assert_eq!(normalise("С\u{443}рer ѕех"), "cyper sex", "Cyrillic lookalikes go by their looks");
        assert_eq!(normalise("f\u{200b}u\u{2060}n\u{ad}"), "fun");
        assert_eq!(normalise("z\u{334}a\u{338}l\u{336}g\u{337}o\u{335} Ünïcode"), "zalgo unicode");
        assert_eq!(normalise("Ⓟⓘⓔ 𝓅𝒾𝑒 🅿🅸🅴 🇵🇮🇪"), "pie pie pie pie");
        assert_eq!(normalise("約會，聊聊電話"), "约会,聊聊电话");
        assert_eq!(normalise("①③⑧ １３８"), "138 138");
        assert_eq!(normalise(" a \u{2003} b \n\n c "), "a b\nc");
        assert_eq!(normalise("한국어 が"), "한국어 か", "what is composed stays composed; marks go");
    }

    proptest! {
        #[test]
        fn twice_is_once(text in "\\PC{0,60}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn twice_is_once_for_any_characters(text in prop::collection::vec(any::<char>(), 0..40)) {
            let once = normalise(&text.into_iter().collect::<String>());
            prop_assert_eq!(normalise(&once), once);
        }
    }
}

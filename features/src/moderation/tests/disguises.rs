//! Properties: what is put between the letters of a word does not free it, whatever the word.

use proptest::prelude::*;

use super::super::list::Entry;
use super::*;

/// Every listed word that no allowed one excuses.
fn listed() -> Vec<Entry> {
    built_in().unwrap().into_iter().flat_map(|list| list.entries).filter(|entry| entry.category.is_some()).collect()
}

fn is_found(screen: &Screen, entry: &Entry, text: &str) -> bool {
    screen.look(text).iter().any(|finding| Some(finding.category) == entry.category)
}

/// The word with something after each of its letters but the last.
fn between(word: &str, mut sign: impl FnMut(usize) -> String) -> String {
    let count = word.chars().count();
    word.chars().enumerate().map(|(i, c)| if i + 1 < count { format!("{c}{}", sign(i)) } else { c.to_string() }).collect()
}

#[test]
fn every_listed_word_is_found_as_it_is() {
    let screen = screen();
    for entry in listed() {
        for text in [entry.word.clone(), entry.word.to_uppercase(), format!("so {} 。", entry.word), format!("，{}!", entry.word)] {
            assert!(is_found(&screen, &entry, &text), "{text:?}: {:?}", screen.look(&text));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn invisible_characters_free_no_word(pick in any::<prop::sample::Index>(), signs in prop::collection::vec(prop::sample::select(vec!['\u{200b}', '\u{200d}', '\u{feff}', '\u{ad}', '\u{2060}', '\u{301}', '\u{336}', '\u{fe0f}', '\u{e0041}']), 1..4)) {
        let (listed, screen) = (listed(), screen());
        let entry = pick.get(&listed);
        let text = between(&entry.word, |i| signs.iter().cycle().skip(i).take(1 + i % 3).collect());
        prop_assert!(is_found(&screen, entry, &text), "{:?} of {}: {:?}", text, entry.written, screen.look(&text));
    }

    #[test]
    fn separators_free_no_word(pick in any::<prop::sample::Index>(), signs in prop::collection::vec(prop::sample::select(vec![".", "-", "_", "~", "·", "/", "|", "^", "🌸", "...", "="]), 1..5)) {
        let (listed, screen) = (listed(), screen());
        let entry = pick.get(&listed);
        // A phrase is disguised within its words only by whole words; see docs/MODERATION.md.
        prop_assume!(!entry.word.contains(' '));
        let text = between(&entry.word, |i| signs[i % signs.len()].to_owned());
        prop_assert!(is_found(&screen, entry, &text), "{:?} of {}: {:?}", text, entry.written, screen.look(&text));
    }

    #[test]
    fn blanks_free_no_word(pick in any::<prop::sample::Index>(), blank in prop::sample::select(vec![" ", "  ", "\t", "\u{3000}", "\n"])) {
        let (listed, screen) = (listed(), screen());
        let entry = pick.get(&listed);
        prop_assume!(!entry.word.contains(' '));
        let text = between(&entry.word, |_| blank.to_owned());
        prop_assert!(is_found(&screen, entry, &text), "{:?} of {}: {:?}", text, entry.written, screen.look(&text));
    }

    #[test]
    fn repeated_letters_free_no_word(pick in any::<prop::sample::Index>(), times in 1usize..5, at in any::<prop::sample::Index>()) {
        let (listed, screen) = (listed(), screen());
        let entry = pick.get(&listed);
        prop_assume!(entry.is_latin());
        let stretched = at.index(entry.word.len());
        let text: String = entry.word.char_indices().map(|(i, c)| c.to_string().repeat(if i == stretched && c != ' ' { times } else { 1 })).collect();
        prop_assert!(is_found(&screen, entry, &text), "{:?} of {}", text, entry.written);
    }

    #[test]
    fn width_and_case_free_no_word(pick in any::<prop::sample::Index>(), which in any::<u32>()) {
        let (listed, screen) = (listed(), screen());
        let entry = pick.get(&listed);
        let wide = |c: char| if c.is_ascii_graphic() { char::from_u32(u32::from(c) + 0xfee0).unwrap() } else { c };
        let text: String = entry.word.chars().enumerate().map(|(i, c)| match (which >> (i % 16)) & 3 {
            0 => wide(c),
            1 => c.to_ascii_uppercase(),
            2 => wide(c.to_ascii_uppercase()),
            _ => c,
        }).collect();
        prop_assert!(is_found(&screen, entry, &text), "{:?} of {}", text, entry.written);
    }

    #[test]
    fn any_text_is_judged(text in "\\PC{0,200}") {
        let screen = screen();
        prop_assert_eq!(screen.look(&text), screen.look(&super::super::normal::normalise(&text)), "by its normal form alone");
    }
}

//! Characters that stand for others: lookalikes of Latin letters and traditional Chinese characters.
//!
//! Lookalikes follow the confusables of UTS #39 as far as people type them: Cyrillic, Greek, small capitals, letters with strokes, squared and circled
//! ones that NFKD leaves alone. Traditional characters are those of the built-in lists and of everyday words (`lists/traditional.txt`).

use std::collections::HashMap;
use std::sync::OnceLock;

/// Each Latin letter with what looks like it, small letters only.
const LOOKALIKES: [(char, &str); 26] = [
    ('a', "аαɑᴀⱥ"),
    ('b', "вβʙƀɓ"),
    ('c', "сᴄƈȼ"),
    ('d', "ԁđɖɗᴅ"),
    ('e', "еεєҽɛᴇɇ"),
    ('f', "ƒꜰ"),
    ('g', "ɡɢǥց"),
    ('h', "һнħʜհ"),
    ('i', "іιıɪɩ"),
    ('j', "јʝᴊɉ"),
    ('k', "кκᴋƙ"),
    ('l', "łʟӏƚ"),
    ('m', "мᴍ"),
    ('n', "пηɴոռ"),
    ('o', "оοσօᴏøө"),
    ('p', "рρᴘƥ"),
    ('q', "ԛզ"),
    ('r', "гʀɍᴦ"),
    ('s', "ѕꜱʂ"),
    ('t', "тτᴛŧƭ"),
    ('u', "υսᴜʋц"),
    ('v', "νѵᴠ∨"),
    ('w', "ԝωшɯᴡա"),
    ('x', "хχ×"),
    ('y', "уγүʏɏ"),
    ('z', "ᴢƶʐ"),
];

const TRADITIONAL: &str = include_str!("lists/traditional.txt");

fn table() -> &'static HashMap<char, char> {
    static TABLE: OnceLock<HashMap<char, char>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let alike = LOOKALIKES.iter().flat_map(|(letter, others)| others.chars().map(|other| (other, *letter)));
        let pairs = TRADITIONAL.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
        let simple = pairs.filter_map(|pair| {
            let mut pair = pair.chars();
            Some((pair.next()?, pair.next()?))
        });
        alike.chain(simple).collect()
    })
}

/// Letters in boxes and circles, whose order is that of the alphabet.
fn boxed(c: char) -> Option<char> {
    let letter = |first: char| char::from_u32(u32::from(c) - u32::from(first) + u32::from('a'));
    match c {
        '\u{1f150}'..='\u{1f169}' => letter('\u{1f150}'),
        '\u{1f170}'..='\u{1f189}' => letter('\u{1f170}'),
        '\u{1f1e6}'..='\u{1f1ff}' => letter('\u{1f1e6}'),
        _ => None,
    }
}

/// What a character stands for; itself, for most.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    match c {
        '\u{2764}' | '\u{2665}' | '\u{2661}' | '\u{1f90d}' | '\u{1f90e}' | '\u{1f9e1}' | '\u{1f493}'..='\u{1f49f}' => '❤',
        '\u{2795}' | '\u{271a}' | '\u{2716}' | '\u{1f7a1}' => '+',
        '\u{2800}' => ' ', // an empty Braille cell
        _ => boxed(c).or_else(|| table().get(&c).copied()).unwrap_or(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_final() {
        for (from, to) in table() {
            assert_eq!(fold(*to), *to, "{from} becomes {to}, which becomes something else");
        }
        assert!(table().len() > 300, "the tables are read");
    }

    #[test]
    fn no_character_has_two_meanings() {
        let alike: usize = LOOKALIKES.iter().map(|(_, others)| others.chars().count()).sum();
        let simple = TRADITIONAL.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).count();
        assert_eq!(table().len(), alike + simple, "a character is in the tables twice");
        assert!(TRADITIONAL.lines().filter(|l| !l.starts_with('#')).flat_map(str::split_whitespace).all(|pair| pair.chars().count() == 2));
    }
}

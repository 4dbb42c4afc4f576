//! Chinese and mixed words: characters in a row, whatever signs lie between them.
//!
//! Chinese has no blanks, so a word is found anywhere: `约 炮`, `约~炮`, `加 V 信`. A word of two characters is not found through the end of a clause,
//! since two characters meet by accident; a longer one is. Latin letters at the ends of a mixed word must not go on: `加v` is not in `加value`.

use aho_corasick::AhoCorasick;

use super::list::ListError;

/// Signs that may lie between two characters of a word at most.
const FAR: usize = 8;

/// Whether a character is a Chinese one.
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}' | '〇')
}

/// Signs that are part of some words.
fn is_sign(c: char) -> bool {
    matches!(c, '❤' | '+')
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Signs,
    Clause,
    Far,
}

/// The characters that count, in a row.
#[derive(Debug)]
pub(super) struct Row {
    text: String,
    chars: Vec<char>,
    /// What lies before each.
    gaps: Vec<Gap>,
    /// Where each begins in the row, in bytes.
    bytes: Vec<usize>,
    /// Where each ends in the normalised text, in bytes.
    ends: Vec<usize>,
}

impl Row {
    /// The row of a normalised text; with `❤` and `+` or without.
    pub(super) fn new(normal: &str, signs: bool) -> Self {
        let mut row = Self { text: String::new(), chars: Vec::new(), gaps: Vec::new(), bytes: Vec::new(), ends: Vec::new() };
        let (mut gap, mut apart) = (Gap::Far, 0);
        for (at, c) in normal.char_indices() {
            if c.is_alphanumeric() || (signs && is_sign(c)) {
                row.bytes.push(row.text.len());
                row.text.push(c);
                row.chars.push(c);
                row.gaps.push(gap);
                row.ends.push(at + c.len_utf8());
                (gap, apart) = (Gap::None, 0);
                continue;
            }
            apart += 1;
            let kind = match c {
                _ if apart > FAR => Gap::Far,
                ',' | ';' | ':' | '!' | '?' | '。' | '、' => Gap::Clause,
                _ => Gap::Signs,
            };
            gap = gap.max(kind);
        }
        row
    }

    /// Whether a text has one of the signs that are part of some words.
    pub(super) fn has_signs(normal: &str) -> bool {
        normal.contains(is_sign)
    }

    /// Where in the normalised text the character that ends before place `to` of the row ends, in bytes.
    pub(super) fn end_in_text(&self, to: usize) -> usize {
        self.ends[to - 1]
    }

    /// Whether what lies in `from..to` is a word of its own: neither Latin letters nor digits go on at its ends, and no gap within is too wide.
    fn is_word(&self, from: usize, to: usize) -> bool {
        let letter = |c: char| c.is_alphabetic() && !is_han(c);
        let goes_on = |at: usize| {
            let (one, next) = (self.chars[at - 1], self.chars[at]);
            self.gaps[at] == Gap::None && ((letter(one) && letter(next)) || (one.is_numeric() && next.is_numeric() && !is_han(next)))
        };
        let (before, after) = (from > 0 && goes_on(from), to < self.chars.len() && goes_on(to));
        let widest = if to - from > 2 { Gap::Clause } else { Gap::Signs };
        !before && !after && self.gaps[from + 1..to].iter().all(|gap| *gap <= widest)
    }
}

/// Where a word lies in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// Number of the entry.
    pub(super) entry: usize,
    /// First character.
    pub(super) from: usize,
    /// After the last.
    pub(super) to: usize,
}

/// Chinese and mixed words, ready to be searched for.
#[derive(Debug)]
pub(super) struct HanWords {
    entries: Vec<usize>,
    automaton: AhoCorasick,
}

impl HanWords {
    /// # Errors
    /// When there are too many.
    pub(super) fn new<'a>(words: impl Iterator<Item = (usize, &'a str)>) -> Result<Self, ListError> {
        let (entries, patterns): (Vec<usize>, Vec<String>) = words.map(|(entry, word)| (entry, word.replace(' ', ""))).unzip();
        let automaton = AhoCorasick::new(&patterns).map_err(|e| ListError::TooMuch(e.to_string()))?;
        Ok(Self { entries, automaton })
    }

    /// Every place of every word.
    pub(super) fn find(&self, row: &Row) -> Vec<Hit> {
        let at = |byte: usize| row.bytes.partition_point(|start| *start < byte);
        let hits = self.automaton.find_overlapping_iter(&row.text);
        let hits = hits.map(|hit| Hit { entry: self.entries[hit.pattern().as_usize()], from: at(hit.start()), to: at(hit.end()) });
        hits.filter(|hit| row.is_word(hit.from, hit.to)).collect()
    }
}

//! Latin letters as words: whole ones, through separators, repeated letters, digits that stand for letters, and stars.
//!
//! A text becomes *pieces*, runs of letters, and pieces become *chains* that are searched:
//! - what is joined by dots, dashes and the like without a blank: `f.u.c.k`, `fu-ck`; never through `,;:!?` or blanks, or ordinary sentences would
//!   give words by accident (`the pen is`);
//! - single letters joined by anything: `f u c k`, `f, u, c, k`;
//! - for phrases, all words of a clause.
//!
//! A word is found where all of its letters are there at least as often, from the beginning of a piece to the end of one. So *Scunthorpe* and *class* have nothing.

use aho_corasick::AhoCorasick;

use super::list::{Entry, ListError};

/// How two pieces are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    /// Signs without a blank.
    Tight,
    /// With a blank.
    Blank,
    /// By the end of a clause.
    Clause,
    /// By something that is part of the text: a digit, a Chinese character; or too far.
    Break,
}

/// Signs that may lie between two letters of a word at most.
const FAR: usize = 8;
/// Letters of a word that is found inside single letters only if they are all of them.
const SHORT: usize = 4;
/// Stands for letters that no word has.
const FOREIGN: u8 = b'~';

#[derive(Debug, Clone)]
struct Piece {
    letters: Vec<u8>,
    /// Of each, whether it is a letter, or a sign, not a digit, that stands for one.
    evident: Vec<bool>,
    /// Whether something stands for a letter.
    disguised: bool,
    gap: Gap,
    /// Its number in the text.
    number: usize,
}

/// Which characters stand for letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// None.
    Plain,
    /// Digits and signs; the ambiguous ones for `i`.
    LeetI,
    /// Digits and signs; the ambiguous ones for `l`.
    LeetL,
}

/// A character that stands for a letter, and the letter.
fn leet(c: char, one: u8) -> Option<u8> {
    Some(match c {
        '0' => b'o',
        '1' | '!' | '|' => one,
        '3' | '€' => b'e',
        '4' | '@' => b'a',
        '5' | '$' => b's',
        '7' => b't',
        '8' => b'b',
        '9' => b'g',
        _ => return None,
    })
}

/// Whether a text may have such characters at all.
pub(super) fn may_be_leet(normal: &str) -> bool {
    normal.chars().any(|c| leet(c, b'i').is_some()) && normal.bytes().any(|b| b.is_ascii_lowercase())
}

fn pieces(normal: &str, view: View) -> Vec<Piece> {
    let chars: Vec<char> = normal.chars().collect();
    let one = if view == View::LeetL { b'l' } else { b'i' };
    let letter = |i: usize| -> Option<(u8, bool)> {
        let c = chars[i];
        if c.is_ascii_lowercase() {
            return Some((c as u8, false));
        }
        if view != View::Plain {
            // `shit!` ends with a sign, `sh!t` does not.
            let inside = !matches!(c, '!' | '|') || chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
            if let Some(letter) = leet(c, one).filter(|_| inside) {
                return Some((letter, true));
            }
        }
        (c.is_alphabetic() && !super::han::is_han(c)).then_some((FOREIGN, false))
    };
    let (mut out, mut open, mut gap, mut apart): (Vec<Piece>, Option<Piece>, Gap, usize) = (Vec::new(), None, Gap::Break, 0);
    for (i, c) in chars.iter().enumerate() {
        if let Some((byte, stands)) = letter(i) {
            let piece =
                open.get_or_insert_with(|| Piece { letters: Vec::new(), evident: Vec::new(), disguised: false, gap, number: out.len() });
            piece.letters.push(byte);
            piece.evident.push(!c.is_ascii_digit());
            piece.disguised |= stands;
            (gap, apart) = (Gap::Tight, 0);
            continue;
        }
        out.extend(open.take());
        apart += 1;
        let kind = match *c {
            _ if apart > FAR || c.is_alphanumeric() => Gap::Break,
            ',' | ';' | ':' | '!' | '?' | '。' | '、' | '\n' => Gap::Clause,
            // `who're` is two words.
            '\'' | '’' | '‘' | '`' => Gap::Blank,
            c if c.is_whitespace() => Gap::Blank,
            _ => Gap::Tight,
        };
        gap = gap.max(kind);
    }
    out.extend(open);
    out
}

/// A letter with its repetitions.
#[derive(Debug)]
struct Run {
    count: u32,
    /// Repetitions that are evident.
    evident: u32,
    /// Repetitions from the first that begins a piece on; 0 where none does.
    from_start: u32,
    /// Repetitions up to the last that ends a piece; 0 where none does.
    to_end: u32,
    /// The pieces it lies in, first and last.
    pieces: (usize, usize),
}

/// One letter of a chain.
struct Step {
    letter: u8,
    evident: bool,
    start: bool,
    end: bool,
    piece: usize,
}

/// Letters, repeated ones once, with what is known of each.
#[derive(Debug, Default)]
struct Chain {
    letters: Vec<u8>,
    runs: Vec<Run>,
}

impl Chain {
    /// One letter more; the same one again counts up where `merge` says so.
    fn push(&mut self, step: &Step, merge: bool) {
        let (start, end) = (u32::from(step.start), u32::from(step.end));
        let same = merge && self.letters.last() == Some(&step.letter);
        if let Some(run) = self.runs.last_mut().filter(|_| same) {
            run.count += 1;
            run.evident += u32::from(step.evident);
            run.from_start = if run.from_start > 0 { run.from_start + 1 } else { start };
            run.to_end = if step.end { run.count } else { run.to_end };
            run.pieces.1 = step.piece;
            return;
        }
        self.letters.push(step.letter);
        self.runs.push(Run {
            count: 1,
            evident: u32::from(step.evident),
            from_start: start,
            to_end: end,
            pieces: (step.piece, step.piece),
        });
    }

    /// `across`: letters are counted over the ends of pieces, too.
    fn of(pieces: &[Piece], across: bool) -> Self {
        let mut chain = Self::default();
        for piece in pieces {
            let last = piece.letters.len() - 1;
            for (i, letter) in piece.letters.iter().enumerate() {
                let step = Step { letter: *letter, evident: piece.evident[i], start: i == 0, end: i == last, piece: piece.number };
                chain.push(&step, across || i > 0);
            }
        }
        chain
    }
}

/// A word as it is searched for.
#[derive(Debug)]
struct Word {
    /// Number of the entry.
    entry: usize,
    /// The word with its repeated letters.
    spelled: Vec<u8>,
    /// How often each letter of the searched form is repeated.
    counts: Vec<u32>,
    open_start: bool,
    open_end: bool,
    /// Words of a phrase; 1 for a word.
    parts: usize,
    /// Whether it excuses what lies within it.
    allowed: bool,
}

/// Where a word was found: its number, and the pieces it lies in.
#[derive(Debug, Clone, Copy)]
struct Hit {
    word: usize,
    first: usize,
    last: usize,
}

/// Latin words, ready to be searched for.
#[derive(Debug)]
pub(super) struct LatinWords {
    words: Vec<Word>,
    automaton: AhoCorasick,
}

impl LatinWords {
    /// # Errors
    /// When there are too many.
    pub(super) fn new<'a>(entries: impl Iterator<Item = (usize, &'a Entry)>) -> Result<Self, ListError> {
        let (mut words, mut patterns) = (Vec::new(), Vec::new());
        for (number, entry) in entries {
            let mut chain = Chain::default();
            for part in entry.word.split(' ') {
                let step = |letter: u8| Step { letter, evident: true, start: false, end: false, piece: 0 };
                part.bytes().enumerate().for_each(|(i, letter)| chain.push(&step(letter), i > 0));
            }
            words.push(Word {
                entry: number,
                spelled: entry.word.bytes().filter(|b| *b != b' ').collect(),
                counts: chain.runs.iter().map(|run| run.count).collect(),
                open_start: entry.open_start,
                open_end: entry.open_end,
                parts: entry.word.split(' ').count(),
                allowed: entry.category.is_none(),
            });
            patterns.push(chain.letters);
        }
        let automaton = AhoCorasick::new(&patterns).map_err(|e| ListError::TooMuch(e.to_string()))?;
        Ok(Self { words, automaton })
    }

    /// The numbers of the entries that a text has.
    pub(super) fn find(&self, normal: &str, view: View, found: &mut Vec<usize>) {
        let pieces = pieces(normal, view);
        let fits = |chain: &[Piece]| view == View::Plain || chain.iter().any(|p| p.disguised);
        let mut hits = Vec::new();
        for chain in pieces.chunk_by(|_, next| next.gap == Gap::Tight).filter(|chain| fits(chain)) {
            self.search(&Chain::of(chain, true), |word, _, _| word.parts == 1, &mut hits);
        }
        let single = |p: &Piece| p.letters.len() == 1;
        let spaced = pieces.chunk_by(|one, next| single(one) && single(next) && next.gap < Gap::Break);
        for chain in spaced.filter(|chain| chain.len() >= 2 && fits(chain)) {
            let merged = Chain::of(chain, true);
            let all = |from: usize, to: usize| from == 0 && to == merged.letters.len();
            self.search(&merged, |word, from, to| word.parts == 1 && (word.spelled.len() >= SHORT || all(from, to)), &mut hits);
        }
        if self.words.iter().any(|word| word.parts > 1) {
            for clause in pieces.chunk_by(|_, next| next.gap <= Gap::Blank).filter(|clause| clause.len() > 1 && fits(clause)) {
                let chain = Chain::of(clause, false);
                let parts = |from: usize, to: usize| chain.runs[from..to].iter().filter(|run| run.from_start > 0).count();
                self.search(&chain, |word, from, to| word.parts > 1 && parts(from, to) == word.parts, &mut hits);
            }
        }
        let (allowed, hits): (Vec<Hit>, Vec<Hit>) = hits.into_iter().partition(|hit| self.words[hit.word].allowed);
        let excused = |hit: &Hit| allowed.iter().any(|by| by.first <= hit.first && hit.last <= by.last);
        found.extend(hits.iter().filter(|hit| !excused(hit)).map(|hit| self.words[hit.word].entry));
        if view == View::Plain && normal.contains('*') {
            self.masked(normal, found);
        }
    }

    fn search(&self, chain: &Chain, fits: impl Fn(&Word, usize, usize) -> bool, hits: &mut Vec<Hit>) {
        for hit in self.automaton.find_overlapping_iter(&chain.letters) {
            let (word, from, to) = (&self.words[hit.pattern().as_usize()], hit.start(), hit.end());
            let runs = &chain.runs[from..to];
            let enough = word.counts.iter().zip(runs).all(|(least, run)| run.count >= *least);
            let begins = word.open_start || runs.first().zip(word.counts.first()).is_some_and(|(run, least)| run.from_start >= *least);
            let ends = word.open_end || runs.last().zip(word.counts.last()).is_some_and(|(run, least)| run.to_end >= *least);
            // Of a number with a letter beside it nobody reads a word.
            let evident = runs.iter().map(|run| run.evident).sum::<u32>() >= 2;
            if enough && begins && ends && evident && fits(word, from, to) {
                hits.push(Hit { word: hit.pattern().as_usize(), first: runs[0].pieces.0, last: runs[runs.len() - 1].pieces.1 });
            }
        }
    }

    /// Words with stars for some of their letters: `f**k`. Two letters at least must be there, of a word of four or more.
    fn masked(&self, normal: &str, found: &mut Vec<usize>) {
        let tokens = normal.split(|c: char| !(c.is_ascii_lowercase() || c == '*'));
        for token in tokens.map(|token| token.trim_matches('*').as_bytes()).filter(|token| token.contains(&b'*')) {
            let alike = |word: &&Word| {
                let n = word.spelled.len();
                let length = if word.open_end { token.len() >= n } else { token.len() == n };
                let there = token.iter().take(n).filter(|b| **b != b'*').count();
                let stars = token.iter().take(n).any(|b| *b == b'*');
                let same = word.spelled.iter().zip(token).all(|(letter, given)| *given == b'*' || given == letter);
                !word.allowed && word.parts == 1 && n >= SHORT && length && stars && there >= 2 && same
            };
            found.extend(self.words.iter().filter(alike).map(|word| word.entry));
        }
    }
}

//! Word lists: text files that people keep.
//!
//! ```text
//! # a remark
//! [insult]        what follows is of this category
//! idiot           a Latin word: as a whole word
//! moron*          and whatever begins so; `*moron` and `*moron*` likewise
//! kill yourself   a phrase of Latin words
//! 傻逼            Chinese, or mixed with letters and digits: anywhere
//! [allow]         words that are innocent although a listed one is in them
//! 做爱心
//! ```

use super::Category;
use super::normal::normalise;

const ZH: &str = include_str!("lists/zh.txt");
const EN: &str = include_str!("lists/en.txt");

/// A word list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// A line that is no entry.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The words together are more than can be searched for.
    #[error("the word lists cannot be searched for: {0}")]
    TooMuch(String),
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The word, normalised, without stars.
    pub(super) word: String,
    /// As it stands in the list.
    pub(super) written: String,
    /// Its category; nothing for a word that is allowed.
    pub(super) category: Option<Category>,
    /// Whether letters may stand before it.
    pub(super) open_start: bool,
    /// Whether letters may stand after it.
    pub(super) open_end: bool,
}

impl Entry {
    /// Whether it has Latin letters only, and blanks.
    pub(super) fn is_latin(&self) -> bool {
        self.word.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
    }
}

/// Words with their categories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordList {
    pub(super) entries: Vec<Entry>,
}

/// The lists that come with the program: Chinese and English.
///
/// # Errors
/// Never, as a test shows.
pub fn built_in() -> Result<Vec<WordList>, ListError> {
    Ok(vec![WordList::parse("zh.txt", ZH)?, WordList::parse("en.txt", EN)?])
}

impl WordList {
    /// Reads a list; `file` is named in errors.
    ///
    /// # Errors
    /// The first line that is no entry, with the remedy.
    pub fn parse(file: &str, text: &str) -> Result<Self, ListError> {
        let (mut entries, mut section) = (Vec::new(), None);
        for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let wrong = |reason: String| ListError::Line { file: file.to_owned(), line: n + 1, reason };
            let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
            if line.is_empty() {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = Some(self::section(name.trim()).map_err(wrong)?);
                continue;
            }
            let Some(category) = section else { return Err(wrong("comes before the first [category]; begin with one".to_owned())) };
            entries.push(entry(line, category).map_err(wrong)?);
        }
        Ok(Self { entries })
    }

    /// A list of words that are innocent although a listed one is in them.
    ///
    /// # Errors
    /// The first one that is no word.
    pub fn allowing(words: &[String]) -> Result<Self, ListError> {
        let one = |(n, word): (usize, &String)| {
            entry(word, None).map_err(|reason| ListError::Line { file: "moderation.allow".to_owned(), line: n + 1, reason })
        };
        Ok(Self { entries: words.iter().enumerate().map(one).collect::<Result<_, _>>()? })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn section(name: &str) -> Result<Option<Category>, String> {
    if name == "allow" {
        return Ok(None);
    }
    let known = || Category::ALL.map(Category::name).join(", ");
    Category::parse(name).map(Some).ok_or_else(|| format!("[{name}] is no category; there are {}, and allow", known()))
}

fn entry(line: &str, category: Option<Category>) -> Result<Entry, String> {
    let (open_start, open_end) = (line.starts_with('*'), line.ends_with('*'));
    let word = normalise(line.trim_matches('*'));
    let fits = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '❤' | '+');
    if let Some(c) = word.chars().find(|c| !fits(*c)) {
        return Err(format!("has `{c}`; a word has letters, digits, blanks, ❤ and + only, and stars at its ends"));
    }
    let entry = Entry { word, written: line.to_owned(), category, open_start, open_end };
    let least = if entry.is_latin() { 3 } else { 2 };
    let count = entry.word.chars().filter(|c| *c != ' ').count();
    if count < least && !matches!(entry.word.as_str(), "vx" | "wx") {
        return Err(format!("has {count} characters; a word needs {least}, or it is found everywhere"));
    }
    if !entry.is_latin() && (open_start || open_end) {
        return Err("has a star; Chinese and mixed words are found anywhere without one".to_owned());
    }
    if entry.word.contains(' ') && (open_start || open_end) {
        return Err("has a star and a blank; a phrase has no stars".to_owned());
    }
    Ok(entry)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_lists_are_lists() {
        let lists = built_in().unwrap();
        assert!(lists.iter().all(|list| list.len() > 100));
        let mut words: Vec<&str> = lists.iter().flat_map(|list| &list.entries).map(|e| e.word.as_str()).collect();
        words.sort_unstable();
        let twice: Vec<_> = words.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
        assert!(twice.is_empty(), "{twice:?} are in the lists twice");
        for category in Category::ALL.into_iter().filter(|c| *c != Category::Other) {
            let has = |list: &WordList| list.entries.iter().any(|e| e.category == Some(category));
            assert!(lists.iter().all(has), "{} has words in both languages", category.name());
        }
    }

    #[test]
    fn what_is_wrong_with_a_list_is_told_with_its_line() {
        let fault = |text: &str| WordList::parse("own.txt", text).unwrap_err().to_string();
        assert!(fault("idiot").starts_with("own.txt:1: comes before the first [category]"));
        assert!(fault("[insult]\nidiot\n[rude]").starts_with("own.txt:3: [rude] is no category; there are sexual,"));
        assert!(fault("[insult]\nx").contains("needs 3"));
        assert!(fault("[insult]\n坏").contains("needs 2"));
        assert!(fault("[insult]\n坏人*").contains("without one"));
        assert!(fault("[insult]\nbad man*").contains("no stars"));
        assert!(fault("[insult]\na.b.c").contains("has `.`"));
        let list = WordList::parse("own.txt", "\u{feff}# remark\n[other] \n *Fool* # and so on\n\n[allow]\n傻瓜相機").unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!((list.entries[0].word.as_str(), list.entries[0].open_start, list.entries[0].open_end), ("fool", true, true));
        assert_eq!((list.entries[1].word.as_str(), list.entries[1].category), ("傻瓜相机", None));
    }
}

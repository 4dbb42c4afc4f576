//! The words of lists.

use super::han::{HanWords, Hit, Row};
use super::latin::{LatinWords, View, may_be_leet};
use super::list::{Entry, ListError, WordList};
use super::{Check, Finding};

/// A check that finds the words of lists.
#[derive(Debug)]
pub struct Words {
    entries: Vec<Entry>,
    latin: LatinWords,
    han: HanWords,
}

impl Words {
    /// A check over all words of some lists. A word that is allowed in one of them excuses those of all that lie within it.
    ///
    /// # Errors
    /// When there are more words than can be searched for.
    pub fn new(lists: &[WordList]) -> Result<Self, ListError> {
        let all: Vec<Entry> = lists.iter().flat_map(|list| list.entries.iter().cloned()).collect();
        let numbered = || all.iter().enumerate();
        let latin = numbered().filter(|(_, e)| e.is_latin());
        let han = numbered().filter(|(_, e)| !e.is_latin()).map(|(n, e)| (n, e.word.as_str()));
        Ok(Self { latin: LatinWords::new(latin)?, han: HanWords::new(han)?, entries: all })
    }

    fn allowed(&self, entry: usize) -> bool {
        self.entries[entry].category.is_none()
    }

    /// Latin words.
    fn latin(&self, normal: &str, found: &mut Vec<usize>) {
        if !normal.bytes().any(|b| b.is_ascii_lowercase()) {
            return;
        }
        self.latin.find(normal, View::Plain, found);
        if may_be_leet(normal) {
            self.latin.find(normal, View::LeetI, found);
            self.latin.find(normal, View::LeetL, found);
        }
    }

    /// Chinese words; one that is allowed excuses those that lie within it.
    fn han(&self, row: &Row, found: &mut Vec<usize>) {
        let (allowed, hits): (Vec<Hit>, Vec<Hit>) = self.han.find(row).into_iter().partition(|hit| self.allowed(hit.entry));
        let excused = |hit: &Hit| allowed.iter().any(|by| by.from <= hit.from && hit.to <= by.to);
        found.extend(hits.iter().filter(|hit| !excused(hit)).map(|hit| hit.entry));
    }
}

impl Check for Words {
    fn look(&self, normal: &str, found: &mut Vec<Finding>) {
        let mut hits = Vec::new();
        self.latin(normal, &mut hits);
        self.han(&Row::new(normal, false), &mut hits);
        if Row::has_signs(normal) {
            self.han(&Row::new(normal, true), &mut hits);
        }
        found.extend(hits.into_iter().filter_map(|hit| {
            let entry = &self.entries[hit];
            Some(Finding { category: entry.category?, check: "words", entry: entry.written.clone() })
        }));
    }
}

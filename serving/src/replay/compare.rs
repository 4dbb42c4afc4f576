//! Where a page that was made again differs from the one that was served.

use features::event::{PageEvent, PageItem};
use ranker::{Deck, DeckItem};
use serde::Serialize;

use crate::recommend::people_again;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The page, from 1.
    pub page: usize,
    /// The position in the deck, where it is about one person.
    pub position: Option<u32>,
    /// Which field of the person; `user_id` where another one stands there; `people` for how many there are; `body` for the answer itself.
    pub field: &'static str,
    /// What was served.
    pub served: String,
    /// What was computed now.
    pub recomputed: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(position) = self.position {
            write!(f, "position {position}: ")?;
        }
        write!(f, "{} was {}, is {}", self.field, self.served, self.recomputed)
    }
}

/// Floats are told by their shortest text, which tells apart all that differ by a bit.
fn fields(item: &DeckItem) -> [(&'static str, String); 5] {
    let list = |words: Vec<&str>| words.join(",");
    [
        ("score", item.score.to_string()),
        ("worth", item.worth.to_string()),
        ("propensity", item.propensity.to_string()),
        ("sources", list(item.sources.iter().map(|source| source.name()).collect())),
        ("reasons", list(item.reasons.iter().map(|reason| reason.code.as_str()).collect())),
    ]
}

fn logged(item: &PageItem) -> [(&'static str, String); 5] {
    [
        ("score", item.score.to_string()),
        ("worth", item.worth.to_string()),
        ("propensity", item.propensity.to_string()),
        ("sources", item.sources.join(",")),
        ("reasons", item.reasons.join(",")),
    ]
}

/// Everything that differs in who is on the page and why, in the order of the page. `number` is that of the page.
pub(super) fn differences(number: usize, deck: &Deck, page: &PageEvent) -> Vec<Difference> {
    let again = people_again(deck, page);
    let mut found = Vec::new();
    let mut tell = |position: Option<u32>, field: &'static str, served: String, recomputed: String| {
        if served != recomputed {
            found.push(Difference { page: number, position, field, served, recomputed });
        }
    };
    tell(None, "people", page.items.len().to_string(), again.len().to_string());
    for (served, (position, item)) in page.items.iter().zip(again) {
        let at = Some(served.position);
        tell(at, "position", served.position.to_string(), position.to_string());
        tell(at, "user_id", served.user_id.to_string(), item.user_id.to_string());
        if served.user_id == item.user_id {
            for ((field, was), (_, is)) in logged(served).into_iter().zip(fields(item)) {
                tell(at, field, was, is);
            }
        }
    }
    found
}

//! Pages that were served, computed again from what the lake has of them, and compared with what was sent, byte for byte.
//!
//! The lake tells who was scored and which portraits were read (`decks`), what each page said (`pages`), and the portraits themselves. The stages that
//! made the deck make it again; what must be taken on trust is what they cannot know: whom sources found, whom relations and exposures
//! refused, and what had failed.

mod compare;
mod lake;

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Utc};
use features::event::{DeckEvent, PageEvent, PageItem};
use features::ids::UserId;
use features::profile::Profile;
use ranker::deck::PortraitVersion;
use ranker::strategy::Strategies;
use ranker::{Deck, FilterName, ReplayError, Trace};

pub use self::compare::Difference;
use self::lake::{Lake, Portraits};
use crate::recommend::{Beside, body_again, program, sha256, unpack};

/// Why nothing could be computed again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayFault {
    /// The lake has no such deck.
    #[error(
        "deck {deck} is not in the lake {place}{}: decks come into it within lake.flush_s seconds of their first page, unless recommend.deck_log \
         was off; name another lake with --lake or --data-dir if it was served elsewhere",
        .newest.map_or(", which has no decks at all".to_owned(), |at| format!(", whose newest deck is of {}", at.format("%Y-%m-%d %H:%M:%S UTC")))
    )]
    UnknownDeck {
        /// The deck.
        deck: String,
        /// The lake.
        place: String,
        /// When the newest deck was served that is there.
        newest: Option<DateTime<Utc>>,
    },
    /// The deck has no such page.
    #[error("deck {deck} has {pages} pages in the lake, so --page must be 1 to {pages}")]
    UnknownPage {
        /// The deck.
        deck: String,
        /// How many pages it has.
        pages: usize,
    },
    /// Portraits are missing.
    #[error(
        "{source}; portraits come into the lake {place} within lake.flush_s seconds of their assembly, if lake.portraits is on and was on then: \
         wait, or name the lake that has them with --lake"
    )]
    Portraits {
        /// The lake.
        place: String,
        /// Which are missing.
        source: ReplayError,
    },
}

/// A page that was made again.
#[derive(Debug)]
pub struct PageAgain {
    /// Its number in the order in which pages of the deck were served, from 1.
    pub number: usize,
    /// What was served.
    pub served: PageEvent,
    /// The answer as it is computed now; none when it shows somebody who was not on the page.
    pub body: Option<Vec<u8>>,
    /// What differs; nothing when the answers are equal, byte for byte.
    pub differences: Vec<Difference>,
}

/// A deck that was made again, with its pages.
#[derive(Debug)]
pub struct Replayed {
    /// What the log says of the deck.
    pub served: DeckEvent,
    /// The deck as it is computed now.
    pub deck: Deck,
    /// Its pages.
    pub pages: Vec<PageAgain>,
    /// What may be behind a difference: another program, another configuration.
    pub notes: Vec<String>,
}

impl Replayed {
    /// Whether every page is equal to what was served.
    pub fn equal(&self) -> bool {
        self.pages.iter().all(|page| page.differences.is_empty())
    }
}

/// Computes the pages of a deck again (or one of them, from 1) out of the lake at `place`, a folder or a URL.
///
/// # Errors
/// [`ReplayFault`]s, and when the lake cannot be read or the record is of another version of the program.
pub async fn replay(place: &str, deck_id: &str, page: Option<usize>) -> anyhow::Result<Replayed> {
    let lake = Lake::open(place).await?;
    let Some((served, pages)) = lake.deck(deck_id).await? else {
        let newest = lake.newest().await?;
        return Err(ReplayFault::UnknownDeck { deck: deck_id.to_owned(), place: place.to_owned(), newest }.into());
    };
    let pages: Vec<(usize, PageEvent)> = pages.into_iter().enumerate().map(|(at, page)| (at + 1, page)).collect();
    if page.is_some_and(|number| number == 0 || number > pages.len()) {
        return Err(ReplayFault::UnknownPage { deck: deck_id.to_owned(), pages: pages.len() }.into());
    }
    let pages: Vec<(usize, PageEvent)> = pages.into_iter().filter(|(number, _)| page.is_none_or(|wanted| wanted == *number)).collect();
    let beside = Beside { deck_id, experiments: &served.experiments, degraded: &served.degraded };
    let trace = unpack(&served.record, &beside).with_context(|| format!("deck {deck_id}, made by {}", served.program))?;
    let portraits = lake.portraits(&wanted(&trace, &pages)).await?;
    again(place, served, &trace, pages, &portraits)
}

/// Every portrait that the deck was made of, and those that its pages showed.
fn wanted(trace: &Trace, pages: &[(usize, PageEvent)]) -> HashSet<(UserId, PortraitVersion)> {
    let shown = pages.iter().flat_map(|(_, page)| &page.items).map(|item| (item.user_id, version(item)));
    trace.people().map(|seen| (seen.user, seen.portrait)).chain(shown).collect()
}

fn version(item: &PageItem) -> PortraitVersion {
    PortraitVersion { generation: item.generation, version: item.version }
}

fn again(place: &str, served: DeckEvent, trace: &Trace, pages: Vec<(usize, PageEvent)>, portraits: &Portraits) -> anyhow::Result<Replayed> {
    let gone = |source| ReplayFault::Portraits { place: place.to_owned(), source };
    let deck = ranker::replay(trace, Strategies::default(), |user, version| portraits.get(&(user, version)).cloned());
    let deck = deck.map_err(|error| match error {
        ReplayError::Missing(_) => anyhow::Error::from(gone(error)),
        other => anyhow::Error::from(other).context(format!("deck {}, made by {}", served.deck_id, served.program)),
    })?;
    let mut done = Vec::new();
    for (number, page) in pages {
        let unknown = |item: &&PageItem| item.profile.is_none() && !portraits.contains_key(&(item.user_id, version(item)));
        let missing: Vec<_> = page.items.iter().filter(unknown).map(|item| (item.user_id, version(item))).collect();
        if !missing.is_empty() {
            return Err(gone(ReplayError::Missing(missing)).into());
        }
        done.push(page_again(number, &served, &deck, page, portraits)?);
    }
    Ok(Replayed { notes: notes(&served, trace, &deck), served, deck, pages: done })
}

fn page_again(number: usize, served: &DeckEvent, deck: &Deck, page: PageEvent, portraits: &Portraits) -> anyhow::Result<PageAgain> {
    let mut profiles = std::collections::HashMap::new();
    for item in &page.items {
        let profile: Profile = match &item.profile {
            Some(text) => serde_json::from_str(text).with_context(|| format!("the profile shown of user {} is damaged", item.user_id))?,
            None => {
                portraits.get(&(item.user_id, version(item))).map(|portrait| portrait.profile.clone()).context("was looked up before")?
            }
        };
        profiles.insert(item.user_id, Arc::new(profile));
    }
    let mut differences = compare::differences(number, deck, &page);
    let body = body_again(deck, served, &page, |item| profiles.get(&item.user_id).cloned());
    let told = |bytes: usize, digest: &str| format!("{bytes} bytes, sha256 {}…", digest.get(..12).unwrap_or(digest));
    let is = body.as_ref().map_or("another page".to_owned(), |body| told(body.len(), &sha256(body)));
    let equal =
        body.as_ref().is_some_and(|body| sha256(body) == page.body_sha256.to_ascii_lowercase() && body.len() == page.body_bytes as usize);
    if !equal {
        let was = told(page.body_bytes as usize, &page.body_sha256);
        differences.push(Difference { page: number, position: None, field: "body", served: was, recomputed: is });
    }
    Ok(PageAgain { number, served: page, body, differences })
}

/// What may be behind a difference.
fn notes(served: &DeckEvent, trace: &Trace, deck: &Deck) -> Vec<String> {
    let mut notes = Vec::new();
    if served.program != program() {
        notes.push(format!("the deck was made by {}, and this is {}", served.program, program()));
    }
    if served.config_version != trace.effective.version {
        notes.push(format!(
            "the configuration {} that held reads as {} here: this program has other keys, whose defaults were taken",
            served.config_version, trace.effective.version
        ));
    }
    let outdrawn = [FilterName::NotSelected, FilterName::EnoughToday];
    let refused = deck.removed.iter().find(|removed| !outdrawn.contains(&removed.filter));
    notes.extend(refused.map(|one| format!("user {} was scored then and is refused now: {}", one.user_id, one.reason)));
    if served.size as usize != deck.items.len() {
        notes.push(format!("the deck had {} people and has {} now", served.size, deck.items.len()));
    }
    notes
}

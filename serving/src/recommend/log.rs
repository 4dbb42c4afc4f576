//! The log of decks and pages: what was served, and what it takes to compute it again. Written with the impressions of the page.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use features::event::{DeckEvent, DeckKind, Event, PageEvent, PageItem, PageKind, PageRemoved};
use features::ids::EventId;
use ranker::Removed;
use sha2::{Digest, Sha256};

use super::answer::Shown;
use super::decks::Dealt;

/// Counter: bytes of records of decks that were logged.
const RECORD_BYTES: &str = "hongniang_deck_record_bytes_total";
/// The languages of reasons.
pub(super) const LANGUAGES: [&str; 2] = ["en", "zh"];

/// Name and version of this program, as records carry it.
pub fn program() -> String {
    format!("hongniang {}", env!("CARGO_PKG_VERSION"))
}

/// SHA-256 as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String");
        hex
    })
}

/// What is answered, and to which request.
pub(super) struct Served<'a> {
    pub(super) dealt: &'a Dealt,
    pub(super) shown: &'a [Shown],
    pub(super) removed: &'a [Removed],
    pub(super) first: usize,
    pub(super) next: usize,
    pub(super) chinese: bool,
    pub(super) body: &'a [u8],
    pub(super) request_id: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Served<'_> {
    /// The event of the deck.
    pub(super) fn deck(&self, record: String) -> Event {
        metrics::counter!(RECORD_BYTES).increment(record.len() as u64);
        let head = &self.dealt.head;
        Event::Deck(DeckEvent {
            event_id: EventId::now_v7(),
            event_time: self.now,
            kind: DeckKind::Served,
            request_id: self.request_id.map(str::to_owned),
            deck_id: head.deck_id.clone(),
            viewer_id: head.viewer,
            made_at: head.made_at,
            seed: head.seed,
            config_version: head.config_version.clone(),
            region: head.region.clone(),
            strategy: head.strategy.clone(),
            experiments: head.experiments.clone(),
            degraded: head.degraded.clone(),
            scored: number(self.dealt.scored),
            size: number(self.dealt.len()),
            program: program(),
            record,
        })
    }

    /// The event of the page.
    pub(super) fn page(&self) -> Event {
        let head = &self.dealt.head;
        Event::Page(PageEvent {
            event_id: EventId::now_v7(),
            event_time: self.now,
            kind: PageKind::Served,
            request_id: self.request_id.map(str::to_owned),
            deck_id: head.deck_id.clone(),
            viewer_id: head.viewer,
            first: number(self.first),
            next: number(self.next),
            language: LANGUAGES[usize::from(self.chinese)].to_owned(),
            items: self.shown.iter().map(item).collect(),
            removed: self.removed.iter().map(|r| PageRemoved { user_id: r.user_id, filter: r.filter.name().to_owned() }).collect(),
            body_sha256: sha256(self.body),
            body_bytes: number(self.body.len()),
        })
    }
}

fn item(shown: &Shown) -> PageItem {
    let item = &shown.item;
    let profile = shown.overlaid.then(|| serde_json::to_string(&*shown.profile).expect("a profile is JSON"));
    PageItem {
        user_id: item.user_id,
        position: number(shown.position),
        score: item.score,
        worth: item.worth,
        propensity: item.propensity,
        sources: item.sources.iter().map(|source| source.name().to_owned()).collect(),
        reasons: item.reasons.iter().map(|reason| reason.code.clone()).collect(),
        generation: shown.portrait.generation,
        version: shown.portrait.version,
        profile,
    }
}

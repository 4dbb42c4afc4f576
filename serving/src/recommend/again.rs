//! A page made again out of a deck that was made again.

use std::collections::HashSet;
use std::sync::Arc;

use features::event::{DeckEvent, PageEvent, PageItem};
use features::ids::UserId;
use features::profile::Profile;
use ranker::deck::PortraitVersion;
use ranker::{Deck, DeckItem};

use super::answer::{Answer, Shown};
use super::log::LANGUAGES;

/// Who is on a page, by the deck and by what the checks of the page took out; with positions.
pub fn people_again<'a>(deck: &'a Deck, page: &PageEvent) -> Vec<(usize, &'a DeckItem)> {
    let removed: HashSet<UserId> = page.removed.iter().map(|removed| removed.user_id).collect();
    let positions = deck.items.iter().enumerate().take(page.next as usize).skip(page.first as usize);
    positions.filter(|(_, item)| !removed.contains(&item.user_id)).collect()
}

/// The body of the answer; none when the page shows somebody whose profile is not at hand.
pub fn body_again(
    deck: &Deck,
    served: &DeckEvent,
    page: &PageEvent,
    profile: impl Fn(&PageItem) -> Option<Arc<Profile>>,
) -> Option<Vec<u8>> {
    let shown = people_again(deck, page).into_iter().map(|(position, item)| {
        let logged = page.items.iter().find(|logged| logged.user_id == item.user_id)?;
        let portrait = PortraitVersion { generation: logged.generation, version: logged.version };
        Some(Shown { position, item: item.clone(), profile: profile(logged)?, portrait, overlaid: logged.profile.is_some() })
    });
    let shown: Vec<Shown> = shown.collect::<Option<_>>()?;
    let next = page.next as usize;
    let answer = Answer {
        viewer: page.viewer_id,
        deck_id: &deck.deck_id,
        shown: &shown,
        next: (next < deck.items.len()).then_some(next),
        // What was done without is an input: nobody can bring the failure back.
        degraded: &served.degraded,
        chinese: page.language == LANGUAGES[1],
        now: page.event_time,
    };
    Some(answer.body())
}

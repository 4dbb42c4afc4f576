//! The rules of pages.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{EventId, UserId};
use features::profile::{Position, Profile};
use ranker::{DeckItem, DeckRequest, RankError, Recheck, Removed};
use tokio::time::timeout;

use super::cursor::Cursor;
use super::decks::Dealt;
use crate::http::ApiError;
use crate::state::App;

/// What a viewer asks for.
pub(super) struct Ask {
    pub(super) viewer: UserId,
    pub(super) limit: usize,
    pub(super) cursor: Option<String>,
    pub(super) position: Option<Position>,
    pub(super) request_id: Option<String>,
}

/// A page that may be answered.
pub(super) struct Page {
    pub(super) dealt: Arc<Dealt>,
    pub(super) items: Vec<(usize, DeckItem)>,
    pub(super) cursor: Option<String>,
}

fn rank_error(error: &RankError, viewer: UserId) -> ApiError {
    match error {
        RankError::UnknownViewer(_) => ApiError::unknown_user(viewer),
        other => ApiError::field("lat", other.to_string()),
    }
}

/// Makes a page, with its impressions durable and in the ledger.
pub(super) async fn page(app: &App, ask: Ask) -> Result<Page, ApiError> {
    let profile = app.profile(ask.viewer).ok_or_else(|| ApiError::unknown_user(ask.viewer))?;
    let cursor = ask.cursor.as_deref().map(|text| decode(text, ask.viewer)).transpose()?;
    let _turn = app.decks.lock(ask.viewer).await;
    let now = app.now();
    let kept = cursor.and_then(|c| app.decks.get(&c.deck).map(|dealt| (dealt, c.next)));
    let (dealt, items, next) = match kept {
        Some((dealt, from)) => {
            let (items, next) = pick(app, &dealt, &ask, from, now)?;
            (dealt, items, next)
        }
        None => begin(app, &ask, &profile, now).await?,
    };
    expose(app, &dealt, &items, ask.request_id.as_deref(), now).await?;
    app.decks.ahead.want(&dealt, next, now);
    let more = next < dealt.len();
    let cursor = more.then(|| Cursor { viewer: ask.viewer, deck: dealt.head.deck_id.clone(), next }.encode());
    Ok(Page { dealt, items, cursor })
}

/// A deck, the people of its first page, and where to go on.
type Begun = (Arc<Dealt>, Vec<(usize, DeckItem)>, usize);

/// The first page of a deck: of one made ahead if it fits and still has enough people, else of a new one.
async fn begin(app: &App, ask: &Ask, profile: &Profile, now: DateTime<Utc>) -> Result<Begun, ApiError> {
    let (position, remark) = app.decks.place(ask.viewer, ask.position.or(profile.position), now);
    if let Some(dealt) = app.decks.ahead.take(ask.viewer, position, profile) {
        let (items, next) = pick(app, &dealt, ask, 0, now)?;
        if items.len() == ask.limit {
            app.decks.put(Arc::clone(&dealt));
            return Ok((dealt, items, next));
        }
    }
    let _dealing = app.decks.dealing();
    let mut dealt = make(app, ask.viewer, position, now).await?;
    if let (Some(remark), Some(dealt)) = (remark, Arc::get_mut(&mut dealt)) {
        dealt.head.degraded.push(remark);
    }
    app.decks.put(Arc::clone(&dealt));
    let (items, next) = pick(app, &dealt, ask, 0, now)?;
    Ok((dealt, items, next))
}

fn decode(text: &str, viewer: UserId) -> Result<Cursor, ApiError> {
    let cursor = Cursor::decode(text).ok_or_else(|| ApiError::field("cursor", "is not one that was given out; begin without a cursor"))?;
    if cursor.viewer != viewer {
        return Err(ApiError::field("cursor", "belongs to another viewer"));
    }
    Ok(cursor)
}

/// A new deck; out of the hot pool when ranking takes too long.
pub(super) async fn make(app: &App, viewer: UserId, position: Option<Position>, now: DateTime<Utc>) -> Result<Arc<Dealt>, ApiError> {
    let id = EventId::now_v7();
    let seed = id.as_u64_pair().1;
    let request = DeckRequest { viewer, deck_id: id.to_string(), seed, now, position, limit: usize::MAX };
    let deadline = Duration::from_millis(app.config.recommend.deadline_ms);
    let deck = match timeout(deadline, app.recommender.deck(&request)).await {
        Ok(deck) => deck,
        Err(_) => app.recommender.fallback(&request, "ranking took too long"),
    };
    let deck = deck.map_err(|e| rank_error(&e, viewer))?;
    metrics::counter!("hongniang_decks_total", "degraded" => (!deck.degraded.is_empty()).to_string()).increment(1);
    Ok(Arc::new(Dealt::new(deck, position)))
}

/// The next people of the deck who still may be shown, and where to go on.
fn pick(app: &App, dealt: &Dealt, ask: &Ask, from: usize, now: DateTime<Utc>) -> Result<(Vec<(usize, DeckItem)>, usize), ApiError> {
    let (mut items, mut at, mut removed) = (Vec::new(), from, Vec::new());
    let check = Recheck { viewer: ask.viewer, now, position: dealt.position, shown_by_deck: HashSet::new() };
    while items.len() < ask.limit && at < dealt.len() {
        let until = (at + ask.limit - items.len()).min(dealt.len());
        let chunk = dealt.items(at..until);
        let positions: Vec<(UserId, usize)> = chunk.iter().zip(at..).map(|(item, position)| (item.user_id, position)).collect();
        let (kept, gone) = app.recommender.recheck(&check, chunk).map_err(|e| rank_error(&e, ask.viewer))?;
        let place = |user: UserId| positions.iter().find(|(u, _)| *u == user).map_or(at, |(_, p)| *p);
        removed.extend(gone);
        for item in kept {
            if app.knows(item.user_id) {
                items.push((place(item.user_id), item));
            } else {
                removed.push(Removed::erased(item.user_id));
            }
        }
        at = until;
    }
    let positions: Vec<usize> = items.iter().map(|(at, _)| *at).collect();
    dealt.note(&positions, removed);
    Ok((items, at))
}

/// Impressions: durable first, then in force.
async fn expose(
    app: &App,
    dealt: &Dealt,
    items: &[(usize, DeckItem)],
    request_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let impression = |(at, item): &(usize, DeckItem)| InteractionEvent {
        request_id: request_id.map(str::to_owned),
        deck_id: Some(dealt.head.deck_id.clone()),
        position: u32::try_from(*at).ok(),
        experiments: dealt.head.experiments.clone(),
        propensity: Some(f64::from(item.propensity)),
        ..InteractionEvent::new(EventId::now_v7(), now, InteractionKind::Impression, dealt.head.viewer, item.user_id)
    };
    let impressions: Vec<InteractionEvent> = items.iter().map(impression).collect();
    let events: Vec<Event> = impressions.iter().cloned().map(Event::Interaction).collect();
    app.sink.publish(&events).await?;
    app.indexes.ledger.apply_all(&impressions);
    Ok(())
}

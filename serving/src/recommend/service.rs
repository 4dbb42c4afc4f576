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

use super::answer::{Answer, Shown, look_up};
use super::cursor::Cursor;
use super::decks::Dealt;
use super::log::Served;
use super::record;
use crate::http::ApiError;
use crate::state::App;

/// What a viewer asks for.
pub(super) struct Ask {
    pub(super) viewer: UserId,
    pub(super) limit: usize,
    pub(super) cursor: Option<String>,
    pub(super) position: Option<Position>,
    pub(super) request_id: Option<String>,
    pub(super) chinese: bool,
}

/// People of a deck who may be shown.
struct Picked {
    items: Vec<(usize, DeckItem)>,
    removed: Vec<Removed>,
    /// Where the page begins, and where the next one goes on.
    first: usize,
    next: usize,
}

fn rank_error(error: &RankError, viewer: UserId) -> ApiError {
    match error {
        RankError::UnknownViewer(_) => ApiError::unknown_user(viewer),
        other => ApiError::field("lat", other.to_string()),
    }
}

/// Makes a page, with its impressions durable and in the ledger; the body of the answer, which is logged with them.
pub(super) async fn page(app: &App, ask: Ask) -> Result<Vec<u8>, ApiError> {
    let profile = app.profile(ask.viewer).ok_or_else(|| ApiError::unknown_user(ask.viewer))?;
    let cursor = ask.cursor.as_deref().map(|text| decode(text, ask.viewer)).transpose()?;
    let _turn = app.decks.lock(ask.viewer).await;
    let now = app.now();
    let kept = cursor.and_then(|c| app.decks.get(&c.deck).map(|dealt| (dealt, c.next)));
    let (dealt, picked) = match kept {
        Some((dealt, from)) => {
            let picked = pick(app, &dealt, &ask, from, now)?;
            (dealt, picked)
        }
        None => begin(app, &ask, &profile, now).await?,
    };
    let Picked { items, mut removed, first, next } = picked;
    let (shown, gone) = look_up(app, items);
    removed.extend(gone.into_iter().map(Removed::erased));
    dealt.note(&shown.iter().map(|shown| shown.position).collect::<Vec<_>>(), removed.clone());
    let answer = Answer {
        viewer: ask.viewer,
        deck_id: &dealt.head.deck_id,
        shown: &shown,
        next: (next < dealt.len()).then_some(next),
        degraded: &dealt.head.degraded,
        chinese: ask.chinese,
        now,
    };
    let body = answer.body();
    let (chinese, request_id) = (ask.chinese, ask.request_id.as_deref());
    expose(app, &Served { dealt: &dealt, shown: &shown, removed: &removed, first, next, chinese, body: &body, request_id, now }).await?;
    app.decks.ahead.want(&dealt, next, now);
    Ok(body)
}

/// The first page of a deck: of one made ahead if it fits and still has enough people, else of a new one.
async fn begin(app: &App, ask: &Ask, profile: &Profile, now: DateTime<Utc>) -> Result<(Arc<Dealt>, Picked), ApiError> {
    let (position, remark) = app.decks.place(ask.viewer, ask.position.or(profile.position), now);
    if let Some(dealt) = app.decks.ahead.take(ask.viewer, position, profile) {
        let picked = pick(app, &dealt, ask, 0, now)?;
        if picked.items.len() == ask.limit {
            app.decks.put(Arc::clone(&dealt));
            return Ok((dealt, picked));
        }
    }
    let _dealing = app.decks.dealing();
    let mut dealt = make(app, ask.viewer, position, now).await?;
    if let (Some(remark), Some(dealt)) = (remark, Arc::get_mut(&mut dealt)) {
        dealt.head.degraded.push(remark);
    }
    app.decks.put(Arc::clone(&dealt));
    let picked = pick(app, &dealt, ask, 0, now)?;
    Ok((dealt, picked))
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
    let made = match timeout(deadline, app.recommender.traced(&request)).await {
        Ok(made) => made,
        Err(_) => app.recommender.traced_fallback(&request, "ranking took too long"),
    };
    let (deck, trace) = made.map_err(|e| rank_error(&e, viewer))?;
    metrics::counter!("hongniang_decks_total", "degraded" => (!deck.degraded.is_empty()).to_string()).increment(1);
    let record = if app.config.recommend.deck_log { record::pack(&trace) } else { None };
    Ok(Arc::new(Dealt::new(deck, position, trace.entrants.len(), record)))
}

/// The next people of the deck who still may be shown, and where to go on.
fn pick(app: &App, dealt: &Dealt, ask: &Ask, from: usize, now: DateTime<Utc>) -> Result<Picked, ApiError> {
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
    Ok(Picked { items, removed, first: from, next: at })
}

/// Impressions, and the log of deck and page: durable first, then in force.
async fn expose(app: &App, served: &Served<'_>) -> Result<(), ApiError> {
    let head = &served.dealt.head;
    let impression = |shown: &Shown| InteractionEvent {
        request_id: served.request_id.map(str::to_owned),
        deck_id: Some(head.deck_id.clone()),
        position: u32::try_from(shown.position).ok(),
        experiments: head.experiments.clone(),
        propensity: Some(f64::from(shown.item.propensity)),
        ..InteractionEvent::new(EventId::now_v7(), served.now, InteractionKind::Impression, head.viewer, shown.item.user_id)
    };
    let impressions: Vec<InteractionEvent> = served.shown.iter().map(impression).collect();
    let mut events: Vec<Event> = served.dealt.take_record().map(|record| served.deck(record)).into_iter().collect();
    if app.config.recommend.deck_log {
        events.push(served.page());
    }
    events.extend(impressions.iter().cloned().map(Event::Interaction));
    if let Err(error) = app.sink.publish(&events).await {
        if let Some(Event::Deck(deck)) = events.into_iter().next() {
            served.dealt.put_record(deck.record);
        }
        return Err(error.into());
    }
    app.indexes.ledger.apply_all(&impressions);
    Ok(())
}

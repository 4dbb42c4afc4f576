//! Parse, call, reply.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{MomentId, UserId};
use features::relations::{Act, Pair, Side};
use features::validate::validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Counts, List, Place};
use crate::http::{ApiError, Body, Caller, EventIds, Params, Part, Problem, RequestId, TwoParts};
use crate::state::App;

const MOST: usize = 200;
/// Pages that are read for one answer at most, while people are left out who are not here any more.
const ROUNDS: usize = 5;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(follow, unfollow))
        .routes(routes!(delete_friend))
        .routes(routes!(block, unblock))
        .routes(routes!(report))
        .routes(routes!(standing))
        .routes(routes!(lengths))
        .routes(routes!(friends))
        .routes(routes!(fans))
        .routes(routes!(following))
        .routes(routes!(blocked))
}

/// How somebody stands with somebody, as far as they may know. That one is blocked by the other is not told.
#[derive(Debug, Serialize, ToSchema)]
struct Standing {
    /// Whose view it is.
    user_id: UserId,
    /// The other.
    other_id: UserId,
    /// `strangers`, `fan` (the other follows), `following`, `friends` or `blocking`.
    state: &'static str,
}

impl Standing {
    fn new(user_id: UserId, other_id: UserId, pair: Pair) -> Json<Self> {
        let state = match (pair.mine, pair.theirs) {
            (Side::Blocks, _) => "blocking",
            (_, Side::Blocks) | (Side::Nothing, Side::Nothing) => "strangers",
            (Side::Nothing, Side::Follows) => "fan",
            (Side::Follows, Side::Nothing) => "following",
            (Side::Follows, Side::Follows) => "friends",
        };
        Json(Self { user_id, other_id, state })
    }
}

/// Why somebody is reported.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReportReason {
    /// Advertising, or the same to everybody.
    Spam,
    /// Not the person shown.
    Fake,
    /// Insults, threats, pestering.
    Harassment,
    /// Unwanted sexual content.
    Sexual,
    /// Seems to be under 18.
    Minor,
    /// Asks for money, or leads to fraud.
    Scam,
    /// Violence, hate.
    Violence,
    /// Something else; the text says what.
    Other,
}

impl ReportReason {
    fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Fake => "fake",
            Self::Harassment => "harassment",
            Self::Sexual => "sexual",
            Self::Minor => "minor",
            Self::Scam => "scam",
            Self::Violence => "violence",
            Self::Other => "other",
        }
    }
}

/// A report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReport {
    /// Why.
    reason: ReportReason,
    /// In words, at most 2,000 characters.
    #[serde(default)]
    text: String,
    /// The Moment it is about, if it is about one.
    moment_id: Option<MomentId>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// People at most, 1 to 200; 50, when left out.
    limit: Option<usize>,
    /// Where it begins, as the answer before said.
    cursor: Option<String>,
}

/// Somebody on a list.
#[derive(Debug, Serialize, ToSchema)]
struct Listed {
    /// Who.
    user_id: UserId,
    /// Since when they are on it.
    since: DateTime<Utc>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
struct Listing {
    /// The newest first. Whoever is blocked, blocks, or is not here any more is left out.
    items: Vec<Listed>,
    /// How long the list is.
    total: i64,
    /// Where it goes on; missing at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// How long the lists are.
#[derive(Debug, Serialize, ToSchema)]
struct Lengths {
    /// Who follow each other.
    friends: i64,
    /// Who follow, and are not followed.
    fans: i64,
    /// Who are followed, and do not follow.
    following: i64,
    /// Who are blocked.
    blocked: i64,
}

/// The two of a path; the first is the one who asks.
fn both(caller: Caller, TwoParts(id, other): &TwoParts) -> Result<(UserId, UserId), ApiError> {
    let (user, other) = (crate::http::id("id", id)?, crate::http::id("other", other)?);
    caller.must_be(user)?;
    if user == other { Err(ApiError::field("other", "is oneself")) } else { Ok((user, other)) }
}

/// What a request is about.
struct Asked {
    app: App,
    caller: Caller,
    people: TwoParts,
    request_id: Option<String>,
    ids: EventIds,
}

impl Asked {
    /// Does something: how the two stand then.
    async fn act(self, act: Act) -> Result<Json<Standing>, ApiError> {
        let (user, other) = both(self.caller, &self.people)?;
        let event = self.event(act.kind(), (user, other))?;
        let now = self.app.now();
        let done = self.app.relations.act_all(&[(act, event)], now).await?;
        self.app.decks.heard(user, now);
        let done = done.into_iter().next().ok_or_else(|| ApiError::Internal("an act without an outcome".to_owned()))??;
        Ok(Standing::new(user, other, done.pair))
    }

    /// The event of an act, within the quota of whoever acts.
    fn event(&self, kind: InteractionKind, (user, other): (UserId, UserId)) -> Result<InteractionEvent, ApiError> {
        let (app, act) = (&self.app, Act::of(kind));
        let takes_back = matches!(kind, InteractionKind::Unfollow | InteractionKind::Unblock);
        if !app.knows(user) {
            return Err(ApiError::unknown_user(user));
        }
        let profile = app.profile(other);
        if !takes_back && profile.is_none() {
            return Err(ApiError::unknown_user(other));
        }
        if self.caller.user().is_some() {
            app.relations.take(user, act, app.now())?;
        }
        let tags = profile.map(|profile| profile.tags.clone()).unwrap_or_default();
        let request_id = self.request_id.clone();
        Ok(InteractionEvent { request_id, tags, ..InteractionEvent::new(self.ids.get(0), app.now(), kind, user, other) })
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $method:ident $path:tt $name:ident $act:ident;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path($method, path = $path, tag = "relations", security(("service_key" = []), ("user_token" = [])),
                params(("id" = String, Path, description = "Who acts"), ("other" = String, Path, description = "About whom")), responses(
                (status = 200, body = Standing), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
                (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
            async fn $name(
                State(app): State<App>,
                caller: Caller,
                people: TwoParts,
                RequestId(request_id): RequestId,
                ids: EventIds,
            ) -> Result<Json<Standing>, ApiError> {
                Asked { app, caller, people, request_id, ids }.act(Act::$act).await
            }
        )*
    };
}

acts! {
    /// Follows somebody. Two who follow each other are friends.
    put "/v1/users/{id}/relations/{other}/follow" follow Follow;
    /// Takes a follow back.
    delete "/v1/users/{id}/relations/{other}/follow" unfollow Unfollow;
    /// Deletes somebody from the friends: nobody is told, and their follow stays.
    delete "/v1/users/{id}/relations/{other}/friend" delete_friend Delete;
    /// Blocks somebody: from the answer on neither meets the other anywhere.
    put "/v1/users/{id}/relations/{other}/block" block Block;
    /// Takes a block back.
    delete "/v1/users/{id}/relations/{other}/block" unblock Unblock;
}

/// Reports somebody to whoever runs the platform. It changes nothing between the two, and is possible through every block.
#[utoipa::path(post, path = "/v1/users/{id}/relations/{other}/report", tag = "relations", security(("service_key" = []), ("user_token" = [])), request_body = NewReport,
    params(("id" = String, Path, description = "Who reports"), ("other" = String, Path, description = "Whom")), responses(
    (status = 202, description = "Received"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn report(
    State(app): State<App>,
    caller: Caller,
    people: TwoParts,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Body(new): Body<NewReport>,
) -> Result<StatusCode, ApiError> {
    let pair = both(caller, &people)?;
    let asked = Asked { app, caller, people, request_id, ids };
    let event = asked.event(InteractionKind::Report, pair)?;
    let text = Some(new.text).filter(|text| !text.is_empty());
    let (event, now) = (Event::Interaction(InteractionEvent { text, moment_id: new.moment_id, ..event }), asked.app.now());
    validate(&event, now).map_err(ApiError::Invalid)?;
    if let Event::Interaction(event) = event {
        asked.app.relations.report(event, new.reason.name(), now).await??;
    }
    Ok(StatusCode::ACCEPTED)
}

/// How somebody stands with somebody.
#[utoipa::path(get, path = "/v1/users/{id}/relations/{other}", tag = "relations", security(("service_key" = []), ("user_token" = [])),
    params(("id" = String, Path, description = "Whose view"), ("other" = String, Path, description = "Of whom")), responses(
    (status = 200, body = Standing), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn standing(State(app): State<App>, caller: Caller, people: TwoParts) -> Result<Json<Standing>, ApiError> {
    let (user, other) = both(caller, &people)?;
    if let Some(unknown) = [user, other].into_iter().find(|one| !app.knows(*one)) {
        return Err(ApiError::unknown_user(unknown));
    }
    Ok(Standing::new(user, other, app.relations.pair(user, other).await?))
}

/// How long somebody's lists are.
#[utoipa::path(get, path = "/v1/users/{id}/relations", tag = "relations", security(("service_key" = []), ("user_token" = [])),
    params(("id" = String, Path, description = "Whose")), responses(
    (status = 200, body = Lengths), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn lengths(State(app): State<App>, caller: Caller, Part(id): Part) -> Result<Json<Lengths>, ApiError> {
    let user = own(&app, caller, &id)?;
    let Counts { friends, fans, following, blocked } = app.relations.counts(user).await?;
    Ok(Json(Lengths { friends, fans, following, blocked }))
}

/// The person of a path, who asks about themselves.
fn own(app: &App, caller: Caller, id: &str) -> Result<UserId, ApiError> {
    let user = crate::http::id("id", id)?;
    caller.must_be(user)?;
    if app.knows(user) { Ok(user) } else { Err(ApiError::unknown_user(user)) }
}

fn written(Place { since, key }: Place) -> String {
    URL_SAFE_NO_PAD.encode(format!("{since} {key}"))
}

fn read(cursor: &str) -> Option<Place> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (since, key) = text.split_once(' ')?;
    Some(Place { since: since.parse().ok()?, key: key.parse().ok()? })
}

async fn list(app: &App, caller: Caller, id: &str, wanted: Wanted, list: List) -> Result<Json<Listing>, ApiError> {
    let user = own(app, caller, id)?;
    let limit = crate::http::limit(wanted.limit, 50, MOST)?;
    let place = |cursor: &String| read(cursor).ok_or_else(|| ApiError::field("cursor", "is none that an answer gave"));
    let mut after = wanted.cursor.as_ref().map(place).transpose()?;
    let (mut items, mut total, mut more) = (Vec::new(), 0, true);
    for _ in 0..ROUNDS {
        let page = app.relations.list(user, list, after, limit - items.len()).await?;
        after = page.entries.last().map(|entry| entry.place).or(after);
        (total, more) = (page.counts.of(list), page.more);
        // Whoever was erased is shown to nobody, and who has hidden is in no list; one's own blocks are one's own word, and can be taken back.
        let shown = |other| if list == List::Blocked { app.knows(other) } else { app.lists(user, other) };
        let here = page.entries.iter().filter(|entry| shown(entry.user));
        items.extend(here.map(|entry| Listed { user_id: entry.user, since: entry.since }));
        if !more || items.len() >= limit {
            break;
        }
    }
    Ok(Json(Listing { items, total, cursor: after.filter(|_| more).map(written) }))
}

macro_rules! lists {
    ($($(#[$doc:meta])* $method:ident $path:tt $name:ident $list:ident;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path($method, path = $path, tag = "relations", security(("service_key" = []), ("user_token" = [])),
                params(("id" = String, Path, description = "Whose"), Wanted), responses(
                (status = 200, body = Listing), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
            async fn $name(
                State(app): State<App>,
                caller: Caller,
                Part(id): Part,
                Params(wanted): Params<Wanted>,
            ) -> Result<Json<Listing>, ApiError> {
                list(&app, caller, &id, wanted, List::$list).await
            }
        )*
    };
}

lists! {
    /// Who follow somebody and are followed.
    get "/v1/users/{id}/friends" friends Friends;
    /// Who follow somebody and are not followed.
    get "/v1/users/{id}/fans" fans Fans;
    /// Whom somebody follows without being followed.
    get "/v1/users/{id}/following" following Following;
    /// Whom somebody blocks.
    get "/v1/users/{id}/blocked" blocked Blocked;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_come_back_and_garbage_does_not(since in any::<i64>(), key in any::<i64>(), garbage in "\\PC{0,40}") {
            let place = Place { since, key };
            prop_assert_eq!(read(&written(place)), Some(place));
            let _ = read(&garbage);
        }
    }
}

//! Two rankings, one list.

use std::collections::HashMap;
use std::sync::Arc;

use features::embed::TextKind;
use features::event::Subject;
use features::ids::{MomentId, UserId};
use features::text::escape_html;
use index::fuse::{K, reciprocal_rank_fusion};
use index::text::{Kind, TextQuery};
use index::vectors::{Collection, VectorFilter, VectorName, VectorQuery};

use crate::http::ApiError;
use crate::state::App;

/// How many each ranking gives.
const DEPTH: usize = 100;

/// What is looked for.
pub(super) struct Ask {
    pub(super) text: String,
    pub(super) kind: Option<Kind>,
    pub(super) viewer: Option<UserId>,
    pub(super) limit: usize,
}

/// Something found.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) user_id: UserId,
    pub(super) nickname: String,
    pub(super) title: String,
    pub(super) snippet: String,
    pub(super) score: f32,
    pub(super) is_virtual: bool,
}

/// What was found, and what did not work.
pub(super) struct Answer {
    pub(super) items: Vec<Found>,
    pub(super) degraded: Vec<String>,
}

/// Looks in text and vectors.
pub(super) async fn search(app: &App, ask: &Ask) -> Result<Answer, ApiError> {
    let mut degraded = Vec::new();
    let by_text = app.indexes.text.search(&TextQuery { text: ask.text.clone(), kind: ask.kind, limit: DEPTH })?;
    let snippets: HashMap<Subject, (UserId, String)> = by_text.iter().map(|h| (h.subject, (h.user_id, h.snippet.clone()))).collect();
    let mut lists = vec![by_text.iter().map(|h| h.subject).collect::<Vec<_>>()];
    match by_meaning(app, ask).await {
        Ok(found) => lists.extend(found),
        Err(error) => degraded.push(format!("vectors: {error}")),
    }
    let mut items = Vec::new();
    for (subject, score) in reciprocal_rank_fusion(&lists, K) {
        if items.len() == ask.limit {
            break;
        }
        items.extend(describe(app, ask, subject, score, snippets.get(&subject))?);
    }
    Ok(Answer { items, degraded })
}

async fn by_meaning(app: &App, ask: &Ask) -> Result<Vec<Vec<Subject>>, String> {
    let (encoder, text) = (Arc::clone(&app.encoder), ask.text.clone());
    let encoded = tokio::task::spawn_blocking(move || encoder.encode(&[&text], TextKind::Query)).await.map_err(|e| e.to_string())?;
    let Some(vector) = encoded.map_err(|e| e.to_string())?.into_iter().next().filter(|v| v.iter().any(|x| *x != 0.0)) else {
        return Ok(Vec::new());
    };
    let query = |filter| VectorQuery { name: VectorName::Content, vector: vector.clone(), filter, limit: DEPTH };
    let mut lists = Vec::new();
    if ask.kind != Some(Kind::People) {
        let hits = app.indexes.vectors.search(Collection::Moments, query(VectorFilter::default())).await.map_err(|e| e.to_string())?;
        lists.push(hits.into_iter().map(|h| Subject::Moment(MomentId(h.id))).collect());
    }
    if ask.kind != Some(Kind::Moments) {
        let visible = VectorFilter { visible_only: true, ..VectorFilter::default() };
        let hits = app.indexes.vectors.search(Collection::Users, query(visible)).await.map_err(|e| e.to_string())?;
        lists.push(hits.into_iter().map(|h| Subject::Profile(UserId(h.id))).collect());
    }
    Ok(lists)
}

/// A hit as it may be shown; none when its owner may not be.
fn describe(app: &App, ask: &Ask, subject: Subject, score: f32, known: Option<&(UserId, String)>) -> Result<Option<Found>, ApiError> {
    let (mut title, mut snippet) = (String::new(), known.map(|k| k.1.clone()).unwrap_or_default());
    let user_id = match subject {
        Subject::Profile(user) => user,
        Subject::Moment(moment) => {
            let Some(stored) = app.indexes.text.moment(moment)? else { return Ok(None) };
            if snippet.is_empty() {
                snippet = escape_html(&stored.full_text().chars().take(120).collect::<String>());
            }
            title = stored.title;
            stored.author_id
        }
    };
    let Some(profile) = app.finds(ask.viewer, user_id) else { return Ok(None) };
    if snippet.is_empty() {
        snippet = escape_html(&profile.text().chars().take(120).collect::<String>());
    }
    Ok(Some(Found { subject, user_id, nickname: profile.nickname.clone(), title, snippet, score, is_virtual: profile.is_virtual }))
}

//! People for operators.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use features::ids::UserId;
use features::profile::{Gender, Profile, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::{ApiError, Params, Problem};
use crate::state::App;

/// Profiles looked at under one lock.
const AT_ONCE: usize = 1_000;

/// What can be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Part of the name or city, or a whole id.
    q: Option<String>,
    /// People at most, up to 200.
    limit: Option<usize>,
}

/// People of the platform.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct People {
    /// Some of them, by id.
    items: Vec<Person>,
    /// How many there are.
    total: usize,
}

/// Somebody, in a line.
#[derive(Debug, Serialize, ToSchema)]
struct Person {
    /// Who.
    user_id: UserId,
    /// Shown name.
    nickname: String,
    /// Gender.
    gender: Gender,
    /// Age in years.
    age: u8,
    /// City.
    city: Option<String>,
    /// Who gets to see them.
    visibility: Visibility,
    /// Whether an agent writes for the account.
    #[serde(rename = "virtual")]
    is_virtual: bool,
}

/// People, for operators: by part of the name or city, or by id.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(Wanted), responses((status = 200, body = People), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn list_users(State(app): State<App>, Params(wanted): Params<Wanted>) -> Result<Json<People>, ApiError> {
    let limit = crate::http::limit(wanted.limit, 50, 200)?;
    let q = wanted.q.unwrap_or_default().to_lowercase();
    let now = app.now();
    let fits = |p: &Profile, user: UserId| {
        q.is_empty()
            || p.nickname.to_lowercase().contains(&q)
            || p.city.as_ref().is_some_and(|c| c.to_lowercase().contains(&q))
            || user.to_string() == q
    };
    let person = |(user_id, p): (UserId, Arc<Profile>)| Person {
        user_id,
        nickname: p.nickname.clone(),
        gender: p.gender,
        age: p.age(now),
        city: p.city.clone(),
        visibility: p.visibility(),
        is_virtual: p.is_virtual,
    };
    let mut items = Vec::new();
    app.indexes.table.each_row(AT_ONCE, |table, row| {
        let (user, profile) = (table.user(row), table.profile(row));
        if fits(&profile, user) {
            items.push(person((user, profile)));
        }
        if items.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    Ok(Json(People { items, total: app.indexes.table.len() }))
}

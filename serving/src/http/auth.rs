//! Who asks: a trusted back end with a service key, a person with an access token, or nobody.
//!
//! Whom a route is for is said where it is described, by `security` of its OpenAPI operation, and held here:
//!
//! | `security` | who gets through |
//! | --- | --- |
//! | none given | service keys only |
//! | `(("service_key" = []), ("user_token" = []))` | service keys, and people; the handler holds people to themselves with [`Caller::must_be`] |
//! | `(("user_token" = []))` | people only |
//! | `(())` | everybody |

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use features::ids::UserId;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::error::ApiError;
use crate::state::App;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Nobody who is known.
    Nobody,
    /// A trusted back end.
    Service,
    /// A person.
    User {
        /// Who.
        user: UserId,
        /// The session of the access token.
        session: i64,
    },
}

impl Caller {
    /// Holds a person to themselves: a service may act as anybody.
    ///
    /// # Errors
    /// `forbidden`, when the caller is somebody else.
    pub fn must_be(&self, user: UserId) -> Result<(), ApiError> {
        match self {
            Self::Service => Ok(()),
            Self::User { user: own, .. } if *own == user => Ok(()),
            _ => Err(ApiError::Forbidden("an access token acts as its own user only")),
        }
    }

    /// The person who asks, if it is one.
    pub fn user(&self) -> Option<UserId> {
        if let Self::User { user, .. } = self { Some(*user) } else { None }
    }

    /// The person who asks, and the session.
    ///
    /// # Errors
    /// `forbidden`, when it is no person.
    pub fn session(&self) -> Result<(UserId, i64), ApiError> {
        match self {
            Self::User { user, session } => Ok((*user, *session)),
            _ => Err(ApiError::Forbidden("this is for people: send an access token")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().copied().ok_or(ApiError::Unauthorized)
    }
}

/// Whom a route is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Access {
    everybody: bool,
    people: bool,
    services: bool,
}

/// Whom each route is for, by method and path.
#[derive(Clone)]
pub(super) struct Doors(Arc<HashMap<(String, String), Access>>);

impl Doors {
    /// As the description of the API says.
    pub(super) fn new(api: &utoipa::openapi::OpenApi) -> Self {
        let api = serde_json::to_value(api).unwrap_or_default();
        let mut doors = HashMap::new();
        for (path, operations) in api["paths"].as_object().into_iter().flatten() {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                doors.insert((method.to_ascii_uppercase(), path.clone()), access(&operation["security"]));
            }
        }
        Self(Arc::new(doors))
    }

    /// A route that is not described is for services.
    fn of(&self, method: &Method, path: &str) -> Access {
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        self.0.get(&(method.to_string(), path.to_owned())).copied().unwrap_or(Access { services: true, ..Access::default() })
    }
}

fn access(security: &Value) -> Access {
    let Some(ways) = security.as_array() else { return Access { services: true, ..Access::default() } };
    let names = |name: &str| ways.iter().any(|way| way.get(name).is_some());
    let everybody = ways.iter().any(|way| way.as_object().is_some_and(serde_json::Map::is_empty));
    Access { everybody, people: names("user_token"), services: names("service_key") }
}

/// Finds out who asks, and lets through whom the route is for.
pub(super) async fn admit(State((app, doors)): State<(App, Doors)>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let access = doors.of(request.method(), path);
    let given = given(request.headers());
    let caller = if access.everybody { Caller::Nobody } else { caller(&app, &given).await? };
    match caller {
        Caller::Nobody if access.everybody => {}
        Caller::Service if access.services => {}
        Caller::User { .. } if access.people => {}
        Caller::Nobody => return Err(ApiError::Unauthorized),
        Caller::Service => return Err(ApiError::Forbidden("this is for people: send an access token")),
        Caller::User { .. } => return Err(ApiError::Forbidden("this is for back ends: send a service key")),
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// The key or token of a request; empty where there is none.
fn given(headers: &HeaderMap) -> String {
    let header = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let bearer = header("authorization").and_then(|v| v.strip_prefix("Bearer "));
    bearer.or_else(|| header("x-service-key")).unwrap_or_default().trim().to_owned()
}

async fn caller(app: &App, given: &str) -> Result<Caller, ApiError> {
    if is_known(&app.config.http.service_keys, given) {
        return Ok(Caller::Service);
    }
    // A JWT has three parts; what has none is a wrong key.
    if given.bytes().filter(|b| *b == b'.').count() != 2 {
        return Err(ApiError::Unauthorized);
    }
    let (user, session) = app.auth.caller(given, app.now()).await?;
    Ok(Caller::User { user, session })
}

/// Whether a key is one of those that are let in.
pub(crate) fn is_known(keys: &[String], given: &str) -> bool {
    let known = |key: &String| bool::from(key.as_bytes().ct_eq(given.trim().as_bytes()));
    // Every key is compared, so that the time tells nothing about which one came close.
    keys.iter().map(known).fold(false, |any, one| any | one)
}

//! What can go wrong at a login.

use features::validate::FieldError;

use super::{NoChance, PhoneError};
use crate::db::{DbError, Transient};
use crate::http::ApiError;

/// Why a request of this room fails.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No phone number.
    #[error("phone: {0}")]
    Phone(#[from] PhoneError),
    /// A field breaks a rule.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// The code is wrong, used, too old, or was tried too often.
    #[error("the code is wrong or does not work any more; ask for a new one")]
    WrongCode,
    /// Too often; in so many seconds again.
    #[error("too often; try again in {0} s")]
    TooOften(i64),
    /// No access token of ours, or one that has ended.
    #[error("the access token is not valid, has ended, or its session was ended; refresh it or log in")]
    BadToken,
    /// No refresh token of ours, or its session has ended.
    #[error("the refresh token is not valid, or its session has ended; log in")]
    BadRefresh,
    /// A refresh token that was used before: somebody has a copy.
    #[error("the refresh token was used before; its session is ended, log in")]
    Reused,
    /// Whose login it is may not log in.
    #[error("this account is suspended; write to those who run the app")]
    Banned,
    /// There is no such session of the caller's.
    #[error("there is no such session")]
    NoSession,
    /// There is no such login of the caller's.
    #[error("there is no such login")]
    NoLogin,
    /// No provider of this name is configured.
    #[error("nobody logs in with this provider here; see auth.oidc")]
    NoProvider,
    /// An ID token that is not good; the reason is for the log.
    #[error("the ID token is not valid here, has ended, or was used before; sign in with the provider again")]
    BadIdToken(&'static str),
    /// The keys of a provider cannot be had; the reason is for the log.
    #[error("the login provider does not answer; try again")]
    ProviderAway(String),
    /// What is to be linked is a login of somebody else.
    #[error("this is a login of another account; log in with it, and remove it there first")]
    Taken,
    /// The only login cannot be removed.
    #[error("this is the only login of the account; add another one first")]
    LastLogin,
    /// An account has no more logins than this.
    #[error("an account has at most {0} logins; remove one first")]
    TooManyLogins(u64),
    /// The caller's login was too long ago for this; within so many seconds of one it works.
    #[error("log in again, and do this within {0} s with the new access token")]
    NotFresh(i64),
    /// The code could not be sent.
    #[error("the code could not be sent: {0}")]
    NotSent(String),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A mistake of ours.
    #[error("{0}")]
    Broken(String),
}

impl From<NoChance> for AuthError {
    fn from(error: NoChance) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Transient for AuthError {
    /// Two first logins with one number at the same time: the second finds the account of the first when it tries again.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Db(DbError::Duplicate | DbError::Conflict(_)))
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let told = error.to_string();
        match error {
            AuthError::Phone(reason) => Self::field("phone", reason.to_string()),
            AuthError::Field(field, message) => Self::Invalid(vec![FieldError { field: field.to_owned(), message }]),
            AuthError::WrongCode => Self::Denied("wrong_code", told),
            AuthError::TooOften(wait) => Self::TooOften(wait),
            AuthError::BadToken => Self::Denied("invalid_token", told),
            AuthError::BadRefresh => Self::Denied("invalid_refresh_token", told),
            AuthError::Reused => Self::Denied("refresh_token_reused", told),
            AuthError::Banned => Self::Denied("account_suspended", told),
            AuthError::NoSession => Self::NotFound("unknown_session", told),
            AuthError::NoLogin => Self::NotFound("unknown_login", told),
            AuthError::NoProvider => Self::NotFound("unknown_provider", told),
            AuthError::BadIdToken(reason) => {
                metrics::counter!("hongniang_auth_refused_id_tokens_total").increment(1);
                tracing::info!(reason, "an ID token is refused");
                Self::Denied("invalid_id_token", told)
            }
            // Why is in the log, where the request failed.
            AuthError::ProviderAway(_) => Self::coded(503, "provider_unavailable", "Not now; try again", told),
            AuthError::Taken => Self::coded(409, "login_taken", "Somebody else's login", told),
            AuthError::LastLogin => Self::coded(409, "last_login", "The only login", told),
            AuthError::TooManyLogins(_) => Self::coded(409, "too_many_logins", "Too many logins", told),
            AuthError::NotFresh(_) => Self::coded(403, "reauthentication_required", "The login was too long ago", told),
            AuthError::NotSent(reason) => {
                tracing::warn!(reason, "a code could not be sent");
                Self::Unavailable("the code could not be sent; try again".to_owned())
            }
            AuthError::Db(error) => error.into(),
            AuthError::Broken(reason) => Self::Internal(reason),
        }
    }
}

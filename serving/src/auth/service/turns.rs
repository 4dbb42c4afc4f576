//! Refresh tokens are used, each for the next one: those that come at the same time in one transaction.

use chrono::{DateTime, Utc};
use subtle::ConstantTimeEq;

use super::{Auth, Tokens};
use crate::audit::{self, Act, Actor};
use crate::auth::AuthError;
use crate::auth::refresh::Refresh;
use crate::auth::store::{Kept, Sessions};
use crate::db::{DbError, Tx, micros, retrying};

/// A refresh token that comes, and the one that follows it, by what is kept of them. Times are microseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    session: i64,
    old: String,
    new: String,
    at: i64,
    /// Until when the session lasts from now on.
    until: i64,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Turned {
    /// The next one counts from now on; also where it did a moment ago, and the answer was lost.
    Next(Kept),
    /// It was used before: somebody else has it.
    Reused(Kept),
    /// Its session does not go on.
    Over,
}

impl Turn {
    /// What comes of it, as the sessions are; `retry_us`: how long after its use it may come again.
    fn turned(&self, sessions: &mut Sessions, retry_us: i64) -> Turned {
        let Some(kept) = sessions.of(self.session).filter(|s| s.ended_at.is_none() && s.expires_at > self.at) else { return Turned::Over };
        let same = |a: &str, b: &str| bool::from(a.as_bytes().ct_eq(b.as_bytes()));
        if same(&kept.refresh_hash, &self.old) {
            let next = Kept { expires_at: self.until, ..kept.turned((&self.old, &self.new), self.at) };
            sessions.put(next.clone());
            return Turned::Next(next);
        }
        let retried = self.at - kept.refreshed_at <= retry_us;
        let is_lost = retried && same(&kept.previous_hash, &self.old) && same(&kept.refresh_hash, &self.new);
        if is_lost { Turned::Next(kept.clone()) } else { Turned::Reused(kept.clone()) }
    }
}

/// What comes of some.
pub(super) async fn turn(tx: &mut Tx, all: Vec<Turn>, retry_us: i64) -> Result<Vec<Turned>, DbError> {
    let mut sessions = Sessions::hold(tx, all.iter().map(|one| one.session)).await?;
    let turned = all.iter().map(|one| one.turned(&mut sessions, retry_us)).collect();
    sessions.save(tx).await?;
    Ok(turned)
}

impl Auth {
    /// New tokens for a refresh token, which then has been used. Used again it ends the session; but within `auth.retry_s` after its use, and while
    /// the token that it gave has not been used, it gives that same one again: the first answer was lost on its way.
    ///
    /// # Errors
    /// When the token is not one of ours, its session has ended, or it was used before.
    pub async fn refresh(&self, token: &str, now: DateTime<Utc>) -> Result<Tokens, AuthError> {
        let token = Refresh::parse(token, &self.keys).ok_or(AuthError::BadRefresh)?;
        let next = token.next(&self.keys);
        let (old, new) = (token.hash(&self.keys), next.hash(&self.keys));
        let one = Turn { session: token.session, old, new, at: micros(now), until: self.session_ends(now) };
        let turned = retrying(|| async { Ok::<_, AuthError>(self.doors.turns.ask(one.clone()).await?) }).await?;
        match turned {
            Turned::Next(kept) => self.tokens(&kept, &next, now),
            Turned::Over => Err(AuthError::BadRefresh),
            Turned::Reused(kept) => Err(self.reused(&kept, now).await?),
        }
    }

    /// Ends the session of a token that was used twice; what whoever has it is told.
    async fn reused(&self, kept: &Kept, now: DateTime<Utc>) -> Result<AuthError, AuthError> {
        match self.end(kept.user_id, kept.id, now).await {
            Ok(()) | Err(AuthError::NoSession) => {}
            Err(error) => return Err(error),
        }
        audit::note(&self.db, &Act::done(Actor::System, kept.user_id, "refresh_token_reused"), now).await?;
        metrics::counter!("hongniang_auth_reused_total").increment(1);
        tracing::warn!(session = kept.id, "a refresh token was used twice; its session is ended");
        Ok(AuthError::Reused)
    }
}

//! What others may do with everything of one person.

use chrono::{DateTime, Utc};
use features::ids::UserId;

use super::super::store;
use super::doors::Doors;
use super::{Auth, AuthError};
use crate::audit::{self, Act, Actor};
use crate::db::micros;
use crate::state::Withheld;

/// Whether the owner of a login may log in: to be asked once it is proven that it is theirs, so that nobody else learns it.
///
/// # Errors
/// When they are banned.
pub(super) fn lets_in(withheld: &Withheld, user: UserId, now: DateTime<Utc>) -> Result<(), AuthError> {
    if withheld.contains(user, now) { Err(AuthError::Banned) } else { Ok(()) }
}

impl Auth {
    /// Those who are withheld may not log in.
    #[must_use]
    pub fn heed(self, withheld: Withheld) -> Self {
        Self { doors: Doors::open(&self.db, &self.config, &self.limits, &withheld), ..self }
    }

    /// Ends a session of a person, by themselves: none of its tokens is good from now on.
    ///
    /// # Errors
    /// When there is no such session of theirs that goes on, or the database fails.
    pub async fn end_session(&self, user_id: UserId, session: i64, now: DateTime<Utc>) -> Result<(), AuthError> {
        self.end(user_id, session, now).await?;
        Ok(audit::note(&self.db, &Act::done(Actor::Person(user_id), user_id, "session_ended"), now).await?)
    }

    /// Ends every session of a person: none of their tokens is good from now on. How many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_all(&self, user_id: UserId, now: DateTime<Utc>) -> Result<u64, AuthError> {
        let mut ended = 0;
        loop {
            let some = store::sessions(&self.db, user_id, micros(now)).await?;
            let mut met = 0;
            for session in some {
                // Whoever ends it at the same time has done it.
                match self.end(user_id, session.id, now).await {
                    Ok(()) => met += 1,
                    Err(AuthError::NoSession) => {}
                    Err(error) => return Err(error),
                }
            }
            ended += met;
            if met == 0 {
                break;
            }
        }
        if ended > 0 {
            let act = Act { details: serde_json::json!({"sessions": ended}), ..Act::done(Actor::System, user_id, "sessions_ended") };
            audit::note(&self.db, &act, now).await?;
        }
        Ok(ended)
    }

    /// What stands for a person where they must not be named: the same text each time, and nobody without the secret of the deployment can tell whose it is.
    pub fn pseudonym(&self, user_id: UserId) -> String {
        self.hash("person", &[&user_id.0.to_be_bytes()])
    }
}

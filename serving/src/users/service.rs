//! The rules of changing profiles: who writes, in which order, and what follows at once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::event::{Event, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use features::profile::Profile;
use index::table::PortraitTable;
use tokio::sync::Mutex;

use super::{PeopleError, store};
use crate::db::{Db, DbError, outbox, retrying, time};
use crate::http::ApiError;
use crate::state::Erased;

/// Locks that people share.
const TURNS: usize = 256;

/// Profiles, as rows and in the portrait table of this node.
///
/// A change is one transaction: the row and the event in the outbox. Then it is in the table, so that everything here goes by it before it is answered.
/// Whoever has no row yet, because they came by an import, is as the table says, and gets a row with their first change.
pub struct People {
    db: Db,
    table: Arc<PortraitTable>,
    erased: Erased,
    /// Changes of a person come into the table in the order in which they were committed.
    turns: Vec<Mutex<()>>,
}

impl People {
    /// Over a database, and what else a change is to be seen in.
    pub fn new(db: Db, table: Arc<PortraitTable>, erased: Erased) -> Self {
        Self { db, table, erased, turns: (0..TURNS).map(|_| Mutex::new(())).collect() }
    }

    fn turn(&self, user: UserId) -> &Mutex<()> {
        &self.turns[usize::try_from(user.0 % TURNS as u64).unwrap_or_default()]
    }

    /// What the table knows of somebody who was not erased.
    fn known(&self, user: UserId) -> Option<Profile> {
        self.table.profile(user).filter(|_| !self.erased.contains(user)).map(Arc::unwrap_or_clone)
    }

    /// The profile as it now stands, whichever node changed it; as this node knows it while the database is away.
    ///
    /// # Errors
    /// When the database fails, and the person is not known here.
    pub async fn find(&self, user: UserId) -> Result<Option<Profile>, DbError> {
        let known = self.known(user);
        match store::find(&self.db, user).await {
            Ok(row) => Ok(row.or(known)),
            Err(error) if known.is_some() => {
                tracing::warn!(%error, "a profile is answered as the table has it");
                Ok(known)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes of the profile what `edit` makes of it, which gets the one of now, or nothing where there is none, and may be asked again. A change
    /// is durable, published and in force here when this returns; what changes nothing is none. The profile as it is then.
    ///
    /// # Errors
    /// What `edit` refuses, or when the database fails.
    pub async fn change(
        &self,
        user: UserId,
        now: DateTime<Utc>,
        request_id: Option<&str>,
        edit: impl Fn(Option<&Profile>) -> Result<Profile, ApiError> + Send + Sync,
    ) -> Result<Profile, PeopleError> {
        let _turn = self.turn(user).lock().await;
        let changed = retrying(|| self.write(user, now, request_id, &edit)).await?;
        self.erased.welcome(user);
        self.table.overlay(user, &changed);
        Ok(changed)
    }

    async fn write(
        &self,
        user_id: UserId,
        now: DateTime<Utc>,
        request_id: Option<&str>,
        edit: &(impl Fn(Option<&Profile>) -> Result<Profile, ApiError> + Send + Sync),
    ) -> Result<Profile, PeopleError> {
        let mut tx = self.db.begin().await?;
        let row = store::locked(&mut tx, user_id).await?;
        let is_new = row.is_none();
        let old = row.or_else(|| self.known(user_id));
        let before = old.as_ref().map_or(0, |profile| profile.revision);
        let mut profile = edit(old.as_ref())?;
        profile.revision = before;
        if !is_new && old.as_ref() == Some(&profile) {
            return Ok(profile);
        }
        // It only grows, also over an erasure and where clocks of nodes differ; and it is the time of the event, so that the stream has the same order.
        profile.revision = now.timestamp_micros().cast_unsigned().max(before.saturating_add(1));
        store::put(&mut tx, user_id, (!is_new).then_some(before), &profile).await?;
        let event = ProfileEvent {
            event_id: derived_event_id(&["profile_updated", &user_id.to_string(), &profile.revision.to_string()]),
            event_time: time(profile.revision.cast_signed()),
            kind: ProfileKind::Updated,
            request_id: request_id.map(str::to_owned),
            user_id,
            profile: Some(profile.clone()),
        };
        outbox::put(&mut tx, &self.db, &Event::Profile(event), now).await?;
        tx.commit().await?;
        Ok(profile)
    }

    /// Brings the table to what the rows say: after a start the stream may be behind what was answered before. How many were newer than the table.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn catch_up(&self) -> Result<usize, DbError> {
        let (mut after, mut brought) = (None, 0);
        loop {
            let some = store::versions(&self.db, after).await?;
            let Some((last, _)) = some.last() else { return Ok(brought) };
            after = Some(*last);
            let behind = |user: UserId, version: u64| self.table.profile(user).is_none_or(|profile| profile.revision < version);
            for (user, _) in some.into_iter().filter(|(user, version)| behind(*user, *version)) {
                if let Some(profile) = store::find(&self.db, user).await? {
                    brought += usize::from(self.table.overlay(user, &profile));
                }
            }
        }
    }
}

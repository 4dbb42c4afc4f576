//! The rules of grants and quotas.

use chrono::{DateTime, Utc};
use features::entitlements::{Day, Entitlement, Grant, in_force, limit};
use features::ids::UserId;

use super::{EntitlementError, EntitlementsConfig, store};
use crate::db::{Db, DbError, Tx, micros, retrying, time};

/// What people may do how often.
pub struct Entitlements {
    db: Db,
    config: EntitlementsConfig,
}

/// What somebody has of something at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of what.
    pub what: Entitlement,
    /// How many in a day; none for as many as they like.
    pub limit: Option<u32>,
    /// How many are used today.
    pub used: u32,
    /// When the next day begins.
    pub resets_at: DateTime<Utc>,
    /// The grant that says so; none where it is what everybody has.
    pub grant: Option<Grant>,
}

impl Entitlements {
    /// Over a database.
    pub fn new(db: Db, config: &EntitlementsConfig) -> Self {
        Self { db, config: config.clone() }
    }

    fn day(&self, now: DateTime<Utc>) -> Day {
        Day::of(now, self.config.day_ahead_min)
    }

    fn limit(&self, what: Entitlement, grants: &[Grant], now: DateTime<Utc>) -> Option<u32> {
        limit(self.config.everybody(what), grants, now)
    }

    /// Takes `n` of what somebody may do today, all or none.
    ///
    /// # Errors
    /// When fewer are left, or the database fails.
    pub async fn take(&self, user: UserId, what: Entitlement, n: u32, now: DateTime<Utc>) -> Result<(), EntitlementError> {
        if n == 0 || self.limit(what, &store::grants(&self.db, user, what).await?, now).is_none() {
            return Ok(());
        }
        retrying(|| self.take_alone(user, what, n, now)).await
    }

    async fn take_alone(&self, user: UserId, what: Entitlement, n: u32, now: DateTime<Utc>) -> Result<(), EntitlementError> {
        let mut tx = self.db.begin().await?;
        self.take_in(&mut tx, user, what, n, now).await?;
        Ok(tx.commit().await?)
    }

    /// [`Self::take`] as a part of a transaction: what is taken counts if that is committed. After an error it is to be dropped.
    ///
    /// # Errors
    /// When fewer are left, or the database fails; [`DbError::Conflict`] where another first count of the day was faster, and the same again works.
    pub async fn take_in(&self, tx: &mut Tx, user: UserId, what: Entitlement, n: u32, now: DateTime<Utc>) -> Result<(), EntitlementError> {
        let Some(limit) = self.limit(what, &store::grants_in(tx, user, what).await?, now) else { return Ok(()) };
        let day = self.day(now);
        let counted = store::count((tx, self.db.ids.next(now)), (user, what), day.begins, (n, limit)).await;
        match counted {
            Ok(true) => Ok(()),
            Ok(false) => {
                metrics::counter!("hongniang_quota_exceeded_total", "name" => what.name()).increment(1);
                let wait_s = (day.ends - now).num_seconds() + 1;
                Err(EntitlementError::Exceeded { what, limit, resets_at: day.ends, wait_s })
            }
            Err(DbError::Duplicate) => Err(DbError::Conflict("quota".to_owned()).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// What somebody has of everything.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self, user: UserId, now: DateTime<Utc>) -> Result<Vec<Held>, EntitlementError> {
        let day = self.day(now);
        let mut all = Vec::new();
        for what in Entitlement::ALL {
            let grants = store::grants(&self.db, user, what).await?;
            let used = store::used(&self.db, user, what, day.begins).await?;
            all.push(Held {
                what,
                limit: self.limit(what, &grants, now),
                used: u32::try_from(used).unwrap_or_default(),
                resets_at: day.ends,
                grant: in_force(&grants, now).cloned(),
            });
        }
        Ok(all)
    }

    /// Grants something, once per person, name and reference. Whether it is new; the same again changes nothing.
    ///
    /// # Errors
    /// When a field breaks a rule, the reference has granted something else, or the database fails.
    pub async fn grant(&self, user: UserId, what: Entitlement, grant: Grant) -> Result<bool, EntitlementError> {
        for (field, text, most) in [("source", &grant.source, 60), ("reference", &grant.reference, 200)] {
            if !(1..=most).contains(&text.chars().count()) || text.contains('\0') {
                return Err(EntitlementError::Field(field, format!("must have 1 to {most} characters, none of them NUL")));
            }
        }
        // As the columns hold it, so that a repeat is known again.
        let grant = Grant { valid_until: grant.valid_until.map(|end| time(micros(end))), ..grant };
        retrying(|| self.grant_once(user, what, &grant)).await
    }

    async fn grant_once(&self, user: UserId, what: Entitlement, grant: &Grant) -> Result<bool, EntitlementError> {
        let mut tx = self.db.begin().await?;
        let granted = store::grants_in(&mut tx, user, what).await?;
        if let Some(known) = granted.into_iter().find(|known| known.reference == grant.reference) {
            let same = Grant { granted_at: known.granted_at, ..grant.clone() } == known;
            return if same { Ok(false) } else { Err(EntitlementError::Reused) };
        }
        if !grant.holds(grant.granted_at) {
            return Err(EntitlementError::Field("valid_until", "lies in the past; it must lie in the future, or be left out".to_owned()));
        }
        store::put(&mut tx, self.db.ids.next(grant.granted_at), user, what, grant).await?;
        tx.commit().await?;
        Ok(true)
    }
}

//! Quotas of relations: likes count against what somebody may do in a day, whoever reports them.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use features::entitlements::Entitlement;
use features::ids::UserId;
use features::relations::Act;

use crate::db::{DbError, Tx};
use crate::entitlements::{EntitlementError, Entitlements};
use crate::relations::{Allowance, Spent};

/// Entitlements, as relations ask for them.
pub(super) struct Quotas(pub(super) Arc<Entitlements>);

#[async_trait]
impl Allowance for Quotas {
    async fn ask(&self, tx: &mut Tx, actor: UserId, act: Act, now: DateTime<Utc>) -> Result<Result<(), Spent>, DbError> {
        if act != Act::Like {
            return Ok(Ok(()));
        }
        match self.0.take_in(tx, actor, Entitlement::LikesPerDay, 1, now).await {
            Ok(()) => Ok(Ok(())),
            Err(EntitlementError::Exceeded { wait_s, .. }) => Ok(Err(Spent { retry_after_s: wait_s })),
            Err(EntitlementError::Db(error)) => Err(error),
            Err(error @ (EntitlementError::Reused | EntitlementError::Field(..))) => Err(DbError::Unexpected(error.to_string())),
        }
    }
}

//! Acts: rules applied to rows, in one transaction.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{EventId, UserId};
use features::relations::{Act, Pair, Side};
use index::ledger::Ledger;
use moka::sync::Cache;

use super::lists::{Head, ListOf};
use super::pair::{Done, Kept, List, ordered};
use super::store::{self, Bumps};
use super::{Refused, RelationsConfig};
use crate::db::{Db, DbError, Raced, Tx, key, outbox, retrying};
use crate::limits::{Limits, PerHour};

/// The reason of reports that give none.
const OTHER: &str = "other";
/// Pairs of an erased person that are read together.
const AT_ONCE: u64 = 200;

/// What somebody has used up of a day; in so many seconds there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Seconds, from 1.
    pub retry_after_s: i64,
}

/// Who may turn to others how often: quotas, such as likes in a day.
#[async_trait]
pub trait Allowance: Send + Sync {
    /// Asked before somebody follows, likes, comments or replies, when the rules allow it and something would come of it. `tx` is the transaction of the act:
    /// what is counted there counts exactly when the act is done.
    ///
    /// # Errors
    /// When the database fails.
    async fn ask(&self, tx: &mut Tx, actor: UserId, act: Act, now: DateTime<Utc>) -> Result<Result<(), Spent>, DbError>;
}

/// Everybody may do everything.
#[derive(Debug, Clone, Copy)]
pub struct Unlimited;

#[async_trait]
impl Allowance for Unlimited {
    async fn ask(&self, _: &mut Tx, _: UserId, _: Act, _: DateTime<Utc>) -> Result<Result<(), Spent>, DbError> {
        Ok(Ok(()))
    }
}

/// Who stands how with whom.
pub struct Relations {
    pub(super) db: Db,
    pub(super) ledger: Arc<Ledger>,
    config: RelationsConfig,
    limits: Limits,
    allowance: Arc<dyn Allowance>,
    /// The newest entries of lists.
    pub(super) heads: Cache<ListOf, Arc<Head>>,
    #[cfg(test)]
    pub(super) faults: super::tests::Faults,
}

/// An act and its event: what was done, by whom, to whom; its kind is that of the act.
pub type Deed = (Act, InteractionEvent);

impl Relations {
    /// Relations in a database; the ledger learns of every act.
    pub fn new(db: Db, ledger: Arc<Ledger>, config: &RelationsConfig) -> Self {
        Self {
            db,
            ledger,
            limits: Limits::new(),
            allowance: Arc::new(Unlimited),
            heads: Cache::new(config.cached_lists),
            config: config.clone(),
            #[cfg(test)]
            faults: super::tests::Faults::default(),
        }
    }

    /// The same with quotas.
    #[must_use]
    pub fn with_allowance(self, allowance: Arc<dyn Allowance>) -> Self {
        Self { allowance, ..self }
    }

    /// The section that holds.
    pub fn config(&self) -> &RelationsConfig {
        &self.config
    }

    /// Takes acts of what a person may do in an hour. Reports have a quota of their own, and blocks none: whoever needs one gets it.
    ///
    /// # Errors
    /// In how many seconds there is one again.
    pub fn take(&self, actor: UserId, acts: impl IntoIterator<Item = Act>, now: DateTime<Utc>) -> Result<(), Refused> {
        for act in acts.into_iter().filter(|act| *act != Act::Block) {
            let (what, quota) =
                if act == Act::Report { ("report", self.config.reports_per_hour) } else { ("act", self.config.acts_per_hour) };
            self.limits.take(format!("{what} {actor}"), PerHour(quota), now).map_err(Refused::Spent)?;
        }
        Ok(())
    }

    /// Does things in order, all in one transaction: what became of each. From then on they are in force here, and their events are on their way.
    ///
    /// # Errors
    /// When the database fails. It may have been done all the same: the same again, with the same event ids, does it once.
    pub async fn act_all(&self, deeds: &[Deed], now: DateTime<Utc>) -> Result<Vec<Result<Done, Refused>>, DbError> {
        if deeds.is_empty() {
            return Ok(Vec::new());
        }
        self.commit(deeds, OTHER, now).await
    }

    /// Does things in a transaction of their own, again where it raced with another, and lets them count here.
    async fn commit(&self, deeds: &[Deed], reason: &str, now: DateTime<Utc>) -> Result<Vec<Result<Done, Refused>>, DbError> {
        let done = retrying(|| self.attempt(deeds, reason, now)).await.map_err(|Raced(error)| error)?;
        self.settle(done.iter().filter_map(|done| done.as_ref().ok()));
        Ok(done)
    }

    async fn attempt(&self, deeds: &[Deed], reason: &str, now: DateTime<Utc>) -> Result<Vec<Result<Done, Refused>>, Raced> {
        let mut tx = self.db.begin().await?;
        let done = self.act_in(&mut tx, deeds, reason, now).await?;
        self.trip(Trip::BeforeCommit)?;
        tx.commit().await?;
        self.trip(Trip::AfterCommit)?;
        Ok(done)
    }

    /// One report, with its reason.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report(&self, event: InteractionEvent, reason: &str, now: DateTime<Utc>) -> Result<Result<Done, Refused>, DbError> {
        let done = self.commit(&[(Act::Report, event)], reason, now).await?;
        done.into_iter().next().ok_or_else(|| DbError::Unexpected("an act without an outcome".to_owned()))
    }

    /// One act within the transaction of somebody else, who calls [`Self::settle`] once that is committed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn join(
        &self,
        tx: &mut Tx,
        act: Act,
        event: &InteractionEvent,
        now: DateTime<Utc>,
    ) -> Result<Result<Done, Refused>, DbError> {
        let done = self.act_in(tx, &[(act, event.clone())], OTHER, now).await?;
        done.into_iter().next().ok_or_else(|| DbError::Unexpected("an act without an outcome".to_owned()))
    }

    /// Takes back the follow that an act began, if nothing has come of it: the other does not follow back, and the actor has done nothing about them since.
    /// `event` is the unfollow; call [`Self::settle`] with what comes back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_back(
        &self,
        tx: &mut Tx,
        begun_by: EventId,
        event: &InteractionEvent,
        now: DateTime<Utc>,
    ) -> Result<Option<Done>, DbError> {
        let (low, high) = ordered(event.actor_id, event.target_id);
        let Some(kept) = store::load(tx, &[(low, high)]).await?.into_iter().next() else { return Ok(None) };
        let seen = kept.seen_by(kept.side(event.actor_id));
        if seen.mine != Side::Follows || seen.theirs == Side::Follows || !kept.was_last(event.actor_id, begun_by) {
            return Ok(None);
        }
        Ok(self.join(tx, Act::Unfollow, event, now).await?.ok())
    }

    /// After the commit: what was done is in force on this node.
    pub fn settle<'a>(&self, done: impl IntoIterator<Item = &'a Done>) {
        self.ledger.apply_all(done.into_iter().flat_map(|done| done.events.iter().chain(&done.said)));
    }

    /// Applies acts to the rows of a transaction.
    async fn act_in(&self, tx: &mut Tx, deeds: &[Deed], reason: &str, now: DateTime<Utc>) -> Result<Vec<Result<Done, Refused>>, DbError> {
        let mut pairs = self.pairs(tx, deeds).await?;
        let before = done_before(&pairs, deeds);
        let mut all = Vec::with_capacity(deeds.len());
        for (n, (act, event)) in deeds.iter().enumerate() {
            let Some(kept) = pairs.get_mut(&keys(event.actor_id, event.target_id)) else {
                return Err(DbError::Unexpected("an act of a pair that was not read".to_owned()));
            };
            if before.get(&(event.actor_id, event.target_id)).is_some_and(|last| n < *last) {
                all.push(Ok(kept.repeated(event)));
                continue;
            }
            let done = self.one(tx, kept, *act, event, now).await?;
            for event in done.iter().flat_map(|done| &done.events) {
                outbox::put(tx, &self.db, &Event::Interaction(event.clone()), now).await?;
                if event.kind == InteractionKind::Report {
                    store::report(tx, self.db.ids.next(now), event, reason, now).await?;
                }
            }
            all.push(done);
        }
        let mut bumps = Bumps::new();
        for kept in pairs.values().filter(|kept| kept.changed) {
            self.write(tx, kept, &mut bumps, now).await?;
        }
        store::bump(tx, &bumps, self.db.ids.next(now)).await?;
        Ok(all)
    }

    async fn one(
        &self,
        tx: &mut Tx,
        kept: &mut Kept,
        act: Act,
        event: &InteractionEvent,
        now: DateTime<Utc>,
    ) -> Result<Result<Done, Refused>, DbError> {
        let outcome = kept.outcome(event.actor_id, act);
        let counts = act.is_towards() && !outcome.publish.is_empty() && !kept.was_last(event.actor_id, event.event_id);
        if counts && let Err(spent) = self.allowance.ask(tx, event.actor_id, act, now).await? {
            return Ok(Err(Refused::Quota(spent.retry_after_s)));
        }
        Ok(kept.step(act, event, now).map_err(Refused::Rule))
    }

    /// The pairs of some acts in the order of their keys, locked. Of whom there are no rows yet the ledger may know: from an import, or from before there
    /// were tables.
    async fn pairs(&self, tx: &mut Tx, deeds: &[Deed]) -> Result<BTreeMap<(i64, i64), Kept>, DbError> {
        let wanted: BTreeMap<(i64, i64), (UserId, UserId)> =
            deeds.iter().map(|(_, event)| (keys(event.actor_id, event.target_id), ordered(event.actor_id, event.target_id))).collect();
        let list: Vec<_> = wanted.values().copied().collect();
        let stored = store::load(tx, &list).await?;
        let mut pairs: BTreeMap<_, _> =
            wanted.into_iter().map(|(keys, (low, high))| (keys, Kept::new(low, high, self.told_by_ledger(low, high)))).collect();
        pairs.extend(stored.into_iter().map(|kept| (keys(kept.low, kept.high), kept)));
        Ok(pairs)
    }

    /// How two people stand as the ledger has it.
    pub(super) fn told_by_ledger(&self, one: UserId, other: UserId) -> Pair {
        let side = |a, b| match (self.ledger.blocks(a, b), self.ledger.likes(a, b)) {
            (true, _) => Side::Blocks,
            (false, true) => Side::Follows,
            (false, false) => Side::Nothing,
        };
        Pair { mine: side(one, other), theirs: side(other, one) }
    }

    /// Writes a pair, its conversation, and notes what that does to lists.
    pub(super) async fn write(&self, tx: &mut Tx, kept: &Kept, bumps: &mut Bumps, now: DateTime<Utc>) -> Result<(), DbError> {
        store::save(tx, kept).await?;
        match (kept.stored.unwrap_or_default().are_friends(), kept.pair.are_friends()) {
            (false, true) => store::open_conversation(tx, kept, self.db.ids.next(now)).await?,
            (true, false) => store::close_conversation(tx, kept).await?,
            _ => {}
        }
        for (side, user) in kept.users().into_iter().enumerate() {
            let (before, after) = (List::of(kept.stored_by(side)), List::of(kept.seen_by(side)));
            if before != after {
                note(bumps, user, before, after);
            }
        }
        Ok(())
    }

    /// A failure that a test wants here.
    #[cfg(test)]
    pub(super) fn trip(&self, at: Trip) -> Result<(), DbError> {
        self.faults.trip(at)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests fail here")]
    pub(super) fn trip(&self, _: Trip) -> Result<(), DbError> {
        Ok(())
    }
}

/// Takes pairs of somebody out within a transaction, of so many rows as `most` allows: lists of the others are without them, and their conversations are gone. How many rows went of
/// each table; none once nothing is left. Ledgers have to forget the person, too.
///
/// # Errors
/// When the database fails.
pub(crate) async fn forget_some(tx: &mut Tx, user: UserId, most: u64) -> Result<BTreeMap<&'static str, u64>, DbError> {
    let (mut gone, mut left) = (BTreeMap::new(), most);
    while left > 0 {
        // A pair has two rows, and perhaps a conversation of two.
        let others = store::others(tx, user, AT_ONCE.min(left.div_ceil(4))).await?;
        if others.is_empty() {
            break;
        }
        let [pairs, conversations] = store::drop_pairs(tx, user, &others).await?;
        *gone.entry(store::RELATIONS).or_default() += pairs;
        *gone.entry(store::CONVERSATIONS).or_default() += conversations;
        left = left.saturating_sub(pairs + conversations);
    }
    Ok(gone)
}

/// Where a store can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trip {
    /// Everything is written and nothing committed.
    BeforeCommit,
    /// Everything is committed, and nobody knows.
    AfterCommit,
    /// A list was read and is to be cached.
    Fill,
}

/// Two people by their keys, the smaller first.
fn keys(a: UserId, b: UserId) -> (i64, i64) {
    let (low, high) = ordered(a, b);
    (key(low), key(high))
}

/// Of a batch that comes again: where the last act stands that was done before, by who did it to whom. What comes before that was done, too.
fn done_before(pairs: &BTreeMap<(i64, i64), Kept>, deeds: &[Deed]) -> HashMap<(UserId, UserId), usize> {
    let known = |event: &InteractionEvent| {
        pairs.get(&keys(event.actor_id, event.target_id)).is_some_and(|kept| kept.was_last(event.actor_id, event.event_id))
    };
    let done = deeds.iter().enumerate().filter(|(_, (_, event))| known(event));
    done.map(|(n, (_, event))| ((event.actor_id, event.target_id), n)).collect()
}

/// Somebody changes from one list of a person to another.
fn note(bumps: &mut Bumps, user: UserId, before: Option<List>, after: Option<List>) {
    let lengths = bumps.entry(key(user)).or_default();
    if let Some(list) = before {
        lengths[list.place()] -= 1;
    }
    if let Some(list) = after {
        lengths[list.place()] += 1;
    }
}

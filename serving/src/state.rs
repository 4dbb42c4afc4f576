//! What handlers share, in small groups.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use features::embed::TextEncoder;
use features::ids::UserId;
use features::profile::Profile;
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use index::text::TextIndex;
use index::vectors::VectorIndex;
use moka::sync::Cache;
use pipelines::supervisor::{Clock, Supervisor};
use ranker::Recommender;
use tokio::sync::watch;

use crate::auth::Auth;
use crate::config::Config;
use crate::db::Db;
use crate::entitlements::Entitlements;
use crate::http::Answers;
use crate::moderation::Moderator;
use crate::recommend::Decks;
use crate::relations::Relations;
use crate::sink::EventSink;
use crate::users::People;

/// What can be found.
#[derive(Clone)]
pub struct Indexes {
    /// Portraits.
    pub table: Arc<PortraitTable>,
    /// Vectors.
    pub vectors: Arc<dyn VectorIndex>,
    /// Text.
    pub text: Arc<TextIndex>,
    /// Ready-made lists.
    pub hot: Arc<HotPool>,
    /// Relations and exposures.
    pub ledger: Arc<Ledger>,
}

/// People erased here a short while ago. A portrait that was under way may bring somebody back into the table until the stream has caught
/// up; whoever shows people asks here, too.
#[derive(Clone)]
pub struct Erased(Cache<UserId, ()>);

impl Default for Erased {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(600)).build())
    }
}

impl Erased {
    /// From now on the person is not shown.
    pub fn erase(&self, user: UserId) {
        self.0.insert(user, ());
    }

    /// The person is back with a new profile.
    pub fn welcome(&self, user: UserId) {
        self.0.invalidate(&user);
    }

    /// Whether the person must not be shown.
    pub fn contains(&self, user: UserId) -> bool {
        self.0.contains_key(&user)
    }
}

/// People who are shown to nobody, by what the database says: those whose erasure is not done yet, and those who are banned. The job `withheld` keeps it as the database has it.
#[derive(Clone, Default)]
pub struct Withheld(Arc<RwLock<Kept>>);

#[derive(Default)]
struct Kept {
    erasing: HashSet<UserId>,
    /// Until when; none for ever.
    banned: HashMap<UserId, Option<DateTime<Utc>>>,
}

impl Withheld {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Kept> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Kept> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// An erasure has begun.
    pub fn erasing(&self, user: UserId) {
        self.write().erasing.insert(user);
    }

    /// Whether an erasure is under way: nothing of the person may begin anew until it is done.
    pub fn is_erasing(&self, user: UserId) -> bool {
        self.read().erasing.contains(&user)
    }

    /// A ban is in force from now on.
    pub fn ban(&self, user: UserId, until: Option<DateTime<Utc>>) {
        self.write().banned.insert(user, until);
    }

    /// A ban is lifted.
    pub fn lift(&self, user: UserId) {
        self.write().banned.remove(&user);
    }

    /// Whether somebody is banned at a time.
    pub fn is_banned(&self, user: UserId, now: DateTime<Utc>) -> bool {
        self.read().banned.get(&user).is_some_and(|until| until.is_none_or(|until| now < until))
    }

    /// Takes over who is being erased; who is new among them.
    pub fn set_erasing(&self, people: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
        let people: HashSet<UserId> = people.into_iter().collect();
        let before = std::mem::replace(&mut self.write().erasing, people.clone());
        people.difference(&before).copied().collect()
    }

    /// Takes over who is banned.
    pub fn set_banned(&self, people: impl IntoIterator<Item = (UserId, Option<DateTime<Utc>>)>) {
        self.write().banned = people.into_iter().collect();
    }

    /// Whether somebody is shown to nobody.
    pub fn contains(&self, user: UserId, now: DateTime<Utc>) -> bool {
        self.is_erasing(user) || self.is_banned(user, now)
    }
}

/// How far the node has come.
#[derive(Clone)]
pub struct Readiness {
    /// Whether the portraits of before the start are in the table.
    pub table: watch::Receiver<bool>,
    /// Whether the interactions of before the start are in the ledger.
    pub ledger: watch::Receiver<bool>,
    /// Whether the profiles that were answered before the start are in the table, also where the stream is behind.
    pub profiles: watch::Receiver<bool>,
    /// The jobs of this process.
    pub jobs: Arc<Supervisor>,
}

impl Readiness {
    /// Whether everything acknowledged before the start is in force here: until then blocks and exposures are not known in full, and
    /// nothing is answered that depends on them.
    pub fn is_ready(&self) -> bool {
        *self.table.borrow() && *self.ledger.borrow() && *self.profiles.borrow()
    }
}

/// Shared by all handlers; a clone is the same, and cheap: each request makes some.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

/// What an [`App`] has.
#[derive(Clone)]
pub struct AppParts {
    /// The configuration.
    pub config: Arc<Config>,
    /// What can be found.
    pub indexes: Indexes,
    /// The text encoder.
    pub encoder: Arc<dyn TextEncoder>,
    /// Tables.
    pub db: Db,
    /// Logins and sessions.
    pub auth: Arc<Auth>,
    /// Profiles.
    pub people: Arc<People>,
    /// What people may do how often.
    pub entitlements: Arc<Entitlements>,
    /// Who stands how with whom.
    pub relations: Arc<Relations>,
    /// Where events go.
    pub sink: Arc<EventSink>,
    /// Makes decks.
    pub recommender: Arc<Recommender>,
    /// Decks on the table.
    pub decks: Arc<Decks>,
    /// Who is not to be shown although the table may still know them.
    pub erased: Erased,
    /// Who is shown to nobody, by what the database says.
    pub withheld: Withheld,
    /// Answers that are given again to repeats.
    pub answers: Answers,
    /// Judges what people write.
    pub moderator: Arc<Moderator>,
    /// How far the node has come.
    pub readiness: Readiness,
    /// Renders metrics.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// Takes the time.
    pub clock: Clock,
}

impl App {
    /// What handlers share.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The same with other logins.
    #[must_use]
    pub fn with_auth(&self, auth: Auth) -> Self {
        Self::new(AppParts { auth: Arc::new(auth), ..AppParts::clone(self) })
    }

    /// Whether somebody may be shown to anybody: not erased here, no erasure under way, not banned. The one place that says so; whoever shows people asks here.
    pub fn may_show(&self, user: UserId) -> bool {
        !self.erased.contains(user) && !self.withheld.contains(user, self.now())
    }

    /// Whether somebody is here and may be shown: what [`Self::profile`] would say, without unpacking it.
    pub fn knows(&self, user: UserId) -> bool {
        self.indexes.table.contains(user) && self.may_show(user)
    }

    /// The profile of somebody who is here and may be shown.
    pub fn profile(&self, user: UserId) -> Option<Arc<Profile>> {
        self.indexes.table.profile(user).filter(|_| self.may_show(user))
    }

    /// The profile of `user` as far as `viewer` may see them, and the one place where that is decided: oneself always; nobody who is unknown, erased or
    /// banned, or where one of the two has blocked the other; who has hidden or paused only as a friend.
    pub fn sees(&self, viewer: UserId, user: UserId) -> Option<Arc<Profile>> {
        let ledger = &self.indexes.ledger;
        let may = |profile: &Profile| {
            viewer == user || (!profile.banned && !ledger.blocked(viewer, user) && (profile.visible() || ledger.friends(viewer, user)))
        };
        self.profile(user).filter(|profile| may(profile))
    }

    /// Whether `user` may be in lists that `viewer` reads, such as those of friends: as [`Self::sees`], and not where they have hidden.
    pub fn lists(&self, viewer: UserId, user: UserId) -> bool {
        self.sees(viewer, user).is_some_and(|profile| viewer == user || profile.listed())
    }

    /// Whether what `user` has said, or that they liked something, is in lists for who looks: as [`Self::lists`], and for a trusted back end that names nobody, of everybody
    /// whom no erasure takes.
    pub fn lists_to(&self, viewer: Option<UserId>, user: UserId) -> bool {
        viewer.map_or_else(|| self.keeps(user), |viewer| self.lists(viewer, user))
    }

    /// Whether what `user` has written may be seen at its address by who looks: as [`Self::sees`], and by a trusted back end that names nobody, of everybody whom no erasure takes.
    pub fn sees_for(&self, viewer: Option<UserId>, user: UserId) -> bool {
        viewer.map_or_else(|| self.keeps(user), |viewer| self.sees(viewer, user).is_some())
    }

    /// Whether no erasure takes somebody. Back ends still see what somebody wrote who is banned.
    fn keeps(&self, user: UserId) -> bool {
        !self.erased.contains(user) && !self.withheld.is_erasing(user)
    }

    /// The profile of somebody who may be found by a search: by themselves always; by others, friends or not, and where nobody is named, neither who has hidden or paused nor whom
    /// [`Self::sees`] leaves out.
    pub fn finds(&self, viewer: Option<UserId>, user: UserId) -> Option<Arc<Profile>> {
        let Some(viewer) = viewer else { return self.profile(user).filter(|profile| profile.visible()) };
        self.sees(viewer, user).filter(|profile| viewer == user || profile.visible())
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

//! What handlers share, in small groups.

use std::sync::Arc;
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
use crate::moderation::Moderator;
use crate::recommend::Decks;
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

/// Shared by all handlers.
#[derive(Clone)]
pub struct App {
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
    /// Where events go.
    pub sink: Arc<EventSink>,
    /// Makes decks.
    pub recommender: Arc<Recommender>,
    /// Decks on the table.
    pub decks: Arc<Decks>,
    /// Who is not to be shown although the table may still know them.
    pub erased: Erased,
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
    /// Whether somebody is here and was not erased: what [`Self::profile`] would say, without unpacking it.
    pub fn knows(&self, user: UserId) -> bool {
        self.indexes.table.contains(user) && !self.erased.contains(user)
    }

    /// The profile of somebody who is here and was not erased.
    pub fn profile(&self, user: UserId) -> Option<Arc<Profile>> {
        self.indexes.table.profile(user).filter(|_| !self.erased.contains(user))
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

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

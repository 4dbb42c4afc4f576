//! Everybody's assemblies, and what a record means for them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use features::assemble::{Assembly, Embedding, VectorLookup};
use features::event::{EmbeddingRecord, Event, Subject};
use features::generation::{self, Announcement};
use features::ids::{MomentId, UserId};
use features::portrait::Portrait;
use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_set, feature_sets};
use features::topic::Topic;
use serde::{Deserialize, Serialize};

use super::waiting::Waiting;
use crate::bus::Record;
use crate::embedder::user_of;

/// Everything the assembler knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct People {
    assemblies: HashMap<UserId, Assembly>,
    contents: HashMap<UserId, Embedding>,
    authors: HashMap<MomentId, UserId>,
    version: u64,
    /// Feature rows whose generation is not announced yet.
    waiting: Waiting,
    #[serde(skip)]
    likers: HashMap<UserId, HashSet<UserId>>,
    #[serde(skip)]
    fresh: BTreeSet<UserId>,
    #[serde(skip)]
    stale: BTreeSet<UserId>,
    #[serde(skip)]
    erased: BTreeSet<UserId>,
    /// Whether a taste follows every move of the vectors it rests on. The stream only follows new texts: that the parts of a vector fade
    /// apart moves it a little with everything its owner does, and all who like them would have to be written again each time.
    #[serde(skip)]
    exact: bool,
}

/// What has to be written.
pub(crate) enum Change {
    Portrait(Box<Portrait>),
    Erased(UserId),
}

impl VectorLookup for People {
    fn moment(&self, moment: MomentId) -> Option<&Embedding> {
        self.assemblies.get(self.authors.get(&moment)?)?.moment(moment)
    }

    fn person(&self, user: UserId) -> Option<&Embedding> {
        self.contents.get(&user)
    }
}

impl People {
    /// People whose portraits depend on nothing but what is known: equal inputs in whatever steps and order give equal portraits.
    pub(crate) fn exact() -> Self {
        Self { exact: true, ..Self::default() }
    }

    /// Makes what is not in the snapshot.
    pub(super) fn rebuild(&mut self) {
        let pairs: Vec<(UserId, UserId)> =
            self.assemblies.iter().flat_map(|(user, a)| a.liked().map(|(liked, _)| (liked, *user))).collect();
        for (liked, user) in pairs {
            self.likers.entry(liked).or_default().insert(user);
        }
    }

    /// Takes a record over.
    ///
    /// # Errors
    /// Why it could not be read.
    pub(super) fn apply(&mut self, record: &Record) -> Result<(), String> {
        match (&*record.topic, &record.value) {
            (topic, None) if topic == Topic::Profiles.name() => user_of(record).into_iter().for_each(|user| self.erase(user)),
            (topic, None) if topic == Topic::Embeddings.name() => self.drop_embedding(record),
            (_, None) => {}
            (topic, Some(value)) if topic == Topic::Embeddings.name() => {
                self.embedding(serde_json::from_slice(value).map_err(|e| e.to_string())?);
            }
            (topic, Some(value)) if topic == generation::TOPIC => {
                self.announcement(&Announcement::decode(value).map_err(|e| e.to_string())?)?;
            }
            (topic, Some(value)) => match feature_sets().iter().find(|set| set.topic() == topic) {
                Some(set) => self.written_row(set, value)?,
                None => self.event(Event::decode(value).map_err(|e| e.to_string())?),
            },
        }
        Ok(())
    }

    /// Takes a row of a set's topic over, in either form; one whose time has not come waits.
    fn written_row(&mut self, set: &FeatureSet, value: &[u8]) -> Result<(), String> {
        let Some((row, form)) = FeatureRow::read(set, value).map_err(|e| e.to_string())? else { return Ok(()) };
        self.waiting.take(set, row, form).into_iter().try_for_each(|row| self.row(set, row))
    }

    /// Rows of a generation may be used: those that have waited for it are taken over at once.
    fn announcement(&mut self, said: &Announcement) -> Result<(), String> {
        // A set that this program does not know has no rows here.
        let Some(set) = feature_set(&said.set) else { return Ok(()) };
        let rows = self.waiting.announce(set, said.generation);
        if !rows.is_empty() {
            tracing::info!(set = set.name, generation = said.generation, rows = rows.len(), waiting = self.waiting.len(), "takes over");
        }
        rows.into_iter().try_for_each(|row| self.row(set, row))
    }

    /// Takes a profile or an opinion over.
    pub(crate) fn event(&mut self, event: Event) {
        match event {
            Event::Profile(p) => {
                if let Some(profile) = p.profile
                    && self.assemblies.entry(p.user_id).or_default().put_profile(p.event_time, &profile)
                {
                    self.fresh.insert(p.user_id);
                    self.erased.remove(&p.user_id);
                }
            }
            Event::Interaction(i) => {
                if self.assemblies.entry(i.actor_id).or_default().put_interaction(&i) {
                    self.fresh.insert(i.actor_id);
                    self.likers.entry(i.target_id).or_default().insert(i.actor_id);
                }
            }
            Event::Moment(_) | Event::Presence(_) | Event::Message(_) | Event::Deck(_) | Event::Page(_) => {}
        }
    }

    /// Takes a feature row over.
    ///
    /// # Errors
    /// When its key is no user id.
    pub(crate) fn row(&mut self, set: &FeatureSet, row: FeatureRow) -> Result<(), String> {
        let user: UserId = row.key.first().map_or("", String::as_str).parse().map_err(|e| format!("key of {}: {e}", set.name))?;
        if self.assemblies.entry(user).or_default().put_row(set, row) {
            self.fresh.insert(user);
        }
        Ok(())
    }

    /// Takes a vector over.
    pub(crate) fn embedding(&mut self, record: EmbeddingRecord) {
        let embedding = Embedding { model: record.model, at: record.event_time, vector: record.vector };
        let assembly = self.assemblies.entry(record.user_id).or_default();
        let changed = match record.subject {
            Subject::Profile(_) => assembly.put_bio(embedding),
            Subject::Moment(moment) => {
                self.authors.insert(moment, record.user_id);
                assembly.put_moment(moment, embedding)
            }
        };
        if changed {
            self.moved(record.user_id);
        }
    }

    fn drop_embedding(&mut self, record: &Record) {
        let key = record.key.as_deref().and_then(|k| std::str::from_utf8(k).ok()).unwrap_or_default();
        if let Some(moment) = key.strip_prefix("m:").and_then(|id| id.parse().ok()) {
            self.drop_moment(moment);
        } else if let Some(user) = key.strip_prefix("p:").and_then(|id| id.parse().ok()) {
            self.drop_bio(user);
        }
    }

    /// A profile has no text any more.
    pub(crate) fn drop_bio(&mut self, user: UserId) {
        if self.assemblies.get_mut(&user).is_some_and(Assembly::drop_bio) {
            self.moved(user);
        }
    }

    /// A Moment is gone.
    pub(crate) fn drop_moment(&mut self, moment: MomentId) {
        if let Some(author) = self.authors.remove(&moment)
            && self.assemblies.get_mut(&author).is_some_and(|a| a.drop_moment(moment))
        {
            self.moved(author);
        }
    }

    /// A person's vectors changed: so may the taste of everybody who likes them.
    fn moved(&mut self, user: UserId) {
        self.fresh.insert(user);
        self.stale.extend(self.likers.get(&user).into_iter().flatten());
    }

    fn erase(&mut self, user: UserId) {
        self.assemblies.remove(&user);
        self.contents.remove(&user);
        self.likers.remove(&user);
        self.authors.retain(|_, author| *author != user);
        self.fresh.remove(&user);
        self.stale.remove(&user);
        self.waiting.erase(&user.to_string());
        self.erased.insert(user);
    }

    /// Drops everything of and about some people; the taste of those who had an opinion of them is stale.
    pub(super) fn forget(&mut self, people: &[UserId]) {
        for user in people {
            self.erase(*user);
        }
        for likers in self.likers.values_mut() {
            people.iter().for_each(|user| {
                likers.remove(user);
            });
        }
        for (other, assembly) in &mut self.assemblies {
            let had = people.iter().filter(|user| assembly.forget(**user)).count();
            if had > 0 {
                self.stale.insert(*other);
            }
        }
    }

    /// How much is known of some people and about them: their own assemblies, and opinions of others.
    pub(super) fn known_of(&self, people: &[UserId]) -> u64 {
        let own = people.iter().filter(|user| self.assemblies.contains_key(user)).count();
        let of_others: usize =
            self.assemblies.values().map(|assembly| people.iter().filter(|user| assembly.has_opinion(**user)).count()).sum();
        (own + of_others) as u64
    }

    /// Nothing waits: what is known is to be written by somebody else. Everybody's own vector is made, as an assembly would.
    pub(super) fn settle(&mut self) {
        let users: Vec<UserId> = self.assemblies.keys().copied().collect();
        for user in users {
            self.refresh_content(user);
        }
        self.fresh.clear();
        self.stale.clear();
        self.erased.clear();
    }

    /// Number of people of whom something is known.
    pub(super) fn len(&self) -> usize {
        self.assemblies.len()
    }

    /// Knows what `other` knows instead; those who had a portrait and are not there any more are erased. Returns who is to be assembled anew.
    pub(super) fn exchange(&mut self, other: Self) -> Vec<UserId> {
        let before = std::mem::replace(self, other);
        self.version = self.version.max(before.version);
        self.erased = before.erased;
        let gone = before.assemblies.iter().filter(|(_, assembly)| assembly.has_profile()).map(|(user, _)| *user);
        let gone: Vec<UserId> = gone.filter(|user| !self.assemblies.get(user).is_some_and(Assembly::has_profile)).collect();
        self.erased.extend(gone);
        let mut users: Vec<UserId> = self.assemblies.keys().copied().collect();
        users.sort_unstable();
        users
    }

    /// These are to be assembled anew.
    pub(super) fn touch(&mut self, users: impl IntoIterator<Item = UserId>) {
        self.fresh.extend(users);
    }

    /// Whether something fresh waits.
    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty() || !self.erased.is_empty()
    }

    /// Whether anything waits.
    pub(crate) fn has_work(&self) -> bool {
        self.has_fresh() || !self.stale.is_empty()
    }

    /// Assembles what waits: everything fresh, or else some of the stale.
    pub(crate) fn take_changes(&mut self, now_ms: u64, stale_at_once: usize) -> Vec<Change> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.erased).into_iter().map(Change::Erased).collect();
        let users: Vec<UserId> = if self.fresh.is_empty() {
            (0..stale_at_once).map_while(|_| self.stale.pop_first()).collect()
        } else {
            std::mem::take(&mut self.fresh).into_iter().collect()
        };
        // Everybody's own vector first: the taste of one may rest on that of another of this round.
        for user in &users {
            self.refresh_content(*user);
        }
        for user in users {
            self.stale.remove(&user);
            self.version = (self.version + 1).max(now_ms);
            let portrait = self.assemblies.get(&user).and_then(|a| a.portrait(user, self.version, &*self));
            changes.extend(portrait.map(|p| Change::Portrait(Box::new(p))));
        }
        changes
    }

    /// Assembles those of `users` for whom something waits; everybody else waits on. What a portrait rests on is as if all had been assembled.
    pub(crate) fn take_some(&mut self, now_ms: u64, users: &[UserId]) -> Vec<Change> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.erased).into_iter().map(Change::Erased).collect();
        for user in std::mem::take(&mut self.fresh) {
            self.refresh_content(user);
            self.stale.insert(user);
        }
        for user in users {
            if self.stale.remove(user) {
                self.version = (self.version + 1).max(now_ms);
                let portrait = self.assemblies.get(user).and_then(|a| a.portrait(*user, self.version, &*self));
                changes.extend(portrait.map(|p| Change::Portrait(Box::new(p))));
            }
        }
        changes
    }

    /// Value columns of the user-keyed feature sets of somebody, by `<set>.<column>`.
    pub(crate) fn counters(&self, user: UserId) -> BTreeMap<String, f64> {
        self.assemblies.get(&user).map(|assembly| assembly.counters().collect()).unwrap_or_default()
    }

    fn refresh_content(&mut self, user: UserId) {
        let content = self.assemblies.get(&user).and_then(Assembly::content);
        if self.exact && self.contents.get(&user).map(|c| (&c.model, &c.vector)) != content.as_ref().map(|c| (&c.model, &c.vector)) {
            self.stale.extend(self.likers.get(&user).into_iter().flatten());
        }
        match content {
            Some(content) => drop(self.contents.insert(user, content)),
            None => drop(self.contents.remove(&user)),
        }
    }

    /// Everybody's portrait as it stands, in the order of ids; nobody may wait.
    pub(crate) fn portraits(&self) -> Vec<Portrait> {
        let mut users: Vec<&UserId> = self.assemblies.keys().collect();
        users.sort_unstable();
        users.into_iter().filter_map(|user| self.assemblies[user].portrait(*user, self.version, self)).collect()
    }
}

//! Everybody's assemblies, and what a record means for them.

use std::collections::{BTreeSet, HashMap, HashSet};

use features::assemble::{Assembly, Embedding, VectorLookup};
use features::event::{EmbeddingRecord, Event, Subject};
use features::ids::{MomentId, UserId};
use features::portrait::Portrait;
use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_sets};
use features::topic::Topic;
use serde::{Deserialize, Serialize};

use crate::bus::Record;
use crate::embedder::user_of;

/// Everything the assembler knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct People {
    assemblies: HashMap<UserId, Assembly>,
    contents: HashMap<UserId, Embedding>,
    authors: HashMap<MomentId, UserId>,
    version: u64,
    #[serde(skip)]
    likers: HashMap<UserId, HashSet<UserId>>,
    #[serde(skip)]
    fresh: BTreeSet<UserId>,
    #[serde(skip)]
    stale: BTreeSet<UserId>,
    #[serde(skip)]
    erased: BTreeSet<UserId>,
}

/// What has to be written.
pub(super) enum Change {
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
            (topic, Some(value)) => match feature_sets().iter().find(|set| set.topic() == topic) {
                Some(set) => self.row(set, FeatureRow::decode(set, value).map_err(|e| e.to_string())?)?,
                None => self.event(Event::decode(value).map_err(|e| e.to_string())?),
            },
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
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
            Event::Moment(_) | Event::Presence(_) | Event::Message(_) => {}
        }
    }

    fn row(&mut self, set: &FeatureSet, row: FeatureRow) -> Result<(), String> {
        let user: UserId = row.key.first().map_or("", String::as_str).parse().map_err(|e| format!("key of {}: {e}", set.name))?;
        if self.assemblies.entry(user).or_default().put_row(set, row) {
            self.fresh.insert(user);
        }
        Ok(())
    }

    fn embedding(&mut self, record: EmbeddingRecord) {
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
        let Some(moment) = key.strip_prefix("m:").and_then(|id| id.parse().ok()) else { return };
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
        self.erased.insert(user);
    }

    /// Whether something fresh waits.
    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty() || !self.erased.is_empty()
    }

    /// Whether anything waits.
    pub(super) fn has_work(&self) -> bool {
        self.has_fresh() || !self.stale.is_empty()
    }

    /// Assembles what waits: everything fresh, or else some of the stale.
    pub(super) fn take_changes(&mut self, now_ms: u64, stale_at_once: usize) -> Vec<Change> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.erased).into_iter().map(Change::Erased).collect();
        let users: Vec<UserId> = if self.fresh.is_empty() {
            (0..stale_at_once).map_while(|_| self.stale.pop_first()).collect()
        } else {
            std::mem::take(&mut self.fresh).into_iter().collect()
        };
        // Everybody's own vector first: the taste of one may rest on that of another of this round.
        for user in &users {
            if let Some(content) = self.assemblies.get(user).and_then(features::assemble::Assembly::content) {
                self.contents.insert(*user, content);
            }
        }
        for user in users {
            self.stale.remove(&user);
            self.version = (self.version + 1).max(now_ms);
            let portrait = self.assemblies.get(&user).and_then(|a| a.portrait(user, self.version, &*self));
            changes.extend(portrait.map(|p| Change::Portrait(Box::new(p))));
        }
        changes
    }
}

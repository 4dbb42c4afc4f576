//! Consumer groups: the classic protocol (join, sync, heartbeat, leave).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

/// How long the first member waits for company before the group begins.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Empty,
    Preparing,
    Completing,
    Stable,
}

impl Phase {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::Completing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member is told when the group has formed.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    pub(super) generation: i32,
    pub(super) protocol: String,
    pub(super) leader: String,
    /// Id, instance id and metadata of everybody; for the leader only.
    pub(super) members: Vec<(String, Option<String>, Bytes)>,
}

/// A member of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) client_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    pub(super) seen: Instant,
    pub(super) joining: Option<oneshot::Sender<Result<Joined, ResponseError>>>,
    pub(super) syncing: Option<oneshot::Sender<Result<Bytes, ResponseError>>>,
    pub(super) assignment: Bytes,
}

/// A group of consumers.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) phase: Phase,
    pub(super) generation: i32,
    pub(super) protocol_type: String,
    pub(super) protocol: String,
    pub(super) leader: String,
    pub(super) members: BTreeMap<String, Member>,
    deadline: Instant,
    not_before: Instant,
}

impl Group {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            deadline: now,
            not_before: now,
        }
    }

    /// A member joins or joins again; the answer comes when the group has formed.
    pub(super) fn join(&mut self, id: String, member: Member, now: Instant) {
        let first = self.members.is_empty();
        self.members.insert(id, member);
        self.prepare(now, first);
        self.advance(now);
    }

    /// Begins a rebalance.
    fn prepare(&mut self, now: Instant, first: bool) {
        if self.phase == Phase::Preparing {
            return;
        }
        let longest = self.members.values().map(|m| m.rebalance).max().unwrap_or(Duration::from_secs(10));
        self.phase = Phase::Preparing;
        self.deadline = now + longest.max(Duration::from_secs(1));
        self.not_before = now + if first { FIRST_WAIT } else { Duration::ZERO };
        for member in self.members.values_mut() {
            if let Some(waiting) = member.syncing.take() {
                let _ = waiting.send(Err(ResponseError::RebalanceInProgress)); // a gone connection needs no answer
            }
        }
    }

    /// Drops silent members, and forms the group when everybody is there or the time is over.
    pub(super) fn advance(&mut self, now: Instant) {
        let silent = |m: &Member| m.joining.is_none() && now.duration_since(m.seen) > m.session;
        let before = self.members.len();
        self.members.retain(|_, m| !silent(m));
        if self.members.len() < before {
            self.prepare(now, false);
        }
        if self.phase != Phase::Preparing {
            return;
        }
        let everybody = self.members.values().all(|m| m.joining.is_some()) && now >= self.not_before;
        if everybody || now >= self.deadline {
            self.members.retain(|_, m| m.joining.is_some());
            self.form(now);
        }
    }

    fn form(&mut self, now: Instant) {
        let Some(first) = self.members.keys().next().cloned() else {
            self.phase = Phase::Empty;
            return;
        };
        self.generation += 1;
        self.phase = Phase::Completing;
        if !self.members.contains_key(&self.leader) {
            self.leader = first.clone();
        }
        let shared = |name: &String| self.members.values().all(|m| m.protocols.iter().any(|(n, _)| n == name));
        self.protocol = self.members[&first].protocols.iter().map(|(n, _)| n.clone()).find(shared).unwrap_or_default();
        let metadata = |m: &Member| m.protocols.iter().find(|(n, _)| *n == self.protocol).map(|(_, b)| b.clone()).unwrap_or_default();
        let all: Vec<_> = self.members.iter().map(|(id, m)| (id.clone(), m.instance_id.clone(), metadata(m))).collect();
        for (id, member) in &mut self.members {
            member.seen = now;
            member.assignment = Bytes::new();
            let members = if *id == self.leader { all.clone() } else { Vec::new() };
            let joined = Joined { generation: self.generation, protocol: self.protocol.clone(), leader: self.leader.clone(), members };
            if let Some(waiting) = member.joining.take() {
                let _ = waiting.send(Ok(joined)); // a gone connection needs no answer
            }
        }
    }

    /// A member of the current generation.
    pub(super) fn member(&mut self, id: &str, generation: i32) -> Result<&mut Member, ResponseError> {
        let current = self.generation;
        let member = self.members.get_mut(id).ok_or(ResponseError::UnknownMemberId)?;
        if generation == current { Ok(member) } else { Err(ResponseError::IllegalGeneration) }
    }

    /// The leader's plan: everybody waiting gets a share.
    pub(super) fn assign(&mut self, plan: impl Iterator<Item = (String, Bytes)>, now: Instant) {
        for (id, share) in plan {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = share;
            }
        }
        self.phase = Phase::Stable;
        for member in self.members.values_mut() {
            member.seen = now;
            if let Some(waiting) = member.syncing.take() {
                let _ = waiting.send(Ok(member.assignment.clone())); // a gone connection needs no answer
            }
        }
    }

    /// A member goes.
    pub(super) fn leave(&mut self, id: &str, now: Instant) -> bool {
        let was = self.members.remove(id).is_some();
        if was {
            self.prepare(now, false);
            self.advance(now);
        }
        was
    }
}

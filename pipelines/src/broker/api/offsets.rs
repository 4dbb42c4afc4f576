//! Committed offsets of groups.

use std::collections::BTreeMap;
use std::time::Instant;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse,
};

use super::{Call, code, text, topic_name};
use crate::broker::meta::{Change, Committed};
use crate::broker::state::{State, storage};

/// Commits; a consumer without group membership may, a member only in the current generation.
pub(super) fn commit(call: &Call<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut state = call.broker.state();
    let done = allowed(&mut state, &request).and_then(|()| {
        let mut offsets = Vec::new();
        for topic in &request.topics {
            for p in &topic.partitions {
                let metadata = p.committed_metadata.as_ref().map(ToString::to_string).unwrap_or_default();
                offsets.push((topic.name.to_string(), p.partition_index, Committed { offset: p.committed_offset, metadata }));
            }
        }
        state.meta.write(Change::Offsets { group: request.group_id.to_string(), offsets }).map_err(|e| storage(&e))
    });
    let topics = request.topics.iter().map(|topic| {
        let answer = |index| OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code(&done));
        let partitions = topic.partitions.iter().map(|p| answer(p.partition_index)).collect();
        OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn allowed(state: &mut State, request: &OffsetCommitRequest) -> Result<(), ResponseError> {
    if request.generation_id_or_member_epoch < 0 {
        return Ok(());
    }
    let group = state.groups.get_mut(request.group_id.as_str()).ok_or(ResponseError::UnknownMemberId)?;
    let member = group.member(request.member_id.as_str(), request.generation_id_or_member_epoch)?;
    member.seen = Instant::now();
    Ok(())
}

/// What a group has committed: for some partitions, or everything.
pub(super) fn fetch(call: &Call<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let state = call.broker.state();
    let group = request.group_id.to_string();
    let offsets = &state.meta.read().offsets;
    let mut wanted: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    match &request.topics {
        Some(topics) => wanted.extend(topics.iter().map(|t| (t.name.to_string(), t.partition_indexes.clone()))),
        None => offsets.keys().filter(|k| k.0 == group).for_each(|(_, topic, p)| wanted.entry(topic.clone()).or_default().push(*p)),
    }
    let topics = wanted.into_iter().map(|(topic, partitions)| {
        let one = |p: i32| {
            let known = offsets.get(&(group.clone(), topic.clone(), p));
            let answer = OffsetFetchResponsePartition::default().with_partition_index(p).with_committed_leader_epoch(-1);
            answer.with_committed_offset(known.map_or(-1, |c| c.offset)).with_metadata(Some(text(known.map_or("", |c| &c.metadata))))
        };
        let partitions = partitions.into_iter().map(one).collect();
        OffsetFetchResponseTopic::default().with_name(topic_name(&topic)).with_partitions(partitions)
    });
    let topics = topics.collect();
    OffsetFetchResponse::default().with_topics(topics)
}

/// Forgets offsets of partitions.
pub(super) fn delete(call: &Call<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut state = call.broker.state();
    let group = request.group_id.to_string();
    let topics = request.topics.iter().map(|t| {
        let partitions = t.partitions.iter().map(|p| {
            let change = Change::DeleteOffset { group: group.clone(), topic: t.name.to_string(), partition: p.partition_index };
            let done = state.meta.write(change).map_err(|e| storage(&e));
            OffsetDeleteResponsePartition::default().with_partition_index(p.partition_index).with_error_code(code(&done))
        });
        OffsetDeleteResponseTopic::default().with_name(t.name.clone()).with_partitions(partitions.collect())
    });
    let topics = topics.collect();
    OffsetDeleteResponse::default().with_topics(topics)
}

/// Forgets groups without members.
pub(super) fn delete_groups(call: &Call<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut state = call.broker.state();
    let results = request.groups_names.iter().map(|name| {
        let busy = state.groups.get(name.as_str()).is_some_and(|g| !g.members.is_empty());
        let known = state.groups.contains_key(name.as_str()) || state.meta.read().offsets.keys().any(|k| k.0 == name.as_str());
        let done = match (busy, known) {
            (true, _) => Err(ResponseError::NonEmptyGroup),
            (_, false) => Err(ResponseError::GroupIdNotFound),
            _ => {
                state.groups.remove(name.as_str());
                state.meta.write(Change::DeleteGroup { group: name.to_string() }).map_err(|e| storage(&e))
            }
        };
        DeletableGroupResult::default().with_group_id(name.clone()).with_error_code(code(&done))
    });
    let results = results.collect();
    DeleteGroupsResponse::default().with_results(results)
}

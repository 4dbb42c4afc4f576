//! Groups: coordinator, join, sync, heartbeat, leave, list, describe.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest, FindCoordinatorResponse, GroupId, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use tokio::sync::oneshot;

use super::{Call, NODE, text};
use crate::broker::groups::{Group, Joined, Member, Phase};

/// The only node coordinates everything.
pub(super) fn find_coordinator(call: &Call<'_>, _request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let address = call.broker.address;
    FindCoordinatorResponse::default().with_node_id(NODE).with_host(text(&address.ip().to_string())).with_port(i32::from(address.port()))
}

/// Answers when the group has formed.
pub(super) async fn join(call: &Call<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let failed = |error: ResponseError, id: &str| {
        JoinGroupResponse::default().with_error_code(error.code()).with_member_id(text(id)).with_generation_id(-1)
    };
    let (sender, receiver) = oneshot::channel();
    let (id, protocol_type) = (member_id(call, &request), request.protocol_type.to_string());
    if request.member_id.is_empty() && call.version >= 4 && request.group_instance_id.is_none() {
        return failed(ResponseError::MemberIdRequired, &id);
    }
    {
        let mut state = call.broker.state();
        let now = Instant::now();
        let group = state.groups.entry(request.group_id.to_string()).or_insert_with(|| Group::new(now));
        if !group.members.is_empty() && group.protocol_type != protocol_type {
            return failed(ResponseError::InconsistentGroupProtocol, &id);
        }
        group.protocol_type.clone_from(&protocol_type);
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(10_000));
        let session = millis(request.session_timeout_ms);
        let member = Member {
            client_id: call.client_id.clone(),
            instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
            protocols: request.protocols.iter().map(|p| (p.name.to_string(), p.metadata.clone())).collect(),
            session,
            rebalance: if call.version >= 1 { millis(request.rebalance_timeout_ms) } else { session },
            seen: now,
            joining: Some(sender),
            syncing: None,
            assignment: Bytes::new(),
        };
        group.join(id.clone(), member, now);
    }
    match receiver.await {
        Ok(Ok(joined)) => joined_response(joined, &id, &protocol_type),
        Ok(Err(error)) => failed(error, &id),
        Err(_) => failed(ResponseError::UnknownMemberId, &id),
    }
}

/// A member's id: its own, that of its static instance, or a new one.
fn member_id(call: &Call<'_>, request: &JoinGroupRequest) -> String {
    if !request.member_id.is_empty() {
        return request.member_id.to_string();
    }
    let mut state = call.broker.state();
    if let (Some(instance), Some(group)) = (&request.group_instance_id, state.groups.get(request.group_id.as_str()))
        && let Some((id, _)) = group.members.iter().find(|(_, m)| m.instance_id.as_deref() == Some(instance.as_str()))
    {
        return id.clone();
    }
    state.members_named += 1;
    format!("{}-{}-{}", call.client_id, crate::broker::now_ms(), state.members_named)
}

fn joined_response(joined: Joined, id: &str, protocol_type: &str) -> JoinGroupResponse {
    let member = |(id, instance, metadata): (String, Option<String>, Bytes)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&id))
            .with_group_instance_id(instance.as_deref().map(text))
            .with_metadata(metadata)
    };
    let response = JoinGroupResponse::default().with_generation_id(joined.generation).with_protocol_type(Some(text(protocol_type)));
    let response = response.with_protocol_name(Some(text(&joined.protocol))).with_leader(text(&joined.leader)).with_member_id(text(id));
    response.with_members(joined.members.into_iter().map(member).collect())
}

/// Answers when the leader has shared out the partitions.
pub(super) async fn sync(call: &Call<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let (sender, receiver) = oneshot::channel();
    let now = Instant::now();
    let (known, names) = {
        let mut state = call.broker.state();
        let Some(group) = state.groups.get_mut(request.group_id.as_str()) else {
            return SyncGroupResponse::default().with_error_code(ResponseError::UnknownMemberId.code());
        };
        let id = request.member_id.as_str();
        let (phase, leads) = (group.phase, group.leader == id);
        let known = match (group.member(id, request.generation_id), phase) {
            (Err(error), _) => Some(Err(error)),
            (Ok(_), Phase::Empty | Phase::Preparing) => Some(Err(ResponseError::RebalanceInProgress)),
            (Ok(member), Phase::Stable) => Some(Ok(member.assignment.clone())),
            (Ok(_), Phase::Completing) if leads => {
                group.assign(request.assignments.iter().map(|a| (a.member_id.to_string(), a.assignment.clone())), now);
                Some(group.member(id, request.generation_id).map(|m| m.assignment.clone()))
            }
            (Ok(member), Phase::Completing) => {
                member.syncing = Some(sender);
                None
            }
        };
        (known, (group.protocol_type.clone(), group.protocol.clone()))
    };
    let share = match known {
        Some(known) => known,
        None => receiver.await.unwrap_or(Err(ResponseError::RebalanceInProgress)),
    };
    let response = SyncGroupResponse::default().with_protocol_type(Some(text(&names.0))).with_protocol_name(Some(text(&names.1)));
    response.with_error_code(super::code(&share)).with_assignment(share.unwrap_or_default())
}

/// A sign of life; tells of a rebalance.
pub(super) fn heartbeat(call: &Call<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let mut state = call.broker.state();
    let result = match state.groups.get_mut(request.group_id.as_str()) {
        None => Err(ResponseError::UnknownMemberId),
        Some(group) => {
            let phase = group.phase;
            group.member(request.member_id.as_str(), request.generation_id).and_then(|member| {
                member.seen = Instant::now();
                if phase == Phase::Preparing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
            })
        }
    };
    HeartbeatResponse::default().with_error_code(super::code(&result))
}

/// Members go.
pub(super) fn leave(call: &Call<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let mut state = call.broker.state();
    let now = Instant::now();
    let ids: Vec<String> = if call.version < 3 {
        vec![request.member_id.to_string()]
    } else {
        request.members.iter().map(|m| m.member_id.to_string()).collect()
    };
    let gone = |id: &String| {
        let was = state.groups.get_mut(request.group_id.as_str()).is_some_and(|g| g.leave(id, now));
        MemberResponse::default().with_member_id(text(id)).with_error_code(if was { 0 } else { ResponseError::UnknownMemberId.code() })
    };
    let members: Vec<MemberResponse> = ids.iter().map(gone).collect();
    if call.version < 3 {
        return LeaveGroupResponse::default().with_error_code(members.first().map_or(0, |m| m.error_code));
    }
    LeaveGroupResponse::default().with_members(members)
}

/// Every group that has members or offsets.
pub(super) fn list(call: &Call<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let state = call.broker.state();
    let mut names: Vec<&str> =
        state.groups.keys().map(String::as_str).chain(state.meta.read().offsets.keys().map(|k| k.0.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let listed = names.into_iter().map(|name| {
        let group = state.groups.get(name);
        let phase = group.map_or(Phase::Empty, |g| g.phase).name();
        let kind = group.map_or("consumer", |g| g.protocol_type.as_str());
        ListedGroup::default().with_group_id(GroupId(text(name))).with_protocol_type(text(kind)).with_group_state(text(phase))
    });
    let wanted = |g: &ListedGroup| request.states_filter.is_empty() || request.states_filter.contains(&g.group_state);
    let groups = listed.filter(wanted).collect();
    ListGroupsResponse::default().with_groups(groups)
}

/// Members of groups.
pub(super) fn describe(call: &Call<'_>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let state = call.broker.state();
    let groups = request.groups.iter().map(|name| {
        let described = DescribedGroup::default().with_group_id(name.clone()).with_authorized_operations(i32::MIN);
        let Some(group) = state.groups.get(name.as_str()) else {
            let known = state.meta.read().offsets.keys().any(|k| k.0 == name.as_str());
            return described.with_group_state(text(if known { "Empty" } else { "Dead" }));
        };
        let members = group.members.iter().map(|(id, m)| {
            let metadata = m.protocols.iter().find(|(n, _)| *n == group.protocol).map(|(_, b)| b.clone()).unwrap_or_default();
            let member = DescribedGroupMember::default()
                .with_member_id(text(id))
                .with_client_id(text(&m.client_id))
                .with_client_host(text("/127.0.0.1"));
            member
                .with_member_metadata(metadata)
                .with_member_assignment(m.assignment.clone())
                .with_group_instance_id(m.instance_id.as_deref().map(text))
        });
        let described = described.with_group_state(text(group.phase.name())).with_protocol_type(text(&group.protocol_type));
        described.with_protocol_data(text(&group.protocol)).with_members(members.collect())
    });
    let groups = groups.collect();
    DescribeGroupsResponse::default().with_groups(groups)
}

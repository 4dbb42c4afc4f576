//! The requests, by theme: each handler takes a decoded request and gives a response.

mod admin;
mod fetch;
mod groups;
mod offsets;
mod produce;
mod topics;
mod txns;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, BrokerId, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::state::Broker;

/// The only node.
const NODE: BrokerId = BrokerId(1);

/// Requests that are answered, with the versions.
const VERSIONS: [(ApiKey, i16, i16); 29] = [
    (ApiKey::Produce, 3, 9),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 6),
    (ApiKey::Metadata, 1, 9),
    (ApiKey::OffsetCommit, 2, 8),
    (ApiKey::OffsetFetch, 1, 7),
    (ApiKey::FindCoordinator, 0, 3),
    (ApiKey::JoinGroup, 0, 7),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 4),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 5),
    (ApiKey::ListGroups, 0, 4),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::CreateTopics, 2, 5),
    (ApiKey::DeleteTopics, 1, 4),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 4),
    (ApiKey::AddPartitionsToTxn, 0, 3),
    (ApiKey::AddOffsetsToTxn, 0, 3),
    (ApiKey::EndTxn, 0, 3),
    (ApiKey::TxnOffsetCommit, 0, 3),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::AlterConfigs, 0, 2),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::DescribeCluster, 0, 0),
];

/// A request on its way to a handler.
pub(super) struct Call<'a> {
    pub(super) broker: &'a Arc<Broker>,
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) client_id: String,
}

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_owned())
}

fn topic_name(s: &str) -> TopicName {
    TopicName(text(s))
}

/// The protocol's code of a result.
fn code<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(0, ResponseError::code)
}

type Answer = Result<Option<(Bytes, i16)>, String>;

fn decode<T: Decodable>(body: &mut Bytes, version: i16) -> Result<T, String> {
    T::decode(body, version).map_err(|e| e.to_string())
}

fn encode<T: Encodable>(response: &T, version: i16) -> Answer {
    let mut out = BytesMut::new();
    response.encode(&mut out, version).map_err(|e| e.to_string())?;
    Ok(Some((out.freeze(), version)))
}

/// Answers a request: the body and the version it is written in; none where the client wants no answer.
pub(super) async fn dispatch(call: Call<'_>, mut body: Bytes) -> Answer {
    let version = call.version;
    if call.key == ApiKey::ApiVersions {
        return versions(version);
    }
    let known = VERSIONS.iter().any(|(key, min, max)| *key == call.key && (*min..=*max).contains(&version));
    if !known {
        return Err("not supported".to_owned());
    }
    macro_rules! plain {
        ($handler:expr) => {
            encode(&$handler(&call, decode(&mut body, version)?), version)
        };
    }
    macro_rules! waiting {
        ($handler:expr) => {
            encode(&$handler(&call, decode(&mut body, version)?).await, version)
        };
    }
    match call.key {
        ApiKey::Produce => match produce::produce(&call, decode(&mut body, version)?) {
            Some(response) => encode(&response, version),
            None => Ok(None),
        },
        ApiKey::Fetch => waiting!(fetch::fetch),
        ApiKey::ListOffsets => plain!(fetch::list_offsets),
        ApiKey::Metadata => plain!(topics::metadata),
        ApiKey::CreateTopics => plain!(topics::create),
        ApiKey::DeleteTopics => plain!(topics::delete),
        ApiKey::CreatePartitions => plain!(topics::create_partitions),
        ApiKey::DeleteRecords => plain!(topics::delete_records),
        ApiKey::DescribeCluster => plain!(topics::describe_cluster),
        ApiKey::DescribeConfigs => plain!(admin::describe_configs),
        ApiKey::AlterConfigs => plain!(admin::alter_configs),
        ApiKey::IncrementalAlterConfigs => plain!(admin::incremental_alter_configs),
        ApiKey::FindCoordinator => plain!(groups::find_coordinator),
        ApiKey::JoinGroup => waiting!(groups::join),
        ApiKey::SyncGroup => waiting!(groups::sync),
        ApiKey::Heartbeat => plain!(groups::heartbeat),
        ApiKey::LeaveGroup => plain!(groups::leave),
        ApiKey::ListGroups => plain!(groups::list),
        ApiKey::DescribeGroups => plain!(groups::describe),
        ApiKey::OffsetCommit => plain!(offsets::commit),
        ApiKey::OffsetFetch => plain!(offsets::fetch),
        ApiKey::OffsetDelete => plain!(offsets::delete),
        ApiKey::DeleteGroups => plain!(offsets::delete_groups),
        ApiKey::InitProducerId => plain!(txns::init_producer_id),
        ApiKey::AddPartitionsToTxn => plain!(txns::add_partitions),
        ApiKey::AddOffsetsToTxn => plain!(txns::add_offsets),
        ApiKey::TxnOffsetCommit => plain!(txns::commit_offsets),
        ApiKey::EndTxn => plain!(txns::end),
        _ => Err("not supported".to_owned()),
    }
}

/// Versions; a client that speaks a newer version of this very request is answered in version 0, so that it can step down.
fn versions(version: i16) -> Answer {
    let known = (0..=3).contains(&version);
    let keys = VERSIONS
        .iter()
        .map(|(key, min, max)| ApiVersion::default().with_api_key(*key as i16).with_min_version(*min).with_max_version(*max))
        .collect();
    let error = if known { 0 } else { ResponseError::UnsupportedVersion.code() };
    encode(&ApiVersionsResponse::default().with_error_code(error).with_api_keys(keys), if known { version } else { 0 })
}

//! Topics: metadata, making, growing, deleting, deleting records.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse, DescribeClusterRequest, DescribeClusterResponse, MetadataRequest,
    MetadataResponse,
};

use super::{Call, NODE, code, text, topic_name};
use crate::broker::config::possible;
use crate::broker::state::{lock, storage};

const CLUSTER: &str = "hongniang-embedded";

/// Who serves what. Topics that are asked for by name are made where that is allowed.
pub(super) fn metadata(call: &Call<'_>, request: MetadataRequest) -> MetadataResponse {
    let mut state = call.broker.state();
    let names: Vec<String> = match &request.topics {
        None => state.topics.keys().cloned().collect(),
        Some(asked) => asked.iter().filter_map(|t| t.name.as_ref().map(|n| n.to_string())).collect(),
    };
    let may_create = call.broker.config.auto_create_topics && (call.version < 4 || request.allow_auto_topic_creation);
    let topics = names.into_iter().map(|name| {
        let mut failed = None;
        if !state.topics.contains_key(&name) {
            failed = Some(ResponseError::UnknownTopicOrPartition);
            if may_create {
                failed = call.broker.create_topic(&mut state, &name, -1, BTreeMap::new()).err();
            }
        }
        let count = i32::try_from(state.topics.get(&name).map_or(0, Vec::len)).unwrap_or(i32::MAX);
        let partition = |index| {
            let partition = MetadataResponsePartition::default().with_partition_index(index).with_leader_id(NODE).with_leader_epoch(0);
            partition.with_replica_nodes(vec![NODE]).with_isr_nodes(vec![NODE])
        };
        let topic = MetadataResponseTopic::default().with_name(Some(topic_name(&name))).with_error_code(failed.map_or(0, |e| e.code()));
        topic.with_partitions((0..count).map(partition).collect())
    });
    let topics = topics.collect();
    let node = MetadataResponseBroker::default().with_node_id(NODE).with_host(text(&call.broker.address.ip().to_string()));
    let response = MetadataResponse::default().with_brokers(vec![node.with_port(i32::from(call.broker.address.port()))]);
    response.with_cluster_id(Some(text(CLUSTER))).with_controller_id(NODE).with_topics(topics)
}

/// The cluster of one.
pub(super) fn describe_cluster(call: &Call<'_>, _request: DescribeClusterRequest) -> DescribeClusterResponse {
    let node = DescribeClusterBroker::default().with_broker_id(NODE).with_host(text(&call.broker.address.ip().to_string()));
    let node = node.with_port(i32::from(call.broker.address.port()));
    DescribeClusterResponse::default().with_cluster_id(text(CLUSTER)).with_controller_id(NODE).with_brokers(vec![node])
}

/// Makes topics.
pub(super) fn create(call: &Call<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut state = call.broker.state();
    let results = request.topics.iter().map(|topic| {
        let configs: BTreeMap<String, String> =
            topic.configs.iter().filter_map(|c| c.value.as_ref().map(|v| (c.name.to_string(), v.to_string()))).collect();
        let name = topic.name.as_str();
        let bad =
            configs.iter().find(|(name, value)| !possible(name, value)).map(|(name, value)| format!("{value} is not possible for {name}"));
        let made = match (&bad, request.validate_only) {
            (Some(_), _) => Err(ResponseError::InvalidConfig),
            (None, true) if state.topics.contains_key(name) => Err(ResponseError::TopicAlreadyExists),
            (None, true) => Ok(()),
            (None, false) => call.broker.create_topic(&mut state, name, topic.num_partitions, configs),
        };
        let count = state.topics.get(name).map_or(-1, |p| i32::try_from(p.len()).unwrap_or(i32::MAX));
        let result = CreatableTopicResult::default()
            .with_name(topic.name.clone())
            .with_error_code(code(&made))
            .with_error_message(bad.as_deref().map(text));
        result.with_num_partitions(count).with_replication_factor(1).with_configs(Some(Vec::new()))
    });
    let results = results.collect();
    CreateTopicsResponse::default().with_topics(results)
}

/// Removes topics.
pub(super) fn delete(call: &Call<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let mut state = call.broker.state();
    let results = request.topic_names.iter().map(|name| {
        let gone = call.broker.delete_topic(&mut state, name.as_str());
        DeletableTopicResult::default().with_name(Some(name.clone())).with_error_code(code(&gone))
    });
    let results = results.collect();
    DeleteTopicsResponse::default().with_responses(results)
}

/// Adds partitions.
pub(super) fn create_partitions(call: &Call<'_>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut state = call.broker.state();
    let results = request.topics.iter().map(|topic| {
        let grown = if request.validate_only { Ok(()) } else { call.broker.grow_topic(&mut state, topic.name.as_str(), topic.count) };
        CreatePartitionsTopicResult::default().with_name(topic.name.clone()).with_error_code(code(&grown))
    });
    let results = results.collect();
    CreatePartitionsResponse::default().with_results(results)
}

/// Removes the records before an offset; -1 means all.
pub(super) fn delete_records(call: &Call<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let one = |topic: &str, partition: i32, offset: i64| {
        let log = call.broker.partition(topic, partition).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let mut log = lock(&log);
        let offset = if offset == -1 { log.next_offset() } else { offset };
        if offset < 0 || offset > log.next_offset() {
            return Err(ResponseError::OffsetOutOfRange);
        }
        log.delete_before(offset).map_err(|e| storage(&e))?;
        Ok(log.start_offset())
    };
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            let done = one(topic.name.as_str(), p.partition_index, p.offset);
            let result = DeleteRecordsPartitionResult::default().with_partition_index(p.partition_index).with_error_code(code(&done));
            result.with_low_watermark(done.unwrap_or(-1))
        });
        DeleteRecordsTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

//! Producers and transactions.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult};
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse,
    InitProducerIdRequest, InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

use super::{Call, code};
use crate::broker::meta::Committed;

/// A producer id and epoch; fences whoever had the transactional id before.
pub(super) fn init_producer_id(call: &Call<'_>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let name = request.transactional_id.as_ref().map(|id| id.to_string());
    let made = call.broker.state().init_producer(name.as_deref(), request.transaction_timeout_ms);
    call.broker.appended.notify_waiters();
    let (id, epoch) = made.as_ref().map_or((-1, -1), |made| *made);
    InitProducerIdResponse::default().with_error_code(code(&made)).with_producer_id(ProducerId(id)).with_producer_epoch(epoch)
}

/// Partitions a transaction is going to write to.
pub(super) fn add_partitions(call: &Call<'_>, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    let mut state = call.broker.state();
    let topics = &request.v3_and_below_topics;
    let unknown = topics.iter().any(|t| t.partitions.iter().any(|p| state.partition(t.name.as_str(), *p).is_none()));
    let (id, epoch) = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
    let added = if unknown {
        Err(ResponseError::UnknownTopicOrPartition)
    } else {
        state.current(request.v3_and_below_transactional_id.as_str(), id, epoch)
    };
    let added = added.map(|transaction| {
        for topic in topics {
            topic.partitions.iter().for_each(|p| transaction.add_partition(topic.name.as_str(), *p));
        }
    });
    let results = topics.iter().map(|t| {
        let result =
            |p: &i32| AddPartitionsToTxnPartitionResult::default().with_partition_index(*p).with_partition_error_code(code(&added));
        AddPartitionsToTxnTopicResult::default()
            .with_name(t.name.clone())
            .with_results_by_partition(t.partitions.iter().map(result).collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
}

/// A group whose offsets the transaction is going to commit.
pub(super) fn add_offsets(call: &Call<'_>, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let mut state = call.broker.state();
    let known = state.current(request.transactional_id.as_str(), request.producer_id.0, request.producer_epoch);
    AddOffsetsToTxnResponse::default().with_error_code(code(&known))
}

/// Offsets that become committed with the transaction.
pub(super) fn commit_offsets(call: &Call<'_>, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let mut state = call.broker.state();
    let added = state.current(request.transactional_id.as_str(), request.producer_id.0, request.producer_epoch).map(|transaction| {
        for topic in &request.topics {
            for p in &topic.partitions {
                let metadata = p.committed_metadata.as_ref().map(ToString::to_string).unwrap_or_default();
                let committed = Committed { offset: p.committed_offset, metadata };
                transaction.add_offset(request.group_id.as_str(), topic.name.as_str(), p.partition_index, committed);
            }
        }
    });
    let topics = request.topics.iter().map(|t| {
        let one = |index| TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code(&added));
        TxnOffsetCommitResponseTopic::default()
            .with_name(t.name.clone())
            .with_partitions(t.partitions.iter().map(|p| one(p.partition_index)).collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

/// Commits or aborts.
pub(super) fn end(call: &Call<'_>, request: EndTxnRequest) -> EndTxnResponse {
    let mut state = call.broker.state();
    let name = request.transactional_id.as_str();
    let ended = state
        .current(name, request.producer_id.0, request.producer_epoch)
        .map(|_| ())
        .and_then(|()| state.end_transaction(name, request.committed));
    drop(state);
    call.broker.appended.notify_waiters();
    // A full disk is no reason to give the transaction up: the client asks again.
    let ended =
        ended.map_err(|error| if error == ResponseError::KafkaStorageError { ResponseError::CoordinatorNotAvailable } else { error });
    EndTxnResponse::default().with_error_code(code(&ended))
}

//! Produce.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::Call;
use crate::broker::config::number;
use crate::broker::log::{Header, well_formed};
use crate::broker::state::lock;

/// Appends; no answer for `acks=0`.
pub(super) fn produce(call: &Call<'_>, request: ProduceRequest) -> Option<ProduceResponse> {
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in &request.topic_data {
        let append = |p: &kafka_protocol::messages::produce_request::PartitionProduceData| {
            let appended = append(call, topic.name.as_str(), p.index, p.records.as_ref());
            let response = PartitionProduceResponse::default().with_index(p.index).with_log_append_time_ms(-1).with_log_start_offset(0);
            response.with_error_code(super::code(&appended)).with_base_offset(appended.unwrap_or(-1))
        };
        let partitions = topic.partition_data.iter().map(append).collect();
        topics.push(TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(partitions));
    }
    call.broker.appended.notify_waiters();
    (request.acks != 0).then(|| ProduceResponse::default().with_responses(topics))
}

fn append(call: &Call<'_>, topic: &str, partition: i32, records: Option<&Bytes>) -> Result<i64, ResponseError> {
    let records = records.ok_or(ResponseError::CorruptMessage)?;
    let header = Header::parse(records).map_err(|_| ResponseError::CorruptMessage)?;
    // As Apache Kafka does, and before anything is locked.
    let whole = records.get(..header.len).ok_or(ResponseError::CorruptMessage)?;
    if !well_formed(&header, whole) {
        return Err(ResponseError::CorruptMessage);
    }
    let found = {
        let state = call.broker.state();
        let configs = state.meta.read().topics.get(topic).map(|t| &t.configs);
        let limit = configs.map_or(i64::MAX, |c| number(c, "max.message.bytes"));
        if i64::try_from(header.len).unwrap_or(i64::MAX) > limit {
            return Err(ResponseError::MessageTooLarge);
        }
        if header.is_transactional() && !state.may_append(header.producer_id, header.producer_epoch) {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        state.partition(topic, partition)
    };
    let found = found.ok_or(ResponseError::UnknownTopicOrPartition)?;
    lock(&found).append(records)
}

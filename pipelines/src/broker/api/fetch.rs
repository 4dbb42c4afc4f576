//! Fetch with long poll, and offsets by time.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, ProducerId};
use tokio::time::{Instant, timeout_at};

use super::Call;
use crate::broker::state::lock;

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

struct Round {
    topics: Vec<FetchableTopicResponse>,
    bytes: usize,
    failed: bool,
}

/// Answers as soon as there is enough, something is wrong, or the time is over.
pub(super) async fn fetch(call: &Call<'_>, request: FetchRequest) -> FetchResponse {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + wait;
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    loop {
        let appended = call.broker.appended.notified();
        tokio::pin!(appended);
        appended.as_mut().enable();
        let round = look(call, &request);
        if round.failed || round.bytes >= enough || Instant::now() >= deadline || timeout_at(deadline, appended).await.is_err() {
            let round = if round.bytes >= enough || round.failed { round } else { look(call, &request) };
            return FetchResponse::default().with_responses(round.topics);
        }
    }
}

fn look(call: &Call<'_>, request: &FetchRequest) -> Round {
    let mut round = Round { topics: Vec::with_capacity(request.topics.len()), bytes: 0, failed: false };
    let committed_only = request.isolation_level == 1;
    let limit = usize::try_from(request.max_bytes).unwrap_or(0);
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let left = limit.saturating_sub(round.bytes);
            let data = partition(call, topic.topic.as_str(), wanted, committed_only, left);
            round.failed |= data.error_code != 0;
            round.bytes += data.records.as_ref().map_or(0, Bytes::len);
            partitions.push(data);
        }
        round.topics.push(FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions));
    }
    round
}

fn partition(call: &Call<'_>, topic: &str, wanted: &FetchPartition, committed_only: bool, left: usize) -> PartitionData {
    let data = PartitionData::default().with_partition_index(wanted.partition).with_preferred_read_replica(BrokerId(-1));
    let Some(log) = call.broker.partition(topic, wanted.partition) else {
        return data.with_error_code(ResponseError::UnknownTopicOrPartition.code()).with_high_watermark(-1);
    };
    let log = lock(&log);
    let (end, stable, offset) = (log.next_offset(), log.last_stable_offset(), wanted.fetch_offset);
    let data = data.with_high_watermark(end).with_last_stable_offset(stable).with_log_start_offset(log.start_offset());
    if offset < log.start_offset() || offset > end {
        return data.with_error_code(ResponseError::OffsetOutOfRange.code());
    }
    let upto = if committed_only { stable } else { end };
    let room = usize::try_from(wanted.partition_max_bytes).unwrap_or(0).min(left);
    let records = if left == 0 { Ok(Bytes::new()) } else { log.read(offset, upto, room) };
    let aborted = |a: &crate::broker::log::Aborted| {
        AbortedTransaction::default().with_producer_id(ProducerId(a.producer_id)).with_first_offset(a.first_offset)
    };
    let aborted = committed_only.then(|| log.aborted_from(offset).map(aborted).collect());
    match records {
        Ok(records) => data.with_records(Some(records)).with_aborted_transactions(aborted),
        Err(error) => data.with_error_code(error.code()),
    }
}

/// Earliest, latest, or the first offset at or after a time.
pub(super) fn list_offsets(call: &Call<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed_only = request.isolation_level == 1;
    let one = |topic: &str, partition: i32, timestamp: i64| {
        // Older versions, which kcat speaks, have no epoch.
        let epoch = if call.version >= 4 { 0 } else { -1 };
        let answer = ListOffsetsPartitionResponse::default().with_partition_index(partition).with_leader_epoch(epoch);
        let Some(log) = call.broker.partition(topic, partition) else {
            return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code());
        };
        let log = lock(&log);
        let (offset, timestamp) = match timestamp {
            LATEST if committed_only => (log.last_stable_offset(), -1),
            LATEST => (log.next_offset(), -1),
            EARLIEST => (log.start_offset(), -1),
            time => log.at_time(time).map_or((-1, -1), |hit| (hit.offset, hit.timestamp)),
        };
        answer.with_offset(offset).with_timestamp(timestamp)
    };
    let topics = request.topics.iter().map(|t| {
        let partitions = t.partitions.iter().map(|p| one(t.name.as_str(), p.partition_index, p.timestamp)).collect();
        ListOffsetsTopicResponse::default().with_name(t.name.clone()).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

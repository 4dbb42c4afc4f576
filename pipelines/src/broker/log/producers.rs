//! Idempotent producers of a partition: the last five batches of each, so that repeats are recognised and gaps refused.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::ResponseError;

use super::batch::Header;

const REMEMBERED: usize = 5;

#[derive(Debug, Clone)]
struct Seen {
    first: i32,
    last: i32,
    offset: i64,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Seen>,
}

/// What the log knows of its producers.
#[derive(Debug, Default)]
pub(super) struct Producers(HashMap<i64, Producer>);

/// What to do with a batch.
pub(super) enum Verdict {
    /// Append it.
    Fresh,
    /// It is there already, at this offset.
    Repeat(i64),
}

impl Producers {
    /// Judges a batch before it is appended.
    pub(super) fn judge(&self, batch: &Header) -> Result<Verdict, ResponseError> {
        if batch.producer_id < 0 || batch.base_sequence < 0 || batch.is_control() {
            return Ok(Verdict::Fresh);
        }
        let Some(known) = self.0.get(&batch.producer_id) else { return Ok(Verdict::Fresh) };
        if batch.producer_epoch < known.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if batch.producer_epoch > known.epoch {
            return if batch.base_sequence == 0 { Ok(Verdict::Fresh) } else { Err(ResponseError::OutOfOrderSequenceNumber) };
        }
        if let Some(seen) = known.batches.iter().find(|s| s.first == batch.base_sequence && s.last == batch.last_sequence()) {
            return Ok(Verdict::Repeat(seen.offset));
        }
        match known.batches.back() {
            Some(seen) if batch.base_sequence != next(seen.last) => Err(ResponseError::OutOfOrderSequenceNumber),
            _ => Ok(Verdict::Fresh),
        }
    }

    /// Remembers an appended batch.
    pub(super) fn note(&mut self, batch: &Header) {
        if batch.producer_id < 0 {
            return;
        }
        let known = self.0.entry(batch.producer_id).or_default();
        if batch.producer_epoch != known.epoch {
            *known = Producer { epoch: batch.producer_epoch, batches: VecDeque::new() };
        }
        if !batch.is_control() && batch.base_sequence >= 0 {
            known.batches.push_back(Seen { first: batch.base_sequence, last: batch.last_sequence(), offset: batch.base_offset });
            if known.batches.len() > REMEMBERED {
                known.batches.pop_front();
            }
        }
    }
}

fn next(sequence: i32) -> i32 {
    if sequence == i32::MAX { 0 } else { sequence + 1 }
}

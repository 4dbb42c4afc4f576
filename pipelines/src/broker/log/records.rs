//! Records inside a batch: enough to compact and to find an offset by time.

use std::ops::Range;

use super::batch::{HEADER, Header};
use super::codec;

/// One record of a decoded batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordView {
    pub(super) offset_delta: i64,
    pub(super) timestamp_delta: i64,
    /// The key's bytes; none for a null key.
    pub(super) key: Option<Range<usize>>,
    /// Whether the value is null: a tombstone.
    pub(super) tombstone: bool,
    /// The value's bytes; none for a tombstone.
    pub(super) value: Option<Range<usize>>,
    /// The record with its length prefix.
    pub(super) whole: Range<usize>,
}

/// The uncompressed records section of a batch; `None` when it is not what its codec says.
pub(super) fn section(header: &Header, batch: &[u8]) -> Option<Vec<u8>> {
    codec::unpack(header.codec(), batch.get(HEADER..)?)
}

/// Whether the records of a whole batch can be unpacked and are as many as its header says. What cannot would stop every reader that comes to it.
pub(crate) fn well_formed(header: &Header, batch: &[u8]) -> bool {
    header.is_control() || section(header, batch).is_some_and(|section| parse(&section, header.records).is_some())
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

/// Reads all records; `None` when they are not well formed.
pub(super) fn parse(section: &[u8], count: i32) -> Option<Vec<RecordView>> {
    let mut records = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let start = at;
        let len = usize::try_from(varint(section, &mut at)?).ok()?;
        let end = at.checked_add(len).filter(|end| *end <= section.len())?;
        at += 1; // attributes
        let timestamp_delta = varint(section, &mut at)?;
        let offset_delta = varint(section, &mut at)?;
        let key_len = varint(section, &mut at)?;
        let key = match usize::try_from(key_len) {
            Ok(len) => {
                let range = at..at.checked_add(len).filter(|e| *e <= end)?;
                at = range.end;
                Some(range)
            }
            Err(_) => None,
        };
        let value_len = varint(section, &mut at)?;
        let value = match usize::try_from(value_len) {
            Ok(len) => Some(at..at.checked_add(len).filter(|e| *e <= end)?),
            Err(_) => None,
        };
        records.push(RecordView { offset_delta, timestamp_delta, key, tombstone: value.is_none(), value, whole: start..end });
        at = end;
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), count in any::<i32>()) {
            let _ = parse(&bytes, count.rem_euclid(50));
            let _ = Header::parse(&bytes);
        }
    }
}

//! Record batches (magic 2), read by their fixed header. Layout: <https://kafka.apache.org/documentation/#recordbatch>.

use bytes::{BufMut, BytesMut};

/// Bytes before the records.
pub(crate) const HEADER: usize = 61;
/// Where the bytes begin that the CRC covers.
const CRC_FROM: usize = 21;

const TRANSACTIONAL: i16 = 16;
const CONTROL: i16 = 32;

/// What the fixed header of a batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    /// Bytes of the whole batch.
    pub(crate) len: usize,
    pub(crate) attributes: i16,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) records: i32,
}

/// Why bytes are not a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// Cut short, or lengths that contradict each other.
    Corrupt,
    /// Another format than magic 2.
    Magic,
}

fn be<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

impl Header {
    /// Reads the fixed header; the records need not be there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let long = |at| be(bytes, at).map(i64::from_be_bytes).ok_or(BatchError::Corrupt);
        let int = |at| be(bytes, at).map(i32::from_be_bytes).ok_or(BatchError::Corrupt);
        let short = |at| be(bytes, at).map(i16::from_be_bytes).ok_or(BatchError::Corrupt);
        if *bytes.get(16).ok_or(BatchError::Corrupt)? != 2 {
            return Err(BatchError::Magic);
        }
        let (base_offset, length, last_delta) = (long(0)?, int(8)?, int(23)?);
        let len = usize::try_from(length).map_err(|_| BatchError::Corrupt)? + 12;
        let records = int(57)?;
        if len < HEADER || last_delta < 0 || records < 0 || base_offset.checked_add(i64::from(last_delta)).is_none() {
            return Err(BatchError::Corrupt);
        }
        Ok(Self {
            base_offset,
            last_offset: base_offset + i64::from(last_delta),
            len,
            attributes: short(21)?,
            base_timestamp: long(27)?,
            max_timestamp: long(35)?,
            producer_id: long(43)?,
            producer_epoch: short(51)?,
            base_sequence: int(53)?,
            records,
        })
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Codec of the records: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub(crate) fn codec(&self) -> i16 {
        self.attributes & 7
    }

    /// Last sequence number; sequences wrap from `i32::MAX` to 0.
    pub(crate) fn last_sequence(&self) -> i32 {
        let last = i64::from(self.base_sequence) + i64::from(self.records.max(1)) - 1;
        i32::try_from(last % (i64::from(i32::MAX) + 1)).expect("below 2^31")
    }
}

/// Whether the CRC of a whole batch fits.
pub(crate) fn crc_fits(batch: &[u8]) -> bool {
    let stored = be(batch, 17).map(u32::from_be_bytes);
    batch.get(CRC_FROM..).is_some_and(|body| stored == Some(crc32c::crc32c(body)))
}

/// Writes the base offset that the log gives; the CRC does not cover it.
pub(crate) fn place(batch: &mut [u8], base_offset: i64) {
    batch[0..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[12..16].copy_from_slice(&0i32.to_be_bytes());
}

/// The marker that ends a transaction on a partition.
pub(crate) fn marker(producer_id: i64, epoch: i16, commit: bool, at_ms: i64) -> Vec<u8> {
    let mut record = BytesMut::new();
    record.put_slice(&[0, 0, 0, 8]); // attributes, timestamp delta, offset delta, key length 4
    record.put_i16(0); // version
    record.put_i16(i16::from(commit));
    record.put_u8(12); // value length 6
    record.put_i16(0); // version
    record.put_i32(0); // coordinator epoch
    record.put_u8(0); // headers
    let mut body = BytesMut::new();
    body.put_i16(TRANSACTIONAL | CONTROL);
    body.put_i32(0);
    body.put_i64(at_ms);
    body.put_i64(at_ms);
    body.put_i64(producer_id);
    body.put_i16(epoch);
    body.put_i32(-1);
    body.put_i32(1);
    body.put_u8(u8::try_from(record.len() * 2).expect("a short record, zigzag"));
    body.put_slice(&record);
    seal(0, &body)
}

/// A batch without records that takes the offsets from `first` to `last`, of which compaction has left nothing.
pub(crate) fn nothing(first: i64, last: i64) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_i16(0);
    body.put_i32(i32::try_from(last - first).unwrap_or(i32::MAX));
    body.put_i64(-1); // times
    body.put_i64(-1);
    body.put_i64(-1); // producer, epoch, sequence
    body.put_i16(-1);
    body.put_i32(-1);
    body.put_i32(0);
    seal(first, &body)
}

/// A whole batch from the bytes that the CRC covers.
pub(crate) fn seal(base_offset: i64, body: &[u8]) -> Vec<u8> {
    let mut batch = BytesMut::with_capacity(body.len() + CRC_FROM);
    batch.put_i64(base_offset);
    batch.put_i32(i32::try_from(body.len() + 9).expect("batches stay under 2 GiB"));
    batch.put_i32(0);
    batch.put_u8(2);
    batch.put_u32(crc32c::crc32c(body));
    batch.put_slice(body);
    batch.to_vec()
}

/// Of a control batch: whether it commits.
pub(crate) fn commits(batch: &[u8]) -> bool {
    be(batch, HEADER + 7).map(i16::from_be_bytes) == Some(1)
}

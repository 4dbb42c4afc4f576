//! The protocol by hand, for what no client would send and for what none shows: <https://kafka.apache.org/protocol>. Versions without tagged fields.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const INIT_PRODUCER_ID: i16 = 22;

/// A connection.
pub(super) struct Raw(TcpStream);

/// A batch as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) base_offset: i64,
    pub(super) codec: u8,
    pub(super) records: i32,
}

/// Reads fields off an answer.
struct Answer(Vec<u8>, usize);

impl Answer {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let field = self.0[self.1..self.1 + N].try_into().unwrap();
        self.1 += N;
        field
    }

    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    fn text(&mut self) {
        let len = self.short();
        self.1 += usize::try_from(len).unwrap_or(0);
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = usize::try_from(self.int()).unwrap_or(0);
        self.1 += len;
        self.0[self.1 - len..self.1].to_vec()
    }
}

fn text(s: &str) -> Vec<u8> {
    [&i16::try_from(s.len()).unwrap().to_be_bytes(), s.as_bytes()].concat()
}

impl Raw {
    pub(super) fn connect(brokers: &str) -> Self {
        let stream = TcpStream::connect(brokers).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    fn ask(&mut self, key: i16, version: i16, body: &[u8]) -> Answer {
        let header = [&key.to_be_bytes()[..], &version.to_be_bytes(), &7i32.to_be_bytes(), &text("raw")].concat();
        let len = i32::try_from(header.len() + body.len()).unwrap();
        self.0.write_all(&[&len.to_be_bytes()[..], &header, body].concat()).unwrap();
        let mut len = [0; 4];
        self.0.read_exact(&mut len).unwrap();
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(len)).unwrap()];
        self.0.read_exact(&mut answer).unwrap();
        let mut answer = Answer(answer, 0);
        assert_eq!(answer.int(), 7, "the correlation id comes back");
        answer
    }

    /// An idempotent producer's id and epoch.
    pub(super) fn producer_id(&mut self) -> (i64, i16) {
        let mut answer = self.ask(INIT_PRODUCER_ID, 1, &[&(-1i16).to_be_bytes()[..], &60_000i32.to_be_bytes()].concat());
        let _throttle = answer.int();
        assert_eq!(answer.short(), 0);
        (answer.long(), answer.short())
    }

    /// Writes one batch to partition 0; the error code and the offset.
    pub(super) fn produce(&mut self, topic: &str, batch: &[u8]) -> (i16, i64) {
        let one = 1i32.to_be_bytes();
        let head = [&(-1i16).to_be_bytes()[..], &(-1i16).to_be_bytes(), &20_000i32.to_be_bytes(), &one, &text(topic), &one].concat();
        let partition = [&0i32.to_be_bytes()[..], &i32::try_from(batch.len()).unwrap().to_be_bytes(), batch].concat();
        let mut answer = self.ask(PRODUCE, 7, &[head, partition].concat());
        assert_eq!(answer.int(), 1);
        answer.text();
        assert_eq!((answer.int(), answer.int()), (1, 0));
        (answer.short(), answer.long())
    }

    /// The batches of partition 0 from an offset, as they are stored.
    pub(super) fn batches(&mut self, topic: &str, from: i64) -> Vec<Batch> {
        let one = 1i32.to_be_bytes();
        let limit = (16i32 << 20).to_be_bytes();
        let head = [&(-1i32).to_be_bytes()[..], &1_000i32.to_be_bytes(), &one, &limit, &[0], &one, &text(topic), &one].concat();
        let partition = [&0i32.to_be_bytes()[..], &from.to_be_bytes(), &limit].concat();
        let mut answer = self.ask(FETCH, 4, &[head, partition].concat());
        let _throttle = answer.int();
        assert_eq!(answer.int(), 1);
        answer.text();
        assert_eq!((answer.int(), answer.int(), answer.short()), (1, 0, 0));
        let (_high_watermark, _last_stable) = (answer.long(), answer.long());
        for _ in 0..answer.int() {
            let (_producer, _first) = (answer.long(), answer.long());
        }
        let records = answer.bytes();
        let mut batches = Vec::new();
        let mut rest = &records[..];
        while rest.len() > 61 {
            let int = |at: usize| i32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
            let base_offset = i64::from_be_bytes(rest[..8].try_into().unwrap());
            batches.push(Batch { base_offset, codec: rest[22] & 7, records: int(57) });
            let len = 12 + usize::try_from(int(8)).unwrap();
            rest = rest.get(len..).unwrap_or_default();
        }
        batches
    }
}

/// A batch of an idempotent producer.
pub(super) fn batch(producer: (i64, i16), sequence: i32, values: &[&str]) -> Vec<u8> {
    let record = |(i, value): (usize, &&str)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: producer.0,
        producer_epoch: producer.1,
        timestamp_type: TimestampType::Creation,
        offset: i as i64,
        sequence: sequence + i as i32,
        timestamp: chrono::Utc::now().timestamp_millis(),
        key: None,
        value: Some(value.as_bytes().to_vec().into()),
        headers: Default::default(),
    };
    let records: Vec<Record> = values.iter().enumerate().map(record).collect();
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &records, &RecordEncodeOptions { version: 2, compression: Compression::None }).unwrap();
    bytes.to_vec()
}

/// The same batch with records that cannot be read: they are not packed as its codec says, or cut off in the middle where it names none. Lengths and
/// checksum are right.
pub(super) fn unreadable(mut batch: Vec<u8>, codec: u8) -> Vec<u8> {
    batch[22] |= codec;
    if codec == 0 {
        batch.truncate(61 + (batch.len() - 61) / 2);
    }
    let len = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&len.to_be_bytes());
    let sum = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&sum.to_be_bytes());
    batch
}

/// CRC-32C (Castagnoli), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

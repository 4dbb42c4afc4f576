//! Parts of the broker without a client; the protocol is judged by the conformance suite.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::log::Partition;
use super::meta::{Change, Committed, MetaLog};
use super::*;

/// A batch of records with one-byte deltas: (key, value), null for none.
fn batch(records: &[(Option<&str>, Option<&str>)]) -> Vec<u8> {
    let mut section = Vec::new();
    for (i, (key, value)) in records.iter().enumerate() {
        let mut record = vec![0, 0, u8::try_from(i * 2).unwrap()];
        for part in [key, value] {
            match part {
                None => record.push(1),
                Some(text) => {
                    record.push(u8::try_from(text.len() * 2).unwrap());
                    record.extend_from_slice(text.as_bytes());
                }
            }
        }
        record.push(0);
        section.push(u8::try_from(record.len() * 2).unwrap());
        section.extend(record);
    }
    let count = i32::try_from(records.len()).unwrap();
    let mut body = vec![0, 0];
    body.extend((count - 1).to_be_bytes());
    for number in [1_000i64, 1_000, -1] {
        body.extend(number.to_be_bytes());
    }
    body.extend((-1i16).to_be_bytes());
    body.extend((-1i32).to_be_bytes());
    body.extend(count.to_be_bytes());
    body.extend(section);
    let mut whole = vec![0; 8];
    whole.extend(i32::try_from(body.len() + 9).unwrap().to_be_bytes());
    whole.extend([0, 0, 0, 0, 2]);
    whole.extend(crc32c::crc32c(&body).to_be_bytes());
    whole.extend(body);
    whole
}

#[test]
fn a_torn_tail_is_cut_and_offsets_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(log.append(&batch(&[(None, Some("a")), (None, Some("b"))])).unwrap(), 0);
    assert_eq!(log.append(&batch(&[(None, Some("c"))])).unwrap(), 2);
    drop(log);
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let torn = batch(&[(None, Some("torn"))]);
    std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(&torn[..torn.len() - 3]).unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(log.next_offset(), 3);
    assert_eq!(log.append(&batch(&[(None, Some("d"))])).unwrap(), 3);
    let mut damaged = batch(&[(None, Some("e"))]);
    *damaged.last_mut().unwrap() ^= 1;
    assert!(log.append(&damaged).is_err(), "a wrong CRC is refused");
}

#[test]
fn compaction_keeps_the_newest_of_each_key_and_all_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    log.append(&batch(&[(Some("a"), Some("1")), (Some("b"), Some("1")), (Some("c"), Some("1"))])).unwrap();
    log.append(&batch(&[(Some("a"), Some("2")), (Some("c"), None)])).unwrap();
    log.roll().unwrap();
    assert_eq!(log.compact(1_500, 1_000).unwrap(), 2, "a and c of the first batch");
    log.append(&batch(&[(Some("d"), Some("1"))])).unwrap();
    drop(log);
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(log.next_offset(), 6);
    let left = log.read(0, i64::MAX, 1 << 20).unwrap();
    assert!(left.windows(4).any(|w| w == b"\x02b\x021") && !left.windows(4).any(|w| w == b"\x02a\x021"));
    assert_eq!(log.compact(10_000, 1_000).unwrap(), 1, "the tombstone is old enough now");
    assert_eq!(log.next_offset(), 6);
}

#[test]
fn retention_and_deletion_move_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1).unwrap();
    for _ in 0..5 {
        log.append(&batch(&[(None, Some("x"))])).unwrap();
    }
    log.apply_retention(1_000, -1, -1).unwrap();
    assert_eq!(log.start_offset(), 0);
    log.delete_before(2).unwrap();
    assert_eq!((log.start_offset(), log.next_offset()), (2, 5));
    log.apply_retention(10_000, 1_000, -1).unwrap();
    assert_eq!((log.start_offset(), log.next_offset()), (5, 5));
    drop(log);
    let log = Partition::open(folder.path(), 1).unwrap();
    assert_eq!((log.start_offset(), log.next_offset()), (5, 5));
}

#[test]
fn the_metadata_log_survives_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.log");
    let mut log = MetaLog::open(&path).unwrap();
    let committed = Committed { offset: 7, metadata: "m".into() };
    log.write(Change::Offsets { group: "g".into(), offsets: vec![("t".into(), 0, committed.clone())] }).unwrap();
    log.write(Change::Producer { id: 1234 }).unwrap();
    drop(log);
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"Producer\":{\"id").unwrap();
    let log = MetaLog::open(&path).unwrap();
    assert_eq!(log.read().offsets[&("g".to_owned(), "t".to_owned(), 0)], committed);
    assert_eq!(log.read().next_producer, 1235);
}

#[tokio::test]
async fn a_folder_belongs_to_one_broker() {
    let folder = tempfile::tempdir().unwrap();
    let first = EmbeddedBroker::start(BrokerConfig::new(folder.path())).await.unwrap();
    let second = EmbeddedBroker::start(BrokerConfig::new(folder.path())).await;
    assert!(matches!(second, Err(BrokerError::InUse(_))));
    first.shutdown().await;
}

//! Parts of the broker without a client; the protocol is judged by the conformance suite.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::log::{Header, Partition, Policy};
use super::meta::{Change, Committed, MetaLog};
use super::*;

/// A batch of records with one-byte deltas: (key, value), null for none.
fn batch(records: &[(Option<&str>, Option<&str>)]) -> Vec<u8> {
    batch_of(records, 0, -1, 1_000)
}

/// The same with attributes (a codec that can be written here, or the mark of a transaction), a producer and a time.
fn batch_of(records: &[(Option<&str>, Option<&str>)], attributes: u8, producer: i64, at_ms: i64) -> Vec<u8> {
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
    match attributes & 7 {
        1 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&section).unwrap();
            section = encoder.finish().unwrap();
        }
        2 => section = snap::raw::Encoder::new().compress_vec(&section).unwrap(),
        4 => section = zstd::stream::encode_all(section.as_slice(), 1).unwrap(),
        _ => {}
    }
    let count = i32::try_from(records.len()).unwrap();
    let mut body = vec![0, attributes];
    body.extend((count - 1).to_be_bytes());
    for number in [at_ms, at_ms, producer] {
        body.extend(number.to_be_bytes());
    }
    body.extend((if producer < 0 { -1i16 } else { 0 }).to_be_bytes());
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

/// The batches that are left, as (base offset, records, attributes).
fn left(log: &Partition) -> Vec<(i64, i32, i16)> {
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        let bytes = log.read(at, i64::MAX, 1).unwrap();
        let Ok(header) = Header::parse(&bytes) else { return found };
        if header.records > 0 {
            found.push((header.base_offset, header.records, header.attributes));
        }
        at = header.last_offset + 1;
    }
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

/// Compacts whatever there is; how many records went.
fn compact(log: &mut Partition, now_ms: i64, delete_retention_ms: i64) -> usize {
    let policy = Policy { dirty_ratio: 0.0, max_lag_ms: 0, delete_retention_ms };
    let plan = log.plan_compaction(now_ms, &policy).unwrap();
    plan.map_or(0, |plan| log.install(plan.work().unwrap()).unwrap())
}

#[test]
fn compaction_keeps_the_newest_of_each_key_and_all_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    log.append(&batch(&[(Some("a"), Some("1")), (Some("b"), Some("1")), (Some("c"), Some("1"))])).unwrap();
    log.append(&batch(&[(Some("a"), Some("2")), (Some("c"), None)])).unwrap();
    assert_eq!(compact(&mut log, 1_500, 1_000), 2, "a and c of the first batch");
    log.append(&batch(&[(Some("d"), Some("1"))])).unwrap();
    drop(log);
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(log.next_offset(), 6);
    let left = log.read(0, i64::MAX, 1 << 20).unwrap();
    assert!(left.windows(4).any(|w| w == b"\x02b\x021") && !left.windows(4).any(|w| w == b"\x02a\x021"));
    assert_eq!(compact(&mut log, 10_000, 1_000), 1, "the tombstone is old enough now");
    assert_eq!(log.next_offset(), 6);
}

#[test]
fn every_codec_is_compacted_and_the_common_ones_stay_packed() {
    for (codec, after) in [(0, 0), (1, 1), (2, 0), (4, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
        log.append(&batch_of(&[(Some("a"), Some("1")), (Some("b"), Some("1"))], codec, -1, 1_000)).unwrap();
        log.append(&batch_of(&[(Some("a"), Some("2"))], codec, -1, 1_000)).unwrap();
        assert_eq!(compact(&mut log, 1_500, 1_000), 1, "codec {codec}");
        assert_eq!(left(&log), [(0, 1, after), (2, 1, i16::from(codec))], "codec {codec}");
    }
}

#[test]
fn transactions_leave_their_records_and_nothing_else() {
    const TRANSACTIONAL: u8 = 16;
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    log.append(&batch_of(&[(Some("a"), Some("1")), (Some("b"), Some("1"))], TRANSACTIONAL, 7, 1_000)).unwrap();
    log.end_transaction(7, 0, true).unwrap();
    log.append(&batch_of(&[(Some("a"), Some("lost"))], TRANSACTIONAL, 7, 1_000)).unwrap();
    log.end_transaction(7, 0, false).unwrap();
    log.roll().unwrap();
    log.append(&batch_of(&[(Some("b"), Some("2"))], TRANSACTIONAL, 7, 1_000)).unwrap();
    assert_eq!(compact(&mut log, 1_500, 1_000), 1, "what is open decides nothing; the aborted record goes");
    assert_eq!(left(&log).first(), Some(&(0, 2, 0)), "what is committed bears no mark any more");
    log.end_transaction(7, 0, true).unwrap();
    assert_eq!(compact(&mut log, 1_500, 1_000), 1, "b of the first");
    assert_eq!(left(&log), [(0, 1, 0), (5, 1, 0)]);
    let after = Header::parse(&log.read(6, 7, 1).unwrap()).unwrap();
    assert_eq!((after.base_offset, after.last_offset, after.records), (6, 6, 0), "who reads from the marker that went gets to the end");
    drop(log);
    let log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!((log.next_offset(), log.last_stable_offset(), log.aborted_from(0).count()), (7, 7, 0));
}

#[test]
fn small_segments_become_one_and_a_kill_on_the_way_is_made_good() {
    let folder = tempfile::tempdir().unwrap();
    let names = || {
        let logs =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "log"));
        let mut logs: Vec<_> = logs.collect();
        logs.sort();
        logs
    };
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    for value in ["1", "2", "3"] {
        log.append(&batch(&[(Some("a"), Some(value)), (Some(value), Some(value))])).unwrap();
        log.roll().unwrap();
    }
    let before: Vec<(std::path::PathBuf, Vec<u8>)> = names().into_iter().map(|p| (p.clone(), std::fs::read(p).unwrap())).collect();
    assert_eq!(compact(&mut log, 1_500, 1_000), 2);
    let merged = left(&log);
    assert_eq!(merged, [(0, 1, 0), (2, 1, 0), (4, 2, 0)]);
    assert_eq!(names().len(), 2, "one, and the active one");
    drop(log);
    // The process was killed after the new segment had taken the first one's place, before the others were removed.
    for (path, bytes) in &before[1..3] {
        std::fs::write(path, bytes).unwrap();
    }
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!((left(&log), log.next_offset()), (merged, 6));
    assert_eq!(log.append(&batch(&[(Some("b"), Some("1"))])).unwrap(), 6);
}

#[test]
fn compaction_waits_until_it_is_worth_its_cost_and_remembers_over_a_restart() {
    let policy = Policy { dirty_ratio: 0.4, max_lag_ms: 10_000, delete_retention_ms: 5_000 };
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    let work = |log: &mut Partition, now_ms: i64| {
        let plan = log.plan_compaction(now_ms, &policy).unwrap();
        plan.map(|plan| log.install(plan.work().unwrap()).unwrap())
    };
    for key in ["a", "b", "c", "d"] {
        log.append(&batch_of(&[(Some(key), Some("1"))], 0, -1, 1_000)).unwrap();
    }
    assert_eq!(work(&mut log, 1_000), Some(0), "everything is new");
    assert_eq!(work(&mut log, 1_000), None, "nothing is new");
    log.append(&batch_of(&[(Some("a"), None)], 0, -1, 2_000)).unwrap();
    assert_eq!(work(&mut log, 2_000), None, "a fifth is new");
    drop(log);
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(work(&mut log, 2_000), None, "it is known what was compacted");
    assert_eq!(work(&mut log, 12_001), Some(2), "it has waited long enough: the old value goes, and the tombstone after it");
    assert_eq!(left(&log).len(), 3);
    log.append(&batch_of(&[(Some("b"), None)], 0, -1, 13_000)).unwrap();
    log.append(&batch_of(&[(Some("c"), Some("2")), (Some("d"), Some("2"))], 0, -1, 13_000)).unwrap();
    assert_eq!(work(&mut log, 13_000), Some(3));
    assert_eq!(left(&log).len(), 2, "the tombstone is kept for a while");
    drop(log);
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(work(&mut log, 17_000), None);
    assert_eq!(work(&mut log, 18_001), Some(1), "with nothing new at all");
    assert_eq!((left(&log).len(), log.next_offset()), (1, 8));
}

#[test]
fn what_is_removed_during_a_compaction_stays_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    for value in ["1", "2"] {
        log.append(&batch(&[(Some("a"), Some(value))])).unwrap();
        log.roll().unwrap();
    }
    let policy = Policy { dirty_ratio: 0.0, max_lag_ms: 0, delete_retention_ms: 0 };
    let compacted = log.plan_compaction(1_500, &policy).unwrap().unwrap().work().unwrap();
    log.delete_before(1).unwrap();
    assert_eq!(log.install(compacted).unwrap(), 0);
    assert_eq!((left(&log), log.start_offset()), (vec![(1, 1, 0)], 1));
    assert!(std::fs::read_dir(folder.path()).unwrap().all(|e| e.unwrap().path().extension().is_none_or(|e| e != "tmp")));
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

#[test]
fn single_records_go_with_their_bytes_and_offsets_stay() {
    const TRANSACTIONAL: u8 = 16;
    let folder = tempfile::tempdir().unwrap();
    let mut log = Partition::open(folder.path(), 1 << 20).unwrap();
    log.append(&batch_of(&[(Some("a"), Some("ann")), (Some("b"), Some("bob"))], TRANSACTIONAL, 7, 1_000)).unwrap();
    log.end_transaction(7, 0, true).unwrap();
    log.append(&batch_of(&[(Some("c"), Some("ann, lost")), (Some("d"), Some("dan, lost"))], TRANSACTIONAL, 7, 1_000)).unwrap();
    log.end_transaction(7, 0, false).unwrap();
    log.append(&batch_of(&[(None, Some("ann")), (Some("e"), None)], 4, -1, 1_000)).unwrap();
    log.append(&batch(&[(Some("f"), Some("fay"))])).unwrap();
    let bytes = |folder: &std::path::Path| -> Vec<u8> {
        let files = std::fs::read_dir(folder).unwrap().map(|e| std::fs::read(e.unwrap().path()).unwrap());
        files.flatten().collect()
    };
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    let ann = |_: Option<&[u8]>, value: Option<&[u8]>| value.is_some_and(|value| value.starts_with(b"ann"));
    let scrub = |log: &mut Partition, dry: bool| {
        let scrubbed = log.plan_scrub(dry).unwrap().work(&ann, dry).unwrap();
        let found = scrubbed.found;
        assert!(dry || log.install_scrubbed(scrubbed).unwrap());
        found
    };
    assert_eq!((scrub(&mut log, true), has(&bytes(folder.path()), "ann")), (3, true), "a dry run only counts");
    assert_eq!((scrub(&mut log, false), scrub(&mut log, false)), (3, 0));
    assert!(!has(&bytes(folder.path()), "ann") && has(&bytes(folder.path()), "bob") && has(&bytes(folder.path()), "fay"));
    for _ in 0..2 {
        let records: Vec<(i64, i32)> =
            left(&log).into_iter().filter(|(_, _, attributes)| attributes & 32 == 0).map(|(at, n, _)| (at, n)).collect();
        assert_eq!(records, [(0, 1), (6, 1), (8, 1)], "bob, the tombstone, fay; what was aborted is gone as a whole");
        assert_eq!((log.next_offset(), log.last_stable_offset()), (9, 9));
        drop(log);
        log = Partition::open(folder.path(), 1 << 20).unwrap();
    }
    assert_eq!(log.append(&batch(&[(Some("g"), Some("gus"))])).unwrap(), 9);
}

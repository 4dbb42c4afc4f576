#![allow(clippy::unwrap_used)]

mod data_sets;

use chrono::{DateTime, Utc};
use features::event::InteractionKind;
use proptest::prelude::*;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

const OPTIONS: SpeedDating = SpeedDating { offset: 1_000_000, shift_to: None };

struct Split {
    events: Vec<Event>,
    refused: Vec<Refused>,
}

fn split(rows: Vec<Row>) -> Split {
    let (mut events, mut refused) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(event) => events.push(event),
            Err(row) => refused.push(row),
        }
    }
    Split { events, refused }
}

#[test]
fn people_dates_and_bad_rows() {
    let csv = b"iid,gender,wave,order,pid,dec,age,career,from,hiking,tv\n\
        1,0,1,2,11,1,21,lawyer,Montr\xe9al,8,3\n\
        11,1,1,2,1,0,24,,,7,9\n\
        2,0,1,1,11,1,,x,,,\n\
        1,0,1,3,99,1,21,lawyer,Montr\xe9al,8,3\n";
    let parsed = split(speed_dating("f.csv", csv, OPTIONS, now()));
    let Event::Profile(p) = &parsed.events[0] else { panic!("profiles first") };
    let profile = p.profile.as_ref().unwrap();
    assert_eq!((p.user_id.0, profile.tags.clone(), profile.age(p.event_time)), (1_000_001, vec!["hiking".to_owned()], 21));
    assert!(profile.bio.as_ref().unwrap().contains("Montréal"), "latin-1 is read");
    let said: Vec<_> =
        parsed.events.iter().filter_map(|e| if let Event::Interaction(i) = e { Some((i.kind, i.actor_id.0)) } else { None }).collect();
    use InteractionKind::{Impression, Like, Pass};
    assert_eq!(said, [(Impression, 1_000_001), (Like, 1_000_001), (Impression, 1_000_011), (Pass, 1_000_011)]);
    let refused: Vec<_> = parsed.refused.iter().map(|r| (r.line, r.reason.as_str())).collect();
    assert_eq!(refused, [(4, "age: is missing"), (4, "iid: person 2 has no profile"), (5, "pid: person 99 has no profile")]);
    let again = split(speed_dating("f.csv", csv, OPTIONS, now()));
    assert_eq!(again.events, parsed.events, "a repeat gives the same ids");
}

#[test]
fn the_real_file() {
    let Some(path) = crate::parts::data("speed_dating/Speed Dating Data (16 waves).csv") else { return };
    let bytes = std::fs::read(path).unwrap();
    let parsed = split(speed_dating("speed-dating", &bytes, OPTIONS, now()));
    let count = |wanted: InteractionKind| parsed.events.iter().filter(|e| matches!(e, Event::Interaction(i) if i.kind == wanted)).count();
    let people = parsed.events.iter().filter(|e| matches!(e, Event::Profile(_))).count();
    println!(
        "{people} people, {} impressions, {} likes, {} refused",
        count(InteractionKind::Impression),
        count(InteractionKind::Like),
        parsed.refused.len()
    );
    assert!(people > 360 && count(InteractionKind::Impression) > 5_000);
    assert_eq!(count(InteractionKind::Impression), count(InteractionKind::Like) + count(InteractionKind::Pass));
}

/// What a folder of files comes to.
fn imported(files: &[(&str, &[u8])], ignore_unknown: bool) -> anyhow::Result<Split> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let source = Source::Files { files: event_files(folder.path())?, ignore_unknown };
    let mut rows = Vec::new();
    source.read(now(), &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(split(rows))
}

const OPENED: &str = r#"{"kind":"app_open","user_id":"7","event_time":"2026-10-01T08:00:00Z"}"#;

#[test]
fn lines_without_ids_get_the_same_ones_again() {
    let text =
        format!("{OPENED}\n\nnot json\n{}\n[]\n", r#"{"kind":"like","actor_id":"7","target_id":"7","event_time":"2026-10-01T08:00:00Z"}"#);
    let parsed = imported(&[("presence.jsonl", text.as_bytes())], false).unwrap();
    assert_eq!(parsed.events, imported(&[("presence.jsonl", text.as_bytes())], false).unwrap().events);
    assert_eq!(parsed.refused.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(parsed.refused[1].reason.contains("target_id"));
}

#[test]
fn a_line_without_end_is_refused_and_the_next_one_read() {
    let mut text = vec![b'x'; 3 << 20];
    text.extend(format!("\n{OPENED}").bytes());
    let parsed = imported(&[("presence.ndjson", &text)], false).unwrap();
    assert_eq!((parsed.events.len(), parsed.refused.len(), parsed.refused[0].line), (1, 1, 1));
    assert!(parsed.refused[0].reason.contains("1 MiB"));
}

const PROFILES: &str = "\u{feff}user_id,nickname,gender,birth_date,created_at,lat,lon,tags,bio,genders,max_distance_km,virtual,extend_data,_note\n\
    7,小红,female,1996-05-04,2026-10-01 08:00:00,31.2,121.5,咖啡|爬山,\"周末, 爬山\",male|other,50,no,\"{\"\"shoe\"\": 38}\",x\n\
    8,Tom,male,1996-05-04,2026-10-01T08:00:00+08:00,,,,,,,,,\n\
    9,Ann,woman,1996-05-04,2026-10-01T08:00:00Z,,,,,,,,,\n\
    10,Bo,male,1996-05-04,2026-10-01T08:00:00Z,91,0,,,,,,,\n\
    11,Cy,male,1996-05-04,2026-10-01T08:00:00Z,x,0,,,,,,,\n\
    12,short\n\
    x,Di,male,1996-05-04,2026-10-01T08:00:00Z,,,,,,,,,\n\
    13,Ed,male,4.5.96,2026-10-01T08:00:00Z,,,,,,,,,\n\
    14,Fi,male,1996-05-04,yesterday,,,,,,,,,\n";

#[test]
fn csv_rows_become_events_and_bad_ones_are_told_by_line() {
    let interactions = "kind,event_time,actor_id,target_id,position\nlike,2026-10-01T09:00:00,7,8,3\n";
    let parsed =
        imported(&[("interactions-2026.csv", interactions.as_bytes()), ("people/profiles.csv", PROFILES.as_bytes())], false).unwrap();
    let Event::Profile(first) = &parsed.events[0] else { panic!("people come first: {:?}", parsed.events) };
    let profile = first.profile.as_ref().unwrap();
    assert_eq!((first.user_id.0, profile.nickname.as_str(), profile.tags.join(" ")), (7, "小红", "咖啡 爬山".to_owned()));
    assert_eq!(profile.position.unwrap().lon, 121.5);
    assert_eq!((profile.preferences.genders.len(), profile.preferences.max_distance_km), (2, Some(50)));
    assert_eq!(profile.extend_data["shoe"], 38);
    assert_eq!(first.event_time, profile.created_at, "the time of the row stands in");
    let Event::Interaction(like) = &parsed.events[2] else { panic!("then what they do: {:?}", parsed.events) };
    assert_eq!((like.position, like.event_time.to_rfc3339()), (Some(3), "2026-10-01T09:00:00+00:00".to_owned()));
    let refused: Vec<_> = parsed.refused.iter().map(|r| (r.file.as_str(), r.line)).collect();
    assert_eq!(refused, [4, 5, 6, 7, 8, 9, 10].map(|line| ("people/profiles.csv", line)));
    for (refused, words) in parsed.refused.iter().zip([
        "woman",
        "lat",
        "lat: `x` is not a number",
        "2 cells",
        "user_id: `x`",
        "birth_date: `4.5.96`",
        "created_at: `yesterday`",
    ]) {
        assert!(refused.reason.contains(words), "{refused:?}");
    }
}

#[test]
fn headers_are_held_to_the_table() {
    let said = |name: &str, header: &str, ignore| imported(&[(name, header.as_bytes())], ignore).map(|_| ()).map_err(|e| format!("{e:#}"));
    let unknown = said("presence.csv", "kind,event_time,user_id,latitude\n", false).unwrap_err();
    assert!(
        unknown.contains("presence.csv")
            && unknown.contains("latitude")
            && unknown.contains("lat, lon")
            && unknown.contains("--ignore-unknown"),
        "{unknown}"
    );
    said("presence.csv", "kind,event_time,user_id,latitude\n", true).unwrap();
    assert!(said("messages.csv", "kind,sender_id,receiver_id\n", false).unwrap_err().contains("conversation_id, event_time"));
    assert!(said("people.csv", "user_id\n", false).unwrap_err().contains("must begin with"));
    assert!(said("readme.txt", "", false).unwrap_err().contains("*.parquet"));
    assert!(said("presence.parquet", "not parquet", false).unwrap_err().contains("presence.parquet"));
}

fn parquet_of(batch: &arrow::record_batch::RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn files_of_the_lake_come_back_as_the_same_events() {
    let before = imported(&[("profiles.csv", PROFILES.as_bytes())], false).unwrap().events;
    let records: Vec<Vec<u8>> = before.iter().map(Event::encode).collect();
    let batch =
        pipelines::tables::decode(features::topic::Topic::Profiles, &records.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap().batch;
    let bytes = parquet_of(&batch);
    let after = imported(&[("lake/profiles/dt=2026-10-01/profiles-0-0-1.parquet", &bytes)], false).unwrap();
    assert_eq!(after.refused, []);
    assert_eq!(after.events, before);
}

#[test]
fn flat_parquet_with_numbers_and_naive_times() {
    use arrow::array::{Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
    use std::sync::Arc;
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("kind", Arc::new(StringArray::from(vec!["like", "pass"]))),
        ("event_time", Arc::new(TimestampMillisecondArray::from(vec![1_790_000_000_000, 1_790_000_001_500]))),
        ("actor_id", Arc::new(Int64Array::from(vec![7, 8]))),
        ("target_id", Arc::new(Int64Array::from(vec![8, -1]))),
        ("position", Arc::new(Float64Array::from(vec![Some(2.0), None]))),
    ];
    let bytes = parquet_of(&arrow::record_batch::RecordBatch::try_from_iter(columns).unwrap());
    let parsed = imported(&[("interactions.parquet", &bytes)], false).unwrap();
    let Event::Interaction(like) = &parsed.events[0] else { panic!("{:?}", parsed.events) };
    assert_eq!((like.actor_id.0, like.position, like.event_time.timestamp_millis()), (7, Some(2), 1_790_000_000_000));
    assert_eq!(parsed.refused.len(), 1);
    assert!(parsed.refused[0].line == 2 && parsed.refused[0].reason.contains("-1"), "{:?}", parsed.refused);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), head in any::<bool>()) {
        let with = |header: &str| if head { [header.as_bytes(), &bytes].concat() } else { bytes.clone() };
        let _ = speed_dating("x", &with("iid,gender,wave,order,pid,dec,age\n"), OPTIONS, now());
        let _ = imported(&[("x.jsonl", &bytes)], false);
        let _ = imported(&[("presence.csv", &with("kind,event_time,user_id,lat,lon\n"))], false);
        let _ = imported(&[("presence.parquet", &with("PAR1"))], false);
    }

    #[test]
    fn cells_never_panic_and_ids_survive(id in 1u64.., text in "\\PC{0,40}", position in 0u32..1_000) {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(["kind", "event_time", "actor_id", "target_id", "text", "position", "tags"]).unwrap();
        let target = (id ^ 1).max(2);
        out.write_record(["comment", "2026-10-01T09:00:00Z", &id.to_string(), &target.to_string(), &text, &position.to_string(), &text]).unwrap();
        let parsed = imported(&[("interactions.csv", &out.into_inner().unwrap())], false).unwrap();
        for event in &parsed.events {
            let Event::Interaction(comment) = event else { panic!("{event:?}") };
            prop_assert_eq!((comment.actor_id.0, comment.target_id.0, comment.position), (id, target, Some(position)));
        }
        prop_assert_eq!(parsed.events.len() + parsed.refused.len(), 1);
    }
}

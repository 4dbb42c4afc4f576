#![allow(clippy::unwrap_used)]

use chrono::{DateTime, Utc};
use features::event::InteractionKind;
use proptest::prelude::*;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

const OPTIONS: SpeedDating = SpeedDating { offset: 1_000_000, shift_to: None };

#[test]
fn people_dates_and_bad_rows() {
    let csv = b"iid,gender,wave,order,pid,dec,age,career,from,hiking,tv\n\
        1,0,1,2,11,1,21,lawyer,Montr\xe9al,8,3\n\
        11,1,1,2,1,0,24,,,7,9\n\
        2,0,1,1,11,1,,x,,,\n\
        1,0,1,3,99,1,21,lawyer,Montr\xe9al,8,3\n";
    let parsed = speed_dating("f.csv", csv, OPTIONS, now());
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
    let again = speed_dating("f.csv", csv, OPTIONS, now());
    assert_eq!(again.events, parsed.events, "a repeat gives the same ids");
}

#[test]
fn the_real_file() {
    let data =
        std::env::var("HONGNIANG_TEST_DATA").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data").to_owned());
    let Ok(bytes) = std::fs::read(format!("{data}/speed_dating/Speed Dating Data (16 waves).csv")) else {
        println!("skipped: the speed-dating file is not there; set HONGNIANG_TEST_DATA");
        return;
    };
    let parsed = speed_dating("speed-dating", &bytes, OPTIONS, now());
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

#[test]
fn lines_without_ids_get_the_same_ones_again() {
    let text = b"{\"kind\":\"app_open\",\"user_id\":\"7\",\"event_time\":\"2026-10-01T08:00:00Z\"}\n\nnot json\n{\"kind\":\"like\",\"actor_id\":\"7\",\"target_id\":\"7\",\"event_time\":\"2026-10-01T08:00:00Z\"}\n";
    let parsed = json_lines("presence.jsonl", text, now());
    assert_eq!(parsed.events, json_lines("presence.jsonl", text, now()).events);
    assert_eq!(parsed.refused.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 4]);
    assert!(parsed.refused[1].reason.contains("target_id"));
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), head in any::<bool>()) {
        let mut file = if head { b"iid,gender,wave,order,pid,dec,age\n".to_vec() } else { Vec::new() };
        file.extend(bytes);
        let _ = speed_dating("x", &file, OPTIONS, now());
        let _ = json_lines("x", &file, now());
    }
}

//! The way from files of the lake to rows: what is read, and that nothing looks ahead on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::prelude::SessionContext;
use features::event::{Event, InteractionEvent, InteractionKind, MessageEvent, MessageKind, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use features::profile::{Gender, Profile};
use features::topic::Topic;
use ranker::chance::{Purpose, bits};
use ranker::eval::protocols::contacts::{DAY, contacts as first_contacts};
use ranker::eval::protocols::meetings::{Protocol, STRATEGIES, ask};
use ranker::eval::protocols::partners::{History, Strategy};
use ranker::eval::{Bootstrap, TimeSplit};

use super::*;
use crate::import::{Links, Network, OkCupid, Placing, Source, SpeedDating, speed_dating};

const BOOTSTRAP: Bootstrap = Bootstrap { replicates: 100, level: 0.95, seed: 1 };

fn draw(seed: u64, i: u64, below: u64) -> u64 {
    bits(seed, Purpose::Sample, UserId(i)) % below
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// Files as the lake writer makes them, and a session on them.
async fn lake(folder: &Path, events: &[Event]) -> SessionContext {
    let mut tables: BTreeMap<&str, (Topic, Vec<Vec<u8>>)> = BTreeMap::new();
    for event in events {
        tables.entry(event.topic().name()).or_insert_with(|| (event.topic(), Vec::new())).1.push(event.encode());
    }
    for (name, (topic, values)) in tables {
        let batch = pipelines::tables::decode(topic, &values.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap().batch;
        let day = folder.join(name).join("dt=2026-09-21");
        std::fs::create_dir_all(&day).unwrap();
        let file = std::fs::File::create(day.join(format!("{name}-0-0-{}.parquet", values.len() - 1))).unwrap();
        let mut writer = ::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    pipelines::query::session(folder.to_str().unwrap()).await.unwrap()
}

fn person(id: u64, gender: Gender) -> Event {
    let profile = Profile::new(format!("P {id}"), gender, "1996-05-04".parse().unwrap(), start());
    let event_id = derived_event_id(&["person", &id.to_string()]);
    let kind = ProfileKind::Updated;
    Event::Profile(ProfileEvent { event_id, event_time: start(), kind, request_id: None, user_id: UserId(id), profile: Some(profile) })
}

fn interaction(kind: InteractionKind, from: u64, to: u64, at: DateTime<Utc>, shown: Option<(u32, u32)>) -> Event {
    let parts = [kind.name().to_owned(), from.to_string(), to.to_string(), at.to_rfc3339()];
    Event::Interaction(InteractionEvent {
        deck_id: shown.map(|(deck, _)| format!("wave-{deck}")),
        position: shown.map(|(_, position)| position),
        ..InteractionEvent::new(derived_event_id(&parts.each_ref().map(String::as_str)), at, kind, UserId(from), UserId(to))
    })
}

fn message(from: u64, to: u64, at: DateTime<Utc>) -> Event {
    Event::Message(MessageEvent {
        event_id: derived_event_id(&["message", &from.to_string(), &to.to_string(), &at.to_rfc3339()]),
        event_time: at,
        kind: MessageKind::Sent,
        request_id: None,
        conversation_id: format!("{}-{}", from.min(to), from.max(to)),
        sender_id: UserId(from),
        receiver_id: UserId(to),
        chars: 0,
    })
}

fn turn_time(deck: u32, position: u32) -> DateTime<Utc> {
    start() + TimeDelta::days(i64::from(deck)) + TimeDelta::minutes(5 * i64::from(position))
}

/// Four evenings of ten men (1 to 40) and ten women (101 to 140); she remembers a later turn than he does now and then.
fn evenings() -> Vec<Event> {
    let mut events: Vec<Event> = (1..=40).flat_map(|i| [person(i, Gender::Male), person(100 + i, Gender::Female)]).collect();
    for i in 0..400u64 {
        let (deck, position, man) = (i / 100, i / 10 % 10, i % 10);
        let woman = (man + position) % 10;
        let (his, hers) = (deck * 10 + man + 1, 100 + deck * 10 + woman + 1);
        let says = |yes: bool| if yes { InteractionKind::Like } else { InteractionKind::Pass };
        let sides = [(his, hers, says(woman + draw(1, i, 10) > 8), 0), (hers, his, says(man + draw(2, i, 10) > 9), draw(3, i, 3) / 2)];
        for (from, to, kind, later) in sides {
            let shown = (u32::try_from(deck).unwrap(), u32::try_from(position + later).unwrap());
            let at = turn_time(shown.0, shown.1);
            events.push(interaction(InteractionKind::Impression, from, to, at, Some(shown)));
            events.push(interaction(kind, from, to, at + TimeDelta::minutes(4), Some(shown)));
        }
    }
    events
}

#[tokio::test]
async fn meetings_are_what_both_said_in_the_same_deck() {
    let mut events = evenings();
    let like = |from, to, deck| interaction(InteractionKind::Like, from, to, turn_time(9, 1), Some((deck, 1)));
    // Two men; one side only; another kind of deck; a stranger.
    events.extend([like(1, 2, 9), like(2, 1, 9), like(3, 104, 9), like(900, 101, 9), like(101, 900, 9)]);
    events.push(interaction(InteractionKind::Like, 1, 101, turn_time(9, 1), None));
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path(), &events).await;
    let read = meetings_of(&lake, "wave-", IdRange::ALL).await.unwrap();
    assert_eq!((read.meetings.len(), read.left_out), (400, 3));
    assert!(read.meetings.iter().all(|m| m.people[0] <= 40 && m.people[1] > 100), "the man is first");
    assert!(read.meetings.is_sorted_by_key(|m| (m.group, m.turn)));
    let first = read.meetings.iter().find(|m| m.people == [1, 101]).unwrap();
    let said = |from: u64, to: u64| {
        let one = |e: &Event| matches!(e, Event::Interaction(i) if (i.actor_id.0, i.target_id.0, i.kind) == (from, to, InteractionKind::Like) && i.deck_id.as_deref() == Some("wave-0"));
        events.iter().any(one)
    };
    assert_eq!(first.yes, [said(1, 101), said(101, 1)]);
    let some = meetings_of(&lake, "wave-1", "1-120".parse().unwrap()).await.unwrap();
    assert_eq!(some.meetings.len(), 100, "one evening, by the name of its deck and the ids of its people");
    assert!(meetings_of(&lake, "it's", IdRange::ALL).await.unwrap().meetings.is_empty());
    assert!("5-1".parse::<IdRange>().is_err() && "x".parse::<IdRange>().unwrap_err().contains("1000000-1999999"));
}

#[tokio::test]
async fn no_score_of_a_meeting_knows_what_comes_later() {
    let events = evenings();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let before = lake(folders[0].path(), &events).await;
    let before = ask(&meetings_of(&before, "wave-", IdRange::ALL).await.unwrap().meetings, &Protocol::default());
    let first = before.iter().filter(|a| a.meeting.group == 2).map(|a| a.meeting.turn).min().unwrap();
    let moment = turn_time(2, first);
    let turned = |later: bool| -> Vec<Event> {
        let turn = |event: &Event| match event {
            Event::Interaction(i) if (i.event_time >= moment) == later => {
                let kind = match i.kind {
                    InteractionKind::Like => InteractionKind::Pass,
                    InteractionKind::Pass => InteractionKind::Like,
                    other => other,
                };
                Event::Interaction(InteractionEvent { kind, ..i.clone() })
            }
            other => other.clone(),
        };
        events.iter().map(turn).collect()
    };
    let scores = |asked: &[ranker::eval::protocols::meetings::Asked]| -> Vec<_> {
        let known = asked.iter().filter(|a| a.meeting.group <= 2);
        known.map(|a| (a.meeting.people, STRATEGIES.map(|s| a.score(s).unwrap()))).collect()
    };
    for (later, folder) in [(true, &folders[1]), (false, &folders[2])] {
        let lake = lake(folder.path(), &turned(later)).await;
        let after = ask(&meetings_of(&lake, "wave-", IdRange::ALL).await.unwrap().meetings, &Protocol::default());
        assert_eq!(scores(&before) == scores(&after), later, "later rows do not count, earlier ones do");
    }
}

#[tokio::test]
async fn no_score_of_links_knows_what_comes_later() {
    let at = |i: u64| start() + TimeDelta::hours(6 * i64::try_from(i).unwrap());
    let pair = |i: u64| (1 + draw(4, i, 40), 50 + draw(5, i, 40));
    let both = |i: u64| if draw(6, i, 2) == 0 { pair(i) } else { (pair(i).1, pair(i).0) };
    let moment = start() + TimeDelta::days(60);
    // Whoever is later than the moment is somebody else.
    let make = |change: bool| -> Vec<Event> {
        let one = |i: u64| {
            let (mut from, to) = both(i);
            if change && at(i) >= moment {
                from = 90 + draw(7, i, 20);
            }
            [message(from, to, at(i)), interaction(InteractionKind::Like, from, to, at(i), None)]
        };
        (0..500).flat_map(one).collect()
    };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let lakes = [lake(folders[0].path(), &make(false)).await, lake(folders[1].path(), &make(true)).await];
    let mut seen = Vec::new();
    for lake in &lakes {
        let contacts = first_contacts(&messages(lake, IdRange::ALL).await.unwrap());
        let until = moment.timestamp();
        let known: Vec<_> = contacts.into_iter().filter(|c| c.message.at < until).map(|c| (c.message, c.features)).collect();
        let likes = likes(lake, IdRange::ALL).await.unwrap();
        assert_eq!(likes.len(), 500);
        let history = History::new(&likes, TimeSplit { until });
        let ranked: Vec<_> = Strategy::ALL.iter().flat_map(|s| (1..90).map(|v| history.rank(v, *s, 10)).collect::<Vec<_>>()).collect();
        assert!(known.len() > 50 && ranked.iter().any(|list| list.len() == 10));
        seen.push((known, ranked, likes));
    }
    assert!(seen[0].0 == seen[1].0 && seen[0].1 == seen[1].1, "a score moved");
    assert_ne!(seen[0].2, seen[1].2, "though what came later is different");
}

#[test]
fn answers_are_read_from_rows_per_date() {
    let folder = tempfile::tempdir().unwrap();
    let columns = "iid,age,race,imprace,field_cd,goal,date,go_out,exphappy,attr3_1,sinc3_1,intel3_1,fun3_1,amb3_1,sports,tvsports,exercise,dining,museums,art,hiking,gaming,clubbing,reading,tv,theater,movies,concerts,music,shopping,yoga";
    let row = "7,21,4,2,1,2,7,1,3,6,8,8,8,7,9,2,8,9,1,1,5,1,5,6,9,1,10,10,9,8,";
    let write = |name: &str, text: String| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let read = answers(&write("a.csv", format!("{columns}\n{row}1\n{row}1\n{}\n", row.replace("7,21,", "8,,"))), 100).unwrap();
    assert_eq!(read.keys().copied().collect::<Vec<_>>(), [107, 108]);
    let one = &read[&107];
    assert_eq!((one.age, one.race, one.sees_self[4], one.interests[one.exercise], one.interests.len()), (21.0, 4.0, 7.0, 8.0, 17));
    assert!(read[&108].age.is_nan() && read[&108].interests[16].is_nan(), "no answer is no number");
    let bad = answers(&write("b.csv", format!("{columns}\n{}1\n", row.replace("7,21,", "8,old,"))), 100).unwrap_err();
    assert!(format!("{bad:#}").contains("line 2: age: `old` is not a number"), "{bad:#}");
    let lacking = answers(&write("c.csv", "iid,age\n1,2\n".to_owned()), 100).unwrap_err();
    assert!(format!("{lacking:#}").contains("race"), "{lacking:#}");
}

fn events_of(source: &Source) -> Vec<Event> {
    let mut events = Vec::new();
    let take = &mut |row: crate::import::Row| {
        events.extend(row.ok());
        Ok(())
    };
    source.read(start(), take).unwrap();
    events
}

/// The value of a strategy, printed with its interval.
fn reached(found: &Findings, strategy: &str, slice: &str, metric: &str) -> f64 {
    let row = found.measures().iter().find(|r| r.strategy == strategy && r.slice == slice && r.metric == metric);
    let row = row.unwrap_or_else(|| panic!("no {strategy}, {slice}, {metric}"));
    println!("{strategy:24} {slice:30} {metric:10} {:.4} {:?} {:?}", row.value, row.low, row.high);
    row.value
}

#[tokio::test]
async fn what_is_reached_by_import_and_lake() {
    let Some(data) = crate::parts::data("") else { return };
    let original = data.join("speed_dating/Speed Dating Data (16 waves).csv");
    let rows = speed_dating("f", &std::fs::read(&original).unwrap(), SpeedDating { offset: 1_000_000, shift_to: None }, start());
    let mut events = events_of(&Source::Rows(rows));
    let networks = [("college_msg_dev", Links::Messages, 3_000_000), ("ratebeer_transfers_dev", Links::Gifts, 4_000_000)];
    for (file, links, offset) in networks {
        let path = data.join(format!("people_to_people/{file}.parquet"));
        let network = Network::open(&path, links, Placing { offset, shift_to: None }).unwrap();
        events.extend(events_of(&Source::Recorded(Box::new(network))));
    }
    let people = OkCupid::new(&data.join("okcupid/profiles_revised.parquet"), 2_000_000, start() - TimeDelta::days(3_650));
    events.extend(events_of(&Source::Recorded(Box::new(people))).into_iter().take(1_000));
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path(), &events).await;

    let read = meetings_of(&lake, "wave-", IdRange::ALL).await.unwrap();
    println!("{} meetings, {} left out", read.meetings.len(), read.left_out);
    let found = warm(&read.meetings, BOOTSTRAP);
    let auc = |strategy: &str| reached(&found, strategy, "warm match", "auc");
    let (random, one, product) = (auc("random"), auc("popularity_one"), auc("popularity_product"));
    let best = STRATEGIES[2..].iter().map(|s| auc(s)).fold(0.0, f64::max);
    assert!(best > 0.735 && best < 0.85 && best > product && product > one && (random - 0.5).abs() < 0.06, "{best}");
    let (found, without) = cold(&read.meetings, &answers(&original, 1_000_000).unwrap(), BOOTSTRAP);
    let best =
        ranker::eval::protocols::newcomers::STRATEGIES.map(|s| reached(&found, s, "cold match", "auc")).into_iter().fold(0.0, f64::max);
    assert!(without == 0 && best > 0.60 && best < 0.68, "{best}, {without} without answers");

    let found = contacts(&messages(&lake, IdRange::ALL).await.unwrap(), &[0.7], BOOTSTRAP);
    let trees = reached(&found, "logistic", "history 0.7", "auc").max(reached(&found, "trees", "history 0.7", "auc"));
    assert!(trees > 0.68 && trees < 0.85, "{trees}");

    let gifts = likes(&lake, "4000001-4999999".parse().unwrap()).await.unwrap();
    assert_eq!(gifts.len(), 109_355, "likes of the evenings have other ids");
    let until = gifts.iter().map(|g| g.at).max().unwrap() - 365 * DAY;
    let found = partners(&gifts, &[until], 365, BOOTSTRAP);
    let slice = found.measures()[0].slice.clone();
    let ndcg = |strategy: &str| reached(&found, strategy, &slice, "ndcg@10");
    assert!(ndcg("fresh_partners_common") > 0.043 && ndcg("fresh_partners_common") > ndcg("popularity"));
}

#[test]
fn tables_of_reliability_are_rows() {
    let outcomes: Vec<_> = (0..200u64)
        .map(|i| ranker::eval::protocols::Outcome { group: i, score: if i < 100 { 0.2 } else { 0.8 }, yes: i % 5 == 0 || i >= 120 })
        .collect();
    let mut found = Findings::new(BOOTSTRAP);
    found.probabilities("p", "s", &outcomes);
    let rows = found.reliability();
    let bin: Vec<_> = rows.iter().map(|r| (r.slice.as_str(), r.metric.as_str())).take(3).collect();
    assert_eq!(bin, ["reliability_predicted", "reliability_observed", "reliability_rows"].map(|m| ("s bin=1/2", m)));
    assert!((rows[0].value - 0.2).abs() < 1e-9 && (rows[1].value - 0.2).abs() < 1e-9 && rows[2].value == 100.0);
    assert!(rows[1].low.unwrap() < 0.2 && rows[1].high.unwrap() > 0.2);
    let metrics: Vec<_> = found.measures().iter().map(|r| r.metric.as_str()).collect();
    assert_eq!(metrics, ["auc", "log_loss", "calibration_error"]);
    assert_eq!(found.plots().len(), 4);
}

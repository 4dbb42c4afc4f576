//! What the gate lets pass, what it refuses, and that it remembers.

use features::event::{Event, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use pipelines::dead_letters::{self, LetterFilter};

use super::town::{Dice, Town, events, garbage, reported, until};

fn profile(kind: ProfileKind, name: &str) -> Event {
    let body = serde_json::json!({"nickname": name, "gender": "female", "birth_date": "1999-02-03", "created_at": "2026-01-01T00:00:00Z"});
    let profile = (kind == ProfileKind::Updated).then(|| serde_json::from_value(body).unwrap());
    let event_time = "2026-11-01T00:00:00Z".parse().unwrap();
    Event::Profile(ProfileEvent {
        event_id: derived_event_id(&["profile", name]),
        event_time,
        kind,
        request_id: None,
        user_id: UserId(9),
        profile,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_becomes_a_tombstone_and_its_repeat_does_not_erase_again() {
    let town = Town::begin().await;
    let (erased, again) = (profile(ProfileKind::Erased, "gone"), profile(ProfileKind::Updated, "小红"));
    let gate = town.gate();
    town.report(vec![reported(&profile(ProfileKind::Updated, "first")), reported(&erased), reported(&again)]).await;
    until(|| async { if town.read("profiles").await.len() == 3 { Ok(()) } else { Err("three records".to_owned()) } }).await;
    gate.kill().await;
    let gate = town.gate();
    town.report(vec![reported(&erased), reported(&profile(ProfileKind::Updated, "last"))]).await;
    until(|| async { if town.read("profiles").await.len() == 4 { Ok(()) } else { Err("four records".to_owned()) } }).await;
    let filed = town.read("profiles").await;
    assert_eq!(filed.iter().map(|r| r.value.is_none()).collect::<Vec<_>>(), [false, true, false, false]);
    assert!(filed.iter().all(|r| r.key.as_deref() == Some(b"9")));
    gate.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_can_be_asked_for_by_job_topic_and_reason() {
    let mut dice = Dice::thrown("refusals");
    let town = Town::begin().await;
    let gate = town.gate();
    let mut records: Vec<_> = (0..40).map(|_| garbage(&mut dice)).collect();
    let huge = vec![b'x'; 1_100_000];
    records.push(pipelines::bus::OutRecord::new("inbox", "1", Some(huge)));
    records.extend(events(&mut dice, 100).iter().map(reported));
    town.report(records).await;
    until(|| async { if town.read("dead_letters").await.len() == 41 { Ok(()) } else { Err("41 letters".to_owned()) } }).await;
    let all = dead_letters::list(&town.bus, &LetterFilter::default(), 100).await.unwrap();
    assert_eq!(all.len(), 41);
    assert!(all.windows(2).all(|pair| pair[0].letter.refused_at >= pair[1].letter.refused_at), "newest first");
    assert!(all.iter().map(|found| &found.letter).all(|l| l.job == "gate" && l.topic == "inbox" && !l.reason.is_empty()));
    let wink = LetterFilter { reason: Some("UNKNOWN kind `wink`".to_owned()), ..LetterFilter::default() };
    let winks = dead_letters::list(&town.bus, &wink, 100).await.unwrap();
    assert!(!winks.is_empty() && winks.len() < 41);
    assert!(String::from_utf8(dead_letters::raw(&winks[0].letter).unwrap()).unwrap().contains("wink"));
    let huge = LetterFilter { reason: Some("1100000 bytes".to_owned()), ..LetterFilter::default() };
    assert_eq!(dead_letters::list(&town.bus, &huge, 5).await.unwrap().len(), 1);
    assert_eq!(dead_letters::list(&town.bus, &LetterFilter::default(), 7).await.unwrap().len(), 7);
    gate.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_files_against_the_rules_is_fenced_off() {
    let mut dice = Dice::thrown("two gates");
    let town = Town::begin().await;
    let first = town.gate();
    let events = events(&mut dice, 300);
    town.report(events[..150].iter().map(reported).collect()).await;
    until(|| async { if town.read("interactions").await.is_empty() { Err("filed".to_owned()) } else { Ok(()) } }).await;
    // As after the first one was cut off for a while: another has begun with the same transactions, and the first has not noticed.
    let second = town.bus.transactional("hongniang-gate").await.unwrap();
    town.report(events[150..].iter().map(reported).collect()).await;
    let reason = first.failure().await;
    assert!(reason.contains("transaction"), "{reason}");
    drop(second);
    let third = town.gate();
    let expected = events.iter().filter(|e| e.topic() == features::topic::Topic::Interactions).count();
    until(|| async {
        let there = town.read("interactions").await.len();
        if there == expected { Ok(()) } else { Err(format!("{there} of {expected} filed")) }
    })
    .await;
    third.end().await;
}

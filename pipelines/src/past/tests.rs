#![allow(clippy::unwrap_used)]

use features::embed::HashingEncoder;
use features::event::{InteractionKind, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use features::profile::Profile;
use serde_json::json;

use super::*;
use crate::lake::write_events;
use crate::testing;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The first of the ten days of [`testing::events`].
fn first() -> DateTime<Utc> {
    DateTime::from_timestamp(1_793_000_000, 0).unwrap()
}

fn profile(user: u64, event_time: DateTime<Utc>, bio: &str) -> Event {
    let profile: Profile = serde_json::from_value(json!({
        "nickname": format!("p{user}"), "gender": if user.is_multiple_of(2) { "female" } else { "male" }, "birth_date": "1996-05-04",
        "position": {"lat": 31.2, "lon": 121.4}, "tags": ["咖啡"], "bio": bio, "created_at": event_time
    }))
    .unwrap();
    Event::Profile(ProfileEvent {
        event_id: derived_event_id(&["profile", &user.to_string(), &event_time.to_rfc3339(), bio]),
        event_time,
        kind: ProfileKind::Updated,
        request_id: None,
        user_id: UserId(user),
        profile: Some(profile),
    })
}

/// Forty people, and what they do in ten days; profiles change on the sixth day. Deletions are left out: a Moment that came and went
/// within one step never had a vector.
fn town(seed: u64) -> Vec<Event> {
    let mut events = testing::events(seed, 1_500);
    events.retain(|e| !matches!(e, Event::Moment(m) if m.kind == features::event::MomentKind::Deleted));
    events.extend((1..=40).map(|user| profile(user, first(), "周末去爬山")));
    events.extend((1..=20).map(|user| profile(user, first() + TimeDelta::days(6), "I like hiking and coffee")));
    events
}

async fn begin(events: &[Event]) -> (tempfile::TempDir, Past) {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    write_events(place, events).await.unwrap();
    let past = Past::begin(place, Some(Arc::new(HashingEncoder::new(64))), TimeDelta::days(60)).await.unwrap();
    (dir, past)
}

/// Equal to the last bit, but for versions.
fn same(one: &[Portrait], other: &[Portrait]) {
    assert_eq!(one.len(), other.len());
    for (a, b) in one.iter().zip(other) {
        let plain = |p: &Portrait| Portrait { version: 0, ..p.clone() };
        assert_eq!(plain(a), plain(b));
        let bits = |p: &Portrait| p.counters.values().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(a), bits(b), "{}", a.user_id);
    }
}

#[tokio::test]
async fn steps_lead_where_one_leap_leads() {
    let events = town(31);
    let end = first() + TimeDelta::days(8);
    let (_leap, mut leap) = begin(&events).await;
    let happened = leap.advance(end).await.unwrap();
    assert_eq!(happened, events.iter().filter(|e| e.event_time() < end).count());
    let (_walk, mut walk) = begin(&events).await;
    let mut moment = first() - TimeDelta::days(3);
    let mut walked = 0;
    for step in 0.. {
        moment = (moment + TimeDelta::minutes(47 + 193 * (step % 7))).min(end);
        walked += walk.advance(moment).await.unwrap();
        if moment == end {
            break;
        }
    }
    assert_eq!(walked, happened);
    assert!(leap.portraits().iter().any(|p| p.taste.is_some()) && leap.portraits().len() == 40);
    same(&leap.portraits(), &walk.portraits());
    for (a, b) in (1..=40u64).flat_map(|a| (1..=40u64).map(move |b| (UserId(a), UserId(b)))) {
        assert_eq!(leap.ledger().likes(a, b), walk.ledger().likes(a, b));
        assert_eq!(leap.ledger().blocked(a, b), walk.ledger().blocked(a, b));
        assert_eq!(leap.ledger().shown_within(a, b, end, TimeDelta::days(30)), walk.ledger().shown_within(a, b, end, TimeDelta::days(30)));
    }
    assert_eq!(leap.table().len(), 40);
    assert!((1..=40u64).all(|user| leap.last_active(UserId(user)) == walk.last_active(UserId(user))));
}

#[tokio::test]
async fn sums_are_those_of_the_sql_over_all_that_happened() {
    let events = town(33);
    let end = first() + TimeDelta::days(7);
    let (_dir, mut past) = begin(&events).await;
    past.advance(end).await.unwrap();
    let before: Vec<Event> = events.iter().filter(|e| e.event_time() < end).cloned().collect();
    let (dir, _) = begin(&before).await;
    let mut compared = 0;
    for set in feature_sets().iter().filter(|set| set.key_columns.len() == 1) {
        for row in crate::query::batch_features(dir.path().to_str().unwrap(), set).await.unwrap() {
            let counters = past.counters(row.key[0].parse().unwrap());
            for (column, value) in &row.values {
                let found = counters[&format!("{}.{column}", set.name)];
                assert!((found - value).abs() <= 1e-9 * value.abs().max(1.0), "{} {column}: {found} {value}", set.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

#[tokio::test]
async fn whom_one_asks_for_stands_as_if_everybody_had_been_brought_along() {
    let events = town(34);
    let (_one, mut some) = begin(&events).await;
    let (_other, mut all) = begin(&events).await;
    let mut moment = first();
    for step in 0..60u64 {
        moment += TimeDelta::minutes(20 + 97 * i64::try_from(step % 5).unwrap());
        let asked = [UserId(step * 7 % 40 + 1), UserId(step * 11 % 40 + 1)];
        some.advance_for(moment, &asked).await.unwrap();
        all.advance(moment).await.unwrap();
        let (a, b) = (some.table().read(), all.table().read());
        for user in asked {
            let (x, y) = (a.row_of(user).unwrap(), b.row_of(user).unwrap());
            let named = |t: &index::table::Columns, tags: &[(u32, f32)]| {
                tags.iter().map(|(n, w)| (t.tag_name(*n).to_owned(), w.to_bits())).collect::<std::collections::BTreeMap<_, _>>()
            };
            assert_eq!(named(&a, a.tags(x)), named(&b, b.tags(y)));
            assert_eq!(named(&a, a.liked_tags(x)), named(&b, b.liked_tags(y)));
            assert_eq!((a.signals(x, moment), a.profile(x)), (b.signals(y, moment), b.profile(y)));
            for column in [index::table::VectorColumn::Content, index::table::VectorColumn::Taste] {
                assert_eq!(a.vector(column, x).map(|v| v.to_owned()), b.vector(column, y).map(|v| v.to_owned()), "{user} {column:?}");
            }
        }
    }
    some.advance(moment).await.unwrap();
    same(&some.portraits(), &all.portraits());
    assert_eq!(some.table().len(), all.table().len());
}

#[tokio::test]
async fn what_comes_later_changes_nothing_to_the_last_bit() {
    let events = town(32);
    let moment = first() + TimeDelta::hours(100);
    let (_dir, mut past) = begin(&events).await;
    past.advance(moment).await.unwrap();
    let mut changed: Vec<Event> = events.iter().filter(|e| e.event_time() < moment).cloned().collect();
    for event in testing::events(99, 900) {
        let Event::Interaction(mut i) = event else { continue };
        i.event_time = i.event_time.max(moment);
        i.kind = if i.actor_id.0.is_multiple_of(3) { InteractionKind::Like } else { i.kind };
        changed.push(Event::Interaction(i));
    }
    changed.extend((1..=40).map(|user| profile(user, moment, "everything is different now")));
    let (_other_dir, mut other) = begin(&changed).await;
    other.advance(moment).await.unwrap();
    assert_eq!(past.portraits(), other.portraits());
    other.advance(moment + TimeDelta::microseconds(1)).await.unwrap();
    assert_ne!(past.portraits(), other.portraits(), "the changes do matter a microsecond later");
}

#[tokio::test]
async fn time_runs_forwards_and_an_empty_lake_is_no_error() {
    let (_dir, mut past) = begin(&[]).await;
    assert_eq!(past.advance(at("2026-11-01T00:00:00Z")).await.unwrap(), 0);
    let error = past.advance(at("2026-10-31T00:00:00Z")).await.unwrap_err();
    assert!(error.to_string().contains("forwards"), "{error}");
    assert!(past.portraits().is_empty());
}

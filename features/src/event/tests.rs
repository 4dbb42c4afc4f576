//! The codec: round trips, rules about unknown things, and no panic on anything.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::ids::derived_event_id;
use crate::profile::{Education, Gender, Preferences, Visibility};
use crate::validate::validate;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (946_684_800_000_000i64..1_795_000_000_000_000).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn id() -> impl Strategy<Value = UserId> {
    (1..=u64::MAX).prop_map(UserId)
}

fn event_id() -> impl Strategy<Value = EventId> {
    any::<u64>().prop_map(|n| derived_event_id(&[&n.to_string()]))
}

fn word() -> impl Strategy<Value = String> {
    "[a-z爬山咖啡 \"\\\\\u{1f600}]{1,12}".prop_map(|w| format!("x{w}"))
}

fn profile() -> impl Strategy<Value = Profile> {
    let body = (
        word(),
        prop::sample::select(&Gender::ALL[..]),
        prop::option::of(100u16..250),
        prop::option::of(word()),
        prop::collection::vec(word(), 0..5),
    );
    let place = prop::option::of(
        (-90_000_000i32..=90_000_000, -180_000_000i32..=180_000_000)
            .prop_map(|(lat, lon)| Position { lat: f64::from(lat) / 1e6, lon: f64::from(lon) / 1e6 }),
    );
    (body, place, time(), any::<bool>()).prop_map(|((nickname, gender, height_cm, bio, tags), position, created_at, hidden)| Profile {
        nickname,
        gender,
        birth_date: chrono::NaiveDate::from_ymd_opt(1995, 2, 28).unwrap(),
        height_cm,
        education: Some(Education::Master),
        occupation: None,
        city: Some("上海".into()),
        position,
        languages: vec!["zh".into(), "en".into()],
        tags,
        bio,
        photos: 3,
        preferences: Preferences { genders: vec![Gender::Female], min_age: 20, max_age: 40, max_distance_km: Some(50) },
        hidden,
        banned: false,
        is_virtual: false,
        created_at,
        extend_data: serde_json::json!({"k": [1, "二"]}),
        visibility: hidden.then_some(Visibility::Paused),
        verified: hidden,
        album: vec!["photos/1".into()],
        revision: u64::from(hidden) * 1_790_000_000_000_000,
    })
}

fn interaction() -> impl Strategy<Value = Event> {
    let who = (id(), id()).prop_filter("two people", |(a, b)| a != b);
    (event_id(), time(), prop::sample::select(InteractionKind::ALL), who, word(), prop::option::of(0u32..500)).prop_map(
        |(event_id, event_time, kind, (actor_id, target_id), text, position)| {
            Event::Interaction(InteractionEvent {
                event_id,
                event_time,
                kind,
                request_id: None,
                actor_id,
                target_id,
                moment_id: Some(MomentId(7)),
                text: Some(text),
                tags: vec!["咖啡".into()],
                deck_id: Some("d1".into()),
                position,
                experiments: vec!["closer:near".into()],
                propensity: Some(0.125),
            })
        },
    )
}

fn moment() -> impl Strategy<Value = Event> {
    (event_id(), time(), prop::sample::select(MomentKind::ALL), id(), word(), word()).prop_map(
        |(event_id, event_time, kind, author_id, title, text)| {
            let answers = vec![QuestionAnswer { question: text.clone(), answer: title.clone() }];
            let media = vec![Media { kind: MediaKind::Video, object: "m/1".into(), seconds: Some(3.5) }];
            let event = MomentEvent {
                event_id,
                event_time,
                kind,
                request_id: Some("r".into()),
                moment_id: MomentId(9),
                author_id,
                published_at: event_time,
                title,
                text,
                answers,
                tags: vec![],
                media,
                text_chars: 0,
                answer_chars: 0,
                media_count: 0,
            };
            Event::Moment(event.with_counts())
        },
    )
}

fn others() -> impl Strategy<Value = Event> {
    let presence = (event_id(), time(), prop::sample::select(PresenceKind::ALL), id()).prop_map(|(event_id, event_time, kind, user_id)| {
        let position = Some(Position { lat: 31.25, lon: 121.5 });
        Event::Presence(PresenceEvent { event_id, event_time, kind, request_id: None, user_id, position })
    });
    let message =
        (event_id(), time(), prop::sample::select(MessageKind::ALL), word()).prop_map(|(event_id, event_time, kind, conversation_id)| {
            Event::Message(MessageEvent {
                event_id,
                event_time,
                kind,
                request_id: None,
                conversation_id,
                sender_id: UserId(1),
                receiver_id: UserId(2),
                chars: 5,
            })
        });
    let about = (event_id(), time(), id(), prop::option::of(profile())).prop_map(|(event_id, event_time, user_id, profile)| {
        let kind = if profile.is_some() { ProfileKind::Updated } else { ProfileKind::Erased };
        Event::Profile(ProfileEvent { event_id, event_time, kind, request_id: None, user_id, profile })
    });
    prop_oneof![presence, message, about]
}

fn served() -> impl Strategy<Value = Event> {
    let deck = (event_id(), time(), id(), any::<u64>(), word()).prop_map(|(event_id, event_time, viewer_id, seed, region)| {
        Event::Deck(DeckEvent {
            event_id,
            event_time,
            kind: DeckKind::Served,
            request_id: None,
            deck_id: "d1".into(),
            viewer_id,
            made_at: event_time - TimeDelta::seconds(5),
            seed,
            config_version: "0123456789ab".into(),
            region: Some(region),
            strategy: "formula".into(),
            experiments: vec!["closer:near".into()],
            degraded: vec!["source hot: no answer within 50 ms".into()],
            scored: 7,
            size: 5,
            program: "hongniang 0.1.0".into(),
            record: "AAEC".into(),
        })
    });
    let item =
        (id(), 0u32..3, 0f32..2.0, 0f32..=1.0, prop::option::of(word())).prop_map(|(user_id, step, score, share, profile)| PageItem {
            user_id,
            position: step,
            score,
            worth: share,
            propensity: share,
            sources: vec!["near_me".into()],
            reasons: vec!["age".into()],
            generation: 1,
            version: 1_790_000_000_000,
            profile,
        });
    let page = (event_id(), time(), id(), prop::collection::vec(item, 0..6), prop::collection::vec(id(), 0..3));
    let page = page.prop_map(|(event_id, event_time, viewer_id, mut items, removed)| {
        let mut next = 10;
        for item in &mut items {
            item.position += next;
            next = item.position + 1;
        }
        Event::Page(PageEvent {
            event_id,
            event_time,
            kind: PageKind::Served,
            request_id: Some("r".into()),
            deck_id: "d1".into(),
            viewer_id,
            first: 10,
            next,
            language: "zh".into(),
            items,
            removed: removed.into_iter().map(|user_id| PageRemoved { user_id, filter: "blocked".into() }).collect(),
            body_sha256: "0f".repeat(32),
            body_bytes: 100,
        })
    });
    prop_oneof![deck, page]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![interaction(), moment(), others(), served()]
}

proptest! {
    #[test]
    fn every_event_comes_back_as_it_was(event in event()) {
        let back = Event::decode(&event.encode()).unwrap();
        prop_assert_eq!(&back, &event);
        prop_assert!(validate(&event, now()).is_ok(), "{:?}", validate(&event, now()));
    }

    #[test]
    fn unknown_fields_are_ignored(event in event()) {
        let mut value: serde_json::Value = serde_json::from_slice(&event.encode()).unwrap();
        value["from_the_future"] = serde_json::json!({"a": [1, 2, 3]});
        prop_assert_eq!(Event::decode(&serde_json::to_vec(&value).unwrap()).unwrap(), event);
    }

    #[test]
    fn garbage_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Event::decode(&bytes).is_err());
    }

    #[test]
    fn damaged_events_never_panic(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = event.encode();
        let i = at.index(bytes.len());
        bytes[i] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(event) = Event::decode(&bytes) {
            let _ = validate(&event, now());
        }
    }
}

#[test]
fn unknown_kinds_are_refused_by_name() {
    let error = Event::decode(br#"{"kind":"teleport","event_id":"x"}"#).unwrap_err().to_string();
    assert!(error.contains("teleport") && error.contains("docs/EVENTS.md"), "{error}");
}

#[test]
fn bad_fields_are_named() {
    let bad = |json: &str| match Event::decode(json.as_bytes()) {
        Ok(event) => validate(&event, now()).unwrap_err().iter().map(|e| e.field.clone()).collect::<Vec<_>>().join(","),
        Err(error) => error.to_string(),
    };
    let head = r#""event_id":"0193a000-0000-7000-8000-000000000001","event_time":"2026-06-01T00:00:00Z""#;
    assert_eq!(
        bad(&format!(r#"{{{head},"kind":"location","user_id":"1","position":{{"lat":91.0,"lon":-181.0}}}}"#)),
        "position.lat,position.lon"
    );
    assert_eq!(bad(&format!(r#"{{{head},"kind":"like","actor_id":"1","target_id":"1"}}"#)), "target_id");
    assert_eq!(bad(&format!(r#"{{{head},"kind":"impression","actor_id":"1","target_id":"2"}}"#)), "deck_id");
    assert_eq!(
        bad(&format!(r#"{{{head},"kind":"like","actor_id":"1","target_id":"2","experiments":[""],"propensity":1.5}}"#)),
        "experiments,propensity"
    );
    let page = r#""kind":"page_served","deck_id":"d","viewer_id":"1","first":3,"next":4,"language":"fr","body_sha256":"x","body_bytes":1"#;
    let item = r#"{"user_id":"2","position":9,"score":-1.0,"worth":0.5,"propensity":0.5,"generation":1,"version":1}"#;
    assert_eq!(bad(&format!(r#"{{{head},{page},"items":[{item}]}}"#)), "language,items.position,items.score,body_sha256");
    let deck = r#""kind":"deck_served","viewer_id":"1","made_at":"2026-06-01T00:00:00Z","strategy":"formula","config_version":"c","program":"p","record":"""#;
    assert_eq!(bad(&format!(r#"{{{head},{deck},"deck_id":"","seed":"1","scored":1,"size":2}}"#)), "deck_id,size");
    assert!(bad(&format!(r#"{{{head},{deck},"deck_id":"d","seed":7,"scored":1,"size":1}}"#)).contains("string"));
    assert!(bad(&format!(r#"{{{head},"kind":"like","actor_id":1,"target_id":"2"}}"#)).contains("as a decimal string"));
    assert!(bad(&format!(r#"{{{head},"kind":"like","actor_id":"1"}}"#)).contains("target_id"));
}

#[test]
fn times_far_ahead_are_refused() {
    let mut event = presence_at(now() + TimeDelta::hours(25));
    assert!(validate(&event, now()).unwrap_err()[0].message.contains("24 h in the future"));
    event = presence_at(now() + TimeDelta::hours(23));
    assert!(validate(&event, now()).is_ok());
}

fn presence_at(event_time: DateTime<Utc>) -> Event {
    let event_id = derived_event_id(&["p"]);
    Event::Presence(PresenceEvent {
        event_id,
        event_time,
        kind: PresenceKind::AppOpen,
        request_id: None,
        user_id: UserId(1),
        position: None,
    })
}

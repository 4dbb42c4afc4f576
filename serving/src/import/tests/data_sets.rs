//! Data sets of others, in their own form.

use std::path::{Path, PathBuf};

use features::event::{MessageKind, PresenceKind};
use features::profile::{Education, Gender};

use super::*;

fn collect(source: &Source) -> Split {
    let mut rows = Vec::new();
    source
        .read(now(), &mut |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
    split(rows)
}

fn write(folder: &Path, name: &str, text: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn placing(offset: u64) -> Placing {
    Placing { offset, shift_to: None }
}

fn network(path: &Path, links: Links, placing: Placing) -> Split {
    collect(&Source::Recorded(Box::new(Network::open(path, links, placing).unwrap())))
}

fn told(split: &Split) -> Vec<(u64, &str)> {
    split.refused.iter().map(|r| (r.line, r.reason.as_str())).collect()
}

const OKCUPID: &str = "age,body_type,diet,education,ethnicity,height,income,job,offspring,orientation,pets,religion,sex,speaks,status\n\
    22,a little extra,strictly anything,working on college/university,\"asian, white\",75.0,-1,transportation,doesn&rsquo;t have kids,straight,likes dogs and likes cats,agnosticism,m,\"english (fluently), spanish (poorly), c++, farsi, persian\",single\n\
    35,,mostly vegetarian,graduated from ph.d program,,1,,other,,bisexual,has cats and dislikes dogs,,f,,\n\
    17,,,,,66,,,,straight,,,f,english,\n\
    30,,,,,66,,,,gay,,,x,english,\n\
    31,,,,,tall,,,,gay,,,m,english,\n\
    40,,,space camp,,66,,student,,gay,,,m,english,\n\
    40,short\n";

#[test]
fn profiles_say_what_the_columns_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "profiles.csv", OKCUPID.as_bytes());
    let read = || collect(&Source::Recorded(Box::new(OkCupid::new(&path, 2_000_000, at(1_341_014_400)))));
    let parsed = read();
    let people: Vec<_> = parsed.events.iter().map(|e| if let Event::Profile(p) = e { p } else { panic!("{e:?}") }).collect();
    assert_eq!(people.iter().map(|p| p.user_id.0).collect::<Vec<_>>(), [2_000_001, 2_000_002, 2_000_006], "the row is the number");
    let [first, second, third] = [0, 1, 2].map(|i| people[i].profile.as_ref().unwrap());
    assert_eq!((first.gender, first.age(people[0].event_time), first.height_cm), (Gender::Male, 22, Some(191)));
    assert_eq!((first.education, first.occupation.as_deref()), (Some(Education::Secondary), Some("transportation")));
    assert_eq!(first.languages, ["en", "es", "fa"], "c++ is no language, and farsi and persian are one");
    assert_eq!((first.tags.join(" "), &first.preferences.genders), ("dogs cats".to_owned(), &vec![Gender::Female]));
    assert_eq!((&first.extend_data["offspring"], &first.extend_data["diet"]), (&"doesn’t have kids".into(), &"strictly anything".into()));
    assert!(first.position.is_none() && first.city.is_none() && first.bio.is_none(), "nothing is made up");
    let kept = first.extend_data.to_string();
    assert!(!kept.contains("asian") && !kept.contains("agnost"), "{kept}");
    assert_eq!((second.education, second.height_cm, &second.occupation), (Some(Education::Doctor), None, &None));
    assert_eq!((second.tags.join(" "), second.preferences.genders.len(), second.languages.len()), ("vegetarian cats".to_owned(), 2, 0));
    assert_eq!((third.education, &third.preferences.genders), (None, &vec![Gender::Male]));
    assert_eq!(
        told(&parsed),
        [
            (4, "age: 17 is outside 18 to 120"),
            (5, "sex: `x` is neither m nor f"),
            (6, "height: `tall` is not a number"),
            (8, "has 2 cells where the header has 15")
        ]
    );
    assert_eq!(parsed.events, read().events, "a repeat gives the same ids");
    let other = write(folder.path(), "other.csv", b"age,sex\n3,m\n");
    let error = Source::Recorded(Box::new(OkCupid::new(&other, 0, at(0)))).read(now(), &mut |_| Ok(())).unwrap_err();
    assert!(format!("{error:#}").contains("orientation is missing; there are age, sex"), "{error:#}");
}

#[test]
fn messages_become_facts_of_a_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# SRC DST UNIXTS\n1 2 1082040961\n2 1 1082040971\n2 1 1082040971\n\n3 3 1082155839\n3 4\n4 x 1082155839\n5 4 12\n-1 4 1082155839\n";
    let path = write(folder.path(), "CollegeMsg.txt", text.as_bytes());
    let parsed = network(&path, Links::Messages, placing(3_000_000));
    let facts: Vec<_> = parsed.events.iter().map(|e| if let Event::Message(m) = e { m } else { panic!("{e:?}") }).collect();
    assert!(facts.iter().all(|m| m.kind == MessageKind::Sent && m.conversation_id == "3000001-3000002"));
    let links: Vec<_> = facts.iter().map(|m| (m.sender_id.0, m.receiver_id.0, m.event_time.timestamp())).collect();
    let (back, first) = ((3_000_002, 3_000_001, 1_082_040_971), (3_000_001, 3_000_002, 1_082_040_961));
    assert_eq!(links, [first, back, back], "two messages of a second are two");
    assert_ne!(facts[1].event_id, facts[2].event_id);
    let lines: Vec<u64> = parsed.refused.iter().map(|r| r.line).collect();
    assert_eq!(lines, [6, 7, 8, 9, 10], "{:?}", parsed.refused);
    for (refused, words) in
        parsed.refused.iter().zip(["dst: is the same", "has 2 columns", "dst: `x`", "before the year 2000", "src: `-1`"])
    {
        assert!(refused.reason.contains(words), "{refused:?}");
    }
    let moved = network(&path, Links::Messages, Placing { offset: 0, shift_to: Some(at(1_790_000_000)) });
    let last = moved.events.iter().map(Event::event_time).max().unwrap();
    assert_eq!(last.timestamp(), 1_790_000_000 - (1_082_155_839 - 1_082_040_971), "the last time of the file falls there");
}

#[test]
fn gifts_become_likes_and_every_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        write(folder.path(), "gifts.csv", b"giver,receiver,item,ts\n444,326,1614,1064991600\n444,326,9101,1064991600\n,5,1,1064991600\n");
    let parsed = network(&path, Links::Gifts, placing(4_000_000));
    let likes: Vec<_> = parsed.events.iter().map(|e| if let Event::Interaction(i) = e { i } else { panic!("{e:?}") }).collect();
    assert!(likes.iter().all(|l| (l.kind, l.actor_id.0, l.target_id.0) == (InteractionKind::Like, 4_000_444, 4_000_326)));
    assert!(likes.len() == 2 && likes[0].event_id != likes[1].event_id);
    assert_eq!(told(&parsed), [(4, "giver: is missing")]);
    let wrong = Network::open(&write(folder.path(), "gifts.xls", b""), Links::Gifts, Placing { offset: 0, shift_to: Some(now()) });
    assert!(format!("{:#}", wrong.unwrap_err()).contains(".parquet, .csv or .txt"));
}

#[test]
fn homes_check_ins_and_friends() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "gowalla_users_home.csv", b"user,home_poi,lat,lon\n0,24,40.73,-74.0\n1,162,37.79,-122.39\n2,3,95,0\n");
    write(
        folder.path(),
        "gowalla_checkins.csv",
        b"user,poi,ts,lat,lon\n0,9,1287503727.0,30.23,-97.79\n0,0,1287411463.0,30.26,-97.74\n1,1,,30.2,-97.7\n",
    );
    let missing = Gowalla::open(folder.path(), placing(5_000_000)).unwrap_err();
    assert!(missing.to_string().contains("*friends*"), "{missing}");
    write(folder.path(), "gowalla_friends.csv", b"u,v\n0,1\n0,77\n1,1\n");
    let parsed = collect(&Source::Recorded(Box::new(Gowalla::open(folder.path(), placing(5_000_000)).unwrap())));
    let Event::Profile(home) = &parsed.events[0] else { panic!("homes come first: {:?}", parsed.events) };
    let profile = home.profile.as_ref().unwrap();
    assert_eq!((home.user_id.0, profile.position.unwrap().lat, profile.gender), (5_000_000, 40.73, Gender::Other));
    assert_eq!(home.event_time.timestamp(), 1_287_411_463, "from the first check-in");
    assert_eq!(profile.extend_data["filled_in"][2], "birth_date");
    let seen: Vec<_> = parsed.events.iter().filter_map(|e| if let Event::Presence(p) = e { Some(p) } else { None }).collect();
    assert_eq!((seen.len(), seen[0].kind, seen[0].position.unwrap().lon), (2, PresenceKind::Location, -97.79));
    let follows: Vec<_> = parsed.events.iter().filter_map(|e| if let Event::Interaction(i) = e { Some(i) } else { None }).collect();
    assert_eq!(
        follows.iter().map(|f| (f.kind, f.actor_id.0, f.target_id.0)).collect::<Vec<_>>(),
        [(InteractionKind::Follow, 5_000_000, 5_000_001), (InteractionKind::Follow, 5_000_001, 5_000_000)]
    );
    let refused: Vec<_> = parsed.refused.iter().map(|r| (r.file.as_str(), r.line)).collect();
    let files = ["gowalla_users_home.csv", "gowalla_checkins.csv", "gowalla_friends.csv", "gowalla_friends.csv"];
    assert_eq!(refused, files.into_iter().zip([4, 4, 3, 4]).collect::<Vec<_>>(), "{:?}", parsed.refused);
}

#[test]
fn the_shared_data_comes_in() {
    let Some(data) = crate::parts::data("") else { return };
    let networks = [
        ("people_to_people/college_msg_dev.parquet", Links::Messages, 40_618),
        ("people_to_people/ratebeer_transfers_dev.parquet", Links::Gifts, 109_355),
    ];
    for (file, links, rows) in networks {
        let parsed = network(&data.join(file), links, placing(1_000));
        assert_eq!((parsed.events.len(), parsed.refused.len()), (rows, 0), "{file}");
    }
    let path = data.join("okcupid/profiles_revised.parquet");
    let people = collect(&Source::Recorded(Box::new(OkCupid::new(&path, 2_000_000, at(1_341_014_400)))));
    assert_eq!(people.events.len() + people.refused.len(), 59_946);
    assert!(people.refused.len() < 200 && people.refused.iter().all(|r| r.reason.contains("age")), "{:?}", people.refused.last());
    let gowalla = collect(&Source::Recorded(Box::new(Gowalla::open(&data.join("geo"), placing(5_000_000)).unwrap())));
    println!("{} okcupid people, {} gowalla events", people.events.len(), gowalla.events.len());
    assert_eq!((gowalla.events.len(), gowalla.refused.len()), (18_737 + 157_251 + 2 * 69_393, 0));
}

proptest! {
    #[test]
    fn garbage_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), head in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        for (name, header) in [("m.txt", ""), ("m.csv", "src,dst,ts\n"), ("m.parquet", "PAR1")] {
            let text = if head { [header.as_bytes(), &bytes].concat() } else { bytes.clone() };
            let path = write(folder.path(), name, &text);
            let source = Source::Recorded(Box::new(Network::open(&path, Links::Messages, placing(1)).unwrap()));
            let _ = source.read(now(), &mut |_| Ok(()));
        }
        let path = write(folder.path(), "o.csv", &[b"age,sex,orientation,height,speaks\n", bytes.as_slice()].concat());
        let _ = Source::Recorded(Box::new(OkCupid::new(&path, 1, now()))).read(now(), &mut |_| Ok(()));
    }
}

#![allow(clippy::unwrap_used)]

use super::*;
use crate::snapshot::OffsetMap;
use chrono::DateTime;
use features::portrait::{SIGNAL_COUNTERS, TagWeight};
use features::profile::{Gender, Position, Preferences};
use features::vector::QVector;
use proptest::prelude::*;

fn portrait(user: u64, version: u64) -> Portrait {
    let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let tag = |name: &str, weight| TagWeight { tag: name.to_owned(), weight };
    Portrait {
        user_id: UserId(user),
        version,
        generation: 1,
        updated_at: at,
        profile: Profile {
            city: Some("上海".into()),
            position: Some(Position { lat: 31.2, lon: (12_140 + user) as f64 / 100.0 }),
            hidden: user == 9,
            ..Profile::new(
                format!("p{user}"),
                if user.is_multiple_of(2) { Gender::Female } else { Gender::Male },
                chrono::NaiveDate::from_ymd_opt(1996, 5, 4).unwrap(),
                at,
            )
        },
        counters: SIGNAL_COUNTERS.iter().enumerate().map(|(i, name)| ((*name).to_owned(), 1e8 * (i + 1) as f64)).collect(),
        tags: vec![tag("咖啡", 1.0), tag("hiking", 0.5)],
        liked_tags: vec![tag("hiking", 1.0)],
        content: Some(QVector::from_f32(&[1.0, user as f32, 0.5, -0.25])),
        taste: None,
        model: Some("m".into()),
        moments: vec![],
    }
}

#[test]
fn rows_hold_what_the_portrait_says() {
    let table = PortraitTable::default();
    let p = portrait(2, 5);
    assert!(table.apply(&p));
    assert!(!table.apply(&portrait(2, 4)), "older versions are refused");
    let read = table.read();
    let row = read.row_of(UserId(2)).unwrap();
    let now = DateTime::from_timestamp(1_791_000_000, 0).unwrap();
    assert_eq!(read.signals(row, now), p.signals(now));
    assert_ne!(read.position(row), p.profile.position, "positions are snapped");
    assert_eq!(read.position(row), p.profile.position.and_then(crate::geo::snap));
    assert_eq!(read.impressions([row].into_iter(), now), [(p.signals(now).impressions, row)]);
    assert_eq!(read.tag_name(read.liked_tags(row)[0].0), "hiking");
    assert!((tag_overlap(read.tags(row), read.liked_tags(row)) - 0.5 / 2.0).abs() < 1e-6);
    assert!(read.vector(VectorColumn::Taste, row).is_none());
}

#[test]
fn removal_frees_the_row_and_leaves_nothing() {
    let table = PortraitTable::default();
    (1..=9).for_each(|user| assert!(table.apply(&portrait(user, 1))));
    assert!(table.remove(UserId(4)) && !table.remove(UserId(4)));
    assert!(table.profile(UserId(4)).is_none());
    let read = table.read();
    let near = read.near(Position { lat: 31.2, lon: 121.44 }, 30.0, 100, 5);
    assert_eq!(near.len(), 8);
    assert_eq!(read.selectable(Gender::Female.bit()).len(), 3);
    assert_eq!(read.selectable(0).len(), 7, "9 is hidden, 4 is gone");
    drop(read);
    assert!(table.apply(&portrait(40, 1)));
    assert_eq!(table.read().row_of(UserId(40)), Some(3), "rows are reused");
}

#[test]
fn an_overlay_is_seen_at_once_and_replaced_by_the_stream() {
    let table = PortraitTable::default();
    let mut profile = portrait(1, 1).profile;
    table.overlay(UserId(1), &profile);
    assert_eq!(table.profile(UserId(1)).unwrap().nickname, "p1");
    assert!(table.apply(&portrait(1, 1)));
    assert!(!overlaid(&table));
    profile.hidden = true;
    table.overlay(UserId(1), &profile);
    assert!(overlaid(&table));
    let read = table.read();
    let row = read.row_of(UserId(1)).unwrap();
    assert!(!read.visible(row) && read.vector(VectorColumn::Content, row).is_some());
    assert_eq!(read.version(row), (1, 1), "the version stays that of the portrait");
}

/// Portraits that were assembled before a change and come after it, and changes that come in another order than they were made.
#[test]
fn whoever_has_hidden_stays_hidden_whatever_was_under_way() {
    let table = PortraitTable::default();
    let shown = |table: &PortraitTable| {
        let read = table.read();
        read.visible(read.row_of(UserId(1)).unwrap())
    };
    let of = |revision, hidden| features::profile::Profile { revision, hidden, ..portrait(1, 1).profile };
    assert!(table.apply(&portrait(1, 1)) && shown(&table));
    assert!(table.overlay(UserId(1), &of(20, true)));
    assert!(!table.overlay(UserId(1), &of(10, false)), "an older change");
    let late = |version, revision| Portrait { profile: of(revision, false), ..portrait(1, version) };
    assert!(table.apply(&late(2, 0)) && table.apply(&late(3, 19)), "what else they hold is taken over");
    assert!(!shown(&table) && overlaid(&table));
    assert_eq!(table.read().version(table.read().row_of(UserId(1)).unwrap()), (1, 3));
    assert!(table.apply(&Portrait { profile: of(20, true), ..portrait(1, 4) }));
    assert!(!shown(&table) && !overlaid(&table), "the stream has caught up");
    assert!(table.apply(&late(5, 21)) && shown(&table));
}

fn overlaid(table: &PortraitTable) -> bool {
    let read = table.read();
    read.overlaid(read.row_of(UserId(1)).unwrap())
}

proptest! {
    /// Sums of floats depend on their order, and the order here is that of the numbers: they must not be seen in the result.
    #[test]
    fn an_overlap_does_not_depend_on_the_numbers_of_tags(
        ours in proptest::collection::vec((0u32..40, 0f32..=1.0), 1..20),
        theirs in proptest::collection::vec((0u32..40, 0f32..=1.0), 1..20),
        first in proptest::collection::vec(0u32..40, 0..60),
    ) {
        let tags = |list: &[(u32, f32)]| {
            let named: std::collections::BTreeMap<String, f32> = list.iter().map(|(n, w)| (format!("t{n}"), *w)).collect();
            named.into_iter().map(|(tag, weight)| TagWeight { tag, weight }).collect::<Vec<_>>()
        };
        let overlap = |first: &[u32]| {
            let table = PortraitTable::default();
            let before = first.iter().map(|n| (*n, 1.0)).collect::<Vec<_>>();
            let mut stranger = portrait(7, 1);
            for one in &before {
                stranger.version += 1;
                stranger.tags = tags(std::slice::from_ref(one));
                table.apply(&stranger);
            }
            table.apply(&Portrait { tags: tags(&ours), liked_tags: tags(&theirs), ..portrait(1, 1) });
            let read = table.read();
            let row = read.row_of(UserId(1)).unwrap();
            tag_overlap(read.tags(row), read.liked_tags(row)).to_bits()
        };
        prop_assert_eq!(overlap(&[]), overlap(&first));
    }
}

#[test]
fn a_table_is_a_vector_index_of_its_people() {
    use crate::vectors::{Collection, ExactVectors, VectorFilter, VectorIndex, VectorName, VectorQuery};
    let table = Arc::new(PortraitTable::default());
    (1..=12).for_each(|user| assert!(table.apply(&portrait(user, 1))));
    let vectors = ExactVectors::new(Arc::clone(&table));
    let ask = |filter| {
        let query = VectorQuery { name: VectorName::Content, vector: vec![1.0, 12.0, 0.5, -0.25], filter, limit: 4 };
        let found = futures::executor::block_on(vectors.search(Collection::Users, query)).unwrap();
        found.into_iter().map(|hit| hit.id).collect::<Vec<_>>()
    };
    assert_eq!(ask(VectorFilter::default()), [12, 11, 10, 9]);
    assert_eq!(ask(VectorFilter { visible_only: true, ..VectorFilter::default() }), [12, 11, 10, 8], "9 is hidden");
    assert_eq!(ask(VectorFilter { genders: Gender::Male.bit(), ..VectorFilter::default() }), [11, 9, 7, 5]);
    assert!(ask(VectorFilter { near: Some((Position { lat: 0.0, lon: 0.0 }, 10.0)), ..VectorFilter::default() }).is_empty());
    assert!(ask(VectorFilter { birth_days: Some(0..=1), ..VectorFilter::default() }).is_empty());
}

#[test]
fn reach_is_everybody_or_the_nearest_and_never_more_than_asked() {
    let table = PortraitTable::default();
    (1..=60).for_each(|user| assert!(table.apply(&portrait(user, 1))));
    let mut nowhere = portrait(62, 1);
    nowhere.profile.position = None;
    table.apply(&nowhere);
    let read = table.read();
    let reach = |most, within_km, turn| {
        let from = Some(Position { lat: 31.2, lon: 121.40 });
        read.reach(&Reach { genders: Gender::Female.bit(), birth_days: 0..=20_000, from, within_km, most, turn })
    };
    let all = reach(100, None, 7);
    assert!(all.all && all.rows.len() == 31, "with whom nobody knows where they are: {all:?}");
    let near = reach(100, Some(20.0), 7);
    assert!(near.all && near.rows.len() < 30 && near.rows.is_subset(&all.rows));
    let few = reach(5, None, 7);
    assert!(!few.all && few.rows.len() == 5 && few.rows.is_subset(&near.rows), "{few:?}");
    assert_eq!(few, reach(5, None, 7));
    assert!(
        read.reach(&Reach {
            birth_days: 0..=10,
            ..Reach { genders: 0, birth_days: 0..=0, from: None, within_km: None, most: 100, turn: 0 }
        })
        .rows
        .is_empty()
    );
}

#[test]
fn everybody_within_a_radius_is_found_once_wherever_they_live() {
    let table = PortraitTable::default();
    let here = Position { lat: 30.0, lon: 110.0 };
    for user in 1..=400u64 {
        let mut p = portrait(user, 1);
        let (turn, share) = (user as f64 * 2.399_963, user as f64 / 400.0);
        p.profile.position = Some(Position { lat: 30.0 + 9.0 * share * turn.sin(), lon: 110.0 + 9.0 * share * turn.cos() });
        table.apply(&p);
    }
    (1..=40).for_each(|user| assert!(table.remove(UserId(user * 7))));
    let read = table.read();
    let middle = crate::geo::snap(here).unwrap();
    for radius in [0.0, 20.0, 70.0, 150.0, 400.0, 900.0, 3_000.0] {
        let mut found = read.near(here, radius, 1_000, 3);
        found.sort_unstable();
        let expected: Vec<u32> =
            read.rows().filter(|row| read.position(*row).is_some_and(|at| crate::geo::km(middle, at) <= radius)).collect();
        assert_eq!(found, expected, "within {radius} km");
    }
    assert_eq!(read.near(here, f64::INFINITY, 1_000, 3).len(), 360);
}

#[test]
fn nobody_in_a_dense_cell_always_stands_first() {
    let table = PortraitTable::default();
    for user in 1..=50 {
        let mut p = portrait(user, 1);
        p.profile.position = Some(Position { lat: 31.2, lon: 121.4 });
        table.apply(&p);
    }
    let read = table.read();
    let seen: std::collections::HashSet<u32> =
        (0..50).flat_map(|turn| read.near(Position { lat: 31.2, lon: 121.4 }, 5.0, 4, turn)).collect();
    assert_eq!(seen.len(), 50, "every turn looks at 4, all turns at everybody");
}

#[test]
fn a_profile_is_unpacked_as_it_was() {
    let table = PortraitTable::default();
    let mut p = portrait(3, 1);
    let profile = &mut p.profile;
    (profile.height_cm, profile.education) = (Some(180), Some(features::profile::Education::Master));
    (profile.occupation, profile.bio) = (Some("厨师 cook".into()), Some("周末爬山".into()));
    (profile.languages, profile.tags) = (vec!["zh".into(), "en".into()], vec!["咖啡".into()]);
    (profile.visibility, profile.verified, profile.revision) = (Some(features::profile::Visibility::Paused), true, u64::MAX);
    profile.album = vec!["a".into(), "照片".into()];
    (profile.photos, profile.is_virtual, profile.extend_data) = (4, true, serde_json::json!({"a": [1, {"b": null}]}));
    profile.preferences = Preferences { genders: vec![Gender::Male, Gender::Other], min_age: 20, max_age: 40, max_distance_km: Some(30) };
    profile.created_at = DateTime::from_timestamp(1_790_000_000, 123_456_789).unwrap();
    table.apply(&p);
    assert_eq!(*table.profile(UserId(3)).unwrap(), p.profile);
    let read = table.read();
    let row = read.row_of(UserId(3)).unwrap();
    let limits = read.limits(row);
    assert!(limits.wants_gender(Gender::Male) && !limits.wants_gender(Gender::Female) && limits.wants_age(40) && !limits.wants_age(41));
    assert_eq!((limits.height_cm, limits.max_distance_km, read.city(row)), (Some(180), Some(30), Some("上海")));
    assert_eq!((read.created_at(row), read.age(row, p.profile.created_at)), (p.profile.created_at, p.profile.age(p.profile.created_at)));
}

#[test]
fn texts_of_people_who_left_are_not_in_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let table = PortraitTable::default();
    let mut secret = portrait(1, 1);
    secret.profile.city = Some("Erehwon".into());
    secret.tags = vec![TagWeight { tag: "unicycling".into(), weight: 1.0 }];
    table.apply(&secret);
    table.apply(&portrait(2, 1));
    table.remove(UserId(1));
    table.save(&path, &OffsetMap::new()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for text in ["Erehwon", "unicycling"] {
        assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()), "{text}");
    }
    let (back, _) = PortraitTable::load(&path).unwrap();
    secret.tags[0].tag = "juggling".into();
    back.apply(&secret);
    let read = back.read();
    let names = |user| read.tags(read.row_of(UserId(user)).unwrap()).iter().map(|t| read.tag_name(t.0).to_owned()).collect::<Vec<_>>();
    assert_eq!((names(1), read.city(read.row_of(UserId(1)).unwrap())), (vec!["juggling".to_owned()], Some("Erehwon")));
    assert!(names(2).contains(&"咖啡".to_owned()));
}

#[test]
fn a_row_found_twice_in_a_snapshot_is_one_person() {
    let table = PortraitTable::default();
    (1..=4).for_each(|user| assert!(table.apply(&portrait(user, user))));
    let mut columns = table.columns.into_inner().unwrap();
    // As when somebody left and came back while a snapshot was written: the last row says the same of user 2, but newer.
    let mut twin = columns.rows[1].clone().unwrap();
    twin.version = 9;
    columns.rows[3] = Some(twin);
    let mut fresh = Columns::default();
    (fresh.rows, fresh.limits, fresh.birth_days, fresh.created) = (columns.rows, columns.limits, columns.birth_days, columns.created);
    (fresh.words, fresh.content, fresh.taste) = (columns.words, columns.content, columns.taste);
    fresh.rebuild();
    assert_eq!((fresh.len(), fresh.row_of(UserId(2)), fresh.rows().count()), (3, Some(3), 3));
    assert_eq!(fresh.selectable(0).len(), 3);
    assert!(fresh.vector(VectorColumn::Content, 1).is_none());
}

proptest! {
    #[test]
    fn a_snapshot_gives_the_table_back(users in proptest::collection::vec(1u64..50, 1..40), gone in proptest::collection::vec(1u64..50, 0..10)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let table = PortraitTable::default();
        users.iter().for_each(|u| { table.apply(&portrait(*u, *u)); });
        gone.iter().for_each(|u| { table.remove(UserId(*u)); });
        table.save(&path, &OffsetMap::from([("portraits/0".into(), 3)])).unwrap();
        let (back, offsets) = PortraitTable::load(&path).unwrap();
        prop_assert_eq!(offsets["portraits/0"], 3);
        let (a, b) = (table.read(), back.read());
        let now = DateTime::from_timestamp(1_791_000_000, 0).unwrap();
        prop_assert_eq!(a.len(), b.len());
        for row in a.rows() {
            let there = b.row_of(a.user(row)).unwrap();
            prop_assert_eq!((a.profile(row), a.visible(row), a.version(row)), (b.profile(there), b.visible(there), b.version(there)));
            prop_assert_eq!((a.position(row), a.city(row), a.created_at(row)), (b.position(there), b.city(there), b.created_at(there)));
            prop_assert_eq!((a.birth_days(row), a.signals(row, now)), (b.birth_days(there), b.signals(there, now)));
            prop_assert_eq!(a.impressions([row].into_iter(), now)[0].0, b.impressions([there].into_iter(), now)[0].0);
            let vector = |t: &Columns, row| t.vector(VectorColumn::Content, row).map(|v| (v.codes.to_vec(), v.scale, v.inverse_norm));
            prop_assert_eq!(vector(&a, row), vector(&b, there));
        }
        let cells: Vec<u64> = b.rows().map(|row| b.limits(row).cell).collect();
        prop_assert!(cells.is_sorted(), "neighbours lie side by side");
        let all = Position { lat: 31.2, lon: 121.4 };
        let sorted = |t: &Columns| { let mut users: Vec<UserId> = t.near(all, 500.0, 1000, 0).into_iter().map(|row| t.user(row)).collect(); users.sort_unstable(); users };
        prop_assert_eq!(sorted(&a), sorted(&b));
    }

    #[test]
    fn the_scan_finds_what_brute_force_finds(vectors in proptest::collection::vec(proptest::collection::vec(-1f32..1.0, 8), 1..60), query in proptest::collection::vec(-1f32..1.0, 8), k in 1usize..10) {
        let table = PortraitTable::default();
        for (user, vector) in (1u64..).zip(&vectors) {
            let mut p = portrait(user, 1);
            p.content = Some(QVector::from_f32(vector));
            table.apply(&p);
        }
        let query = QVector::from_f32(&query);
        let read = table.read();
        let found = read.scan_cosine(VectorColumn::Content, &query, read.rows(), k);
        let mut all: Vec<f32> = vectors.iter().map(|v| QVector::from_f32(v)).filter(|v| !v.is_zero()).map(|v| query.cosine(&v)).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        all.truncate(k);
        prop_assert_eq!(found.len(), if query.is_zero() { 0 } else { all.len() });
        for ((_, score), expected) in found.iter().zip(&all) {
            prop_assert!((score - expected).abs() < 1e-5);
        }
    }
}

#[test]
fn each_row_is_looked_at_once_in_order_however_many_are_locked_at_a_time() {
    let table = PortraitTable::default();
    assert!((1..=10).all(|user| table.apply(&portrait(user, 1))));
    table.remove(UserId(4));
    for at_once in [1, 2, 3, 9, 10, 100] {
        for wanted in [1, 5, 9, 50] {
            let mut seen = Vec::new();
            table.each_row(at_once, |read, row| {
                seen.push(read.user(row).0);
                if seen.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            let expected: Vec<u64> = [1, 2, 3, 5, 6, 7, 8, 9, 10].into_iter().take(wanted).collect();
            assert_eq!(seen, expected, "{at_once} at a time, {wanted} wanted");
        }
    }
}

#![allow(clippy::unwrap_used)]

use super::*;
use chrono::DateTime;
use features::portrait::{SIGNAL_COUNTERS, TagWeight};
use features::profile::{Gender, Position};
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
    let near = read.near(Position { lat: 31.2, lon: 121.44 }, 30.0, 100);
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
    profile.hidden = true;
    table.overlay(UserId(1), &profile);
    let read = table.read();
    let row = read.row_of(UserId(1)).unwrap();
    assert!(!read.visible(row) && read.vector(VectorColumn::Content, row).is_some());
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
        prop_assert_eq!(a.len(), b.len());
        for row in a.rows() {
            prop_assert_eq!(b.row_of(a.user(row)), Some(row));
            prop_assert_eq!(a.profile(row), b.profile(row));
            prop_assert_eq!(a.visible(row), b.visible(row));
        }
        let all = Position { lat: 31.2, lon: 121.4 };
        let sorted = |t: &Columns| { let mut rows = t.near(all, 500.0, 1000); rows.sort_unstable(); rows };
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

//! Quotas and grants on every database: called by the suite of `db`.

use chrono::{DateTime, TimeDelta, Utc};
use features::entitlements::{Entitlement, Grant};
use features::ids::UserId;

use super::{EntitlementError, Entitlements, EntitlementsConfig};
use crate::db::Db;

const LIKES: Entitlement = Entitlement::LikesPerDay;
const SUPER: Entitlement = Entitlement::SuperLikesPerDay;

fn now() -> DateTime<Utc> {
    "2026-11-27T08:00:00Z".parse().unwrap()
}

fn open(db: &Db) -> Entitlements {
    Entitlements::new(db.clone(), &EntitlementsConfig { likes_per_day: 25, super_likes_per_day: 0, day_ahead_min: 480 })
}

fn grant(amount: u32, reference: &str) -> Grant {
    Grant { amount, granted_at: now(), valid_until: None, source: "shop".to_owned(), reference: reference.to_owned() }
}

/// Limit and use of likes.
async fn likes(entitlements: &Entitlements, user: UserId, at: DateTime<Utc>) -> (Option<u32>, u32) {
    let held = entitlements.held(user, at).await.unwrap();
    (held[0].limit, held[0].used)
}

/// Two nodes over one database.
pub(crate) async fn suite(a: &Db, b: &Db) {
    never_more_than_there_is(a, b).await;
    all_or_none(a).await;
    a_reference_counts_once(a, b).await;
    in_a_transaction(a).await;
}

async fn never_more_than_there_is(a: &Db, b: &Db) {
    let user = UserId(u64::MAX);
    let (left, right) = (open(a), open(b));
    let ask = async |entitlements: &Entitlements| {
        let mut had = 0;
        for _ in 0..10 {
            match entitlements.take(user, LIKES, 1, now()).await {
                Ok(()) => had += 1,
                Err(EntitlementError::Exceeded { limit, wait_s, .. }) => assert_eq!((limit, wait_s), (25, 8 * 3_600 + 1)),
                Err(error) => panic!("{error}"),
            }
        }
        had
    };
    let (w, x, y, z) = tokio::join!(ask(&left), ask(&right), ask(&left), ask(&right));
    assert_eq!(w + x + y + z, 25, "of forty");
    assert_eq!(likes(&right, user, now()).await, (Some(25), 25));
    let tomorrow = now() + TimeDelta::hours(8);
    left.take(user, LIKES, 25, tomorrow).await.unwrap();
    assert_eq!((likes(&left, user, now()).await.1, likes(&left, user, tomorrow).await.1), (25, 25), "days count by themselves");
    left.take(UserId(2), LIKES, 1, now()).await.unwrap();
}

async fn all_or_none(db: &Db) {
    let (user, all) = (UserId(3), open(db));
    assert!(matches!(all.take(user, LIKES, 26, now()).await, Err(EntitlementError::Exceeded { .. })));
    all.take(user, LIKES, 24, now()).await.unwrap();
    assert!(matches!(all.take(user, LIKES, 2, now()).await, Err(EntitlementError::Exceeded { .. })));
    all.take(user, LIKES, 0, now()).await.unwrap();
    assert_eq!(likes(&all, user, now()).await.1, 24);
    for _ in 0..3 {
        all.take(user, SUPER, 1_000, now()).await.unwrap();
    }
    let held = all.held(user, now()).await.unwrap();
    assert_eq!((held[1].what, held[1].limit, held[1].used), (SUPER, None, 0), "what is unlimited is not counted");
    // Of days that ended long ago nothing is kept.
    let later = now() + TimeDelta::days(50);
    all.take(user, LIKES, 1, later).await.unwrap();
    assert_eq!((likes(&all, user, now()).await.1, likes(&all, user, later).await.1), (0, 1));
}

async fn a_reference_counts_once(a: &Db, b: &Db) {
    let user = UserId(4);
    let (left, right) = (open(a), open(b));
    let order = || grant(100, "order-1");
    let (x, y) = tokio::join!(left.grant(user, LIKES, order()), right.grant(user, LIKES, order()));
    assert!(x.unwrap() != y.unwrap(), "one of two at the same time is new");
    assert_eq!(likes(&left, user, now()).await, (Some(100), 0));
    assert!(matches!(left.grant(user, LIKES, grant(7, "order-1")).await, Err(EntitlementError::Reused)));
    assert!(left.grant(user, SUPER, order()).await.unwrap(), "an order may have several parts");
    let month = Grant { valid_until: Some(now() + TimeDelta::days(30)), granted_at: now() + TimeDelta::hours(1), ..grant(0, "订单-2") };
    assert!(left.grant(user, LIKES, month.clone()).await.unwrap());
    assert_eq!(likes(&left, user, now() + TimeDelta::days(1)).await.0, None);
    assert_eq!(likes(&left, user, now() + TimeDelta::days(30)).await.0, Some(100), "and then what was granted before");
    let again = Grant { granted_at: now() + TimeDelta::days(40), ..month.clone() };
    assert!(!left.grant(user, LIKES, again).await.unwrap(), "a repeat is one even after its end");
    for (field, wrong) in [
        ("source", Grant { source: String::new(), ..grant(1, "x") }),
        ("reference", grant(1, &"x".repeat(201))),
        ("reference", grant(1, "a\0b")),
        ("valid_until", Grant { valid_until: Some(now()), ..grant(1, "y") }),
    ] {
        let refused = left.grant(user, LIKES, wrong).await;
        assert!(matches!(&refused, Err(EntitlementError::Field(named, _)) if *named == field), "{refused:?}");
    }
}

async fn in_a_transaction(db: &Db) {
    let (user, all) = (UserId(5), open(db));
    let mut tx = db.begin().await.unwrap();
    all.take_in(&mut tx, user, LIKES, 20, now()).await.unwrap();
    assert!(matches!(all.take_in(&mut tx, user, LIKES, 6, now()).await, Err(EntitlementError::Exceeded { .. })));
    drop(tx);
    assert_eq!(likes(&all, user, now()).await.1, 0, "what was not committed was not taken");
    let mut tx = db.begin().await.unwrap();
    all.take_in(&mut tx, user, LIKES, 20, now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(likes(&all, user, now()).await.1, 20);
}

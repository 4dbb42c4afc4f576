//! Budgets, caps and guaranteed places in whole decks.

use super::*;

/// `many` people were shown `target` lately.
fn shown_to_many(parts: &Parts, target: u64, many: u64, ago: TimeDelta) {
    for viewer in 1_001..=1_000 + many {
        parts.ledger.apply(&did(viewer, target, Kind::Impression, ago));
    }
}

fn budgeted() -> RankerConfig {
    let mut config = RankerConfig::default();
    (config.exposure.daily_budget, config.exposure.budget_strength, config.exposure.pile_up_cap) = (10, 2.0, 0.0);
    config
}

#[tokio::test]
async fn who_was_shown_to_many_today_gives_way_by_what_the_budget_says() {
    let parts = town(300);
    let whole = DeckRequest { limit: 200, ..request(1) };
    let before = recommender(&parts, &budgeted()).deck(&whole).await.unwrap();
    let first = before.items[0].clone();
    assert_eq!((first.draw.received, first.draw.budget), (0, 0.0));
    shown_to_many(&parts, first.user_id.0, 40, TimeDelta::zero());
    shown_to_many(&parts, before.items[1].user_id.0, 40, TimeDelta::days(1));
    let after = recommender(&parts, &budgeted()).deck(&whole).await.unwrap();
    let of = |user: UserId| after.items.iter().find(|item| item.user_id == user).unwrap();
    let (now, other) = (of(first.user_id), of(before.items[1].user_id));
    assert_eq!((now.draw.received, now.draw.budget), (40, 6.0), "three budgets more than one, two units each");
    assert!((now.draw.key - (first.draw.key - 6.0)).abs() < 1e-4 && now.score < first.score && now.propensity < first.propensity);
    assert_eq!(other.draw, before.items[1].draw, "yesterday does not count");
    assert_ne!(after.items[0].user_id, first.user_id);
    after.items.iter().for_each(recompute);
    let off = recommender(&parts, &RankerConfig { strategy: "random".to_owned(), ..budgeted() }).deck(&whole).await.unwrap();
    assert!(off.items.iter().all(|item| item.draw.budget == 0.0), "a baseline knows no budget");
}

#[tokio::test]
async fn who_is_over_the_cap_comes_after_everybody_else_and_is_told_so() {
    let parts = town(300);
    let mut config = budgeted();
    (config.exposure.daily_budget, config.exposure.pile_up_cap) = (0, 3.0);
    let before = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    let first = before.items[0].user_id;
    shown_to_many(&parts, first.0, 5, TimeDelta::zero());
    let short = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    assert!(short.items.iter().all(|item| item.user_id != first));
    let told = short.removed.iter().find(|r| r.user_id == first).unwrap();
    assert_eq!(told.filter, FilterName::EnoughToday);
    let whole = recommender(&parts, &config).deck(&DeckRequest { limit: 200, ..request(1) }).await.unwrap();
    let last = whole.items.last().unwrap();
    assert!(last.user_id == first && last.draw.capped, "a deck with room for everybody has them, at the end");
}

#[tokio::test]
async fn who_came_back_is_named_and_the_same_whatever_the_order_of_events() {
    let config = RankerConfig::default();
    let events = |parts: &Parts, back: bool| {
        let days = [(10, 3), (0, 2)];
        let said = days.map(|(days, target)| did(2, target + 300, Kind::Like, TimeDelta::days(days)));
        if back {
            parts.ledger.apply_all(said.iter().rev().chain(&said));
        } else {
            parts.ledger.apply_all(&said);
        }
    };
    let (one, other) = (town(300), town(300));
    events(&one, false);
    events(&other, true);
    let whole = DeckRequest { limit: 200, ..request(1) };
    let [one, other] = [&one, &other].map(|parts| recommender(parts, &config).with_filters(Vec::new()).judge(&whole, UserId(2)).unwrap());
    assert_eq!(one.items, other.items);
    assert!(one.items[0].returning);
    assert!(one.items[0].reasons.iter().all(|r| !r.zh.is_empty() && !r.en.is_empty()));
}

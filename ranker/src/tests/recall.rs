//! When sources fail, are slow, or find only people known already.

use super::*;

#[tokio::test]
async fn the_vector_index_is_asked_when_many_are_in_reach_and_its_failure_is_named() {
    let mut parts = town(300);
    let mut config = RankerConfig::default();
    (config.deck.exact_scan_below, config.deck.beyond) = (10, crate::config::Beyond::Index);
    let healthy = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    assert!(healthy.degraded.is_empty());
    assert!(
        healthy
            .items
            .iter()
            .any(|item| item.sources.contains(&SourceName::TasteContent) || item.sources.contains(&SourceName::ContentTaste))
    );
    parts.vectors = Arc::new(Vectors::Broken);
    let broken = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    assert!(broken.degraded.contains(&"source content_taste: vector store: connection refused".to_owned()), "{:?}", broken.degraded);
    assert!(!broken.items.is_empty());
    config.sources.content_taste.timeout_ms = 5;
    config.sources.taste_content.timeout_ms = 5;
    parts.vectors = Arc::new(Vectors::Slow);
    let late = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    assert!(late.degraded.contains(&"source content_taste: no answer within 5 ms".to_owned()), "{:?}", late.degraded);
    let exact = recommender(&parts, &RankerConfig::default()).deck(&request(1)).await.unwrap();
    assert!(exact.degraded.is_empty(), "few in reach: the table is scanned and the index not asked");
}

struct Panics(SourceName);

#[async_trait]
impl Source for Panics {
    fn name(&self) -> SourceName {
        self.0
    }

    async fn find(&self, _: &Query, _: &Parts, _: usize) -> Result<Vec<UserId>, SourceError> {
        panic!("a bug")
    }
}

#[tokio::test]
async fn when_recall_fails_the_hot_pool_stands_in_and_filters_still_hold() {
    let parts = town(300);
    parts.ledger.apply(&did(8, 1, Kind::Block, TimeDelta::days(1)));
    let broken: Vec<Box<dyn Source>> = SourceName::ALL.iter().map(|name| Box::new(Panics(*name)) as Box<dyn Source>).collect();
    let recommender = recommender(&parts, &RankerConfig::default()).with_sources(broken);
    let failed = recommender.deck(&request(1)).await.unwrap();
    assert_eq!(failed.degraded.len(), SourceName::ALL.len() + 1, "{:?}", failed.degraded);
    let fallback = recommender.fallback(&request(1), "ranking is overloaded").unwrap();
    assert_eq!(fallback.degraded, ["ranking is overloaded"]);
    for deck in [failed, fallback] {
        assert_eq!(deck.items.len(), 50, "caps give way when the deck would stay short");
        for item in &deck.items {
            assert_eq!(item.sources, [SourceName::Hot]);
            assert!(may_be_shown(&parts, 1, item.user_id.0));
        }
        assert!(
            deck.removed.iter().any(|r| r.user_id == UserId(8) && r.filter == FilterName::Blocked)
                || deck.removed.iter().all(|r| r.user_id != UserId(8))
        );
    }
}

#[tokio::test]
async fn who_is_liked_by_those_who_like_alike_is_found_and_says_so() {
    let parts = parts((1..=200).map(|user| person(user, DIM)));
    let likes = |actor, target| parts.ledger.apply(&did(actor, target, Kind::Like, TimeDelta::days(1)));
    let found = (2..=200).find(|user| may_be_shown(&parts, 1, *user)).unwrap();
    // 901 likes the same as 1, and one more.
    [(1, 902), (901, 902), (901, 903), (901, found)].into_iter().for_each(|(a, t)| likes(a, t));
    let mut sources = serde_json::to_value(RankerConfig::default().sources).unwrap();
    for other in SourceName::ALL.iter().filter(|s| **s != SourceName::CoLike) {
        sources[other.name()]["limit"] = 0.into();
    }
    let mut config = RankerConfig { sources: serde_json::from_value(sources).unwrap(), ..RankerConfig::default() };
    config.deck.reasons = 20;
    let deck = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    assert_eq!(ids(&deck.items), [found], "{:?}", deck.removed);
    assert_eq!(deck.items[0].sources, [SourceName::CoLike]);
    assert!(deck.items[0].reasons.iter().any(|r| r.code == "co_like" && r.zh.contains("口味")), "{:?}", deck.items[0].reasons);
    let cold = recommender(&parts, &config).deck(&request(3)).await.unwrap();
    assert!(cold.items.is_empty() && cold.degraded.is_empty(), "who likes nobody yet is left to the others");
}

/// Sources that find nobody, but for some that fail.
struct Finds(SourceName, bool);

#[async_trait]
impl Source for Finds {
    fn name(&self) -> SourceName {
        self.0
    }

    async fn find(&self, _: &Query, _: &Parts, _: usize) -> Result<Vec<UserId>, SourceError> {
        if self.1 { Ok(Vec::new()) } else { Err(index::IndexError::Vectors("connection refused".into()).into()) }
    }
}

#[tokio::test]
async fn the_hot_pool_stands_in_when_failures_leave_nobody() {
    let parts = town(300);
    let with = |fails: &[SourceName]| {
        let all = SourceName::ALL.iter().map(|name| Box::new(Finds(*name, !fails.contains(name))) as Box<dyn Source>);
        recommender(&parts, &RankerConfig::default()).with_sources(all.collect())
    };
    let failed = with(&[SourceName::TasteContent, SourceName::Hot]).deck(&request(1)).await.unwrap();
    assert_eq!((failed.items.len(), failed.degraded.len()), (50, 3), "{:?}", failed.degraded);
    assert!(failed.items.iter().all(|item| may_be_shown(&parts, 1, item.user_id.0)));
    let nobody = with(&[]).deck(&request(1)).await.unwrap();
    assert!(nobody.items.is_empty() && nobody.degraded.is_empty(), "when all is well and nobody is there, nobody is made up");
}

#[tokio::test]
async fn people_passed_long_ago_do_not_crowd_out_the_others() {
    let parts = parts((1..=200).map(|user| person(user, DIM)).map(|mut p| {
        if p.user_id == UserId(1) {
            p.taste = p.content.clone();
        }
        p
    }));
    let allowed: Vec<u64> = (1..=200).filter(|user| may_be_shown(&parts, 1, *user)).collect();
    assert!(allowed.len() > 30, "{}", allowed.len());
    let relations = [SourceName::FriendsOfFriends, SourceName::CoLike];
    for source in SourceName::ALL.iter().filter(|s| !relations.contains(s)) {
        for scan in [20_000, 0] {
            let mut sources = serde_json::to_value(RankerConfig::default().sources).unwrap();
            for other in SourceName::ALL {
                sources[other.name()]["limit"] = if other == source { 20.into() } else { 0.into() };
            }
            let mut config = RankerConfig { sources: serde_json::from_value(sources).unwrap(), ..RankerConfig::default() };
            config.deck.exact_scan_below = scan;
            config.sources.newcomer_days = 3_000;
            config.sources.under_shown_below = 1e9;
            let ledger = Arc::new(Ledger::default());
            let recommender = recommender(&Parts { ledger: Arc::clone(&ledger), ..parts.clone() }, &config);
            let mut seen = HashSet::new();
            loop {
                let deck = recommender.deck(&request(1)).await.unwrap();
                if deck.items.is_empty() {
                    break;
                }
                for user in ids(&deck.items) {
                    assert!(seen.insert(user), "{user} was passed");
                    ledger.apply(&did(1, user, Kind::Pass, TimeDelta::days(60)));
                }
            }
            assert!(seen.len() > 20, "{source:?} with scans below {scan} dries up after {} of {}", seen.len(), allowed.len());
        }
    }
}

//! One page for each of some viewers, by every strategy.

use std::collections::BTreeMap;
use std::sync::Arc;

use features::ids::UserId;
use ranker::chance::{Purpose, bits, sample};
use ranker::eval::{Bootstrap, Row};
use ranker::{DeckRequest, RankerConfig, Recommender};
use tokio::task::JoinSet;

use super::market::{Market, greedy, unhurried};
use super::measure::{Impression, beside, quotient, rate, spread};
use super::oracle::{self, ORACLE};

/// Strategies that are sorted by what they say and by nothing else.
const BASELINES: [&str; 3] = ["random", "popularity", "distance"];
/// With whom everybody is compared.
const POPULARITY: &str = "popularity";

/// How a town is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TownProtocol {
    /// Viewers who are served; all when there are fewer.
    pub viewers: usize,
    /// People of a page.
    pub page: usize,
    /// How intervals are drawn, whole viewers at a time; its seed is that of everything.
    pub bootstrap: Bootstrap,
}

/// A strategy with the pages it served.
type Pages = (String, Vec<Impression>);
/// A name, and what belongs to it.
type Slice<'a> = (&'a str, &'a dyn Fn(&Impression) -> bool);

/// Serves the viewers by every strategy of the house, by the configuration, by every arm, by the match alone (`greedy`) and by the hidden truth (`oracle`), and
/// judges the pages. `told` hears how many of how many strategies are done.
///
/// # Errors
/// When the configuration does not make sense or nobody can be served.
pub async fn evaluate(
    market: &Arc<Market>,
    ranker: &RankerConfig,
    protocol: &TownProtocol,
    mut told: impl FnMut(usize, usize),
) -> anyhow::Result<Vec<Row>> {
    let configs = configs(market, ranker)?;
    let parts = market.parts();
    let viewers = Arc::new(sample(protocol.bootstrap.seed, market.people(), protocol.viewers));
    let all = configs.len();
    let mut tasks = JoinSet::new();
    for (at, (name, config)) in configs.into_iter().enumerate() {
        let recommender = Recommender::with_strategies(parts.clone(), &config, oracle::strategies(market))?;
        let (market, viewers, protocol) = (Arc::clone(market), Arc::clone(&viewers), *protocol);
        tasks.spawn(async move { (at, name, serve(&market, &recommender, &viewers, &protocol).await) });
    }
    let mut pages: BTreeMap<usize, Pages> = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        let (at, name, shown) = done?;
        pages.insert(at, (name, shown));
        told(pages.len(), all);
    }
    let pages: Vec<Pages> = pages.into_values().collect();
    anyhow::ensure!(pages.iter().any(|(_, shown)| !shown.is_empty()), "nobody of the town was shown anybody: make it larger with --users");
    let (market, ranker, protocol) = (Arc::clone(market), ranker.clone(), *protocol);
    Ok(tokio::task::spawn_blocking(move || rows(&market, &ranker, &pages, &protocol)).await?)
}

/// Everything that is compared, by name.
fn configs(market: &Arc<Market>, ranker: &RankerConfig) -> anyhow::Result<Vec<(String, RankerConfig)>> {
    let base = unhurried(ranker)?;
    let mut configs = Vec::new();
    for name in oracle::strategies(market).names() {
        let mut config = RankerConfig { strategy: name.to_owned(), ..base.clone() };
        if name == ORACLE {
            continue;
        }
        if BASELINES.contains(&name) {
            config = greedy(config);
        }
        configs.push((name.to_owned(), config));
    }
    configs.push(("configured".to_owned(), base.clone()));
    configs.push(("greedy".to_owned(), greedy(base.clone())));
    for (experiment, tried) in &ranker.experiments {
        for arm in tried.arms.keys() {
            configs.push((format!("{experiment}:{arm}"), unhurried(&ranker.in_arm(experiment, arm)?)?));
        }
    }
    configs.push((ORACLE.to_owned(), oracle::config(&base)));
    Ok(configs)
}

async fn serve(market: &Market, recommender: &Recommender, viewers: &[UserId], protocol: &TownProtocol) -> Vec<Impression> {
    let mut shown = Vec::with_capacity(viewers.len() * protocol.page);
    for viewer in viewers {
        let seed = bits(protocol.bootstrap.seed, Purpose::Sample, *viewer);
        let request =
            DeckRequest { viewer: *viewer, deck_id: String::new(), seed, now: market.now(), position: None, limit: protocol.page };
        // Viewers are people of the town, and their places are on the Earth.
        let Ok(deck) = recommender.deck(&request).await else { continue };
        shown.extend(deck.items.into_iter().map(|item| Impression::of(market, *viewer, item.user_id)));
    }
    shown
}

fn rows(market: &Market, ranker: &RankerConfig, pages: &[Pages], protocol: &TownProtocol) -> Vec<Row> {
    let people = market.people();
    let days = ranker.sources.newcomer_days;
    let new = |user: UserId| market.joined_within(user, days);
    let mut rows = Vec::new();
    let slices: [Slice<'_>; 6] = [
        ("all", &|_| true),
        ("gender=female", &|one| market.gender(one.viewer) == "female"),
        ("gender=male", &|one| market.gender(one.viewer) == "male"),
        ("gender=other", &|one| market.gender(one.viewer) == "other"),
        ("account_age=new", &|one| new(one.viewer)),
        ("account_age=old", &|one| !new(one.viewer)),
    ];
    for (slice, within) in slices {
        let pages: Vec<(&str, Vec<Impression>)> =
            pages.iter().map(|(name, shown)| (name.as_str(), shown.iter().filter(|one| within(one)).copied().collect())).collect();
        let of = |name: &str| pages.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, shown)| shown.as_slice());
        for (name, shown) in &pages {
            rows.extend(worth(name, slice, shown, [of(POPULARITY), of(ORACLE)], &protocol.bootstrap));
            if slice == "all" {
                let share = |one: &Impression| f64::from(u8::from(new(one.candidate)));
                rows.extend(rate(name, slice, "newcomers_share", shown, share, &protocol.bootstrap));
                rows.extend(spread(name, shown, &people));
            }
        }
    }
    rows
}

/// What the pages of a strategy are worth, beside those of popularity and of the oracle.
fn worth(name: &str, slice: &str, shown: &[Impression], [popularity, oracle]: [&[Impression]; 2], bootstrap: &Bootstrap) -> Vec<Row> {
    let lost = |ours: f64, best: f64| Some(100.0 * (best - ours));
    let rows = [
        rate(name, slice, "matches_per_100", shown, |one| 100.0 * one.matches, bootstrap),
        rate(name, slice, "likes_per_100", shown, |one| 100.0 * one.likes, bootstrap),
        beside([name, slice, "regret_per_100"], [shown, oracle], lost, bootstrap),
        beside([name, slice, "matches_over_popularity"], [shown, popularity], quotient, bootstrap),
    ];
    rows.into_iter().flatten().collect()
}

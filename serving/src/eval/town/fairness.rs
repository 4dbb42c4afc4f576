//! What fairness costs: the town lives some days once for each setting of the knobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use ranker::eval::{Bootstrap, Row};
use ranker::{RankerConfig, Recommender};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::days::{Visit, live, visits};
use super::market::{Market, greedy, unhurried};
use super::measure::{Impression, beside, quotient, rate, spread};

/// Sorted by the match alone: what the matches of all others are compared with.
pub(super) const GREEDY: &str = "greedy";
/// The configuration as it stands.
pub(super) const CONFIGURED: &str = "configured";
/// Sorted by how liked people are.
pub(super) const POPULARITY: &str = "popularity";
/// In no order.
pub(super) const RANDOM: &str = "random";
/// Begins the names of settings of several knobs.
pub(super) const JOINT: &str = "joint ";
/// Settings that live at the same time.
const TOGETHER: usize = 2;

/// How the knobs are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct FairnessProtocol {
    /// Days the town lives on.
    pub days: u32,
    /// People of a page.
    pub page: usize,
    /// Only these knobs of [`KNOBS`], and [`JOINT`] settings if it is named; all when empty.
    pub knobs: Vec<String>,
    /// How intervals are drawn, whole viewers at a time; its seed is that of everything.
    pub bootstrap: Bootstrap,
}

/// Sets a knob.
type Turn = fn(&mut RankerConfig, f64);

/// The knobs that are turned one after the other, and where to.
const TURNS: [(&str, Turn, &[f64]); 8] = [
    ("popularity_exponent", |c, x| c.draw.popularity_exponent = x, &[-0.4, 0.0, 0.2, 0.4, 0.8, 1.6]),
    ("exposure_exponent", |c, x| c.draw.exposure_exponent = x, &[0.0, 0.2, 0.5, 1.0, 2.0, 4.0]),
    ("temperature", |c, x| c.draw.temperature = x, &[0.0, 0.25, 0.5, 1.0, 2.0]),
    ("sharpness", |c, x| c.draw.sharpness = x, &[2.0, 4.0, 8.0, 16.0, 32.0]),
    ("daily_budget", |c, x| c.exposure.daily_budget = whole(x), &[0.0, 3.0, 6.0, 12.0, 25.0]),
    ("pile_up_cap", |c, x| c.exposure.pile_up_cap = x, &[0.0, 1.0, 1.2, 1.5, 2.0, 3.0]),
    ("newcomer_every", |c, x| c.selector.newcomer_every = whole(x) as usize, &[0.0, 3.0, 5.0, 10.0]),
    ("diversity", |c, x| c.selector.diversity = x, &[0.0, 0.5, 1.5, 3.0]),
];

/// Names of the knobs; `joint` turns several at once.
pub const KNOBS: [&str; 9] = [
    "popularity_exponent",
    "exposure_exponent",
    "temperature",
    "sharpness",
    "daily_budget",
    "pile_up_cap",
    "newcomer_every",
    "diversity",
    "joint",
];

fn whole(x: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "settings are small whole numbers")]
    let whole = x as u32;
    whole
}

/// A configuration by its name, such as `exposure_exponent=1` or `joint temperature=0.5 …`.
type Setting = (String, RankerConfig);

/// Several knobs at once: how much chance, how much popularity counts, and how strongly exposure spreads, by its exponent and by the cap.
fn joint(base: &RankerConfig) -> Vec<Setting> {
    let mut settings = Vec::new();
    for temperature in [0.5, 1.0] {
        for popularity in [0.0, 0.8] {
            for exposure in [0.2, 1.0, 4.0] {
                for cap in [1.0, 1.2, 1.5] {
                    let mut config = base.clone();
                    (config.draw.temperature, config.draw.popularity_exponent) = (temperature, popularity);
                    (config.draw.exposure_exponent, config.exposure.pile_up_cap) = (exposure, cap);
                    let name = format!("{JOINT}temperature={temperature} popularity={popularity} exposure={exposure} cap={cap}");
                    settings.push((name, config));
                }
            }
        }
    }
    settings
}

/// What is compared: greedy, popularity and random to stand beside, the configuration, and the turned knobs.
fn settings(ranker: &RankerConfig, knobs: &[String]) -> anyhow::Result<Vec<Setting>> {
    let base = unhurried(ranker)?;
    let named = |name: &str| greedy(RankerConfig { strategy: name.to_owned(), ..base.clone() });
    let mut settings = vec![
        (GREEDY.to_owned(), greedy(base.clone())),
        (POPULARITY.to_owned(), named(POPULARITY)),
        (RANDOM.to_owned(), named(RANDOM)),
        (CONFIGURED.to_owned(), base.clone()),
    ];
    let wanted = |name: &str| knobs.is_empty() || knobs.iter().any(|knob| knob == name);
    for (name, turn, values) in TURNS.iter().filter(|(name, ..)| wanted(name)) {
        for value in *values {
            let mut config = base.clone();
            turn(&mut config, *value);
            settings.push((format!("{name}={value}"), config));
        }
    }
    if wanted("joint") {
        settings.extend(joint(&base));
    }
    Ok(settings)
}

/// Lets the town live once for each setting and says what it brought: matches and likes per hundred impressions, matches as a share of those of `greedy`, and on
/// whom impressions and likes fell. `told` hears how many of how many settings are done.
///
/// # Errors
/// When a setting does not make sense or the town cannot be served.
pub async fn fairness(
    market: &Arc<Market>,
    ranker: &RankerConfig,
    protocol: &FairnessProtocol,
    mut told: impl FnMut(usize, usize),
) -> anyhow::Result<Vec<Row>> {
    let settings = settings(ranker, &protocol.knobs)?;
    let visits = Arc::new(visits(market, protocol.days, protocol.bootstrap.seed));
    anyhow::ensure!(!visits.is_empty(), "nobody of the town opens the app: let it live longer with --days, or make it larger with --users");
    let all = settings.len();
    let room = Arc::new(Semaphore::new(TOGETHER));
    let mut tasks = JoinSet::new();
    for (at, (name, config)) in settings.into_iter().enumerate() {
        let (market, visits, room) = (Arc::clone(market), Arc::clone(&visits), Arc::clone(&room));
        let sizes = [protocol.page as u64, protocol.bootstrap.seed];
        tasks.spawn(async move {
            let _place = room.acquire_owned().await?;
            anyhow::Ok((at, name, lived(&market, &config, &visits, sizes).await?))
        });
    }
    let mut shown: BTreeMap<usize, (String, Vec<Impression>)> = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        let (at, name, impressions) = done??;
        shown.insert(at, (name, impressions));
        told(shown.len(), all);
    }
    let shown: Vec<(String, Vec<Impression>)> = shown.into_values().collect();
    let (market, bootstrap, days) = (Arc::clone(market), protocol.bootstrap, ranker.sources.newcomer_days);
    Ok(tokio::task::spawn_blocking(move || rows(&market, &shown, days, &bootstrap)).await?)
}

async fn lived(market: &Market, config: &RankerConfig, visits: &[Visit], sizes: [u64; 2]) -> anyhow::Result<Vec<Impression>> {
    let parts = market.parts();
    let recommender = Recommender::new(parts.clone(), config)?;
    live(market, parts, &recommender, visits, sizes).await
}

fn rows(market: &Market, shown: &[(String, Vec<Impression>)], newcomer_days: u32, bootstrap: &Bootstrap) -> Vec<Row> {
    let people = market.people();
    let greedy = shown.iter().find(|(name, _)| name == GREEDY).map_or(&[][..], |(_, shown)| shown.as_slice());
    let mut rows = Vec::new();
    for (name, shown) in shown {
        let new = |one: &Impression| f64::from(u8::from(market.joined_within(one.candidate, newcomer_days)));
        rows.extend(rate(name, "all", "matches_per_100", shown, |one| 100.0 * one.matches, bootstrap));
        rows.extend(beside([name, "all", "matches_of_greedy"], [shown, greedy], quotient, bootstrap));
        rows.extend(rate(name, "all", "likes_per_100", shown, |one| 100.0 * one.likes, bootstrap));
        rows.extend(spread(name, shown, &people));
        rows.extend(rate(name, "all", "newcomers_share", shown, new, bootstrap));
    }
    rows
}

//! Evenings in the town: its people open the pages that this process serves, and answer them by the town's hidden truth.
//!
//! What the town lived through before is simulated; here the recommender itself is used over HTTP, so that decks, pages, chances and the arms of
//! experiments are in the lake, as they are where real people come.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::bench::Target;
use crate::town::Town;

/// People of a page.
const PAGE: usize = 8;
/// The share of people shown and not liked who are passed; the others are left unanswered, as in the town's past.
const PASSES: f64 = 0.6;
/// For how long the stream may work on what it was sent.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// What an evening came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evening {
    /// Pages that were opened.
    pub(super) pages: u64,
    /// People on them.
    pub(super) shown: u64,
    /// Likes among the answers.
    pub(super) likes: u64,
}

/// The API of this process, for whoever is on the same machine.
///
/// # Errors
/// When it listens on an address of one network only: load goes to loopback.
pub(super) fn target(listening: SocketAddr, key: &str) -> anyhow::Result<Target> {
    let ip = if listening.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listening.ip() };
    Target::new(&format!("http://{}", SocketAddr::new(ip, listening.port())), key)
        .context("--town-evenings needs --listen on 127.0.0.1 or on all addresses")
}

/// One evening: everybody comes as often as they are wont to in a day, in an order by chance. What came before is in the portraits by then.
///
/// # Errors
/// When the API refuses or does not answer.
pub(super) async fn evening(target: &Target, town: &Town, seed: u64) -> anyhow::Result<Evening> {
    settled(target).await?;
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut evening = Evening::default();
    for viewer in visits(town, &mut dice) {
        let user = town.residents()[viewer].user_id;
        target.post("/v1/presence", &json!({"items": [{"kind": "app_open", "user_id": user}]})).await?;
        let page = target.get(&format!("/v1/recommendations?viewer={user}&limit={PAGE}")).await?;
        let shown = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        let answers: Vec<Value> = shown.iter().filter_map(|item| answer(town, viewer, item, &page["deck_id"], &mut dice)).collect();
        evening.pages += 1;
        evening.shown += shown.len() as u64;
        evening.likes += answers.iter().filter(|answer| answer["kind"] == "like").count() as u64;
        if !answers.is_empty() {
            target.post("/v1/interactions", &json!({"items": answers})).await?;
        }
    }
    Ok(evening)
}

/// Who comes, by their place in the town; who comes twice is there twice.
fn visits(town: &Town, dice: &mut ChaCha8Rng) -> Vec<usize> {
    let mut visits = Vec::new();
    for (who, resident) in town.residents().iter().enumerate() {
        let wont = resident.sessions_a_day();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a dozen at most, and not negative")]
        let often = wont as usize + usize::from(dice.random_bool(wont.fract()));
        visits.extend(std::iter::repeat_n(who, often));
    }
    visits.shuffle(dice);
    visits
}

/// What the viewer says of somebody on the page; nothing when they say nothing.
fn answer(town: &Town, viewer: usize, item: &Value, deck: &Value, dice: &mut ChaCha8Rng) -> Option<Value> {
    // Ids of the town begin at 1; somebody who joined in between is nobody the town has a truth about.
    let candidate = item["user_id"].as_str()?.parse::<usize>().ok()?.checked_sub(1).filter(|i| *i < town.residents().len())?;
    let kind = if dice.random_bool(town.truth(viewer, candidate)) {
        "like"
    } else if dice.random_bool(PASSES) {
        "pass"
    } else {
        return None;
    };
    let actor = town.residents()[viewer].user_id;
    Some(json!({"kind": kind, "actor_id": actor, "target_id": item["user_id"], "deck_id": deck, "position": item["position"]}))
}

/// Waits until every job has read what it was sent, twice in a row: figures of lag are a moment old.
async fn settled(target: &Target) -> anyhow::Result<()> {
    let (begun, mut quiet) = (Instant::now(), 0);
    while quiet < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told = target.get("/v1/jobs").await?;
        let jobs = told["jobs"].as_array().context("the server does not tell its jobs")?;
        quiet = if jobs.iter().all(|job| job["lag"] == 0) { quiet + 1 } else { 0 };
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the jobs do not catch up: {told}");
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::town::TownSpec;

    #[test]
    fn people_come_as_often_as_they_are_wont_to_and_answer_by_the_truth() {
        let town = Town::new(TownSpec { users: 400, days: 2, seed: 3, until: chrono::DateTime::UNIX_EPOCH });
        let come: Vec<usize> = (0..50).flat_map(|seed| visits(&town, &mut ChaCha8Rng::seed_from_u64(seed))).collect();
        let wont: f64 = town.residents().iter().map(crate::town::Resident::sessions_a_day).sum::<f64>() * 50.0;
        assert!((come.len() as f64 / wont - 1.0).abs() < 0.05, "{} visits where {wont} were expected", come.len());
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        let deck = json!("d");
        for (viewer, candidate) in [(0, 1), (5, 9), (17, 200)] {
            let item = json!({"user_id": (candidate + 1).to_string(), "position": 4});
            let said: Vec<Option<Value>> = (0..4_000).map(|_| answer(&town, viewer, &item, &deck, &mut dice)).collect();
            let count = |kind: &str| said.iter().flatten().filter(|a| a["kind"] == kind).count() as f64 / 4_000.0;
            let truth = town.truth(viewer, candidate);
            assert!((count("like") - truth).abs() < 0.04 && (count("pass") - PASSES * (1.0 - truth)).abs() < 0.04, "{truth}");
            let expected = json!({"actor_id": (viewer + 1).to_string(), "target_id": item["user_id"], "deck_id": "d", "position": 4});
            let mut any = said.iter().flatten().next().unwrap().clone();
            any.as_object_mut().unwrap().remove("kind");
            assert_eq!(any, expected);
        }
        let stranger = json!({"user_id": "401", "position": 0});
        assert_eq!(answer(&town, 0, &stranger, &deck, &mut dice), None, "the town has no truth about strangers");
    }

    #[test]
    fn the_api_is_found_on_this_machine_only() {
        assert!(target("0.0.0.0:80".parse().unwrap(), "k").is_ok());
        assert!(target("127.0.0.1:80".parse().unwrap(), "k").is_ok());
        assert!(target("192.0.2.1:80".parse().unwrap(), "k").unwrap_err().to_string().contains("--listen"));
    }
}

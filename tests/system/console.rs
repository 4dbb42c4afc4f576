//! The console at `/` in a real browser, used as an operator would: whoever is picked, shown, removed, liked, passed, searched and running is
//! seen on the page, an answer reaches the next deck, and the browser logs no error.

use serde_json::json;
use tests::{TestApp, person};

use crate::webdriver::{Browser, contains};

const VIEWER: &str = "小红";
const BLOCKED: (u64, &str) = (8, "拉黑");
const PICKY: (u64, &str) = (9, "挑剔");

/// A woman, six men near her, one whom she blocked, one who looks for somebody older, and three women. Whom a deck holds does
/// not depend on how far the stream is: profiles and blocks are in force once acknowledged, and all of the men are near.
async fn town(app: &TestApp) {
    let mut viewer = person(VIEWER, "female", "male");
    viewer["preferences"]["max_distance_km"] = json!(50);
    app.with_user(1, &viewer).await;
    for id in 2..8 {
        app.with_user(id, &person(&format!("阿强{id}"), "male", "female")).await;
    }
    app.with_user(BLOCKED.0, &person(BLOCKED.1, "male", "female")).await;
    let mut picky = person(PICKY.1, "male", "female");
    picky["preferences"]["min_age"] = json!(40);
    app.with_user(PICKY.0, &picky).await;
    for id in 10..13 {
        app.with_user(id, &person(&format!("Ann{id}"), "female", "male")).await;
    }
    app.interact("block", 1, BLOCKED.0).await;
    let moments = [("2", "周末去黄山看日出"), ("10", "Brewing espresso at home with friends"), ("3", "昨晚的月亮很圆")];
    for (author, text) in moments {
        app.post("/v1/moments", &json!({"author_id": author, "text": text})).await.expect(201);
    }
    app.until("everybody is in the table", async || app.get("/v1/users?limit=1").await.expect(200)["total"] == 12).await;
    for (q, text) in [("日出", "黄山"), ("espresso", "Brewing"), ("月亮", "昨晚")] {
        let path = format!("/v1/search?kind=moments&q={q}");
        app.until(q, async || app.get(&path).await.expect(200)["items"][0]["snippet"].as_str().is_some_and(|s| s.contains(text))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_does_everything_in_a_browser() {
    let Some(browser) = Browser::start().await else { return };
    // Nobody is removed for being shown, so that whoever is missing from the next deck is so because of the answer.
    let app = TestApp::start_with(|config| config.ranker.deck.exposure_window_days = 0).await;
    town(&app).await;
    browser.open(&format!("{}/", app.address)).await;
    somebody_is_picked(&browser).await;
    let names = cards_tell_why(&browser).await;
    the_removed_are_named(&browser).await;
    answers_reach_the_next_deck(&browser, &names).await;
    moments_are_found(&browser).await;
    jobs_are_running(&browser).await;
    assert_eq!(app.read(app.request(reqwest::Method::GET, "/icon.svg")).await.status, 200, "else every browser logs an error");
    let errors = browser.errors().await;
    assert!(errors.is_empty(), "the browser logged {errors:#?}");
    browser.close().await;
    app.stop().await;
}

async fn somebody_is_picked(browser: &Browser) {
    browser.see("everybody in the list", "#people .person", |people| people.len() == 12).await;
    browser.write("#people-q", VIEWER).await;
    browser.see("only whom it was asked for", "#people .person", |people| people.len() == 1 && contains(people, VIEWER)).await;
    browser.click("#people .person", VIEWER).await;
    browser.see("whose page it is", "#viewer-title", |title| contains(title, VIEWER)).await;
    browser.see("whom she looks for", "#viewer", |viewer| contains(viewer, "within 50 km")).await;
    browser.see("who is picked", "#people .person.on", |people| people.len() == 1).await;
}

/// The names of those shown.
async fn cards_tell_why(browser: &Browser) -> Vec<String> {
    let cards = browser.see("the six near her", "#shown .card", |cards| cards.len() == 6).await;
    for card in &cards {
        assert!(card.contains("阿强") && card.contains("上海") && card.contains("<5 km"), "name, city and distance: {card}");
    }
    for n in 1..=cards.len() {
        let sources = browser.texts(&format!("#shown .card:nth-child({n}) .chip.src")).await;
        assert!(contains(&sources, "near_me"), "{n}: {sources:?}");
    }
    let terms = browser.texts("#shown .card:first-child .bars > span:nth-child(3n + 1)").await;
    assert!(contains(&terms, "distance · viewer") && contains(&terms, "age · candidate"), "{terms:?}");
    assert_eq!(browser.widths("#shown .card:first-child .bar").await.len(), terms.len(), "a bar for each term");
    let widths = browser.widths("#shown .card:first-child .bar i").await;
    assert!(widths.iter().any(|width| *width > 20.0), "bars as long as their values: {widths:?}");
    let names = browser.texts("#shown .card .top b").await;
    assert_eq!(names.len(), 6, "{names:?}");
    names
}

async fn the_removed_are_named(browser: &Browser) {
    for (filter, name) in [("blocked", BLOCKED.1), ("age", PICKY.1)] {
        browser.see("the filter", "#removed summary", |filters| contains(filters, filter)).await;
        browser.click("#removed summary", filter).await;
        browser.see("whom it removed", "#removed details[open] div", |people| contains(people, name)).await;
    }
}

async fn answers_reach_the_next_deck(browser: &Browser, names: &[String]) {
    let (liked, passed) = (&names[0], &names[1]);
    for (button, name, done) in [("Like", liked, "liked"), ("Pass", passed, "passed")] {
        browser.click_in("#shown .card", name, "button", button).await;
        browser
            .see("that it is done", "#shown .card.done", |cards| cards.iter().any(|c| c.contains(name.as_str()) && c.contains(done)))
            .await;
    }
    let cards = browser.texts("#shown .card").await;
    assert_eq!(cards.len(), 6, "the others may still be answered: {cards:?}");
    browser.click("#again", "New deck").await;
    let next = browser.see("the next deck", "#shown .card .top b", |cards| cards.len() == 4).await;
    assert!(!next.contains(liked) && !next.contains(passed), "{next:?}");
    browser.click("#removed summary", "already_answered").await;
    let told = browser.see("who was answered", "#removed details[open] div", |people| people.len() == 2).await;
    assert!(contains(&told, &format!("{liked} ")) && contains(&told, &format!("{passed} ")), "{told:?}");
}

async fn moments_are_found(browser: &Browser) {
    for (q, text) in [("日出", "黄山看日出"), ("espresso", "Brewing espresso")] {
        browser.write("#q", q).await;
        browser.see("the Moment", "#hits .card", |hits| hits.iter().any(|hit| hit.contains(text) && hit.contains("moment"))).await;
        browser.see("what matched, marked", "#hits .hit b", |marked| contains(marked, q)).await;
    }
    browser.write("#q", "月亮").await;
    browser.see("another search replaces it", "#hits .hit b", |marked| contains(marked, "月亮") && !contains(marked, "espresso")).await;
}

async fn jobs_are_running(browser: &Browser) {
    let jobs = ["gate", "features", "lake", "embedder", "assembler", "indexer", "ledger", "outbox"];
    let rows = "#jobs tr:not(:first-child)";
    // A row is: name, state, lag, restarts.
    let fine = |row: &String| row.split_whitespace().skip(1).eq(["running", "0", "0"]);
    browser.see("every job running, with nothing waiting", rows, |rows| rows.len() >= jobs.len() && rows.iter().all(fine)).await;
    let rows = browser.texts(rows).await;
    assert!(jobs.iter().all(|job| contains(&rows, job)), "{rows:?}");
    let green = browser.widths("#jobs .dot:not(.bad):not(.warn)").await;
    assert_eq!(green.len(), rows.len(), "a job that runs has a green dot");
}

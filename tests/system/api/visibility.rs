//! Who sees whom, as docs/PROFILES.md says, where people are named by what they have said: likes and comments of Moments, and search.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, person};

const AUTHOR: u64 = 1;
const STRANGER: u64 = 2;
const SEEN: u64 = 3;
const HIDDEN: u64 = 4;
/// A friend of the author.
const PAUSED: u64 = 5;
const BANNED: u64 = 6;

/// A word of each, in a Moment of their own.
fn word(user: u64) -> String {
    ["", "quince", "rowan", "sorrel", "tansy", "umbel", "vetch"][usize::try_from(user).unwrap()].to_owned() + "blossom"
}

async fn six_people(app: &TestApp) -> String {
    for user in 1..=6 {
        app.with_user(user, &person(&format!("n{user}"), if user == AUTHOR { "female" } else { "male" }, "female")).await;
        app.post("/v1/moments", &json!({"author_id": user.to_string(), "title": word(user), "text": "在花园里"})).await.expect(201);
    }
    let about = app.post("/v1/moments", &json!({"author_id": AUTHOR.to_string(), "text": "周末去爬山 a walk"})).await.expect(201);
    let about = about["moment_id"].as_str().unwrap().to_owned();
    app.until("the Moment is there", async || app.get(&format!("/v1/moments/{about}")).await.status == 200).await;
    for user in 3..=6 {
        app.send(Method::POST, &format!("/v1/moments/{about}/likes?user={user}"), None).await.expect(200);
        let said = json!({"text": format!("lovely {user}")});
        app.post(&format!("/v1/moments/{about}/comments?user={user}"), &said).await.expect(201);
    }
    app.interact("like", AUTHOR, PAUSED).await;
    for user in 1..=6 {
        app.until("Moments are found", async || found(app, None, user).await).await;
    }
    for (user, change) in
        [(HIDDEN, json!({"visibility": "hidden"})), (PAUSED, json!({"visibility": "paused"})), (BANNED, json!({"banned": true}))]
    {
        app.send(Method::PATCH, &format!("/v1/users/{user}"), Some(&change)).await.expect(200);
    }
    about
}

/// Whether a search, with the eyes of somebody, finds the Moment of `user`.
async fn found(app: &TestApp, viewer: Option<u64>, user: u64) -> bool {
    let viewer = viewer.map(|viewer| format!("&viewer={viewer}")).unwrap_or_default();
    let (word, user) = (word(user), user.to_string());
    let hits = app.get(&format!("/v1/search?q={word}&kind=moments&limit=50{viewer}")).await.expect(200);
    hits["items"].as_array().unwrap().iter().any(|hit| hit["user_id"] == user.as_str())
}

fn users(answer: &Value) -> BTreeSet<u64> {
    answer["items"].as_array().unwrap().iter().map(|item| item["user_id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn likes_comments_and_search_leave_out_whom_the_viewer_does_not_see() {
    let app = TestApp::start().await;
    let about = six_people(&app).await;
    let lists = async |viewer: Option<u64>| {
        let viewer = viewer.map(|viewer| format!("?user={viewer}")).unwrap_or_default();
        let likes = users(&app.get(&format!("/v1/moments/{about}/likes{viewer}")).await.expect(200));
        let comments = users(&app.get(&format!("/v1/moments/{about}/comments{viewer}")).await.expect(200));
        assert_eq!(likes, comments);
        likes
    };
    for (viewer, expected) in [
        (Some(STRANGER), vec![SEEN]),
        (Some(AUTHOR), vec![SEEN, PAUSED]),
        (Some(HIDDEN), vec![SEEN, HIDDEN]),
        (Some(PAUSED), vec![SEEN, PAUSED]),
        (None, vec![SEEN, HIDDEN, PAUSED, BANNED]),
    ] {
        assert_eq!(lists(viewer).await, expected.into_iter().collect(), "{viewer:?}");
    }
    // A comment of somebody who is not seen cannot be answered; the author of the Moment deletes it all the same.
    let comments = app.get(&format!("/v1/moments/{about}/comments")).await.expect(200);
    let of = |user: u64| {
        let (items, user) = (comments["items"].as_array().unwrap(), user.to_string());
        items.iter().find(|item| item["user_id"] == user.as_str()).unwrap()["comment_id"].as_str().unwrap().to_owned()
    };
    let reply = async |user: u64, to: u64| {
        app.post(&format!("/v1/moments/{about}/comments/{}/replies?user={user}", of(to)), &json!({"text": "谢谢"})).await
    };
    for to in [HIDDEN, PAUSED, BANNED] {
        assert_eq!(reply(STRANGER, to).await.problem(404), "unknown_comment", "{to}");
    }
    reply(AUTHOR, PAUSED).await.expect(201);
    app.delete(&format!("/v1/moments/{about}/comments/{}?user={AUTHOR}", of(HIDDEN))).await.expect(204);

    for (viewer, user, expected) in [
        (Some(STRANGER), SEEN, true),
        (Some(STRANGER), HIDDEN, false),
        (Some(STRANGER), PAUSED, false),
        (Some(STRANGER), BANNED, false),
        (Some(AUTHOR), PAUSED, false),
        (None, HIDDEN, false),
        (Some(HIDDEN), HIDDEN, true),
        (Some(PAUSED), PAUSED, true),
    ] {
        assert_eq!(found(&app, viewer, user).await, expected, "{viewer:?} looks for {user}");
    }
    app.stop().await;
}

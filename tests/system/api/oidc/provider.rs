//! Keys of a provider: fetched, kept, changed, withdrawn, and out of reach.

use super::*;

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_have_changed() {
    let room = Room::new(|_| {}).await;
    for n in 0..5 {
        assert_eq!(code(room.try_token(&room.token("1", n), None, n).await), "ok");
    }
    assert_eq!(room.issuer.asked(), (1, 1), "one fetch for all");
    // Names of keys that were made up do not make us ask again and again.
    let made_up = |n: i64| room.issuer.token_with(&json!({"kid": format!("made-up-{n}")}), &room.issuer.claims(APP, "1", at(0)));
    for n in 0..40 {
        assert_eq!(code(room.try_token(&made_up(n), None, 5).await), "invalid_id_token");
    }
    assert_eq!(room.issuer.asked().0, 1, "not within ten seconds of the last time");
    for n in 0..40 {
        assert_eq!(code(room.try_token(&made_up(n), None, 20).await), "invalid_id_token");
    }
    assert_eq!(room.issuer.asked().0, 2, "and once after that");
    // A new key is found when its first token comes.
    room.issuer.rotate(Alg::Es256);
    assert_eq!(code(room.try_token(&room.token("1", 20), None, 31).await), "ok");
    room.issuer.rotate(Alg::Rs256);
    assert_eq!(code(room.try_token(&room.token("1", 40), None, 42).await), "ok");
    assert_eq!(room.issuer.asked().0, 4);
    // After an hour they are fetched again, and what was withdrawn does not count any more.
    let before = room.token("1", 3_600);
    room.issuer.rotate(Alg::Es256);
    room.issuer.withdraw();
    assert_eq!(code(room.try_token(&room.token("1", 3_600), None, 3_643).await), "ok");
    assert_eq!(code(room.try_token(&before, None, 3_643).await), "invalid_id_token", "its key was withdrawn");
    // For how long they are kept is what the provider says, but at least a minute.
    room.issuer.set_cache_control("no-store");
    let asked = async |s: i64| {
        assert_eq!(code(room.try_token(&room.token("1", s), None, s).await), "ok");
        room.issuer.asked().0
    };
    let first = asked(7_300).await;
    assert_eq!((asked(7_359).await, asked(7_361).await), (first, first + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_fetch_once() {
    let room = Room::new(|_| {}).await;
    let tokens: Vec<String> = (0..30).map(|n| room.token(&n.to_string(), 0)).collect();
    let all = join_all(tokens.iter().map(|token| room.try_token(token, None, 0))).await;
    assert!(all.into_iter().map(code).all(|code| code == "ok"));
    assert_eq!(room.issuer.asked(), (1, 1));
}

#[tokio::test]
async fn while_the_provider_is_away_known_keys_work_for_a_day() {
    let room = Room::new(|_| {}).await;
    room.issuer.set_down(true);
    assert_eq!(code(room.try_token(&room.token("1", 0), None, 0).await), "provider_unavailable", "no key is known yet");
    room.issuer.set_down(false);
    assert_eq!(code(room.try_token(&room.token("1", 0), None, 5).await), "provider_unavailable", "it was asked a moment ago");
    assert_eq!(code(room.try_token(&room.token("1", 0), None, 11).await), "ok");
    room.issuer.set_down(true);
    for s in [3_000, 3_700, 80_000, 3_600 + 86_400] {
        assert_eq!(code(room.try_token(&room.token("1", s), None, s).await), "ok", "{s} s later");
    }
    // Of a key that is not known nobody can say whether it is good.
    let other = room.issuer.token_with(&json!({"kid": "other"}), &room.issuer.claims(APP, "1", at(90_000)));
    assert_eq!(code(room.try_token(&other, None, 90_000).await), "provider_unavailable");
    let late = 3_612 + 86_400;
    assert_eq!(code(room.try_token(&room.token("1", late), None, late).await), "provider_unavailable", "keys of too long ago");
    room.issuer.set_down(false);
    assert_eq!(code(room.try_token(&room.token("1", late), None, late + 11).await), "ok");
}

#[tokio::test]
async fn a_discovery_document_of_somebody_else_is_not_believed() {
    let elsewhere = json!({"jwks_uri": "http://keys.example.com/keys"});
    for told in
        [json!({"issuer": "https://accounts.google.com"}), elsewhere, json!({"jwks_uri": "file:///etc/passwd"}), json!({"jwks_uri": 5})]
    {
        let room = Room::new(|_| {}).await;
        room.issuer.set_discovery(told.clone());
        assert_eq!(code(room.try_token(&room.token("1", 0), None, 0).await), "provider_unavailable", "{told}");
        assert_eq!(room.issuer.asked(), (0, 1));
    }
    // A provider whose keys are named in the configuration is not asked where they are.
    let issuer = Issuer::start().await;
    let keys = format!("{}/keys", issuer.url);
    let room = Room::new(|config| {
        issuer.configure(config, "google", &[APP]);
        let google = config.oidc.get_mut("google").unwrap();
        (google.jwks_uri, google.issuer) = (keys, String::new());
    })
    .await;
    let mut claims = issuer.claims(APP, "1", at(0));
    for iss in ["https://accounts.google.com", "accounts.google.com"] {
        claims["iss"] = iss.into();
        let given = IdToken { provider: "google".to_owned(), token: issuer.token(&claims), ..IdToken::default() };
        assert_eq!(code(room.auth.log_in_by(&given, &Device::default(), &Asker::default(), at(0)).await), "ok", "{iss}");
    }
    assert_eq!(issuer.asked(), (1, 0));
}

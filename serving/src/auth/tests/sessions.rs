//! Tokens and the sessions behind them.

use proptest::prelude::*;

use super::*;

fn is<T>(result: &Result<T, AuthError>, code: &str) -> bool {
    match result {
        Ok(_) => code == "ok",
        Err(AuthError::BadToken) => code == "token",
        Err(AuthError::BadRefresh) => code == "refresh",
        Err(AuthError::Reused) => code == "reused",
        Err(AuthError::NoSession) => code == "session",
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_access_token_is_good_for_its_time_and_for_us() {
    let room = Room::new(|_| {}).await;
    let tokens = room.log_in(PHONE, "Pixel", 0).await;
    let caller = async |token: &str, s: i64| room.auth.caller(token, at(s)).await;
    assert_eq!(caller(&tokens.access, 2).await.unwrap(), (tokens.user_id, tokens.session));
    assert_eq!(caller(&tokens.access, 900).await.unwrap().0, tokens.user_id);
    assert!(is(&caller(&tokens.access, 901).await, "token"), "fifteen minutes are over");
    let parts: Vec<&str> = tokens.access.split('.').collect();
    use base64::Engine;
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |i: usize| serde_json::from_slice::<serde_json::Value>(&url.decode(parts[i]).unwrap()).unwrap();
    let (header, claims) = (part(0), part(1));
    assert_eq!((&header["alg"], &header["typ"]), (&"EdDSA".into(), &"at+jwt".into()));
    assert_eq!(claims["sub"], tokens.user_id.to_string());
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["sid"]),
        (&"hongniang".into(), &"hongniang".into(), &tokens.session.to_string().into())
    );
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(at(1).timestamp()), Some(at(901).timestamp())));
    // Whatever is changed in it, and however it is signed, it is not ours.
    let forged = |header: serde_json::Value, claims: &serde_json::Value, signature: &str| {
        format!("{}.{}.{signature}", url.encode(header.to_string()), url.encode(claims.to_string()))
    };
    let mut other = claims.clone();
    other["sub"] = "1".into();
    let mut none = header.clone();
    none["alg"] = "none".into();
    let mut symmetric = header.clone();
    symmetric["alg"] = "HS256".into();
    for token in [
        forged(header.clone(), &other, parts[2]),
        forged(none.clone(), &claims, ""),
        forged(none, &claims, parts[2]),
        forged(symmetric, &claims, parts[2]),
        forged(serde_json::json!({"alg": "EdDSA", "typ": "at+jwt"}), &claims, parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        String::new(),
        "..".to_owned(),
        tokens.refresh.clone(),
    ] {
        assert!(is(&caller(&token, 2).await, "token"), "{token}");
    }
    // The token of another issuer, audience, or deployment.
    for change in [|c: &mut AuthConfig| c.issuer = "another".to_owned(), |c: &mut AuthConfig| c.audience = "another".to_owned()] {
        let mut config = AuthConfig::default();
        change(&mut config);
        let stranger = Auth::open(room.db.clone(), &config, room.folder.path(), chance(), at(0)).unwrap();
        assert!(is(&stranger.caller(&tokens.access, at(2)).await, "token"));
    }
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_retry_gives_the_same() {
    let room = Room::new(|_| {}).await;
    let refresh = async |token: &str, s: i64| room.auth.refresh(token, at(s)).await;
    let first = room.log_in(PHONE, "Pixel", 0).await;
    let second = refresh(&first.refresh, 100).await.unwrap();
    assert!(second.refresh != first.refresh && second.session == first.session && second.user_id == first.user_id);
    // The answer was lost: within half a minute it comes again, as often as it is asked for.
    for s in [101, 115, 130] {
        assert_eq!(refresh(&first.refresh, s).await.unwrap().refresh, second.refresh);
    }
    let third = refresh(&second.refresh, 131).await.unwrap();
    // The token before the last is nobody's retry.
    assert!(is(&refresh(&first.refresh, 132).await, "reused"));
    // The family is ended: for whoever has the newest token, too.
    assert!(is(&refresh(&third.refresh, 133).await, "refresh"));
    assert!(is(&room.auth.caller(&third.access, at(133)).await, "token"));
    assert_eq!(room.auth.sessions(first.user_id, at(133)).await.unwrap().len(), 0);

    // After the half minute a used token ends the session, though the next was not used.
    let first = room.log_in(PHONE, "Pixel", 200).await;
    let second = refresh(&first.refresh, 300).await.unwrap();
    assert!(is(&refresh(&first.refresh, 331).await, "reused"));
    assert!(is(&refresh(&second.refresh, 332).await, "refresh"));

    // What was made up ends nothing.
    let tokens = room.log_in(PHONE, "Pixel", 400).await;
    let mut made_up = tokens.refresh.clone().into_bytes();
    made_up[40] = if made_up[40] == b'A' { b'B' } else { b'A' };
    for token in [String::from_utf8(made_up).unwrap(), "A".repeat(75), String::new(), "ä".repeat(40), tokens.access.clone()] {
        assert!(is(&refresh(&token, 401).await, "refresh"));
    }
    assert!(is(&refresh(&tokens.refresh, 402).await, "ok"));
}

#[tokio::test]
async fn refreshes_at_the_same_time_get_the_same_token() {
    let room = Room::new(|_| {}).await;
    let first = room.log_in(PHONE, "Pixel", 0).await;
    let answers = futures::future::join_all((0..10).map(|_| room.auth.refresh(&first.refresh, at(50)))).await;
    let tokens: std::collections::HashSet<String> = answers.into_iter().map(|t| t.unwrap().refresh).collect();
    assert_eq!(tokens.len(), 1, "an app whose threads refresh at once stays logged in");
}

#[tokio::test]
async fn a_session_lasts_as_long_as_it_is_used() {
    let room = Room::new(|c| c.session_days = 2).await;
    let day = 86_400;
    let mut tokens = room.log_in(PHONE, "Pixel", 0).await;
    for n in 1..5 {
        tokens = room.auth.refresh(&tokens.refresh, at(n * day)).await.unwrap();
    }
    assert!(is(&room.auth.refresh(&tokens.refresh, at(7 * day)).await, "refresh"), "two days without a refresh");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_whom_they_belong_to() {
    let room = Room::new(|_| {}).await;
    let phone = room.log_in(PHONE, " Pixel 9 ", 0).await;
    let tablet = room.log_in(PHONE, "平板", 100).await;
    let stranger = room.log_in("+8613900000000", "", 0).await;
    assert!(stranger.user_id != phone.user_id && tablet.user_id == phone.user_id);
    let names = async |tokens: &Tokens| {
        room.auth.sessions(tokens.user_id, at(200)).await.unwrap().into_iter().map(|s| s.device).collect::<Vec<_>>()
    };
    assert_eq!(names(&phone).await, ["平板", "Pixel 9"], "the last seen first");
    assert_eq!(names(&stranger).await, [""]);
    // Every token is let in, and so remembered, before the end.
    for tokens in [&phone, &tablet, &stranger] {
        room.auth.caller(&tokens.access, at(200)).await.unwrap();
    }
    assert!(is(&room.auth.end_session(stranger.user_id, phone.session, at(201)).await, "session"), "not somebody else's");
    assert!(is(&room.auth.end_session(phone.user_id, 0, at(201)).await, "session"));
    room.auth.end_session(phone.user_id, tablet.session, at(201)).await.unwrap();
    assert!(is(&room.auth.end_session(phone.user_id, tablet.session, at(202)).await, "session"), "once");
    assert!(is(&room.auth.caller(&tablet.access, at(201)).await, "token"), "at once, on this node");
    assert!(is(&room.auth.refresh(&tablet.refresh, at(201)).await, "refresh"));
    assert!(is(&room.auth.caller(&phone.access, at(201)).await, "ok"));
    assert_eq!(names(&phone).await, ["Pixel 9"]);
}

/// A node that has not been asked before asks the database; one that has, after `auth.check_s` at the latest.
#[tokio::test]
async fn another_node_notices_the_end_of_a_session() {
    let room = Room::new(|_| {}).await;
    let node = |check_s| Auth::open(room.db.clone(), &AuthConfig { check_s, ..AuthConfig::default() }, room.folder.path(), chance(), at(0));
    let (strict, fresh) = (node(0).unwrap(), node(300).unwrap());
    let tokens = room.log_in(PHONE, "Pixel", 0).await;
    strict.caller(&tokens.access, at(2)).await.unwrap();
    room.auth.end_session(tokens.user_id, tokens.session, at(3)).await.unwrap();
    for node in [&strict, &fresh] {
        assert!(is(&node.caller(&tokens.access, at(3)).await, "token"));
    }
}

/// What a client with a copy of the tokens, and the one they belong to, may do.
#[derive(Debug, Clone)]
enum Act {
    Refresh { token: usize, after_s: i64 },
    End,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![9 => (any::<prop::sample::Index>(), 0i64..70).prop_map(|(i, after_s)| Act::Refresh { token: i.index(1_000), after_s }), 1 => Just(Act::End)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against a simple model: a chain of tokens of which the newest works, the one before for half a minute after its use, and any other ends it.
    #[test]
    fn sessions_do_as_the_model_does(acts in prop::collection::vec(act(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let room = Room::new(|_| {}).await;
            let first = room.log_in(PHONE, "model", 0).await;
            let (mut chain, mut used_at, mut live, mut s) = (vec![first.refresh.clone()], 0, true, 1);
            for act in acts {
                match act {
                    Act::End => {
                        let ended = room.auth.end_session(first.user_id, first.session, at(s)).await;
                        let right = if live { "ok" } else { "session" };
                        prop_assert!(is(&ended, right), "ended: not {}", right);
                        live = false;
                    }
                    Act::Refresh { token, after_s } => {
                        s += after_s;
                        // Mostly one of the last two.
                        let back = [0, 0, 0, 1, 1, 2][token % 6].min(chain.len() - 1);
                        let given = &chain[chain.len() - 1 - back];
                        let answer = room.auth.refresh(given, at(s)).await;
                        let right = match back {
                            _ if !live => "refresh",
                            0 => "ok",
                            1 if s - used_at <= 30 => "ok",
                            _ => "reused",
                        };
                        prop_assert!(is(&answer, right), "token {} from the end at {}: not {}", back, s, right);
                        match (back, answer) {
                            (0, Ok(tokens)) => {
                                chain.push(tokens.refresh);
                                used_at = s;
                            }
                            (_, Ok(tokens)) => prop_assert_eq!(&tokens.refresh, chain.last().unwrap()),
                            (_, Err(_)) => live = false,
                        }
                    }
                }
            }
            Ok(())
        })?;
    }
}

//! Logins by ID tokens of a real provider on this machine.

mod bench;
mod http;
mod provider;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use ring::hmac;
use serde_json::{Value, json};
use serving::auth::{Asker, Auth, AuthConfig, AuthError, Device, IdToken, OidcLogin, system_chance};
use serving::db::{self, Db, DbError};
use serving::http::ApiError;
use tests::{Alg, Issuer};

const APP: &str = "app.example.com";

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::seconds(s)
}

/// The room of logins on a database of its own, with the time of the test, and its provider.
struct Room {
    auth: Auth,
    issuer: Issuer,
    _folder: tempfile::TempDir,
}

impl Room {
    async fn new(change: impl FnOnce(&mut AuthConfig)) -> Self {
        let (folder, issuer) = (tempfile::tempdir().unwrap(), Issuer::start().await);
        let db = Db::open(&db::DatabaseConfig::default(), folder.path()).await.unwrap();
        db::up(&db, at(0)).await.unwrap();
        let mut config = AuthConfig::default();
        issuer.configure(&mut config, "house", &[APP, "web.example.com"]);
        change(&mut config);
        config.check(false).unwrap();
        let auth = Auth::open(db, &config, folder.path(), system_chance(), at(0)).unwrap();
        Self { auth, issuer, _folder: folder }
    }

    async fn try_token(&self, token: &str, nonce: Option<&str>, s: i64) -> Result<OidcLogin, AuthError> {
        let given = IdToken { provider: "house".to_owned(), token: token.to_owned(), nonce: nonce.map(str::to_owned), name: String::new() };
        self.auth.log_in_by(&given, &Device::default(), &Asker::default(), at(s)).await
    }

    /// A good token of somebody that begins at a time.
    fn token(&self, subject: &str, s: i64) -> String {
        self.issuer.token(&self.issuer.claims(APP, subject, at(s)))
    }

    /// The token of these claims instead of the good ones.
    fn changed(&self, change: &Value) -> String {
        self.issuer.token(&merged(self.issuer.claims(APP, "1", at(0)), change))
    }
}

fn merged(mut claims: Value, change: &Value) -> Value {
    let fields = claims.as_object_mut().unwrap();
    fields.extend(change.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    claims
}

/// The code of the answer; `ok` where it is none of an error.
fn code<T>(result: Result<T, AuthError>) -> &'static str {
    result.map_or_else(|error| ApiError::from(error).problem().code, |_| "ok")
}

#[tokio::test]
async fn the_provider_and_its_sub_say_who_somebody_is() {
    let room = Room::new(|_| {}).await;
    let first = room.try_token(&room.token("1", 0), None, 10).await.unwrap();
    assert!(first.tokens.created);
    room.issuer.rotate(Alg::Es256);
    let again = room.try_token(&room.token("1", 20), None, 20).await.unwrap();
    assert!(!again.tokens.created && again.tokens.user_id == first.tokens.user_id && again.tokens.session != first.tokens.session);
    // Somebody else with the same mail address is somebody else: addresses change hands.
    let mail = json!({"email": "wang@example.com", "email_verified": true, "sub": "2"});
    let other = room.try_token(&room.changed(&mail), None, 30).await.unwrap();
    assert!(other.tokens.created && other.tokens.user_id != first.tokens.user_id);
    let third = room.try_token(&room.changed(&merged(mail, &json!({"sub": "3"}))), None, 30).await.unwrap();
    assert!(third.tokens.created && third.tokens.user_id != other.tokens.user_id);
    assert_eq!(room.auth.caller(&third.tokens.access, at(31)).await.unwrap(), (third.tokens.user_id, third.tokens.session));
    // Another of our apps, and an audience written as a list.
    let web = json!({"aud": ["web.example.com"], "azp": "web.example.com"});
    assert_eq!(room.try_token(&room.changed(&web), None, 30).await.unwrap().tokens.user_id, first.tokens.user_id);
    let unknown = IdToken { provider: "google".to_owned(), token: room.token("1", 0), ..IdToken::default() };
    assert_eq!(code(room.auth.log_in_by(&unknown, &Device::default(), &Asker::default(), at(0)).await), "unknown_provider");
}

#[tokio::test]
async fn tokens_that_are_wrong_in_any_way_are_refused() {
    let room = Room::new(|_| {}).await;
    let (issuer, claims) = (&room.issuer, room.issuer.claims(APP, "1", at(0)));
    let time = |s: i64| at(s).timestamp();
    let mut wrong: Vec<(&str, String)> = [
        ("iss", json!({"iss": "https://accounts.google.com"})),
        ("iss with a stroke", json!({"iss": format!("{}/", issuer.url)})),
        ("no iss", json!({"iss": null})),
        ("aud", json!({"aud": "other.example.com"})),
        ("a stranger in aud", json!({"aud": [APP, "other.example.com"], "azp": APP})),
        ("azp", json!({"azp": "other.example.com"})),
        ("no aud", json!({"aud": null})),
        ("ended", json!({"exp": time(-60)})),
        ("no exp", json!({"exp": null})),
        ("lives for ever", json!({"exp": time(10_000_000)})),
        ("of the future", json!({"iat": time(100)})),
        ("not yet", json!({"nbf": time(100)})),
        ("no iat", json!({"iat": null})),
        ("no sub", json!({"sub": null})),
        ("empty sub", json!({"sub": ""})),
        ("a nonce nobody gave", json!({"nonce": "n"})),
    ]
    .map(|(what, change)| (what, room.changed(&change)))
    .into();
    let alg = |alg: &str| json!({"alg": alg, "typ": "JWT"});
    let nothing = |_: &[u8], _: &Value| Vec::new();
    wrong.push(("none", issuer.forged(&alg("none"), &claims, nothing)));
    wrong.push(("nOnE", issuer.forged(&alg("nOnE"), &claims, nothing)));
    wrong.push(("RS256 without a signature", issuer.forged(&alg("RS256"), &claims, nothing)));
    // The public key, in each form in which a checker could hold it, taken for a shared secret.
    for part in ["n", "whole"] {
        let secret = |jwk: &Value| match part {
            "n" => URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap(),
            _ => jwk.to_string().into_bytes(),
        };
        let mac = |message: &[u8], jwk: &Value| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret(jwk)), message).as_ref().to_vec();
        wrong.push(("HS256 with the public key", issuer.forged(&alg("HS256"), &claims, mac)));
        wrong.push(("the same called RS256", issuer.forged(&alg("RS256"), &claims, mac)));
    }
    let header = |header: Value| issuer.token_with(&header, &claims);
    wrong.push(("another algorithm for an RSA key", header(json!({"alg": "RS512"}))));
    wrong.push(("ES256 with an RSA key", header(json!({"alg": "ES256"}))));
    wrong.push(("crit", header(json!({"crit": ["b64"], "b64": false}))));
    wrong.push(("an unknown key", header(json!({"kid": "other"}))));
    // By another key: under the name of the right one, and one that the token brings along.
    let stranger = Issuer::start().await;
    stranger.rotate(Alg::Rs256);
    stranger.withdraw();
    wrong.push(("another key", stranger.token_with(&json!({"kid": "key-0"}), &claims)));
    let jwk = json!({"kid": "key-0", "jku": format!("{}/keys", stranger.url)});
    wrong.push(("a key that it names itself", stranger.token_with(&jwk, &claims)));
    let good = issuer.token(&claims);
    let parts: Vec<&str> = good.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(merged(claims.clone(), &json!({"sub": "2"})).to_string());
    wrong.push(("changed claims", format!("{}.{other}.{}", parts[0], parts[2])));
    wrong.push(("cut", good[..good.len() - 10].to_owned()));
    wrong.push(("two parts", format!("{}.{}", parts[0], parts[1])));
    wrong.push(("four parts", format!("{good}.{}", parts[2])));
    wrong.push(("empty", String::new()));
    wrong.push(("no JSON", "a.b.c".to_owned()));
    wrong.push(("long", format!("{}.{}.{}", parts[0], "A".repeat(20_000), parts[2])));
    for (what, token) in &wrong {
        assert_eq!(code(room.try_token(token, None, 0).await), "invalid_id_token", "{what}");
    }
    assert_eq!(code(room.try_token(&good, None, 0).await), "ok", "the good one among them");
    // A token without a name of its key, where the provider has one key only.
    let nameless = issuer.token_with(&json!({"kid": null}), &issuer.claims(APP, "1", at(0)));
    assert_eq!(code(room.try_token(&nameless, None, 0).await), "ok");
}

/// The order of P-256: `s` and `order - s` are signatures of the same.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
    0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The same ES256 token with its other signature.
fn twin(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let digit = i16::from(ORDER[i]) - i16::from(bytes[32 + i]) - borrow;
        borrow = i16::from(digit < 0);
        bytes[32 + i] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_once_unless_only_its_owner_knows_the_nonce() {
    let room = Room::new(|_| {}).await;
    room.issuer.rotate(Alg::Es256);
    let token = room.token("1", 0);
    assert_eq!(code(room.try_token(&token, None, 1).await), "ok");
    assert_eq!(code(room.try_token(&token, None, 2).await), "invalid_id_token", "it was used before");
    assert_eq!(code(room.try_token(&twin(&token), None, 2).await), "invalid_id_token", "however its signature is written");
    let fresh = room.token("1", 0);
    assert_eq!(code(room.try_token(&twin(&fresh), None, 2).await), "ok", "the twin is a signature");
    assert_eq!(code(room.try_token(&fresh, None, 2).await), "invalid_id_token");
    // Within the leeway after its end it could still be used, and is not.
    assert_eq!(code(room.try_token(&token, None, 3_659).await), "invalid_id_token");
    // Many at once: one.
    let token = room.token("2", 0);
    let all = join_all((0..12).map(|_| room.try_token(&token, None, 5))).await;
    let all: Vec<&str> = all.into_iter().map(code).collect();
    assert_eq!(all.iter().filter(|code| **code == "ok").count(), 1, "{all:?}");
    assert!(all.iter().all(|code| ["ok", "invalid_id_token"].contains(code)), "{all:?}");
    // A nonce as it is shields nothing: whoever has the token has it, too.
    let raw = room.changed(&json!({"nonce": "n-1"}));
    assert_eq!(code(room.try_token(&raw, Some("n-2"), 5).await), "invalid_id_token");
    assert_eq!(code(room.try_token(&raw, Some("n-1"), 5).await), "ok");
    assert_eq!(code(room.try_token(&raw, Some("n-1"), 5).await), "invalid_id_token");
    let other = room.changed(&json!({"nonce": "0".repeat(64)}));
    assert_eq!(code(room.try_token(&other, Some("n-1"), 5).await), "invalid_id_token", "the hash of something else");
    // printf n-1 | sha256sum: an answer that was lost may be asked for again.
    let hashed = room.changed(&json!({"nonce": "51aeea8ffa05d2620d35c87463465885e77df13171d5708746df1a9f36d47f35"}));
    for _ in 0..3 {
        assert_eq!(code(room.try_token(&hashed, Some("n-1"), 5).await), "ok");
    }
    assert_eq!(code(room.try_token(&hashed, None, 5).await), "invalid_id_token");
}

#[tokio::test]
async fn a_nonce_can_be_required() {
    let room = Room::new(|config| config.oidc.get_mut("house").unwrap().nonce = serving::auth::NonceRule::Required).await;
    let refused = room.try_token(&room.token("1", 0), None, 0).await;
    assert!(matches!(refused, Err(AuthError::Field("nonce", _))));
    assert_eq!(code(room.try_token(&room.token("1", 0), Some("n"), 0).await), "invalid_id_token", "the token has none");
    assert_eq!(code(room.try_token(&room.changed(&json!({"nonce": "n"})), Some("n"), 0).await), "ok");
}

#[tokio::test]
async fn what_apple_tells_once_is_kept() {
    let room = Room::new(|_| {}).await;
    let apple =
        |sub: &str| json!({"sub": sub, "email": "x8k2@privaterelay.appleid.com", "email_verified": "true", "is_private_email": "true"});
    let log_in = async |token: String, name: &str| {
        let given = IdToken { provider: "house".to_owned(), token, nonce: None, name: name.to_owned() };
        room.auth.log_in_by(&given, &Device::default(), &Asker::default(), at(0)).await.unwrap()
    };
    let first = log_in(room.changed(&apple("a")), "  王\n小红 ").await;
    assert_eq!(
        (first.suggested_nickname.as_str(), first.mail.as_str(), first.is_private_email),
        ("王 小红", "x***@privaterelay.appleid.com", true)
    );
    let again = log_in(room.changed(&apple("a")), "").await;
    assert_eq!((again.suggested_nickname.as_str(), again.tokens.created), ("王 小红", false));
    // The domain says so, too; and an address that the provider has not made sure of is not told.
    let unsure = log_in(room.changed(&merged(apple("b"), &json!({"email_verified": "false", "is_private_email": null}))), "").await;
    assert_eq!((unsure.mail.as_str(), unsure.is_private_email, unsure.suggested_nickname.as_str()), ("", true, ""));
    // What the provider has signed goes before what the app says.
    let google = json!({"sub": "g", "name": "Wang Xiaohong", "email": "w@gmail.com", "email_verified": true});
    let named = log_in(room.changed(&google), "Mallory").await;
    assert_eq!(
        (named.suggested_nickname.as_str(), named.mail.as_str(), named.is_private_email),
        ("Wang Xiaohong", "w***@gmail.com", false)
    );
}

#[tokio::test]
async fn limits_hold_for_addresses_and_devices() {
    let room = Room::new(|config| (config.id_tokens_per_address, config.id_tokens_per_device) = (5, 3)).await;
    let from = |address: &str, device: &str| Asker { address: Some(address.parse().unwrap()), device: Some(device.to_owned()) };
    let ask = async |asker: &Asker| {
        let given = IdToken { provider: "house".to_owned(), token: "a.b.c".to_owned(), ..IdToken::default() };
        code(room.auth.log_in_by(&given, &Device::default(), asker, at(0)).await)
    };
    for n in 0..5 {
        assert_eq!(ask(&from("192.0.2.7", &format!("d{n}"))).await, "invalid_id_token");
    }
    assert_eq!(ask(&from("192.0.2.7", "d9")).await, "rate_limited");
    for n in 0..3 {
        assert_eq!(ask(&from(&format!("198.51.100.{n}"), "one")).await, "invalid_id_token");
    }
    assert_eq!(ask(&from("198.51.100.9", "one")).await, "rate_limited");
}

/// First logins of one person at the same time make one account.
#[tokio::test(flavor = "multi_thread")]
async fn first_logins_at_the_same_time_make_one_account() {
    let room = Room::new(|_| {}).await;
    let tokens: Vec<String> = (0..10).map(|_| room.token("1", 0)).collect();
    let all = join_all(tokens.iter().map(|token| room.try_token(token, None, 0))).await;
    let all: Vec<OidcLogin> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|login| login.tokens.created).count(), 1);
    assert!(all.iter().all(|login| login.tokens.user_id == all[0].tokens.user_id));
    let listed = room.auth.logins(all[0].tokens.user_id).await.unwrap();
    assert_eq!(listed.len(), 1);
    let closed: Result<(), AuthError> = Err(DbError::Busy.into());
    assert_eq!(code(closed), "unavailable");
}

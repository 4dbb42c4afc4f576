//! An OpenID provider on this machine: discovery document, keys that change, ID tokens right and wrong. It stands in for Google, Apple and others.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use serving::auth::{AuthConfig, OidcConfig};
use tokio::task::JoinHandle;

/// RSA keys are slow to make: these two are of the tests only, and nobody trusts them.
const RSA: [&str; 2] = [include_str!("issuer/rsa-1.b64"), include_str!("issuer/rsa-2.b64")];

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alg {
    /// RSA; there are two such keys.
    Rs256,
    /// P-256.
    Es256,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

struct Key {
    kid: String,
    pair: Pair,
}

impl Key {
    fn new(alg: Alg, n: usize) -> Self {
        let pair = match alg {
            Alg::Rs256 => {
                let der = STANDARD.decode(RSA[n % RSA.len()].split_whitespace().collect::<String>()).unwrap();
                Pair::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap())
            }
            Alg::Es256 => {
                let random = SystemRandom::new();
                let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
                Pair::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap())
            }
        };
        Self { kid: format!("key-{n}"), pair }
    }

    fn alg(&self) -> &'static str {
        if matches!(self.pair, Pair::Rsa(_)) { "RS256" } else { "ES256" }
    }

    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": text(&n), "e": text(&e)})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": text(x), "y": text(y)})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
        }
    }
}

/// What the provider publishes.
struct Published {
    url: String,
    keys: Vec<Arc<Key>>,
    down: bool,
    cache_control: String,
    /// What the discovery document says instead of the truth.
    discovery: Value,
    fetched: AtomicUsize,
    discovered: AtomicUsize,
}

type Shared = Arc<Mutex<Published>>;

/// A provider that runs until it is dropped.
pub struct Issuer {
    /// Its `iss`.
    pub url: String,
    shared: Shared,
    made: AtomicUsize,
    tokens: AtomicU64,
    server: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn discovery(State(shared): State<Shared>) -> Result<Json<Value>, StatusCode> {
    let published = shared.lock().unwrap();
    published.discovered.fetch_add(1, Ordering::Relaxed);
    if published.down {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let mut document =
        json!({"issuer": published.url, "jwks_uri": format!("{}/keys", published.url), "subject_types_supported": ["public"]});
    document.as_object_mut().unwrap().extend(published.discovery.as_object().unwrap().clone());
    Ok(Json(document))
}

async fn keys(State(shared): State<Shared>) -> Result<(HeaderMap, Json<Value>), StatusCode> {
    let published = shared.lock().unwrap();
    published.fetched.fetch_add(1, Ordering::Relaxed);
    if published.down {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, published.cache_control.parse().unwrap());
    // Keys of kinds that are not known here, and broken ones, stand between the others.
    let mut all =
        vec![json!({"kty": "OKP", "crv": "Ed25519", "kid": "other", "x": "AAAA"}), json!({"kty": "RSA", "kid": "broken"}), json!(7)];
    all.extend(published.keys.iter().map(|key| key.jwk()));
    Ok((headers, Json(json!({"keys": all}))))
}

impl Issuer {
    /// One with an RSA key.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let published = Published {
            url: url.clone(),
            keys: vec![Arc::new(Key::new(Alg::Rs256, 0))],
            down: false,
            cache_control: "public, max-age=3600".to_owned(),
            discovery: json!({}),
            fetched: AtomicUsize::new(0),
            discovered: AtomicUsize::new(0),
        };
        let shared: Shared = Arc::new(Mutex::new(published));
        let routes = Router::new().route("/.well-known/openid-configuration", get(discovery)).route("/keys", get(keys));
        let routes = routes.with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, shared, made: AtomicUsize::new(1), tokens: AtomicU64::new(0), server }
    }

    /// A configuration in which the provider `name` is this one, and `audiences` are the apps.
    pub fn configure(&self, auth: &mut AuthConfig, name: &str, audiences: &[&str]) {
        let audiences = audiences.iter().map(ToString::to_string).collect();
        let config = OidcConfig { issuer: self.url.clone(), audiences, ..OidcConfig::default() };
        auth.oidc.insert(name.to_owned(), config);
    }

    /// A new key signs from now on; those before stay published.
    pub fn rotate(&self, alg: Alg) {
        let key = Key::new(alg, self.made.fetch_add(1, Ordering::Relaxed));
        self.shared.lock().unwrap().keys.push(Arc::new(key));
    }

    /// Only the newest key is published from now on.
    pub fn withdraw(&self) {
        let keys = &mut self.shared.lock().unwrap().keys;
        keys.drain(..keys.len() - 1);
    }

    /// Whether it answers with failures.
    pub fn set_down(&self, down: bool) {
        self.shared.lock().unwrap().down = down;
    }

    /// What the answer with the keys says about keeping it.
    pub fn set_cache_control(&self, value: &str) {
        self.shared.lock().unwrap().cache_control = value.to_owned();
    }

    /// Fields of the discovery document that are told instead of the true ones.
    pub fn set_discovery(&self, fields: Value) {
        self.shared.lock().unwrap().discovery = fields;
    }

    /// How often the keys were asked for, and the discovery document.
    pub fn asked(&self) -> (usize, usize) {
        let published = self.shared.lock().unwrap();
        (published.fetched.load(Ordering::Relaxed), published.discovered.load(Ordering::Relaxed))
    }

    /// What a good token of a person for an app says, for an hour; each is another token.
    pub fn claims(&self, audience: &str, subject: &str, now: DateTime<Utc>) -> Value {
        let n = self.tokens.fetch_add(1, Ordering::Relaxed);
        let (iat, exp) = (now.timestamp(), now.timestamp() + 3_600);
        json!({"iss": self.url, "aud": audience, "sub": subject, "iat": iat, "exp": exp, "jti": n.to_string()})
    }

    /// A token of these claims by the newest key.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({}), claims)
    }

    /// The same with other fields in the header; null takes one out.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let key = Arc::clone(self.shared.lock().unwrap().keys.last().unwrap());
        let mut whole = json!({"alg": key.alg(), "kid": key.kid, "typ": "JWT"});
        let fields = whole.as_object_mut().unwrap();
        fields.extend(header.as_object().unwrap().clone());
        fields.retain(|_, value| !value.is_null());
        let signed = unsigned(&whole, claims);
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// A token with a signature made from header and claims, and the newest public key as a JWK.
    pub fn forged(&self, header: &Value, claims: &Value, sign: impl Fn(&[u8], &Value) -> Vec<u8>) -> String {
        let jwk = self.shared.lock().unwrap().keys.last().unwrap().jwk();
        let mut whole = json!({"kid": jwk["kid"]});
        whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        let signed = unsigned(&whole, claims);
        let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes(), &jwk));
        format!("{signed}.{signature}")
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

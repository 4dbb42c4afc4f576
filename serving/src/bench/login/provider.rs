//! An OpenID provider in this process: one key, and as many people as are asked for.

use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use tokio::task::JoinHandle;

/// The app that people log in from.
pub(super) const APP: &str = "bench";

/// A provider; dropping it ends it.
pub(super) struct Provider {
    /// Its `iss`.
    pub(super) url: String,
    pair: EcdsaKeyPair,
    random: SystemRandom,
    server: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    /// Publishes a new key on loopback.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let key =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(|_| anyhow::anyhow!("no key can be made"))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random)?;
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": part(x), "y": part(y)}]});
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new().route("/keys", get(move || std::future::ready(Json(keys.clone()))));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the provider of the measurement has ended");
            }
        });
        Ok(Self { url, pair, random, server })
    }

    /// An ID token of the n-th person, for an hour.
    pub(super) fn token(&self, n: u64) -> anyhow::Result<String> {
        let now = Utc::now().timestamp();
        let claims = json!({"iss": self.url, "aud": APP, "sub": format!("person-{n}"), "iat": now, "exp": now + 3_600,
            "email": format!("p{n}@example.com"), "email_verified": true, "name": "bench"});
        let part = |value: String| URL_SAFE_NO_PAD.encode(value);
        let signed = format!("{}.{}", part(json!({"alg": "ES256", "kid": "1"}).to_string()), part(claims.to_string()));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).map_err(|_| anyhow::anyhow!("a token cannot be signed"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }
}

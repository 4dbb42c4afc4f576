//! Access tokens: JWT (RFC 9068) signed with Ed25519.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use features::ids::UserId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::jwt::provide;
use super::{AuthConfig, AuthError, Keys};

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who has issued it.
    pub iss: String,
    /// For whom it is.
    pub aud: String,
    /// Whose it is.
    pub sub: UserId,
    /// The session, as text.
    pub sid: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}

impl Claims {
    /// The session.
    pub fn session(&self) -> Option<i64> {
        self.sid.parse().ok()
    }
}

/// A token.
pub(super) fn issue(keys: &Keys, claims: &Claims, now: DateTime<Utc>) -> Result<String, AuthError> {
    provide();
    let key = keys.signs(now).ok_or_else(|| AuthError::Broken("there is no signing key".to_owned()))?;
    let header = Header { typ: Some("at+jwt".to_owned()), kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&key.private)).map_err(|e| AuthError::Broken(e.to_string()))
}

/// What a token says, if it is one of ours and still good.
pub(super) fn read(keys: &Keys, config: &AuthConfig, token: &str, now: DateTime<Utc>) -> Result<Claims, AuthError> {
    provide();
    let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::BadToken)?;
    let key = keys.signing.iter().find(|key| header.kid.as_deref() == Some(&key.kid)).ok_or(AuthError::BadToken)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Time is an argument here.
    validation.validate_exp = false;
    let read = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_ed_der(&key.public), &validation);
    let claims = read.map_err(|_| AuthError::BadToken)?.claims;
    if header.typ.as_deref() != Some("at+jwt") || claims.exp <= now.timestamp() {
        return Err(AuthError::BadToken);
    }
    Ok(claims)
}

/// The public keys (RFC 7517, RFC 8037).
pub(super) fn public_keys(keys: &Keys) -> Vec<Value> {
    let one = |key: &super::keys::SigningKey| json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": URL_SAFE_NO_PAD.encode(&key.public)});
    keys.signing.iter().map(one).collect()
}

//! Refresh tokens: `base64url(session id, 8 bytes · secret, 32 bytes · tag, 16 bytes)`.
//!
//! The first secret of a session is random. Each next one is a keyed hash of the one before, so that a client that asks again, because it did not get the
//! answer, can be given the same answer again without it being kept anywhere. The tag is a keyed hash, too: it tells tokens that were once given from
//! what somebody made up, so that nobody ends a stranger's session by guessing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::Keys;

/// A refresh token that was once given by us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Refresh {
    pub(super) session: i64,
    secret: [u8; 32],
}

impl Refresh {
    /// The first of a session.
    pub(super) fn new(session: i64, secret: [u8; 32]) -> Self {
        Self { session, secret }
    }

    /// The one after it.
    pub(super) fn next(&self, keys: &Keys) -> Self {
        Self { session: self.session, secret: keys.mac("refresh next", &[&self.session.to_be_bytes(), &self.secret]) }
    }

    /// What is kept of it.
    pub(super) fn hash(&self, keys: &Keys) -> String {
        URL_SAFE_NO_PAD.encode(keys.mac("refresh hash", &[&self.session.to_be_bytes(), &self.secret]))
    }

    fn tag(&self, keys: &Keys) -> [u8; 32] {
        keys.mac("refresh tag", &[&self.session.to_be_bytes(), &self.secret])
    }

    /// As it is given to the client.
    pub(super) fn text(&self, keys: &Keys) -> String {
        let bytes = [&self.session.to_be_bytes()[..], &self.secret, &self.tag(keys)[..16]].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token; nothing for what was never given.
    pub(super) fn parse(text: &str, keys: &Keys) -> Option<Self> {
        let bytes = if text.len() == 75 { URL_SAFE_NO_PAD.decode(text).ok()? } else { return None };
        let (session, rest) = bytes.split_first_chunk::<8>()?;
        let (secret, tag) = rest.split_first_chunk::<32>()?;
        let token = Self { session: i64::from_be_bytes(*session), secret: *secret };
        bool::from(token.tag(keys)[..16].ct_eq(tag)).then_some(token)
    }
}

//! What requests to services of the operator's have in common: they are signed, go over TLS, follow no redirect, end in time, and their answers have a limit.
//!
//! ```text
//! X-Hongniang-Timestamp: 1790000000
//! X-Hongniang-Signature: v1=<hex of HMAC-SHA256(secret, timestamp + "." + body)>
//! ```
//!
//! The receiver compares the signature in constant time and refuses timestamps that are more than five minutes off, so that nothing can be played again later.
//! No room: rooms use it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::CONTENT_TYPE;
use ring::hmac;

/// Characters that a secret has at least.
pub(crate) const SECRET_CHARS: usize = 16;

/// Whether a URL may be asked: over TLS, or on this machine.
pub(crate) fn may_be_asked(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.username().is_empty() && url.host_str().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && here))
}

/// A client that follows no redirect and waits for a whole answer no longer than this.
///
/// # Errors
/// When the certificates of this machine cannot be read.
pub(crate) fn client(patience: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(patience).redirect(reqwest::redirect::Policy::none()).build()
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}"); // a String takes everything
        out
    })
}

/// The value of `X-Hongniang-Signature`.
pub(crate) fn sign(secret: &str, timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("v1={}", hex(hmac::sign(&key, format!("{timestamp}.{body}").as_bytes()).as_ref()))
}

/// A service that takes signed JSON.
pub(crate) struct Signed {
    client: reqwest::Client,
    url: String,
    secret: String,
}

impl Signed {
    /// The service at `url`, with which `secret` is shared.
    pub(crate) fn new(client: reqwest::Client, url: &str, secret: &str) -> Self {
        Self { client, url: url.to_owned(), secret: secret.to_owned() }
    }

    /// Sends a body of JSON, signed at `now`. An error names no address.
    pub(crate) async fn post(&self, now: DateTime<Utc>, body: String) -> reqwest::Result<reqwest::Response> {
        let timestamp = now.timestamp();
        let request = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("x-hongniang-timestamp", timestamp)
            .header("x-hongniang-signature", sign(&self.secret, timestamp, &body))
            .body(body);
        request.send().await.map_err(reqwest::Error::without_url)
    }
}

/// An answer that cannot be read to its end.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It has more bytes than are read.
    TooLong,
    /// The connection failed, or time was up. Names no address.
    Failed(reqwest::Error),
}

/// The body of an answer, of at most so many bytes.
pub(crate) async fn body(mut answer: reqwest::Response, most: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| Unread::Failed(error.without_url()))? {
        body.extend_from_slice(&part);
        if body.len() > most {
            return Err(Unread::TooLong);
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_an_hmac() {
        // RFC 4231 has no message with a point in it: this one was computed by `printf '1790000000.{}' | openssl dgst -sha256 -hmac a-shared-secret-1`.
        assert_eq!(sign("a-shared-secret-1", 1_790_000_000, "{}"), "v1=ba7d854b594fd394128553207c10b54d6dc6a02cc6569472424633154237c3b9");
    }

    #[test]
    fn only_tls_or_this_machine() {
        for good in ["https://example.com/x", "http://127.0.0.1:8080/a", "http://localhost", "http://[::1]:1/"] {
            assert!(may_be_asked(good), "{good}");
        }
        for bad in ["http://example.com", "ftp://localhost", "https://user@example.com", "example.com", "", "http://127.0.0.1.example.com"]
        {
            assert!(!may_be_asked(bad), "{bad}");
        }
    }
}

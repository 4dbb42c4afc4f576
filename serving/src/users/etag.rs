//! Revisions as entity tags, and the conditions of a request (RFC 9110, 13.1).

use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::ApiError;

/// The header that tells a revision.
pub(super) fn header(revision: u64) -> [(HeaderName, HeaderValue); 1] {
    [(ETAG, HeaderValue::from_str(&tag(revision)).unwrap_or(HeaderValue::from_static("\"0\"")))]
}

fn tag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// Under which conditions a request is to be carried out.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    matching: Option<Vec<String>>,
    none_matching: Option<Vec<String>>,
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    // What is no text matches nothing.
    let listed = |line: &&HeaderValue| line.to_str().unwrap_or("").split(',').map(|tag| tag.trim().to_owned()).collect::<Vec<_>>();
    (!lines.is_empty()).then(|| lines.iter().flat_map(listed).collect())
}

impl Conditions {
    /// What `If-Match` and `If-None-Match` say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self { matching: tags(headers, &IF_MATCH), none_matching: tags(headers, &IF_NONE_MATCH) }
    }

    /// Holds what is there to the conditions; `None` where there is nothing.
    ///
    /// # Errors
    /// `precondition_failed`, when one does not hold.
    pub(super) fn hold(&self, revision: Option<u64>) -> Result<(), ApiError> {
        let is = |given: &Vec<String>| revision.is_some_and(|revision| given.iter().any(|one| one == "*" || *one == tag(revision)));
        if self.matching.as_ref().is_none_or(is) && !self.none_matching.as_ref().is_some_and(is) { Ok(()) } else { Err(ApiError::Stale) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_as_the_rfc_says() {
        let conditions = |name: &HeaderName, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(name, line.parse().unwrap());
            }
            Conditions::of(&headers)
        };
        assert!(Conditions::default().hold(None).is_ok() && Conditions::default().hold(Some(1)).is_ok());
        for (lines, revision, matches) in [
            (&["\"7\""][..], Some(7), true),
            (&["\"6\", \"7\""], Some(7), true),
            (&["\"6\"", "\"7\""], Some(7), true),
            (&["\"6\""], Some(7), false),
            (&["W/\"7\""], Some(7), false),
            (&["7"], Some(7), false),
            (&[""], Some(7), false),
            (&["*"], Some(7), true),
            (&["*"], None, false),
            (&["\"7\""], None, false),
        ] {
            assert_eq!(conditions(&IF_MATCH, lines).hold(revision).is_ok(), matches, "If-Match: {lines:?} of {revision:?}");
            assert_eq!(conditions(&IF_NONE_MATCH, lines).hold(revision).is_err(), matches, "If-None-Match: {lines:?} of {revision:?}");
        }
    }
}

//! Service keys, as for the API: `authorization: Bearer KEY`, or a password of that name, whoever the user.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::http::is_known;

const HEADER: &str = "authorization";

/// The drivers in Go leave out the padding, others do not.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Lets calls with a known key through.
#[derive(Clone)]
pub(super) struct Keys(Arc<Vec<String>>);

impl Keys {
    pub(super) fn new(keys: Vec<String>) -> Self {
        Self(Arc::new(keys))
    }
}

impl Interceptor for Keys {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let given = key(request.metadata()).unwrap_or_default();
        if is_known(&self.0, &given) {
            return Ok(request);
        }
        Err(Status::unauthenticated("give a service key: as bearer token, or as password with any user name; see http.service_keys"))
    }
}

/// The key that a call carries: a token, or the password of basic authentication.
pub(super) fn key(metadata: &MetadataMap) -> Option<String> {
    let header = metadata.get(HEADER)?.to_str().ok()?;
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64.decode(rest.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn carrying(header: &str) -> Option<String> {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, header.parse().ok()?);
        key(&metadata)
    }

    #[test]
    fn tokens_and_passwords_are_keys() {
        assert_eq!(carrying("Bearer secret").as_deref(), Some("secret"));
        assert_eq!(carrying("bearer  secret ").as_deref(), Some("secret"));
        assert_eq!(carrying(&format!("Basic {}", BASE64_STANDARD.encode("me:se:cret"))).as_deref(), Some("se:cret"));
        assert_eq!(carrying(&format!("basic {}", BASE64_STANDARD_NO_PAD.encode("m:e"))).as_deref(), Some("e"));
        for none in ["", "secret", "Digest x", "Basic !", &format!("Basic {}", BASE64_STANDARD.encode("nopassword"))] {
            assert_eq!(carrying(none), None, "{none}");
        }
        let mut keys = Keys::new(vec!["a-key".to_owned(), "another".to_owned()]);
        let mut call = |header: &str| {
            let mut request = Request::new(());
            request.metadata_mut().insert(HEADER, header.parse().unwrap());
            keys.call(request).is_ok()
        };
        assert!(call("Bearer another") && call("Bearer a-key") && !call("Bearer a-ke") && !call("Bearer ") && !call("Basic Og=="));
        assert!(keys.call(Request::new(())).is_err());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "[ -~]{0,60}") {
            let _ = carrying(&header);
            let _ = carrying(&format!("Basic {header}"));
        }
    }
}

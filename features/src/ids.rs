//! Identifiers. 64-bit ids travel as decimal strings in JSON, because JavaScript
//! numbers lose everything above 2^53.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// An id could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: expected a decimal number between 1 and 18446744073709551615, as a string")]
pub struct IdError(pub String);

macro_rules! id {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ToSchema)]
        #[schema(value_type = String, example = "1024")]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                match text.parse::<u64>() {
                    Ok(id) if id > 0 && !text.starts_with('+') => Ok(Self(id)),
                    _ => Err(IdError(text.chars().take(40).collect())),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                if out.is_human_readable() { out.collect_str(self) } else { out.serialize_u64(self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                if input.is_human_readable() { input.deserialize_str(IdVisitor).map($name) } else { u64::deserialize(input).map($name) }
            }
        }
    };
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a 64-bit id as a decimal string, such as \"1024\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse::<UserId>().map(|id| id.0).map_err(E::custom)
    }
}

id!(UserId, "A person (or a virtual one).");
id!(MomentId, "One Moment.");

/// Identity of an event. Version 7 when minted at the edge (sortable by time); version 8 when derived
/// from an idempotency key or an imported row, so that a repeat carries the same id.
pub type EventId = uuid::Uuid;

/// Derives the same event id from the same parts every time (UUID version 8 over SHA-256).
pub fn derived_event_id(parts: &[&str]) -> EventId {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Reads an event id: a UUID of version 7 or 8.
///
/// # Errors
/// When the UUID is of another version, naming what is expected.
pub fn check_event_id(id: &EventId) -> Result<(), String> {
    match id.get_version_num() {
        7 | 8 => Ok(()),
        other => Err(format!("UUID version {other}: use version 7 (or 8 for ids derived from content)")),
    }
}

/// Deserialises an optional text field, turning blank into `None`.
pub(crate) fn blank_is_none<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(input).map_err(D::Error::custom)?;
    Ok(text.filter(|t| !t.trim().is_empty()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strings_in_json_and_nothing_else() {
        let id = UserId(u64::MAX);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"18446744073709551615\"");
        assert_eq!(serde_json::from_str::<UserId>("\"18446744073709551615\"").unwrap(), id);
        for bad in ["12", "\"0\"", "\"-1\"", "\"+5\"", "\"\"", "\"1e3\"", "\"18446744073709551616\"", "null"] {
            assert!(serde_json::from_str::<UserId>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn derived_ids_repeat_and_do_not_collide_over_boundaries() {
        assert_eq!(derived_event_id(&["a", "bc"]), derived_event_id(&["a", "bc"]));
        assert_ne!(derived_event_id(&["a", "bc"]), derived_event_id(&["ab", "c"]));
        assert!(check_event_id(&derived_event_id(&["x"])).is_ok());
        assert!(check_event_id(&uuid::Uuid::nil()).is_err());
    }
}

//! Where in a value the fault lies.

use features::event::{DecodeError, Event};

/// A place in a text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column in bytes.
    pub column: usize,
}

/// Where the bytes stop being an event: the first byte that is not UTF-8, or where the JSON reader gave up; none where they are an event as far as
/// reading goes, and break a rule.
pub fn place(value: &[u8]) -> Option<Place> {
    if let Err(error) = std::str::from_utf8(value) {
        let before = &value[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        let column = before.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) + 1;
        return Some(Place { line, column });
    }
    match Event::decode(value) {
        Err(DecodeError::Json(error)) => Some(Place { line: error.line(), column: error.column() }),
        Ok(_) | Err(DecodeError::UnknownKind(_)) => None,
    }
}

/// The fields that a reason of the gate names: the last part of each path before its colon.
pub fn fields_of(reason: &str) -> Vec<String> {
    if reason.starts_with("unknown kind") {
        return vec!["kind".to_owned()];
    }
    // What a reader of JSON names stands in backquotes.
    if let Some(rest) = reason.strip_prefix("not a valid event: ") {
        return rest.split('`').nth(1).filter(|word| is_field(word)).map(str::to_owned).into_iter().collect();
    }
    let named = reason.split("; ").filter_map(|part| part.split_once(": ")).map(|(path, _)| path);
    named.filter(|path| path.split('.').all(is_field)).filter_map(|path| path.rsplit('.').next()).map(str::to_owned).collect()
}

fn is_field(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_place_is_where_reading_ends() {
        assert_eq!(place(b"{\n \"kind\":\xff\"like\"}"), Some(Place { line: 2, column: 9 }));
        assert_eq!(place(b"{\"kind\":\"like\","), Some(Place { line: 1, column: 15 }));
        assert_eq!(place(b""), Some(Place { line: 1, column: 0 }));
        assert_eq!(place(br#"{"kind":"wink"}"#), None);
    }

    #[test]
    fn fields_are_those_that_the_reason_names() {
        assert_eq!(
            fields_of("profile.birth_date: gives an age of 7; 18 to 120 are allowed; target_id: is the actor"),
            ["birth_date", "target_id"]
        );
        assert_eq!(fields_of("unknown kind `wink`: see docs/EVENTS.md for the kinds of each topic"), ["kind"]);
        assert_eq!(fields_of("not a valid event: missing field `target_id` at line 1 column 9"), ["target_id"]);
        assert!(fields_of("the record has no value; an event is a JSON object").is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), reason in ".{0,80}") {
            let _ = (place(&bytes), fields_of(&reason));
        }
    }
}

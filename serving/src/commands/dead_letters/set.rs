//! `--set field=text` and `--set field:=json`.

use std::str::FromStr;

use serde_json::{Map, Value};

/// One change of a value.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct Change {
    path: Vec<String>,
    /// None takes the field out.
    value: Option<Value>,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no change: field=text, field:=json, or field= to take it out");
        let (field, value) = text.split_once('=').ok_or_else(wrong)?;
        let (field, value) = match field.strip_suffix(':') {
            Some(field) => {
                (field, Some(serde_json::from_str(value).map_err(|e| format!("`{value}` is not JSON ({e}); field=text sets text"))))
            }
            None if value.is_empty() => (field, None),
            None => (field, Some(Ok(Value::from(value)))),
        };
        let path: Vec<String> = field.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self { path, value: value.transpose()? })
    }
}

impl Change {
    /// Makes the change; objects on the way that are not there are made.
    pub(super) fn make(&self, whole: &mut Value) -> Result<(), String> {
        let (last, way) = self.path.split_last().ok_or("no field")?;
        let mut at = whole;
        for (n, part) in way.iter().enumerate() {
            at = inside(at, &self.path[..n])?.entry(part.clone()).or_insert_with(|| Value::Object(Map::new()));
        }
        let object = inside(at, way)?;
        match &self.value {
            Some(value) => drop(object.insert(last.clone(), value.clone())),
            None => drop(object.remove(last)),
        }
        Ok(())
    }
}

fn inside<'a>(value: &'a mut Value, path: &[String]) -> Result<&'a mut Map<String, Value>, String> {
    value.as_object_mut().ok_or_else(|| match path.join(".") {
        whole if whole.is_empty() => "the record is no JSON object; correct it with --with FILE or in $EDITOR".to_owned(),
        field => format!("`{field}` is no object, so nothing can be set in it"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn text_json_nested_and_taken_out() {
        let mut value = json!({"a": "1", "b": {"c": 2}, "gone": 3});
        for change in ["a=7", "b.c:=3", "b.d.e=x=y", "n:=null", "tags:=[\"猫\"]", "gone="] {
            change.parse::<Change>().unwrap().make(&mut value).unwrap();
        }
        assert_eq!(value, json!({"a": "7", "b": {"c": 3, "d": {"e": "x=y"}}, "n": null, "tags": ["猫"]}));
    }

    #[test]
    fn what_is_wrong_with_a_change_is_said() {
        assert!("a".parse::<Change>().unwrap_err().contains("field=text"));
        assert!("a:=x".parse::<Change>().unwrap_err().contains("not JSON"));
        assert!("a..b=1".parse::<Change>().is_err());
        let change: Change = "a.b=1".parse().unwrap();
        assert!(change.make(&mut json!({"a": 5})).unwrap_err().contains("`a` is no object"));
        assert!(change.make(&mut json!([1])).unwrap_err().contains("no JSON object"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            if let Ok(change) = text.parse::<Change>() {
                let _ = change.make(&mut json!({"a": {"b": 1}}));
            }
        }
    }
}

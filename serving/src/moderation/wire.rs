//! What the service is asked and answers, in JSON: see docs/MODERATION.md.

use std::collections::HashMap;

use features::moderation::{Category, Finding};
use serde::{Deserialize, Serialize};

use super::checker::Found;
use super::{Subject, SubjectKind, Verdict};

/// The name of its check.
pub(super) const CHECK: &str = "service";
/// Characters of a category that are kept: what the service calls it is for whoever runs the platform.
const CATEGORY_CHARS: usize = 60;

#[derive(Serialize)]
struct Request<'a> {
    kind: SubjectKind,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    field: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Image<'a> {
    field: &'a str,
    name: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    findings: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    field: String,
    category: String,
    verdict: Option<Said>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Flag,
    Refuse,
}

/// The names of subjects in a request: their fields, numbered where several have the same.
pub(super) fn names(subjects: &[&Subject<'_>]) -> Vec<String> {
    let mut many: HashMap<&str, usize> = HashMap::new();
    subjects.iter().for_each(|subject| *many.entry(&subject.field).or_default() += 1);
    let mut given: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let field: &str = &subject.field;
        let number = given.entry(field).or_default();
        names.push(if many[field] < 2 { field.to_owned() } else { format!("{field}[{number}]") });
        *number += 1;
    }
    names
}

/// The body of a request about subjects of one kind.
pub(super) fn request(kind: SubjectKind, names: &[String], subjects: &[&Subject<'_>]) -> serde_json::Result<String> {
    let all = || names.iter().zip(subjects);
    let (mut fields, mut images) = (Vec::new(), Vec::new());
    if kind.is_text() {
        fields.extend(all().map(|(field, subject)| Text { field, text: subject.content }));
    } else {
        images.extend(all().map(|(field, subject)| Image { field, name: subject.content }));
    }
    serde_json::to_string(&Request { kind, fields, images })
}

/// What an answer says of each of the names. None where it is not as agreed.
pub(super) fn answer(body: &[u8], names: &[String]) -> Option<Vec<Vec<Found>>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let places: HashMap<&str, usize> = names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let mut all = vec![Vec::new(); names.len()];
    for told in answer.findings {
        let verdict = told.verdict.map(|said| match said {
            Said::Flag => Verdict::Flag,
            Said::Refuse => Verdict::Refuse,
        });
        let entry: String = told.category.chars().filter(|c| !c.is_control()).take(CATEGORY_CHARS).collect();
        let finding = Finding { category: Category::parse(&told.category).unwrap_or(Category::Other), check: CHECK, entry };
        all[*places.get(told.field.as_str())?].push(Found { finding, verdict });
    }
    for found in &mut all {
        found.sort();
        found.dedup();
    }
    Some(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn subjects<'a>(kind: SubjectKind, all: &[(&'a str, &'a str)]) -> Vec<Subject<'a>> {
        all.iter().map(|(field, content)| Subject::new(kind, *field, content)).collect()
    }

    #[test]
    fn a_request_names_every_subject_once() {
        let all = subjects(SubjectKind::Bio, &[("bio", "周末爬山"), ("tags", "咖啡"), ("tags", "hiking")]);
        let all: Vec<&Subject<'_>> = all.iter().collect();
        let body: Value = serde_json::from_str(&request(SubjectKind::Bio, &names(&all), &all).unwrap()).unwrap();
        let fields =
            json!([{"field": "bio", "text": "周末爬山"}, {"field": "tags[0]", "text": "咖啡"}, {"field": "tags[1]", "text": "hiking"}]);
        assert_eq!(body, json!({"kind": "bio", "fields": fields}));
        let photo = subjects(SubjectKind::Image, &[("album[1]", "u/1.jpg")]);
        let photo: Vec<&Subject<'_>> = photo.iter().collect();
        let body: Value = serde_json::from_str(&request(SubjectKind::Image, &names(&photo), &photo).unwrap()).unwrap();
        assert_eq!(body, json!({"kind": "image", "images": [{"field": "album[1]", "name": "u/1.jpg"}]}));
    }

    #[test]
    fn an_answer_is_as_agreed_or_none() {
        let names = ["title".to_owned(), "text".to_owned()];
        let read = |answer: &Value| super::answer(answer.to_string().as_bytes(), &names);
        let told = read(&json!({"findings": [
            {"field": "text", "category": "scam", "verdict": "flag", "score": 0.9},
            {"field": "text", "category": "裸露"},
            {"field": "text", "category": "裸露"}
        ], "model": "v3"}));
        let told = told.unwrap();
        assert_eq!(told[0], []);
        let said: Vec<_> = told[1].iter().map(|f| (f.finding.category, f.verdict, f.finding.entry.as_str())).collect();
        assert_eq!(said, [(Category::Scam, Some(Verdict::Flag), "scam"), (Category::Other, None, "裸露")]);
        assert_eq!(read(&json!({"findings": []})).unwrap(), vec![vec![]; 2]);
        for wrong in [
            json!({}),
            json!([]),
            json!({"findings": [{"field": "titel", "category": "scam"}]}),
            json!({"findings": [{"field": "title"}]}),
            json!({"findings": [{"field": "title", "category": "scam", "verdict": "accept"}]}),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
        assert_eq!(super::answer(b"", &names), None);
    }

    proptest! {
        /// However many share a field, an answer about one name is about one subject.
        #[test]
        fn names_lead_back(fields in prop::collection::vec(prop::sample::select(vec!["tags", "text", "bio"]), 1..20), pick in any::<prop::sample::Index>()) {
            let all: Vec<Subject<'_>> = fields.iter().map(|field| Subject::new(SubjectKind::Bio, *field, "x")).collect();
            let names = names(&all.iter().collect::<Vec<_>>());
            let at = pick.index(names.len());
            let told = json!({"findings": [{"field": names[at], "category": "other"}]});
            let told = answer(told.to_string().as_bytes(), &names).unwrap();
            prop_assert!(told.iter().enumerate().all(|(n, found)| found.len() == usize::from(n == at)));
        }

        #[test]
        fn no_answer_harms(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(answer(&body, &["text".to_owned()]).is_none_or(|told| told.len() == 1));
        }
    }
}

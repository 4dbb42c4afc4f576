//! What a request makes of a profile, and what whoever asks may set.

use chrono::{DateTime, Utc};
use features::profile::Profile;
use features::validate::{Language, validate_profile_in};
use serde_json::{Map, Value};

use super::merge::merge;
use crate::http::{ApiError, typed};
use crate::moderation::Subject;

/// What is to become of a profile.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// It is replaced by this.
    Whole(Value),
    /// It is changed as this merge patch says.
    Patch(Value),
}

/// A change as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) wanted: Wanted,
    /// Whether a service asks: it may set what people may not.
    pub(super) by_service: bool,
    pub(super) language: Language,
    pub(super) now: DateTime<Utc>,
}

/// What only services set, by its name in JSON.
const THEIRS: [&str; 3] = ["banned", "virtual", "verified"];

fn object(value: Value) -> Result<Map<String, Value>, ApiError> {
    if let Value::Object(fields) = value { Ok(fields) } else { Err(ApiError::field("body", "must be a JSON object")) }
}

/// What of a profile only services set.
fn theirs(profile: Option<&Profile>) -> [bool; 3] {
    profile.map_or([false; 3], |p| [p.banned, p.is_virtual, p.verified])
}

impl Edit {
    /// The profile that comes out, checked but for what [`brought`] is to be judged.
    ///
    /// # Errors
    /// Where there is none to patch, a field breaks a rule, or is not for who asks.
    pub(super) fn apply(&self, old: Option<&Profile>) -> Result<Profile, ApiError> {
        let mut fields = match (&self.wanted, old) {
            (Wanted::Whole(value), _) => object(value.clone())?,
            (Wanted::Patch(patch), Some(old)) => patched(old, patch)?,
            (Wanted::Patch(_), None) => {
                return Err(ApiError::NotFound("unknown_user", "there is no profile yet; PUT makes one".to_owned()));
            }
        };
        self.fill(&mut fields, old);
        let profile = typed::<Profile>(&Value::Object(fields))?.settled();
        if !self.by_service && theirs(Some(&profile)) != theirs(old) {
            return Err(ApiError::Forbidden("banned, virtual and verified are set by service keys only"));
        }
        validate_profile_in(&profile, self.now, "", self.language).map_err(ApiError::Invalid)?;
        Ok(profile)
    }

    /// Fills in what the platform decides, and what a person who replaces their profile does not.
    fn fill(&self, fields: &mut Map<String, Value>, old: Option<&Profile>) {
        fields.remove("revision");
        let made = || serde_json::to_value(old.map_or(self.now, |old| old.created_at)).unwrap_or_default();
        if !self.by_service || !fields.contains_key("created_at") {
            fields.insert("created_at".to_owned(), made());
        }
        if !self.by_service && matches!(self.wanted, Wanted::Whole(_)) {
            for (name, value) in THEIRS.into_iter().zip(theirs(old)) {
                fields.entry(name).or_insert(Value::Bool(value));
            }
        }
    }
}

/// A profile as JSON, changed. Who names one of `hidden` and `visibility` decides, and the other follows; likewise `photos` and `album`.
fn patched(old: &Profile, patch: &Value) -> Result<Map<String, Value>, ApiError> {
    let mut fields = serde_json::to_value(old).map_err(|e| ApiError::Internal(e.to_string()))?;
    for (named, follows) in [("hidden", "visibility"), ("visibility", "hidden")] {
        if patch.get(named).is_some()
            && patch.get(follows).is_none()
            && let Some(fields) = fields.as_object_mut()
        {
            fields.remove(follows);
        }
    }
    if patch.get("album").is_some_and(|album| album.is_null() || album.as_array().is_some_and(Vec::is_empty))
        && patch.get("photos").is_none()
        && let Some(fields) = fields.as_object_mut()
    {
        fields.remove("photos");
    }
    merge(&mut fields, patch.clone());
    object(fields)
}

/// What others are to see that did not stand there before. What did is left alone: lists of words grow, and nobody must be kept from hiding by an old name.
pub(super) fn brought<'a>(old: Option<&Profile>, profile: &'a Profile) -> Vec<Subject<'a>> {
    let before = old.map(Subject::of_profile).unwrap_or_default();
    let stood = |new: &Subject<'_>| before.iter().any(|old| old.kind == new.kind && old.content == new.content);
    let mut subjects = Subject::of_profile(profile);
    subjects.retain(|new| !stood(new));
    subjects
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::profile::Visibility;
    use serde_json::json;

    use super::*;
    use crate::moderation::{ModerationConfig, Moderator, SubjectKind};

    fn now() -> DateTime<Utc> {
        "2026-11-27T08:00:00Z".parse().unwrap()
    }

    fn edit(by_service: bool, wanted: Wanted) -> Edit {
        Edit { wanted, by_service, language: Language::English, now: now() }
    }

    fn apply(by_service: bool, wanted: Wanted, old: Option<&Profile>) -> Result<Profile, ApiError> {
        edit(by_service, wanted).apply(old)
    }

    fn whole() -> Value {
        json!({"nickname": "小红", "gender": "female", "birth_date": "1996-05-04", "created_at": "2020-01-01T00:00:00Z", "revision": 7})
    }

    fn old() -> Profile {
        let wanted =
            Wanted::Whole(json!({"nickname": "小红", "gender": "female", "birth_date": "1996-05-04", "created_at": "2026-10-01T00:00:00Z",
            "bio": "周末爬山", "album": ["a", "b"], "virtual": true, "extend_data": {"a": {"b": 1, "c": 2}}}));
        apply(true, wanted, None).unwrap()
    }

    #[test]
    fn people_do_not_say_when_they_came_and_services_do() {
        let own = apply(false, Wanted::Whole(whole()), None).unwrap();
        assert_eq!((own.created_at, own.revision, own.visibility), (now(), 0, Some(Visibility::Visible)));
        assert_eq!(apply(true, Wanted::Whole(whole()), None).unwrap().created_at.to_rfc3339(), "2020-01-01T00:00:00+00:00");
        let mut nothing_said = whole();
        nothing_said.as_object_mut().unwrap().remove("created_at");
        for by_service in [false, true] {
            let kept = apply(by_service, Wanted::Whole(nothing_said.clone()), Some(&old())).unwrap();
            assert_eq!(kept.created_at, old().created_at, "{by_service}");
        }
    }

    #[test]
    fn what_services_set_stays_with_them() {
        let own = apply(false, Wanted::Whole(whole()), Some(&old())).unwrap();
        assert!(own.is_virtual, "whoever does not name it does not change it");
        for (field, value) in [("virtual", json!(false)), ("banned", json!(true)), ("verified", json!(true)), ("virtual", Value::Null)] {
            let patch = Wanted::Patch(json!({ field: value }));
            assert!(matches!(apply(false, patch.clone(), Some(&old())), Err(ApiError::Forbidden(_))), "{field}");
            assert!(apply(true, patch, Some(&old())).is_ok(), "{field}");
        }
        let mut bold = whole();
        bold["verified"] = json!(true);
        assert!(matches!(apply(false, Wanted::Whole(bold), None), Err(ApiError::Forbidden(_))));
    }

    #[test]
    fn a_patch_touches_what_it_names() {
        let patch = |patch: Value| apply(false, Wanted::Patch(patch), Some(&old()));
        let changed = patch(json!({"bio": null, "extend_data": {"a": {"b": null}, "d": [1]}})).unwrap();
        assert_eq!(changed, Profile { bio: None, extend_data: json!({"a": {"c": 2}, "d": [1]}), ..old() });
        assert_eq!(patch(json!({})).unwrap(), old());
        for (named, is) in [
            (json!({"hidden": true}), Visibility::Hidden),
            (json!({"visibility": "paused"}), Visibility::Paused),
            (json!({"visibility": null}), Visibility::Visible),
        ] {
            let changed = patch(named).unwrap();
            assert_eq!((changed.visibility(), changed.hidden), (is, is != Visibility::Visible));
        }
        let paused = patch(json!({"visibility": "paused"})).unwrap();
        let back = apply(false, Wanted::Patch(json!({"hidden": false})), Some(&paused)).unwrap();
        assert!(back.visible());
        assert_eq!((old().photos, patch(json!({"album": null})).unwrap().photos), (2, 0));
        assert!(matches!(patch(json!([1])), Err(ApiError::Invalid(_))));
        assert!(matches!(patch(json!({"nickname": null})), Err(ApiError::Invalid(_))));
        assert!(matches!(apply(false, Wanted::Patch(json!({})), None), Err(ApiError::NotFound(..))));
    }

    #[tokio::test]
    async fn new_words_are_judged_and_old_ones_hinder_nobody() {
        let moderator = Moderator::new(&ModerationConfig::default(), now).unwrap();
        let rude = Profile { nickname: "加微信 abc123".to_owned(), tags: vec!["约 炮".to_owned()], ..old() };
        let hidden = apply(false, Wanted::Patch(json!({"visibility": "hidden"})), Some(&rude)).unwrap();
        assert_eq!((hidden.visible(), brought(Some(&rude), &hidden)), (false, Vec::new()));
        let worse = apply(false, Wanted::Patch(json!({"nickname": "加 V 信 xyz999", "tags": ["约 炮", "网上賭場"]})), Some(&rude)).unwrap();
        let refused = moderator.check(&brought(Some(&rude), &worse)).await.unwrap_err();
        let ApiError::TextRefused(fields) = refused.into() else { panic!("it is about texts") };
        assert_eq!(fields.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["nickname", "tags"]);
    }

    #[test]
    fn photos_that_stood_there_are_not_brought_again() {
        let mixed = apply(false, Wanted::Patch(json!({"album": ["b", "c", "a"], "bio": "a"})), Some(&old())).unwrap();
        let old = old();
        let brought = |new| brought(Some(&old), new).into_iter().map(|s| (s.kind, s.field.into_owned())).collect::<Vec<_>>();
        assert_eq!(brought(&mixed), [(SubjectKind::Bio, "bio".to_owned()), (SubjectKind::Image, "album[1]".to_owned())]);
        assert_eq!(brought(&Profile { album: vec!["b".to_owned()], height_cm: Some(170), ..old.clone() }), []);
    }

    #[test]
    fn faults_are_told_in_the_language_of_who_asks() {
        let edit = Edit { language: Language::Chinese, ..edit(false, Wanted::Patch(json!({"height_cm": 20}))) };
        let Err(ApiError::Invalid(fields)) = edit.apply(Some(&old())) else { panic!("it is too short") };
        assert_eq!((fields[0].field.as_str(), fields[0].message.as_str()), ("height_cm", "20 不在 100 至 250 之间"));
    }
}

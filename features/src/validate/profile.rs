//! What a profile must be.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Check, FieldError, Language, MAX_CLOCK_SKEW};
use crate::profile::Profile;

/// Bytes of `extend_data` as JSON.
const EXTEND_BYTES: usize = 16_384;
/// How deep `extend_data` may be nested; a plain value is 0 deep, `{"a": 1}` is 1.
const EXTEND_DEPTH: usize = 8;
/// Photos of an album.
const ALBUM: usize = 9;

/// Checks a profile; `prefix` goes before every field name.
///
/// # Errors
/// Every field that breaks a rule, with the remedy.
pub fn validate_profile(p: &Profile, now: DateTime<Utc>, prefix: &str) -> Result<(), Vec<FieldError>> {
    validate_profile_in(p, now, prefix, Language::English)
}

/// [`validate_profile`] with messages in a language.
///
/// # Errors
/// Every field that breaks a rule, with the remedy.
pub fn validate_profile_in(p: &Profile, now: DateTime<Utc>, prefix: &str, language: Language) -> Result<(), Vec<FieldError>> {
    let mut check = Check { language, ..Check::default() };
    let field = |name: &str| format!("{prefix}{name}");
    check.chars(&field("nickname"), &p.nickname, 1, 40);
    check.said(!p.nickname.trim().is_empty(), &field("nickname"), || ("is blank".to_owned(), "不能全是空白".to_owned()));
    let age = p.age(now);
    check.said((18..=120).contains(&age), &field("birth_date"), || {
        (format!("gives an age of {age}; 18 to 120 are allowed"), format!("按此计算为 {age} 岁；须为 18 至 120 岁"))
    });
    if let Some(height) = p.height_cm {
        check.said((100..=250).contains(&height), &field("height_cm"), || {
            (format!("{height} is outside 100 to 250"), format!("{height} 不在 100 至 250 之间"))
        });
    }
    for (name, text) in [("occupation", &p.occupation), ("city", &p.city)] {
        check.chars(&field(name), text.as_deref().unwrap_or(""), 0, 60);
    }
    check.chars(&field("bio"), p.bio.as_deref().unwrap_or(""), 0, 2000);
    if let Some(at) = p.position {
        check.position(&field("position"), at);
    }
    check.list(&field("languages"), &p.languages, 20, 20);
    check.list(&field("tags"), &p.tags, 30, 30);
    check.list(&field("album"), &p.album, ALBUM, 300);
    preferences(&mut check, p, &field("preferences"));
    let made = (0..=(now + MAX_CLOCK_SKEW).timestamp()).contains(&p.created_at.timestamp());
    check.said(made, &field("created_at"), || {
        (
            "lies before 1970 or in the future; check the unit of the sender's clock".to_owned(),
            "早于 1970 年或晚于现在；请检查发送方时钟的单位".to_owned(),
        )
    });
    let latest = (now + MAX_CLOCK_SKEW).timestamp_micros();
    check.said(i64::try_from(p.revision).is_ok_and(|at| at <= latest), &field("revision"), || {
        ("lies in the future; leave it out".to_owned(), "晚于现在；请不要填写".to_owned())
    });
    extend_data(&mut check, &p.extend_data, &field("extend_data"));
    check.end()
}

fn preferences(check: &mut Check, p: &Profile, at: &str) {
    let want = &p.preferences;
    let distinct = want.genders.iter().fold(0, |bits, gender| bits | gender.bit()).count_ones() as usize;
    check.said(distinct == want.genders.len(), &format!("{at}.genders"), || {
        ("has repeats; name each gender once".to_owned(), "有重复；每个性别只写一次".to_owned())
    });
    check.said(want.min_age >= 18, &format!("{at}.min_age"), || ("must be at least 18".to_owned(), "不得小于 18".to_owned()));
    check.said(want.min_age <= want.max_age, &format!("{at}.max_age"), || ("is below min_age".to_owned(), "小于 min_age".to_owned()));
    let within = want.max_distance_km.is_none_or(|km| (1..=20_100).contains(&km));
    check.said(within, &format!("{at}.max_distance_km"), || ("must be 1 to 20100".to_owned(), "须为 1 至 20100".to_owned()));
}

fn extend_data(check: &mut Check, data: &Value, at: &str) {
    let (bytes, depth) = (data.to_string().len(), depth(data));
    check.said(bytes <= EXTEND_BYTES, at, || {
        (
            format!("takes {bytes} bytes as JSON; at most {EXTEND_BYTES} are allowed"),
            format!("JSON 占 {bytes} 字节；最多 {EXTEND_BYTES} 字节"),
        )
    });
    check.said(depth <= EXTEND_DEPTH, at, || {
        (format!("is nested {depth} deep; at most {EXTEND_DEPTH} are allowed"), format!("嵌套 {depth} 层；最多 {EXTEND_DEPTH} 层"))
    });
}

/// Lists and objects around the innermost value. Parsers bound it, so recursion does no harm.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::NaiveDate;
    use serde_json::json;

    use super::*;
    use crate::profile::Gender;

    fn now() -> DateTime<Utc> {
        "2026-11-27T08:00:00Z".parse().unwrap()
    }

    fn good() -> Profile {
        Profile::new("小红", Gender::Female, NaiveDate::from_ymd_opt(1996, 5, 4).unwrap(), now())
    }

    fn told(profile: &Profile, language: Language) -> Vec<FieldError> {
        validate_profile_in(profile, now(), "", language).err().unwrap_or_default()
    }

    /// The field that breaks a rule, a word of the message in English and in Chinese, and what breaks it.
    type Case = (&'static str, &'static str, &'static str, Box<dyn Fn(&mut Profile)>);

    #[test]
    fn every_rule_is_told_in_both_languages() {
        assert!(told(&good(), Language::English).is_empty());
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let cases: [Case; 15] = [
            ("nickname", "41 characters", "41 个字", Box::new(|p| p.nickname = "爱".repeat(41))),
            ("nickname", "blank", "空白", Box::new(|p| p.nickname = "  ".into())),
            ("nickname", "NUL", "NUL", Box::new(|p| p.nickname = "a\0b".into())),
            ("birth_date", "age of 17", "17 岁", Box::new(move |p| p.birth_date = day(2008, 11, 28))),
            ("height_cm", "outside", "之间", Box::new(|p| p.height_cm = Some(99))),
            ("bio", "2001 characters", "2001 个字", Box::new(|p| p.bio = Some("爱".repeat(2001)))),
            ("tags", "31 entries", "31 项", Box::new(|p| p.tags = vec!["a".into(); 31])),
            ("album", "10 entries", "10 项", Box::new(|p| p.album = vec!["a".into(); 10])),
            ("preferences.genders", "repeats", "重复", Box::new(|p| p.preferences.genders = vec![Gender::Male; 2])),
            ("preferences.min_age", "at least 18", "小于 18", Box::new(|p| p.preferences.min_age = 17)),
            ("preferences.max_age", "below", "小于", Box::new(|p| p.preferences.max_age = 17)),
            ("preferences.max_distance_km", "1 to 20100", "1 至 20100", Box::new(|p| p.preferences.max_distance_km = Some(0))),
            ("extend_data", "bytes", "字节", Box::new(|p| p.extend_data = json!({"a": "x".repeat(16_384)}))),
            ("revision", "in the future", "晚于现在", Box::new(|p| p.revision = u64::MAX)),
            ("extend_data", "9 deep", "9 层", Box::new(|p| p.extend_data = json!([[[[[[[[[1]]]]]]]]]))),
        ];
        for (field, en, zh, spoil) in cases {
            let mut profile = good();
            spoil(&mut profile);
            for (language, word) in [(Language::English, en), (Language::Chinese, zh)] {
                let found = told(&profile, language);
                assert!(found.len() == 1 && found[0].field == field && found[0].message.contains(word), "{word}: {found:?}");
            }
        }
    }

    #[test]
    fn whoever_turns_18_today_may_come() {
        let born = |day| Profile { birth_date: NaiveDate::from_ymd_opt(2008, 11, day).unwrap(), ..good() };
        assert!(told(&born(27), Language::English).is_empty());
        assert_eq!(told(&born(28), Language::English)[0].field, "birth_date");
        let deep = Profile { extend_data: json!({"a": {"b": [[[[[{"c": 1}]]]]]}}), ..good() };
        assert!(told(&deep, Language::Chinese).is_empty(), "8 deep");
    }
}

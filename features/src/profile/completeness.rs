//! How much of a profile is filled in: 0 to 100 points, a sum over [`PARTS`].
//!
//! docs/PROFILES.md shows the table. Ranking reads the same number, as [`Profile::completeness`].

use std::fmt::Write as _;

use super::Profile;

/// Interests from which on they count.
const TAGS: usize = 3;
/// Characters of a bio from which on it counts.
const BIO: usize = 20;
/// Photos from which on there are enough.
const PHOTOS: usize = 3;

/// Something that can be filled in.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The field of the profile.
    pub field: &'static str,
    /// What it is worth.
    pub points: u8,
    /// What to do, in English.
    pub en: &'static str,
    /// The same in Chinese.
    pub zh: &'static str,
    filled: fn(&Profile) -> bool,
}

const fn part(field: &'static str, points: u8, en: &'static str, zh: &'static str, filled: fn(&Profile) -> bool) -> Part {
    Part { field, points, en, zh, filled }
}

/// Everything that can be filled in beside what there must be; the points add up to 100.
pub const PARTS: [Part; 10] = [
    part("height_cm", 10, "tell your height", "填写身高", |p| p.height_cm.is_some()),
    part("education", 10, "tell your education", "填写学历", |p| p.education.is_some()),
    part("occupation", 10, "tell your occupation", "填写职业", |p| p.occupation.is_some()),
    part("city", 10, "tell your city", "填写所在城市", |p| p.city.is_some()),
    part("position", 10, "share where you are", "开启定位", |p| p.position.is_some()),
    part("languages", 10, "name the languages you speak", "填写会说的语言", |p| !p.languages.is_empty()),
    part("tags", 10, "name at least 3 interests", "至少填写 3 个兴趣", |p| p.tags.len() >= TAGS),
    part("bio", 10, "write at least 20 characters about yourself", "用至少 20 个字介绍自己", |p| {
        p.bio.as_ref().is_some_and(|bio| bio.chars().count() >= BIO)
    }),
    part("photos", 10, "add a photo", "上传一张照片", |p| p.photo_count() >= 1),
    part("photos", 10, "add at least 3 photos", "至少上传 3 张照片", |p| p.photo_count() >= PHOTOS),
];

/// The points of a profile, 0 to 100.
pub fn score(profile: &Profile) -> u8 {
    PARTS.iter().filter(|part| (part.filled)(profile)).map(|part| part.points).sum()
}

/// What lacks, in the order of [`PARTS`].
pub fn missing(profile: &Profile) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(|part| !(part.filled)(profile))
}

/// The table of docs/PROFILES.md.
pub fn markdown() -> String {
    let mut out = String::from("| field | points | counts when one does this | 何时计分 |\n| --- | --- | --- | --- |\n");
    for part in &PARTS {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", part.field, part.points, part.en, part.zh);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::{DateTime, NaiveDate};

    use super::*;
    use crate::profile::{Education, Gender, Position};

    fn bare() -> Profile {
        let birth = NaiveDate::from_ymd_opt(1996, 5, 4).unwrap();
        Profile::new("小红", Gender::Female, birth, DateTime::from_timestamp(1_790_000_000, 0).unwrap())
    }

    #[test]
    fn the_points_add_up_to_a_hundred() {
        assert_eq!(PARTS.iter().map(|part| u32::from(part.points)).sum::<u32>(), 100);
        assert_eq!((score(&bare()), missing(&bare()).count()), (0, PARTS.len()));
    }

    #[test]
    fn each_part_counts_by_itself_and_all_together_are_everything() {
        type Step = (&'static str, fn(&mut Profile));
        let mut whole = bare();
        let steps: [Step; 10] = [
            ("height_cm", |p| p.height_cm = Some(168)),
            ("education", |p| p.education = Some(Education::Master)),
            ("occupation", |p| p.occupation = Some("工程师".into())),
            ("city", |p| p.city = Some("上海".into())),
            ("position", |p| p.position = Some(Position { lat: 31.2, lon: 121.5 })),
            ("languages", |p| p.languages = vec!["zh".into()]),
            ("tags", |p| p.tags = ["咖啡", "hiking", "jazz"].map(str::to_owned).into()),
            ("bio", |p| p.bio = Some("周末喜欢爬山和做饭也喜欢听爵士乐看老电影".into())),
            ("photos", |p| p.album = vec!["a".into()]),
            ("photos", |p| p.photos = 3),
        ];
        for (n, (field, fill)) in steps.iter().enumerate() {
            let gone = missing(&whole).next().unwrap();
            assert_eq!(gone.field, *field);
            fill(&mut whole);
            assert_eq!(usize::from(score(&whole)), (n + 1) * 10, "{field}");
            assert!((whole.completeness() - (n as f32 + 1.0) / 10.0).abs() < f32::EPSILON);
        }
        assert_eq!(missing(&whole).count(), 0);
        let short = Profile { bio: Some("爬山".into()), tags: vec!["a".into(), "b".into()], ..whole };
        assert_eq!(missing(&short).map(|part| part.field).collect::<Vec<_>>(), ["tags", "bio"]);
    }
}

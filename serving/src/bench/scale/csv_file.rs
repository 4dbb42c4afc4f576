//! Synthetic people as CSV: what filters and the score read, for a comparison with other systems.

use std::path::Path;

use anyhow::Context;
use features::portrait::TagWeight;

use super::crowd::Crowd;

const HEADER: [&str; 19] = [
    "id",
    "gender",
    "wants",
    "birth",
    "min_age",
    "max_age",
    "max_km",
    "lat",
    "lon",
    "height",
    "education",
    "activity",
    "richness",
    "completeness",
    "like_rate",
    "impressions",
    "visible",
    "tags",
    "liked",
];

/// The numbers of tags, with spaces between.
fn numbers(tags: &[TagWeight]) -> String {
    let digits = |tag: &TagWeight| tag.tag.chars().filter(char::is_ascii_digit).collect::<String>();
    tags.iter().map(digits).collect::<Vec<_>>().join(" ")
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// One line per person, with a header.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_csv(crowd: &Crowd, file: &Path) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_path(file).with_context(|| format!("{} cannot be written", file.display()))?;
    out.write_record(HEADER)?;
    for user in 1..=crowd.users {
        let portrait = crowd.portrait(user);
        let (p, s) = (&portrait.profile, portrait.signals(crowd.now));
        let wants = p.preferences.genders.iter().fold(0, |bits, gender| bits | gender.bit());
        out.write_record([
            user.to_string(),
            (p.gender as u8).to_string(),
            wants.to_string(),
            p.birth_date.to_string(),
            p.preferences.min_age.to_string(),
            p.preferences.max_age.to_string(),
            text(p.preferences.max_distance_km),
            text(p.position.map(|at| at.lat)),
            text(p.position.map(|at| at.lon)),
            text(p.height_cm),
            text(p.education.map(|e| e as u8)),
            s.activity.to_string(),
            s.richness.to_string(),
            s.completeness.to_string(),
            s.like_rate.to_string(),
            s.impressions.to_string(),
            p.visible().to_string(),
            numbers(&portrait.tags),
            numbers(&portrait.liked_tags),
        ])?;
    }
    Ok(out.flush()?)
}

//! Who lives in the town, what they say of themselves, and what only the simulation knows.

use chrono::{Datelike, NaiveDate, TimeDelta};
use features::event::{Event, ProfileEvent, ProfileKind};
use features::ids::{UserId, derived_event_id};
use features::profile::{Education, Gender, Preferences, Profile};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::chance::{dice, normal, pick};
use super::places::city;
use super::words::{THEMES, nickname, text};
use super::{Town, TownSpec};

/// Somebody of the town.
#[derive(Debug, Clone)]
pub struct Resident {
    /// Who.
    pub user_id: UserId,
    /// What they say of themselves.
    pub profile: Profile,
    /// How much each theme means to them, 0 to 1.
    pub(super) interests: Vec<f64>,
    /// How attractive others find them: about −0.7 ± 1, and about 8 for two in a hundred.
    pub(super) attraction: f64,
    /// What it takes for them to like somebody.
    pub(super) choosiness: f64,
    /// Sessions a day.
    pub(super) activity: f64,
    /// Whether they write in Chinese.
    pub(super) chinese: bool,
    /// When they get up, as an hour of UTC.
    pub(super) wakes: f64,
}

impl Resident {
    /// How often they open the app on a day, on average.
    pub fn sessions_a_day(&self) -> f64 {
        self.activity
    }
}

/// The people of a town.
pub(super) fn residents(spec: &TownSpec) -> Vec<Resident> {
    (0..spec.users).map(|i| resident(spec, i)).collect()
}

fn resident(spec: &TownSpec, i: u32) -> Resident {
    let dice = &mut dice(spec.seed, "resident", i.into());
    let city = city(dice);
    let chinese = dice.random_bool(if city.chinese { 0.9 } else { 0.15 });
    let mut interests = vec![0.0; THEMES.len()];
    for strength in [1.0, 0.8, 0.6, 0.4] {
        let theme = dice.random_range(0..THEMES.len());
        interests[theme] = f64::max(interests[theme], strength);
    }
    let gender =
        *[(Gender::Male, 54), (Gender::Female, 44), (Gender::Other, 2)].choose_weighted(dice, |g| g.1).map_or(&Gender::Other, |g| &g.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to ages")]
    let age = normal(dice, 28.0, 6.5).clamp(19.0, 60.0) as u8;
    let joined = TimeDelta::hours(dice.random_range(0..24 * i64::from(spec.days + 60)));
    let (nickname, birth_date) = (nickname(dice, chinese), birth_date(spec, age, dice.random_range(0..360)));
    let profile = Profile {
        height_cm: dice.random_bool(0.8).then(|| height(dice, gender)),
        education: dice.random_bool(0.8).then(|| {
            *pick(
                dice,
                &[Education::Secondary, Education::College, Education::Bachelor, Education::Bachelor, Education::Master, Education::Doctor],
            )
        }),
        occupation: dice.random_bool(0.6).then(|| occupation(dice, chinese).to_owned()),
        city: Some(city.name.to_owned()),
        position: Some(city.home(dice)),
        languages: if chinese && dice.random_bool(0.4) {
            vec!["zh".into(), "en".into()]
        } else {
            vec![if chinese { "zh" } else { "en" }.into()]
        },
        tags: tags(dice, &interests, chinese),
        bio: dice.random_bool(0.85).then(|| bio(dice, &interests, chinese)),
        photos: photos(dice),
        preferences: preferences(dice, gender, age),
        hidden: dice.random_bool(0.01),
        ..Profile::new(nickname, gender, birth_date, spec.until - joined)
    };
    let wakes = if city.chinese { 23.5 } else { 7.5 } + normal(dice, 0.0, 1.2);
    // Two in a hundred are somebody whom nearly everybody likes: the data have such a top beside a body that is not so uneven.
    let attraction = if dice.random_bool(0.023) { normal(dice, 8.0, 1.0) } else { normal(dice, -0.7, 1.0) };
    let activity = (normal(dice, 0.0, 0.7).exp() * 0.35).min(12.0);
    Resident {
        user_id: UserId(u64::from(i) + 1),
        profile,
        interests,
        attraction,
        choosiness: normal(dice, 2.5, 2.5),
        activity,
        chinese,
        wakes,
    }
}

fn birth_date(spec: &TownSpec, age: u8, day: u32) -> NaiveDate {
    let year = spec.until.year() - i32::from(age) - 1;
    NaiveDate::from_yo_opt(year, day + 1).unwrap_or_default()
}

fn height(dice: &mut impl Rng, gender: Gender) -> u16 {
    let mean = if gender == Gender::Male { 175.0 } else { 163.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to heights")]
    let height = normal(dice, mean, 6.5).clamp(140.0, 205.0) as u16;
    height
}

/// As many as on a dating site: most have a few, some dozens.
fn photos(dice: &mut impl Rng) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 30")]
    let photos = normal(dice, 1.4, 0.75).exp().min(30.0) as u16;
    photos
}

fn occupation(dice: &mut impl Rng, chinese: bool) -> &'static str {
    let zh = ["老师", "工程师", "护士", "设计师", "学生", "厨师", "会计", "司机", "医生", "销售", "编辑", "摄影师"];
    let en = [
        "teacher",
        "engineer",
        "nurse",
        "designer",
        "student",
        "cook",
        "accountant",
        "driver",
        "doctor",
        "shop owner",
        "editor",
        "photographer",
    ];
    if chinese { pick::<&str>(dice, &zh) } else { pick::<&str>(dice, &en) }
}

/// A theme, by how much it means.
pub(super) fn theme(dice: &mut impl Rng, interests: &[f64]) -> usize {
    let themes: Vec<usize> = (0..interests.len()).collect();
    themes.choose_weighted(dice, |t| interests[*t] + 0.01).copied().unwrap_or(0)
}

fn tags(dice: &mut impl Rng, interests: &[f64], chinese: bool) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for (theme, _) in THEMES.iter().zip(interests).filter(|(_, strength)| **strength > 0.0) {
        let tag = *pick(dice, theme.tags(chinese));
        if dice.random_bool(0.8) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

fn bio(dice: &mut impl Rng, interests: &[f64], chinese: bool) -> String {
    let count = dice.random_range(1..3);
    let theme = theme(dice, interests);
    text(dice, theme, chinese, count)
}

fn preferences(dice: &mut impl Rng, gender: Gender, age: u8) -> Preferences {
    let straight = match gender {
        Gender::Male => vec![Gender::Female],
        Gender::Female => vec![Gender::Male],
        Gender::Other => vec![],
    };
    let roll = dice.random_range(0..100);
    let genders = if roll < 90 {
        straight
    } else if roll < 95 {
        vec![gender]
    } else {
        vec![]
    };
    let (younger, older) = (dice.random_range(3..10), dice.random_range(3..12));
    let max_distance_km = dice.random_bool(0.5).then(|| *pick(dice, &[20, 50, 100]));
    Preferences { genders, min_age: age.saturating_sub(younger).max(18), max_age: age + older, max_distance_km }
}

/// How probable it is that `viewer` likes `candidate`: shared interests, attraction and age against choosiness, through a logistic curve.
pub(super) fn truth(viewer: &Resident, candidate: &Resident) -> f64 {
    let shared: f64 = viewer.interests.iter().zip(&candidate.interests).map(|(a, b)| a * b).sum();
    let years = f64::from((viewer.profile.birth_date.year() - candidate.profile.birth_date.year()).unsigned_abs());
    let pull = 1.6 * shared + 0.9 * candidate.attraction - 0.08 * years - viewer.choosiness;
    1.0 / (1.0 + (-pull).exp())
}

/// Everybody's profile, at the moment they joined (or the first moment of the town).
pub(super) fn profiles(town: &Town) -> Vec<Event> {
    let key = town.spec.key();
    let event = |r: &Resident| {
        let at = r.profile.created_at.max(town.begin());
        let event_id = derived_event_id(&["town profile", &key, &r.user_id.to_string()]);
        ProfileEvent {
            event_id,
            event_time: at,
            kind: ProfileKind::Updated,
            request_id: None,
            user_id: r.user_id,
            profile: Some(r.profile.clone()),
        }
    };
    let mut profiles: Vec<ProfileEvent> = town.residents.iter().map(event).collect();
    profiles.sort_by_key(|p| (p.event_time, p.user_id));
    profiles.into_iter().map(Event::Profile).collect()
}

#![allow(clippy::unwrap_used)]

use features::ids::UserId;
use proptest::prelude::*;

use super::*;
use crate::testing::{behaves, now, plain};

/// Somebody of a gender and a city who likes and is liked at given rates, of ten looks each.
fn somebody(user: u64, gender: Gender, city: Option<&str>, given: f64, received: f64) -> features::portrait::Portrait {
    let mut p = plain(user);
    (p.profile.gender, p.profile.city) = (gender, city.map(str::to_owned));
    behaves(&mut p, (10.0 * given, 10.0), (10.0 * received, 10.0), (2.0, 5.0));
    p
}

fn table(people: impl IntoIterator<Item = features::portrait::Portrait>) -> PortraitTable {
    let table = PortraitTable::default();
    people.into_iter().for_each(|p| assert!(table.apply(&p)));
    table
}

#[test]
fn nobody_known_means_the_priors_of_the_house() {
    let rates = Rates::of(&PortraitTable::default(), now());
    let segment = rates.segment(Gender::Male, 30, Some("上海"));
    assert!(
        (segment.choosy(&Behaviour::default()) - LIKE_RATE_PRIOR).abs() < 1e-9 && (segment.reply(&Behaviour::default()) - 0.4).abs() < 1e-9
    );
    // A table of people who did nothing is no different.
    let quiet = Rates::of(&table((1..50).map(plain)), now());
    let of = |rates: &Rates| rates.gender(Gender::Female).given;
    assert!((of(&rates).rate() - of(&quiet).rate()).abs() < 1e-9 && (of(&rates).strength() - of(&quiet).strength()).abs() < 1e-6);
}

#[test]
fn segments_are_told_apart_where_they_have_people_and_fall_back_where_not() {
    let spread = |user: u64| [0.05, 0.1, 0.15, 0.1][(user % 4) as usize];
    let women = (1..=400).map(|u| somebody(u, Gender::Female, Some("上海"), 0.1 + spread(u), 0.5 + spread(u)));
    let men = (401..=800).map(|u| somebody(u, Gender::Male, Some("上海"), 0.5 + spread(u), 0.1 + spread(u)));
    let few = (801..=803).map(|u| somebody(u, Gender::Male, Some("拉萨"), 1.0, 1.0));
    let rates = Rates::of(&table(women.chain(men).chain(few)), now());
    let (woman, man) = (rates.segment(Gender::Female, 30, Some("上海")), rates.segment(Gender::Male, 30, Some("上海")));
    assert!((woman.given.rate() - 0.2).abs() < 0.02 && (woman.received.rate() - 0.6).abs() < 0.02, "{woman:?}");
    assert!((man.given.rate() - 0.6).abs() < 0.02 && (man.received.rate() - 0.2).abs() < 0.02, "{man:?}");
    let lhasa = rates.segment(Gender::Male, 30, Some("拉萨"));
    assert!(lhasa.given.rate() > man.given.rate() && lhasa.given.rate() < 0.9, "three people do not speak for a city: {lhasa:?}");
    assert_eq!(rates.segment(Gender::Male, 30, Some("nowhere")), rates.segment(Gender::Male, 30, None));
    let old = rates.segment(Gender::Male, 70, None);
    assert!((old.given.rate() - rates.gender(Gender::Male).given.rate()).abs() < 1e-9, "no men of that age: all men");
    let fan = Behaviour { likes_given: 30.0, looked: 30.0, ..Behaviour::default() };
    assert!(man.choosy(&fan) > man.given.rate() && man.choosy(&fan) < 1.0 && man.liked(&fan) == man.received.rate());
    let back: Rates = serde_json::from_str(&serde_json::to_string(&rates).unwrap()).unwrap();
    let (a, b) = (back.segment(Gender::Male, 30, Some("拉萨")), lhasa);
    // JSON is read to the last digit but one.
    assert!((a.given.rate() - b.given.rate()).abs() < 1e-12 && (a.received.strength() - b.received.strength()).abs() < 1e-9);
}

proptest! {
    #[test]
    fn equal_tables_give_equal_priors_in_whatever_order_people_came(
        people in proptest::collection::vec((0usize..3, 0.0f64..1.0, 0.0f64..1.0, 0u8..3), 1..60),
        turn in 0usize..60,
    ) {
        let cities = [None, Some("上海"), Some("成都")];
        let one = |(user, (gender, given, received, city)): (u64, &(usize, f64, f64, u8))| {
            somebody(user, Gender::ALL[*gender], cities[usize::from(*city)], *given, *received)
        };
        let all: Vec<_> = (1u64..).zip(&people).map(one).collect();
        let mut other = all.clone();
        other.rotate_left(turn % all.len());
        let (a, b) = (table(all), table(other.into_iter().chain([plain(999)])));
        b.remove(UserId(999));
        let (a, b) = (Rates::of(&a, now()), Rates::of(&b, now()));
        prop_assert_eq!(&a, &b);
        for segment in a.bands.iter().chain(&a.genders).chain(a.cities.values().flatten()) {
            for prior in [segment.given, segment.received, segment.replies] {
                prop_assert!(prior.rate() > 0.0 && prior.rate() < 1.0 && prior.strength().is_finite());
            }
        }
        let live = LiveRates::default();
        live.set(a.clone());
        prop_assert_eq!(&*live.get(), &a);
    }
}

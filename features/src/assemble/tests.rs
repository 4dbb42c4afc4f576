use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::ids::derived_event_id;
use crate::profile::Gender;
use crate::sets::feature_set;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + second * 3600, 0).unwrap()
}

fn profile(name: &str) -> Profile {
    Profile {
        tags: vec!["#咖啡".into()],
        ..Profile::new(name, Gender::Female, chrono::NaiveDate::from_ymd_opt(1995, 1, 1).unwrap(), at(0))
    }
}

fn embedding(hour: i64, values: &[f32]) -> Embedding {
    Embedding { model: "m".into(), at: at(hour), vector: QVector::from_f32(values) }
}

fn interaction(target: u64, kind: InteractionKind, hour: i64) -> InteractionEvent {
    InteractionEvent::new(derived_event_id(&["i"]), at(hour), kind, UserId(1), UserId(target))
}

#[derive(Default)]
struct Others(HashMap<UserId, Embedding>);

impl VectorLookup for Others {
    fn moment(&self, _: MomentId) -> Option<&Embedding> {
        None
    }

    fn person(&self, user: UserId) -> Option<&Embedding> {
        self.0.get(&user)
    }
}

fn others() -> Others {
    Others((2..6u8).map(|u| (UserId(u.into()), embedding(0, &[f32::from(u), 1.0, -f32::from(u) * 0.5]))).collect())
}

#[derive(Debug, Clone)]
enum Input {
    Profile(i64, String),
    Row(String, i64, f64),
    Tag(String, i64, f64),
    Moment(u64, i64, f32),
    Say(u64, InteractionKind, i64),
}

fn feed(assembly: &mut Assembly, input: &Input) {
    match input {
        Input::Profile(hour, name) => drop(assembly.put_profile(at(*hour), &profile(name))),
        Input::Row(name, version, value) => {
            let set = feature_set(name).unwrap();
            let values = set.value_columns.iter().map(|c| (c.clone(), *value)).collect();
            assembly.put_row(set, FeatureRow { key: vec!["1".into()], version: *version, generation: 1, values });
        }
        Input::Tag(tag, version, value) => {
            let set = feature_set("tag_affinity").unwrap();
            let values = [("liked_d28".to_owned(), *value)].into();
            assembly.put_row(set, FeatureRow { key: vec!["1".into(), tag.clone()], version: *version, generation: 1, values });
        }
        Input::Moment(id, hour, x) => drop(assembly.put_moment(MomentId(*id), embedding(*hour, &[*x, 1.0, 0.5]))),
        Input::Say(target, kind, hour) => drop(assembly.put_interaction(&interaction(*target, *kind, *hour))),
    }
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    use InteractionKind::{Like, Pass};
    // A version names one value and an hour one state, as in the stream.
    let one = prop_oneof![
        (0i64..20).prop_map(|hour| Input::Profile(hour, format!("n{hour}"))),
        (prop::sample::select(vec!["popularity", "given"]), 1i64..9).prop_map(|(set, v)| Input::Row(set.into(), v, v as f64)),
        (prop::sample::select(vec!["茶", "tea"]), 1i64..9).prop_map(|(tag, v)| Input::Tag(tag.into(), v, v as f64)),
        (1u64..5, 0i64..20).prop_map(|(id, hour)| Input::Moment(id, hour, hour as f32 - 9.5)),
        (2u64..6, prop::sample::select(vec![Like, Pass]), 0i64..20).prop_map(|(user, kind, hour)| Input::Say(user, kind, hour)),
    ];
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn order_and_repetition_give_the_same_portrait(inputs in inputs(), seed in any::<u64>()) {
        let (mut forward, mut shuffled) = (Assembly::default(), Assembly::default());
        inputs.iter().for_each(|i| feed(&mut forward, i));
        let mut again: Vec<&Input> = inputs.iter().chain(&inputs).collect();
        let n = again.len().max(1) as u64;
        for i in 0..again.len() {
            let j = (seed.wrapping_mul(i as u64 * 2 + 7) % n) as usize;
            again.swap(i, j);
        }
        again.into_iter().for_each(|i| feed(&mut shuffled, i));
        prop_assert_eq!(forward.portrait(UserId(1), 1, &others()), shuffled.portrait(UserId(1), 1, &others()));
    }
}

#[test]
fn likes_draw_taste_and_passes_push_it() {
    let mut assembly = Assembly::default();
    assert!(assembly.put_profile(at(0), &profile("a")));
    assembly.put_interaction(&interaction(2, InteractionKind::Like, 1));
    let portrait = assembly.portrait(UserId(1), 1, &others()).unwrap();
    assert!(portrait.taste.unwrap().cosine(&others().0[&UserId(2)].vector) > 0.999);
    assembly.put_interaction(&interaction(2, InteractionKind::Pass, 2));
    assert_eq!(assembly.portrait(UserId(1), 2, &others()).unwrap().taste, None, "nobody is liked any more");
}

#[test]
fn without_a_profile_there_is_no_portrait_and_tags_are_normal() {
    let mut assembly = Assembly::default();
    assembly.put_moment(MomentId(1), embedding(0, &[1.0, 0.0]));
    assert_eq!(assembly.portrait(UserId(1), 1, &Others::default()), None);
    assembly.put_profile(at(1), &profile("a"));
    let portrait = assembly.portrait(UserId(1), 1, &Others::default()).unwrap();
    assert_eq!(portrait.tags[0].tag, "咖啡");
    assert_eq!(portrait.moments, [MomentId(1)]);
    assert!(portrait.content.is_some());
}

#[test]
fn the_bounds_keep_the_same_whatever_the_order() {
    let mut inputs: Vec<Input> = (0..400i64).map(|n| Input::Tag(format!("t{n}"), 1 + n * 7 % 11, n as f64)).collect();
    inputs.extend((0..250i64).map(|n| Input::Say(2 + n as u64, InteractionKind::Like, n * 3 % 50)));
    inputs.extend((0..130i64).map(|n| Input::Moment(1 + n as u64, n * 5 % 40, n as f32)));
    inputs.push(Input::Profile(1, "n".into()));
    let (mut forward, mut backward) = (Assembly::default(), Assembly::default());
    inputs.iter().for_each(|i| feed(&mut forward, i));
    inputs.iter().rev().chain(&inputs).for_each(|i| feed(&mut backward, i));
    assert_eq!(forward, backward);
    assert_eq!((forward.tag_rows.len(), forward.opinions.len(), forward.moments.len()), (TAG_ROWS, OPINIONS, MOMENTS));
}

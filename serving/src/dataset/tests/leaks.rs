//! Nothing at or after an impression enters its features.

use proptest::prelude::*;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use features::event::{Event, InteractionEvent, InteractionKind};

use super::town::{TAGS, anything, interaction, minutes, profile, snapped, town};
use super::*;

fn is_impression(event: &Event) -> bool {
    matches!(event, Event::Interaction(i) if i.kind == InteractionKind::Impression)
}

/// Other things at and after a moment; impressions at that very moment stay, so that there are rows to compare.
fn other_future(events: &[Event], moment: DateTime<Utc>, dice: &mut ChaCha8Rng) -> Vec<Event> {
    let mut other = Vec::new();
    for event in events {
        if event.event_time() < moment || (event.event_time() == moment && is_impression(event)) {
            other.push(event.clone());
        } else if dice.random_bool(0.5) {
            match event.clone() {
                Event::Interaction(mut i) => {
                    i.kind = *InteractionKind::ALL[1..].choose(dice).unwrap();
                    i.tags = vec!["another".to_owned()];
                    other.push(Event::Interaction(i));
                }
                Event::Profile(mut p) => {
                    p.profile.as_mut().unwrap().tags.push("another".to_owned());
                    other.push(Event::Profile(p));
                }
                same => other.push(same),
            }
        }
    }
    for n in 0..60 {
        // Half of it at the same time as the impression, with ids before and after its own.
        let at = if n % 2 == 0 { moment } else { moment + TimeDelta::minutes(dice.random_range(0..1_500)) };
        other.push(anything(dice, &format!("other {n}"), at));
    }
    other
}

/// How many rows were compared, and in how many of them a label differed.
async fn nothing_leaks(seed: u64) -> (usize, usize) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let events = town(&mut dice, 260);
    let moments: Vec<DateTime<Utc>> = events.iter().filter(|e| is_impression(e)).map(Event::event_time).collect();
    let moment = *moments.choose(&mut dice).unwrap();
    let (truth, other) = (dataset(&events).await, dataset(&other_future(&events, moment, &mut dice)).await);
    let known = |role: &str| ["key", "log", "feature"].contains(&role);
    let (features, others) = (by_impression(&truth, known), by_impression(&other, known));
    let (labels, other_labels) = (by_impression(&truth, |role| role == "label"), by_impression(&other, |role| role == "label"));
    let up_to: Vec<String> =
        events.iter().filter(|e| is_impression(e) && e.event_time() <= moment).map(|e| e.event_id().to_string()).collect();
    let (mut compared, mut moved) = (0, 0);
    for id in up_to {
        assert_eq!(features.get(&id), others.get(&id), "seed {seed}: nothing at or after {moment} may be known to impression {id}");
        compared += usize::from(features.contains_key(&id));
        moved += usize::from(labels.get(&id) != other_labels.get(&id));
    }
    (compared, moved)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn features_are_the_same_whatever_comes_at_or_after_the_impression(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(nothing_leaks(seed));
    }
}

#[tokio::test]
async fn labels_do_change_with_what_comes_later() {
    let (mut compared, mut moved) = (0, 0);
    for seed in 1..4 {
        let (rows, labels) = nothing_leaks(seed).await;
        (compared, moved) = (compared + rows, moved + labels);
    }
    assert!(compared > 60 && moved > 20, "{compared} rows, {moved} of them with other labels");
}

#[tokio::test]
async fn what_somebody_takes_up_later_is_in_no_earlier_row() {
    const CANARY: &str = "canary";
    let when = minutes(30 * 70);
    let mut events = town(&mut ChaCha8Rng::seed_from_u64(7), 300);
    for user in 1..=8 {
        events.push(profile(user, when, &[TAGS[0], CANARY], "a canary sings"));
        let like = interaction(format!("canary {user}"), when, InteractionKind::Like, user, user % 8 + 1);
        events.push(Event::Interaction(InteractionEvent { tags: vec![CANARY.to_owned()], ..like }));
    }
    let rows = dataset(&events).await;
    let times = rows["event_time"].as_primitive::<arrow::datatypes::TimestampMicrosecondType>().clone();
    let (mut before, mut after) = (0, 0);
    for name in ["viewer_tags", "candidate_tags", "viewer_liked_tags", "candidate_liked_tags"] {
        for (at, tags) in lists(&rows, name).into_iter().enumerate() {
            let sings = tags.iter().any(|tag| tag == CANARY);
            let later = times.value(at) > when.timestamp_micros();
            assert!(later || !sings, "row {at} at {} knows of {when}", times.value(at));
            before += usize::from(!later);
            after += usize::from(sings);
        }
    }
    assert!(before > 50 && after > 20, "{before} {after}");
}

#[tokio::test]
async fn where_somebody_is_within_a_cell_changes_nothing() {
    let events = town(&mut ChaCha8Rng::seed_from_u64(8), 300);
    let moved = snapped(&events);
    assert_ne!(events, moved);
    assert_eq!(dataset(&events).await, dataset(&moved).await);
}

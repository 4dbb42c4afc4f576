//! Who will match, among people who meet for an evening.

use std::collections::BTreeMap;

use ranker::eval::Bootstrap;
use ranker::eval::protocols::Outcome;
use ranker::eval::protocols::meetings::{Asked, Meeting, Protocol, STRATEGIES, ask, outcomes};
use ranker::eval::protocols::newcomers::{self, Answers, Pair, features};

use super::Findings;
use super::findings::Listed;

/// The probability that a side says yes, by name.
type OneSided = (&'static str, fn(&Asked, usize) -> f64);

const ONE_SIDED: [OneSided; 4] = [
    ("choosiness", |asked, side| asked.inputs[side].choosy),
    ("popularity", |asked, side| asked.inputs[side].liked),
    ("odds", |asked, side| asked.plain[side]),
    ("fitted_odds", |asked, side| asked.fitted[side]),
];

/// Warm: the first 70 % of an evening are known. Matches (`warm match`), what each side says (`warm like by men`, `… by women`), and everybody's
/// list of those still to meet.
pub fn warm(meetings: &[Meeting], bootstrap: Bootstrap) -> Findings {
    let asked = ask(meetings, &Protocol::default());
    let mut found = Findings::new(bootstrap);
    found.baseline("warm match", &outcomes(&asked, STRATEGIES[0]));
    for strategy in STRATEGIES {
        let scored = outcomes(&asked, strategy);
        if matches!(strategy, "sides_product" | "fitted_product") {
            found.probabilities(strategy, "warm match", &scored);
        } else {
            found.order(strategy, "warm match", &scored);
        }
        let score = |a: &Asked| a.score(strategy).unwrap_or(f64::NAN);
        for (side, slice) in [(0, "warm match, lists of men"), (1, "warm match, lists of women")] {
            let listed = |a: &Asked| listed(&a.meeting, side, score(a));
            found.lists(strategy, slice, &asked.iter().map(listed).collect::<Vec<_>>());
        }
    }
    for strategy in &STRATEGIES[2..] {
        let both = [*strategy, "popularity_product"];
        let [ours, theirs] = both.map(|name| outcomes(&asked, name));
        found.gain(both, "warm match", [&ours, &theirs]);
    }
    for (side, slice) in [(0, "warm like by men"), (1, "warm like by women")] {
        let of = |score: fn(&Asked, usize) -> f64| -> Vec<Outcome> {
            asked.iter().map(|a| Outcome { group: a.meeting.group.into(), score: score(a, side), yes: a.meeting.yes[side] }).collect()
        };
        found.baseline(slice, &of(ONE_SIDED[0].1));
        for (strategy, score) in ONE_SIDED {
            found.probabilities(strategy, slice, &of(score));
        }
    }
    found
}

fn listed(meeting: &Meeting, side: usize, score: f64) -> Listed {
    Listed { group: meeting.group.into(), viewer: meeting.people[side], score, yes: meeting.matched() }
}

/// Cold: nothing but sign-up answers, evening by evening left out of what is learned (`cold match`). Meetings of people without answers are
/// left out; how many is handed back.
pub fn cold(meetings: &[Meeting], answers: &BTreeMap<u64, Answers>, bootstrap: Bootstrap) -> (Findings, usize) {
    let pair = |meeting: &Meeting| {
        let [first, second] = meeting.people.map(|id| answers.get(&id));
        Some((*meeting, Pair { group: meeting.group, features: features(first?, second?), yes: meeting.yes }))
    };
    let (mut known, pairs): (Vec<Meeting>, Vec<Pair>) = meetings.iter().filter_map(pair).unzip();
    let left_out = meetings.len() - known.len();
    let mut found = Findings::new(bootstrap);
    let results = newcomers::judge(&pairs);
    found.baseline("cold match", &results[0]);
    // Results come evening by evening; meetings keep their order within one.
    known.sort_by_key(|m| m.group);
    for (strategy, scored) in newcomers::STRATEGIES.iter().zip(&results) {
        if *strategy == newcomers::STRATEGIES[0] {
            found.order(strategy, "cold match", scored);
        } else {
            found.probabilities(strategy, "cold match", scored);
        }
        if scored.len() == known.len() {
            for (side, slice) in [(0, "cold match, lists of men"), (1, "cold match, lists of women")] {
                let lists: Vec<Listed> = known.iter().zip(scored).map(|(m, o)| listed(m, side, o.score)).collect();
                found.lists(strategy, slice, &lists);
            }
        }
    }
    (found, left_out)
}

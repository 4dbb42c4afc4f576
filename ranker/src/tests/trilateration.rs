//! Somebody asks from many places and with many distance limits, to find out where one person is.
//!
//! The attack needs no model of the system: the attacker has accounts of their own ("decoys") at known places around the victim, otherwise like
//! the victim, asks the same about all of them, and takes the decoys whose answers are most like the victim's. Whatever leaks (a score, a
//! distance, an order, the edge of a filter) draws the estimate closer to the victim than the middle of the cell; nothing may.

use features::ids::UserId;
use index::geo::{cell, centre, km};

use super::*;

/// Free queries of the attacker.
const QUERIES: usize = 10_000;
/// Accounts of the attacker: viewers that ask, and decoys that are asked about.
const VIEWERS: u64 = 20;
const DECOYS: u64 = 180;
const FIRST_DECOY: u64 = 1_000;
const VICTIM: u64 = 500;

fn at(lat: f64, lon: f64) -> Option<Position> {
    Some(Position { lat, lon })
}

/// Somebody like the victim in everything, at a place.
fn like_the_victim(user: u64, position: Option<Position>) -> features::portrait::Portrait {
    let mut p = person(77, DIM);
    p.user_id = UserId(user);
    p.profile.position = position;
    p.profile.gender = features::profile::Gender::Female;
    p.profile.preferences = features::profile::Preferences { max_distance_km: Some(60), ..Default::default() };
    p.profile.hidden = false;
    p
}

/// What an answer tells, but for who it is about and for chance, which is drawn by user id.
fn told(deck: &Deck) -> String {
    let item = deck.items.first().map(|item| (item.score, item.distance, &item.sides, &item.terms, &item.reasons, item.newcomer));
    let removed = deck.removed.first().map(|r| (r.filter, &r.reason));
    serde_json::to_string(&(item, removed)).unwrap()
}

/// One question: who asks, from where, with which limit of their own.
#[derive(Clone, Copy)]
struct Question {
    viewer: u64,
    from: Position,
    limit: Option<u32>,
}

/// An attack under way.
struct Attack<'a> {
    parts: &'a Parts,
    recommender: Recommender,
    asked: usize,
}

impl Attack<'_> {
    fn ask(&mut self, question: Question, about: u64) -> String {
        self.asked += 1;
        let mut viewer = plain(question.viewer);
        viewer.version = 1 + self.asked as u64;
        viewer.profile.gender = features::profile::Gender::Male;
        viewer.profile.preferences.max_distance_km = question.limit;
        assert!(self.parts.table.apply(&viewer));
        let asked = DeckRequest { position: Some(question.from), limit: 1, ..request(question.viewer) };
        told(&self.recommender.judge(&asked, UserId(about)).unwrap())
    }
}

/// Places in a spiral around `middle`, out to `reach` kilometres, with limits of all kinds.
fn questions(middle: Position, reach: f64, many: usize) -> Vec<Question> {
    (0..many)
        .map(|n| {
            let (turn, share) = (n as f64 * 2.399_963, ((n + 1) as f64 / many as f64).sqrt());
            let (north, east) = (turn.sin() * share * reach / 111.0, turn.cos() * share * reach / 111.0 / middle.lat.to_radians().cos());
            let from = Position { lat: middle.lat + north, lon: middle.lon + east };
            Question { viewer: 1 + n as u64 % VIEWERS, from, limit: (n % 2 == 0).then(|| 1 + (n as u32 * 7) % 60) }
        })
        .collect()
}

/// The error in kilometres of the best estimate, and that of the middle of the victim's cell.
/// With `leak` every answer also tells the true distance, to the kilometre.
fn attack(victim: Position, about: Position, leak: bool) -> (f64, f64) {
    let parts = parts([like_the_victim(VICTIM, Some(victim))]);
    let mut decoys = Vec::new();
    for n in 0..DECOYS {
        let (turn, share) = (n as f64 * 2.399_963, ((n + 1) as f64 / DECOYS as f64).sqrt());
        let reach = 9.0;
        let place = at(
            about.lat + turn.sin() * share * reach / 111.0,
            about.lon + turn.cos() * share * reach / 111.0 / about.lat.to_radians().cos(),
        );
        assert!(parts.table.apply(&like_the_victim(FIRST_DECOY + n, place)));
        decoys.push((FIRST_DECOY + n, place.unwrap()));
    }
    let mut attack = Attack { parts: &parts, recommender: recommender(&parts, &RankerConfig::default()), asked: 0 };
    let leaked = |question: Question, place: Position| leak.then(|| km(question.from, place).round());
    // As many places as the queries allow, when each is asked about the victim and about every decoy.
    let places = QUERIES / (decoys.len() + 1);
    let mut agreement = vec![0u32; decoys.len()];
    for question in questions(about, 70.0, places) {
        let answer = (attack.ask(question, VICTIM), leaked(question, victim));
        for (at, (decoy, place)) in decoys.iter().enumerate() {
            agreement[at] += u32::from((attack.ask(question, *decoy), leaked(question, *place)) == answer);
        }
    }
    assert!(attack.asked <= QUERIES);
    let most = agreement.iter().max().copied().unwrap();
    let best: Vec<Position> = decoys.iter().zip(&agreement).filter(|(_, a)| **a == most).map(|((_, place), _)| *place).collect();
    let n = best.len() as f64;
    let estimate = Position { lat: best.iter().map(|p| p.lat).sum::<f64>() / n, lon: best.iter().map(|p| p.lon).sum::<f64>() / n };
    (km(estimate, victim), km(centre(cell(victim).unwrap()), victim))
}

/// Mean errors over some victims: of the estimate, of the middle of the cell.
fn attacks(leak: bool) -> (f64, f64) {
    let mut dice = crate::testing::Dice::new(11);
    let errors = (0..6).map(|_| {
        let victim = Position { lat: 31.0 + 0.4 * dice.unit(), lon: 121.2 + 0.4 * dice.unit() };
        // The attacker knows the neighbourhood already, from elsewhere, to within a few kilometres.
        let about = Position { lat: victim.lat + 0.03 * (dice.unit() - 0.5), lon: victim.lon + 0.03 * (dice.unit() - 0.5) };
        attack(victim, about, leak)
    });
    let (estimates, middles): (Vec<f64>, Vec<f64>) = errors.unzip();
    (estimates.iter().sum::<f64>() / 6.0, middles.iter().sum::<f64>() / 6.0)
}

#[test]
fn ten_thousand_queries_from_two_hundred_accounts_come_no_closer_than_the_cell() {
    let (estimate, middle) = attacks(false);
    assert!(estimate > 0.9 * middle, "the attacker is {estimate:.2} km off on average, the middle of the cell {middle:.2} km");
    let (leaking, _) = attacks(true);
    assert!(leaking < 0.5 * middle, "the attack works where something leaks: {leaking:.2} km off, the middle of the cell {middle:.2} km");
}

#[test]
fn nothing_that_is_answered_depends_on_where_in_the_cell_somebody_is() {
    let home = Position { lat: 31.23, lon: 121.47 };
    let cell_of_home = cell(home).unwrap();
    let mut dice = crate::testing::Dice::new(5);
    let mut twins: Vec<Position> = Vec::new();
    while twins.len() < 12 {
        let place = Position { lat: 31.23 + 0.08 * (dice.unit() - 0.5), lon: 121.47 + 0.08 * (dice.unit() - 0.5) };
        if cell(place) == Some(cell_of_home) {
            twins.push(place);
        }
    }
    let apart = twins.iter().flat_map(|a| twins.iter().map(move |b| km(*a, *b))).fold(0.0, f64::max);
    assert!(apart > 3.0, "the twins are spread over the cell: {apart:.1} km");
    let worlds: Vec<Parts> = twins
        .iter()
        .map(|place| parts((2..60).map(|user| person(user, DIM)).chain([plain(1), like_the_victim(VICTIM, Some(*place))])))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (n, question) in questions(home, 60.0, 60).into_iter().enumerate() {
        let answers: Vec<String> = worlds
            .iter()
            .map(|parts| {
                let mut viewer = plain(1);
                viewer.version = 2 + n as u64;
                viewer.profile.preferences.max_distance_km = question.limit;
                parts.table.apply(&viewer);
                let asked = DeckRequest { position: Some(question.from), seed: n as u64, ..request(1) };
                let deck = runtime.block_on(deck(parts, &asked));
                serde_json::to_string(&(&deck.items, &deck.removed)).unwrap()
            })
            .collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "question {n} tells where in the cell somebody is");
    }
}

//! Every row at or after the scored moment is changed; no score may move.

use features::ids::UserId;

use crate::chance::{Purpose, bits};
use crate::eval::TimeSplit;
use crate::eval::protocols::contacts::{self, DAY, Message};
use crate::eval::protocols::meetings::{self, Meeting, Protocol};
use crate::eval::protocols::newcomers::{self, Pair};
use crate::eval::protocols::partners::{Gift, History, Strategy};

fn draw(seed: u64, i: usize, below: u64) -> u64 {
    bits(seed, Purpose::Sample, UserId(i as u64)) % below
}

fn evening() -> Vec<Meeting> {
    let meeting = |i: usize| {
        let (group, turn, man) = (i / 100, i / 10 % 10, i % 10);
        let woman = (man + turn) % 10;
        let people = [(group * 10 + man) as u64, (1_000 + group * 10 + woman) as u64];
        let yes = [people[1] % 10 + draw(1, i, 10) > 8, people[0] % 10 + draw(2, i, 10) > 9];
        Meeting { group: group as u32, turn: turn as u32, people, yes }
    };
    (0..400).map(meeting).collect()
}

#[test]
fn meetings_know_only_history() {
    let rows = evening();
    let protocol = Protocol::default();
    let before = meetings::ask(&rows, &protocol);
    assert_eq!(before.len(), 120);
    for group in 0..4 {
        let first = before.iter().filter(|a| a.meeting.group == group).map(|a| a.meeting.turn).min().unwrap();
        let change = |m: &Meeting| {
            let later = (m.group, m.turn) >= (group, first);
            Meeting { yes: if later { m.yes.map(|y| !y) } else { m.yes }, ..*m }
        };
        let after = meetings::ask(&rows.iter().map(change).collect::<Vec<_>>(), &protocol);
        let scores = |asked: &[meetings::Asked]| -> Vec<_> {
            let here = asked.iter().filter(|a| a.meeting.group <= group);
            here.map(|a| (a.meeting.people, meetings::STRATEGIES.map(|s| a.score(s).unwrap()))).collect()
        };
        assert_eq!(scores(&before), scores(&after), "group {group}");
        let changed = rows.iter().map(|m| Meeting { yes: m.yes.map(|y| !y), ..*m }).collect::<Vec<_>>();
        assert_ne!(scores(&before), scores(&meetings::ask(&changed, &protocol)), "history does count");
    }
}

#[test]
fn newcomers_know_nothing_of_their_group() {
    let pair = |i: usize| {
        let features: Vec<f64> = (0..12).map(|k| draw(3, i * 12 + k, 10) as f64).collect();
        let yes = [features[0] + draw(4, i, 10) as f64 > 9.0, features[1] + draw(5, i, 10) as f64 > 9.0];
        Pair { group: (i / 100) as u32, features, yes }
    };
    let rows: Vec<Pair> = (0..400).map(pair).collect();
    let scores = |rows: &[Pair]| newcomers::judge(rows).map(|r| r.iter().filter(|o| o.group == 2).map(|o| o.score).collect::<Vec<_>>());
    let turned = |rows: &[Pair], group: u32| -> Vec<Pair> {
        rows.iter().map(|p| Pair { yes: if p.group == group { p.yes.map(|y| !y) } else { p.yes }, ..p.clone() }).collect()
    };
    assert_eq!(scores(&rows), scores(&turned(&rows, 2)), "own outcomes do not count");
    assert_ne!(scores(&rows), scores(&turned(&rows, 1)), "those of other groups do");
}

fn talk() -> Vec<Message> {
    // Several messages a second now and then, and answers to about half.
    let first = |i: usize| Message { from: draw(6, i, 60), to: draw(7, i, 60), at: (i / 2) as i64 * 9_000 };
    let all = (0..1_500).flat_map(|i| {
        let message = first(i);
        let answer = Message { from: message.to, to: message.from, at: message.at + draw(8, i, 12) as i64 * DAY };
        [Some(message), (draw(9, i, 2) == 0).then_some(answer)]
    });
    all.flatten().collect()
}

#[test]
fn contacts_know_only_what_was_written_before() {
    let messages = talk();
    let found = contacts::contacts(&messages);
    assert!(found.iter().any(|c| c.answered == Some(true)) && found.iter().any(|c| c.answered == Some(false)));
    let end = messages.iter().map(|m| m.at).max().unwrap();
    for (until, names) in [(end / 3, 0), (end / 2, 7), (end * 2 / 3, 20)] {
        // Nobody answers any more, others write, and everything comes later than it did.
        let later = |m: &Message| Message { from: (m.from + names) % 60, to: (m.to + 2 * names + 1) % 60, at: m.at + DAY };
        let changed: Vec<Message> = messages.iter().map(|m| if m.at > until { later(m) } else { *m }).collect();
        let features = |contacts: Vec<contacts::Contact>| -> Vec<_> {
            contacts.into_iter().filter(|c| c.message.at <= until).map(|c| (c.message, c.features)).collect()
        };
        assert_eq!(features(found.clone()), features(contacts::contacts(&changed)));
    }
    let split = TimeSplit { until: end / 2 };
    let results = contacts::judge(&found, split);
    let mut deaf = found.clone();
    deaf.iter_mut().filter(|c| c.message.at + contacts::WINDOW >= split.until).for_each(|c| c.answered = c.answered.map(|y| !y));
    let scores = |r: [Vec<crate::eval::protocols::Outcome>; 6]| r.map(|o| o.iter().map(|o| o.score).collect::<Vec<_>>());
    assert_eq!(scores(results), scores(contacts::judge(&deaf, split)), "answers that came later teach nothing");
}

#[test]
fn a_moment_does_not_know_itself() {
    let at = |from, to, at| Message { from, to, at };
    let found = contacts::contacts(&[at(1, 2, 0), at(2, 1, 0), at(3, 2, 0), at(2, 1, DAY), at(9, 8, 30 * DAY)]);
    let answers: Vec<_> = found.iter().map(|c| (c.message.from, c.message.to, c.answered)).collect();
    assert_eq!(answers, [(1, 2, Some(true)), (3, 2, Some(false)), (9, 8, None)], "a message of the same second is no answer");
    let sent = contacts::FEATURES.iter().position(|name| *name == "to_sent").unwrap();
    assert!(found[..2].iter().all(|c| c.features.len() == contacts::FEATURES.len() && c.features[sent] == 0.0));
    let edge = contacts::contacts(&[at(1, 2, 0), at(2, 1, contacts::WINDOW)]);
    assert_eq!(edge[0].answered, Some(true), "the last second of the window counts");
    assert_eq!(contacts::contacts(&[at(1, 2, 0), at(2, 1, contacts::WINDOW + 1)])[0].answered, Some(false));
}

#[test]
fn rankings_of_partners_know_only_gifts_before() {
    let gifts: Vec<Gift> = (0..3_000).map(|i| Gift { from: draw(10, i, 80), to: draw(11, i, 80), at: i as i64 * DAY / 4 }).collect();
    let split = TimeSplit { until: 250 * DAY };
    let changed: Vec<Gift> = gifts.iter().map(|g| if g.at >= split.until { Gift { from: g.to + 3, ..*g } } else { *g }).collect();
    let earlier: Vec<Gift> =
        gifts.iter().map(|g| if g.at < split.until { Gift { from: (g.from * g.from) % 80, ..*g } } else { *g }).collect();
    for strategy in Strategy::ALL {
        let ranked = |gifts: &[Gift]| (0..80).map(|v| History::new(gifts, split).rank(v, strategy, 10)).collect::<Vec<_>>();
        assert_eq!(ranked(&gifts), ranked(&changed));
        assert_ne!(ranked(&gifts), ranked(&earlier), "history does count");
    }
}

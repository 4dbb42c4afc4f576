//! New partners: with whom will somebody begin to exchange gifts, both ways?

use std::collections::{BTreeMap, BTreeSet};

use super::mean_row;
use crate::eval::{Bootstrap, Row, TimeSplit, ndcg_at_k};

/// Somebody gave something to somebody. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gift {
    /// Who gave.
    pub from: u64,
    /// To whom.
    pub to: u64,
    /// When.
    pub at: i64,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The moment of asking: gifts strictly before it are known.
    pub split: TimeSplit<i64>,
    /// Seconds after it in which a new exchange must have gone both ways.
    pub horizon: i64,
    /// How many places of a ranking count.
    pub k: usize,
}

/// How candidates are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// By gifts given and received, ever.
    Popularity,
    /// By gifts given and received in the last 90 days.
    Activity,
    /// By exchanges that became mutual, each counted half for every 90 days since.
    Fresh,
    /// The same times the root of one and the partners in common, each counted by how few partners it has.
    FreshCommon,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Popularity, Self::Activity, Self::Fresh, Self::FreshCommon];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
            Self::Activity => "activity_90_days",
            Self::Fresh => "fresh_partners",
            Self::FreshCommon => "fresh_partners_common",
        }
    }
}

const DAYS_90: i64 = 90 * 86_400;

#[derive(Default)]
struct Person {
    gifts: f64,
    recent: f64,
    fresh: f64,
    partners: BTreeSet<u64>,
}

/// What is known at the moment of asking.
pub struct History {
    people: BTreeMap<u64, Person>,
}

impl History {
    /// From all gifts; those that are not history are not looked at.
    pub fn new(gifts: &[Gift], split: TimeSplit<i64>) -> Self {
        let mut people: BTreeMap<u64, Person> = BTreeMap::new();
        let mut firsts = BTreeMap::new();
        for gift in gifts.iter().filter(|g| split.is_history(g.at) && g.from != g.to) {
            for (one, other) in [(gift.from, gift.to), (gift.to, gift.from)] {
                let person = people.entry(one).or_default();
                person.gifts += 1.0;
                person.recent += f64::from(u8::from(split.until - gift.at <= DAYS_90));
                person.partners.insert(other);
            }
            remember(&mut firsts, gift);
        }
        for ((one, other), first) in &firsts {
            // Both directions are looked up; each of the two people is credited once.
            if let Some(back) = firsts.get(&(*other, *one)) {
                #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
                let age = (split.until - *first.max(back)) as f64 / DAYS_90 as f64;
                people.entry(*one).or_default().fresh += (-age).exp2();
            }
        }
        Self { people }
    }

    /// The first `k` candidates for somebody: everybody known but themselves and their partners; of equals the lower id first.
    pub fn rank(&self, viewer: u64, strategy: Strategy, k: usize) -> Vec<u64> {
        let Some(person) = self.people.get(&viewer) else { return Vec::new() };
        let candidates = self.people.iter().filter(|(id, _)| **id != viewer && !person.partners.contains(id));
        let mut scored: Vec<(f64, u64)> = candidates.map(|(id, other)| (self.score(person, other, strategy), *id)).collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.truncate(k);
        scored.into_iter().map(|(_, id)| id).collect()
    }

    fn score(&self, viewer: &Person, other: &Person, strategy: Strategy) -> f64 {
        match strategy {
            Strategy::Popularity => other.gifts,
            Strategy::Activity => other.recent,
            Strategy::Fresh => other.fresh,
            Strategy::FreshCommon => other.fresh * (1.0 + self.common(viewer, other)).sqrt(),
        }
    }

    /// Common partners, each `1 / ln(1.5 + partners)`: Adamic and Adar (2003).
    fn common(&self, viewer: &Person, other: &Person) -> f64 {
        let partners = |id: &u64| self.people.get(id).map_or(0, |p| p.partners.len());
        viewer.partners.intersection(&other.partners).map(|id| 1.0 / (1.5 + crate::eval::real(partners(id))).ln()).sum()
    }
}

fn remember(firsts: &mut BTreeMap<(u64, u64), i64>, gift: &Gift) {
    let first = firsts.entry((gift.from, gift.to)).or_insert(gift.at);
    *first = gift.at.min(*first);
}

/// Who began to exchange with whom: no gift either way before the moment, and both ways before the horizon. Only people who are known at
/// the moment are asked for and about; nobody can rank the others.
pub fn truth(gifts: &[Gift], question: &Question) -> BTreeMap<u64, BTreeSet<u64>> {
    let (mut firsts, mut known) = (BTreeMap::new(), BTreeSet::new());
    for gift in gifts.iter().filter(|g| g.at < question.split.until + question.horizon && g.from != g.to) {
        remember(&mut firsts, gift);
        if question.split.is_history(gift.at) {
            known.extend([gift.from, gift.to]);
        }
    }
    let mut found: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for ((one, other), first) in &firsts {
        let new = firsts.get(&(*other, *one)).is_some_and(|back| !question.split.is_history(*first.min(back)));
        if new && known.contains(one) && known.contains(other) {
            found.entry(*one).or_default().insert(*other);
        }
    }
    found
}

/// NDCG@k of a strategy for everybody who began to exchange, by person.
pub fn judge(gifts: &[Gift], question: &Question, strategy: Strategy) -> Vec<(u64, f64)> {
    let history = History::new(gifts, question.split);
    let judged = truth(gifts, question).into_iter().filter_map(|(viewer, new)| {
        let ranked = history.rank(viewer, strategy, question.k);
        let gains: Vec<f64> = ranked.iter().map(|id| f64::from(u8::from(new.contains(id)))).collect();
        Some((viewer, ndcg_at_k(&gains, &vec![1.0; new.len()], question.k)?))
    });
    judged.collect()
}

/// Mean NDCG@k of a strategy with its interval over people; nothing when nobody began to exchange.
pub fn report(gifts: &[Gift], question: &Question, strategy: Strategy, slice: &str, bootstrap: &Bootstrap) -> Option<Row> {
    mean_row(strategy.name(), slice, &format!("ndcg@{}", question.k), &judge(gifts, question, strategy), bootstrap)
}

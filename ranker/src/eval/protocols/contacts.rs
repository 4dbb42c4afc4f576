//! First contacts: will the first message between two people be answered in time?

use std::collections::{BTreeMap, VecDeque};

use super::Outcome;
use crate::eval::{TimeSplit, real};
use crate::warm::{BetaPrior, Boost, BoostOptions, Logistic, Ridge, Tally};

/// Somebody wrote to somebody. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Who wrote.
    pub from: u64,
    /// To whom.
    pub to: u64,
    /// When.
    pub at: i64,
}

/// The first message between two people.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// The message.
    pub message: Message,
    /// What was known strictly before it, in the order of [`FEATURES`].
    pub features: Vec<f64>,
    /// Whether it was answered within the window; unknown when the messages end before that.
    pub answered: Option<bool>,
}

/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// In time is within seven days.
pub const WINDOW: i64 = 7 * DAY;
/// "Never" stands for this many hours.
const NEVER: f64 = 60.0 * 24.0;

/// What is known of the receiver (`to_`) and the sender (`from_`). Counts and hours are `ln(1 + x)`.
pub const FEATURES: [&str; 18] = [
    "to_recency",
    "to_reply_rate",
    "to_sent",
    "to_sent_week",
    "to_popularity",
    "to_received",
    "to_contacted",
    "to_last_received",
    "to_age_days",
    "from_sent",
    "from_sent_week",
    "from_received",
    "from_contacted",
    "from_answered_rate",
    "from_popularity",
    "from_new",
    "hour_sin",
    "hour_cos",
];

#[derive(Default)]
struct Person {
    first: Option<i64>,
    last_sent: Option<i64>,
    last_received: Option<i64>,
    sent: usize,
    received: usize,
    contacts_in: usize,
    contacts_out: usize,
    /// First contacts to this person that were answered or ran out.
    replies: Tally,
    /// First contacts by this person that were answered or ran out.
    replied: Tally,
    /// Times of messages written, the last week's at the end.
    week: VecDeque<i64>,
}

/// What everybody did up to now.
#[derive(Default)]
struct State {
    people: BTreeMap<u64, Person>,
    /// Pairs that ever wrote; the contact while it waits for an answer.
    pairs: BTreeMap<(u64, u64), Option<usize>>,
    /// Contacts in the order in which their windows end.
    waiting: VecDeque<usize>,
    all: Tally,
}

/// First contacts in the order of time. Messages of the same second do not know of each other.
pub fn contacts(messages: &[Message]) -> Vec<Contact> {
    let mut sorted = messages.to_vec();
    sorted.sort_unstable_by_key(|m| (m.at, m.from, m.to));
    sorted.retain(|m| m.from != m.to);
    let mut state = State::default();
    let mut found: Vec<Contact> = Vec::new();
    for moment in sorted.chunk_by(|a, b| a.at == b.at) {
        state.run_out(moment[0].at, &mut found);
        let before = found.len();
        for message in moment {
            if let std::collections::btree_map::Entry::Vacant(pair) = state.pairs.entry(ends(message)) {
                pair.insert(Some(found.len()));
                found.push(Contact { message: *message, features: Vec::new(), answered: None });
            }
        }
        for contact in &mut found[before..] {
            contact.features = state.features(&contact.message);
        }
        for message in moment {
            state.apply(message, before, &mut found);
        }
        state.begin(before, &found);
    }
    if let Some(last) = sorted.last() {
        // All messages of the last second are known, so a window that ends with it has ended.
        state.run_out(last.at + 1, &mut found);
    }
    found
}

fn ends(message: &Message) -> (u64, u64) {
    (message.from.min(message.to), message.from.max(message.to))
}

fn log(count: usize) -> f64 {
    real(count).ln_1p()
}

/// `ln(1 + hours)` since a moment; after `NEVER` when there was none.
fn hours(now: i64, then: Option<i64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
    let hours = then.map_or(NEVER, |then| (now - then) as f64 / 3_600.0);
    hours.ln_1p()
}

impl State {
    /// Contacts whose window ended before `now` were not answered.
    fn run_out(&mut self, now: i64, found: &mut [Contact]) {
        while let Some(at) = self.waiting.front().copied().filter(|at| found[*at].message.at + WINDOW < now) {
            self.waiting.pop_front();
            if found[at].answered.is_none() {
                self.settle(at, false, found);
            }
        }
    }

    fn settle(&mut self, at: usize, yes: bool, found: &mut [Contact]) {
        let message = found[at].message;
        found[at].answered = Some(yes);
        self.pairs.insert(ends(&message), None);
        self.people.entry(message.to).or_default().replies.add(yes);
        self.people.entry(message.from).or_default().replied.add(yes);
        self.all.add(yes);
    }

    /// A message happened; contacts from `fresh` on are of the same second and cannot be answered by it.
    fn apply(&mut self, message: &Message, fresh: usize, found: &mut [Contact]) {
        if let Some(Some(at)) = self.pairs.get(&ends(message)).copied()
            && at < fresh
            && found[at].message.to == message.from
        {
            self.settle(at, true, found);
        }
        let from = self.people.entry(message.from).or_default();
        from.first.get_or_insert(message.at);
        from.sent += 1;
        from.last_sent = Some(message.at);
        from.week.push_back(message.at);
        while from.week.front().is_some_and(|t| *t < message.at - WINDOW) {
            from.week.pop_front();
        }
        let to = self.people.entry(message.to).or_default();
        to.first.get_or_insert(message.at);
        to.received += 1;
        to.last_received = Some(message.at);
    }

    /// The contacts of this second wait for answers from now on.
    fn begin(&mut self, fresh: usize, found: &[Contact]) {
        for (at, contact) in found.iter().enumerate().skip(fresh) {
            self.people.entry(contact.message.to).or_default().contacts_in += 1;
            self.people.entry(contact.message.from).or_default().contacts_out += 1;
            self.waiting.push_back(at);
        }
    }

    fn features(&self, message: &Message) -> Vec<f64> {
        let nobody = Person::default();
        let of = |id: u64| self.people.get(&id).unwrap_or(&nobody);
        let (to, from, now) = (of(message.to), of(message.from), message.at);
        let prior = BetaPrior::new(BetaPrior::new(0.5, 2.0).smoothed(self.all), 4.0);
        let week = |p: &Person| log(p.week.iter().filter(|t| **t >= now - WINDOW).count());
        #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
        let turn = (now.rem_euclid(DAY) as f64 / DAY as f64) * std::f64::consts::TAU;
        vec![
            hours(now, to.last_sent),
            prior.smoothed(to.replies),
            log(to.sent),
            week(to),
            log(to.contacts_in),
            log(to.received),
            log(to.contacts_out),
            hours(now, to.last_received),
            hours(now, to.first),
            log(from.sent),
            week(from),
            log(from.received),
            log(from.contacts_out),
            prior.smoothed(from.replied),
            log(from.contacts_in),
            f64::from(u8::from(from.first.is_none())),
            turn.sin(),
            turn.cos(),
        ]
    }
}

/// Every way to score a contact, by name.
pub const STRATEGIES: [&str; 6] = ["popularity", "reply_rate", "activity", "recency", "logistic", "trees"];

/// The contacts that are judged at a split, in the order in which [`judge`] scores them.
pub fn judged(contacts: &[Contact], split: TimeSplit<i64>) -> impl Iterator<Item = &Contact> {
    contacts.iter().filter(move |c| !split.is_history(c.message.at) && c.answered.is_some())
}

/// Fits on contacts whose answer was known before `until`, and scores those at or after it: the outcomes of all strategies in the order of
/// [`STRATEGIES`], grouped by receiver. Empty when nothing can be fitted. Contacts whose window had not ended at the last message are not
/// judged.
pub fn judge(contacts: &[Contact], split: TimeSplit<i64>) -> [Vec<Outcome>; 6] {
    let known = |c: &&Contact| split.is_history(c.message.at + WINDOW);
    let (rows, labels): (Vec<Vec<f64>>, Vec<bool>) =
        contacts.iter().filter(known).filter_map(|c| Some((c.features.clone(), c.answered?))).unzip();
    let options = BoostOptions { trees: 150, depth: 3, ..BoostOptions::default() };
    let fitted = Logistic::fit(&rows, &labels, Ridge { l2: 10.0 }).zip(Boost::fit(&rows, &labels, &options));
    let mut results: [Vec<Outcome>; 6] = Default::default();
    let Some((line, trees)) = fitted else { return results };
    for contact in judged(contacts, split) {
        let Some(yes) = contact.answered else { continue };
        let x = &contact.features;
        let scores = [x[4], x[1], x[3], -x[0], line.predict(x), trees.predict(x)];
        let group = contact.message.to;
        results.iter_mut().zip(scores).for_each(|(r, score)| r.push(Outcome { group, score, yes }));
    }
    results
}

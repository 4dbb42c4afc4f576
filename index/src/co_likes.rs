//! Who likes whom, both ways and bounded: for recall by those who like alike.
//!
//! Per person the newest [`KEPT`] words about others ("likes" or "no longer") and the newest words of others about them are kept. Of two words
//! of one pair the later counts, at the same time the like. A word can only give way to a later one, so what is kept depends neither on the
//! order of words nor on repetition, and a query over a recorded past (SQL) can say what must be there. Only forgetting somebody may leave
//! fewer words than there could be.
//!
//! [`CoLikes::recall`] walks two steps over these lists, with a bound on every step: its cost does not depend on how many people there are.

use std::cmp::Ordering;
use std::collections::HashMap;

use features::ids::UserId;
use foldhash::fast::RandomState;

/// Words kept per person and direction.
pub const KEPT: usize = 128;

/// One word of a pair: 12 bytes, because there are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, packed(4))]
struct Word {
    /// Microseconds, shifted by one; the lowest bit says "likes". Greater is later, at the same time the like.
    when: i64,
    /// Number of the other person.
    other: u32,
}

impl Word {
    fn likes(self) -> bool {
        self.when & 1 == 1
    }
}

/// A word as it is kept, for comparing with a recomputation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptWord {
    /// Of or about whom.
    pub user: UserId,
    /// The other person of the pair.
    pub other: UserId,
    /// When it was said, in microseconds since 1970.
    pub at: i64,
    /// Whether it is a like; otherwise it took one back.
    pub likes: bool,
}

/// How far [`CoLikes::recall`] looks: each a bound on one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Newest likes from which the walk begins.
    pub likes: usize,
    /// People looked at per step of the walk, the newest first.
    pub fan_out: usize,
    /// People alike with whom the walk goes on, the most alike first.
    pub alike: usize,
}

/// Somebody found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoLiked {
    /// Who.
    pub user: UserId,
    /// How much those who like as the viewer does like them, over the most liked of the answer: 0 to 1.
    pub liked_alike: f32,
    /// How much they like those who are liked as the viewer is, over the most of the answer: 0 to 1.
    pub likes_alike: f32,
}

/// What one side alone is worth beside a pair of sides.
const ONE_SIDED: f32 = 0.1;

impl CoLiked {
    /// The harmonic mean of both sides and, for those whom one side alone speaks for, a tenth of their mean.
    pub fn score(&self) -> f32 {
        let sum = self.liked_alike + self.likes_alike;
        let both = if sum > 0.0 { 2.0 * self.liked_alike * self.likes_alike / sum } else { 0.0 };
        both + ONE_SIDED * sum / 2.0
    }
}

/// Everybody's words, by number.
type Lists = Vec<Vec<Word>>;

/// The likes of everybody. See the module.
#[derive(Debug, Clone, Default)]
pub struct CoLikes {
    names: Vec<u64>,
    numbers: HashMap<u64, u32, RandomState>,
    given: Lists,
    received: Lists,
}

impl CoLikes {
    /// Takes over that `actor` likes `target` (or no longer does) since `at`, in microseconds since 1970.
    pub fn say(&mut self, actor: UserId, target: UserId, likes: bool, at: i64) {
        if actor == target {
            return;
        }
        let (a, t) = (self.number(actor), self.number(target));
        let when = at.saturating_mul(2) | i64::from(likes);
        put(&self.names, &mut self.given[a as usize], Word { when, other: t });
        put(&self.names, &mut self.received[t as usize], Word { when, other: a });
    }

    fn number(&mut self, user: UserId) -> u32 {
        *self.numbers.entry(user.0).or_insert_with(|| {
            self.names.push(user.0);
            self.given.push(Vec::new());
            self.received.push(Vec::new());
            u32::try_from(self.names.len() - 1).expect("fewer than 2^32 people")
        })
    }

    /// Drops every word of and about somebody. Looks at everybody.
    pub fn forget(&mut self, user: UserId) {
        let Some(gone) = self.numbers.remove(&user.0) else { return };
        self.names[gone as usize] = 0;
        self.given[gone as usize] = Vec::new();
        self.received[gone as usize] = Vec::new();
        self.given.iter_mut().chain(&mut self.received).for_each(|list| list.retain(|word| word.other != gone));
    }

    /// Every word kept of anybody about others, or about anybody of others, sorted.
    pub fn kept(&self, received: bool) -> Vec<KeptWord> {
        let lists = if received { &self.received } else { &self.given };
        let name = |number: u32| UserId(self.names[number as usize]);
        let words = (0u32..).zip(lists).flat_map(|(user, list)| {
            list.iter().map(move |w| KeptWord { user: name(user), other: name(w.other), at: w.when >> 1, likes: w.likes() })
        });
        let mut words: Vec<KeptWord> = words.collect();
        words.sort_unstable();
        words
    }

    /// How many words are kept, in both directions together.
    pub fn len(&self) -> usize {
        self.given.iter().chain(&self.received).map(Vec::len).sum()
    }

    /// Whether nobody has said anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// People whom those like who like as `viewer` does, and who themselves like those who are liked as `viewer` is; best first,
    /// ties by id. Empty for somebody who neither likes nor is liked.
    ///
    /// Two people are alike as far as they like the same others: each shared one counts `1 / ln(1.5 + likes received)`, so that what everybody likes
    /// says little (Adamic and Adar, "Friends and neighbors on the Web", 2003), over the root of how many the other likes (the cosine of item-based
    /// collaborative filtering: Sarwar et al., WWW 2001). The other side is the same with giving and receiving exchanged. Reciprocal
    /// collaborative filtering as in Xia et al., ASONAM 2015.
    pub fn recall(&self, viewer: UserId, reach: &Reach, limit: usize) -> Vec<CoLiked> {
        let Some(viewer) = self.numbers.get(&viewer.0).copied() else { return Vec::new() };
        let ours = self.side(viewer, &self.given, &self.received, reach);
        let theirs = self.side(viewer, &self.received, &self.given, reach);
        let mut found: HashMap<u32, [f32; 2], RandomState> =
            HashMap::with_capacity_and_hasher(ours.len() + theirs.len(), RandomState::default());
        for (side, list) in [ours, theirs].into_iter().enumerate() {
            let most = list.iter().map(|x| x.1).fold(f32::MIN_POSITIVE, f32::max);
            list.into_iter().for_each(|(user, score)| found.entry(user).or_default()[side] = score / most);
        }
        let name = |number: u32| UserId(self.names[number as usize]);
        let found = found.into_iter().map(|(user, [a, b])| CoLiked { user: name(user), liked_alike: a, likes_alike: b });
        let mut found: Vec<CoLiked> = found.collect();
        found.sort_unstable_by(|x, y| y.score().total_cmp(&x.score()).then(x.user.cmp(&y.user)));
        found.truncate(limit);
        found
    }

    /// From whom `viewer` points to (`out`), to those who point there too, to whom they point: with the sum of likenesses.
    fn side(&self, viewer: u32, out: &Lists, back: &Lists, reach: &Reach) -> Vec<(u32, f32)> {
        let mut alike = Vec::new();
        for shared in live(&out[viewer as usize]).take(reach.likes) {
            let others = &back[shared as usize];
            let weight = 1.0 / (1.5 + count(others)).ln();
            alike.extend(live(others).take(reach.fan_out).filter(|other| *other != viewer).map(|other| (other, weight)));
        }
        let mut alike = summed(alike);
        alike.iter_mut().for_each(|(other, likeness)| *likeness /= count(&out[*other as usize]).max(1.0).sqrt());
        alike.sort_unstable_by(|x, y| y.1.total_cmp(&x.1).then_with(|| self.names[x.0 as usize].cmp(&self.names[y.0 as usize])));
        alike.truncate(reach.alike);
        let mut found = Vec::new();
        for (other, likeness) in alike {
            found.extend(live(&out[other as usize]).take(reach.fan_out).filter(|user| *user != viewer).map(|user| (user, likeness)));
        }
        summed(found)
    }
}

/// Those whom a list's likes are about, the newest first.
fn live(list: &[Word]) -> impl Iterator<Item = u32> {
    list.iter().filter(|word| word.likes()).map(|word| word.other)
}

fn count(list: &[Word]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "at most the bound of a list")]
    let count = live(list).count() as f32;
    count
}

/// One row per person, with the sum; equal rows are added in the order in which they stand, so that equal walks give equal sums.
fn summed(mut rows: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    rows.sort_by_key(|row| row.0);
    rows.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
    rows
}

/// Puts a word into a list that is sorted from late to early, ties by the name of the other.
fn put(names: &[u64], list: &mut Vec<Word>, word: Word) {
    if let Some(at) = list.iter().position(|old| old.other == word.other) {
        if list[at].when >= word.when {
            return;
        }
        list.remove(at);
    }
    let name = |w: &Word| names[w.other as usize];
    let later = |a: &Word, b: &Word| {
        let (x, y) = (a.when, b.when); // copies: the fields are packed
        x.cmp(&y).then_with(|| name(a).cmp(&name(b))) == Ordering::Greater
    };
    let at = list.partition_point(|old| later(old, &word));
    if at < KEPT {
        list.insert(at, word);
        list.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests;

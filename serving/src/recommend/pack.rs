//! People of a deck in little room: a deck waits for minutes, and most of it is never looked at.
//!
//! An item is kept as bytes (postcard), its reasons as numbers of texts that the deck holds once; a refusal as a number of its filter and words. About
//! 80 KiB for 200 people and as many refusals, where the structs take ten times that.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use features::ids::UserId;
use ranker::deck::Reason;
use ranker::{DeckItem, FilterName, Removed};

/// Texts, each once.
#[derive(Debug)]
struct Texts<T> {
    texts: Vec<T>,
    bytes: usize,
}

/// Numbers for texts that come again and again.
struct Numbers<T> {
    texts: Vec<T>,
    known: HashMap<T, u32>,
}

impl<T: Clone + Eq + std::hash::Hash> Numbers<T> {
    fn new() -> Self {
        Self { texts: Vec::new(), known: HashMap::new() }
    }

    fn of(&mut self, text: T) -> u32 {
        if let Some(number) = self.known.get(&text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).expect("a deck has a few thousand texts");
        self.texts.push(text.clone());
        self.known.insert(text, number);
        number
    }

    fn done(self, size: impl Fn(&T) -> usize) -> Texts<T> {
        let bytes = self.texts.iter().map(size).sum();
        Texts { texts: self.texts, bytes }
    }
}

/// What a refusal says.
type Words = (FilterName, Cow<'static, str>, Cow<'static, str>);
/// Code, Chinese, English.
type Said = (String, String, String);

/// The people of a deck and those it refused.
#[derive(Debug)]
pub(super) struct Pack {
    items: Vec<u8>,
    /// Where each item ends in `items`.
    ends: Vec<u32>,
    /// Numbers of the reasons of all items, one item after the other.
    said: Vec<u32>,
    said_ends: Vec<u32>,
    reasons: Texts<Said>,
    removed: Vec<(UserId, u32)>,
    refusals: Texts<Words>,
}

fn length(n: usize) -> u32 {
    u32::try_from(n).expect("a deck is smaller than 4 GiB")
}

impl Pack {
    pub(super) fn of(items: Vec<DeckItem>, removed: Vec<Removed>) -> Self {
        let (mut bytes, mut ends, mut said, mut said_ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut reasons, mut refusals) = (Numbers::new(), Numbers::new());
        for mut item in items {
            let words = std::mem::take(&mut item.reasons);
            said.extend(words.into_iter().map(|r| reasons.of((r.code, r.zh, r.en))));
            said_ends.push(length(said.len()));
            bytes = postcard::to_extend(&item, bytes).expect("a plain struct into memory");
            ends.push(length(bytes.len()));
        }
        bytes.shrink_to_fit();
        let removed = removed.into_iter().map(|r| (r.user_id, refusals.of((r.filter, r.reason, r.reason_zh)))).collect();
        Self {
            items: bytes,
            ends,
            said,
            said_ends,
            reasons: reasons.done(|r| r.0.len() + r.1.len() + r.2.len() + 72),
            removed,
            refusals: refusals.done(|r| r.1.len() + r.2.len() + 56),
        }
    }

    /// Number of people.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.items.len() + 4 * (self.ends.len() + self.said.len() + self.said_ends.len()) + 16 * self.removed.len();
        lists + self.reasons.bytes + self.refusals.bytes
    }

    /// The person at a position; none beyond the end.
    pub(super) fn item(&self, at: usize) -> Option<DeckItem> {
        let span = |ends: &[u32]| -> Option<Range<usize>> {
            let from = if at == 0 { 0 } else { ends[at - 1] };
            ends.get(at).map(|end| from as usize..*end as usize)
        };
        let mut item: DeckItem = postcard::from_bytes(&self.items[span(&self.ends)?]).expect("what was packed");
        let reasons = self.said[span(&self.said_ends)?].iter().map(|number| &self.reasons.texts[*number as usize]);
        item.reasons = reasons.map(|(code, zh, en)| Reason { code: code.clone(), zh: zh.clone(), en: en.clone() }).collect();
        Some(item)
    }

    /// The people at some positions, as far as there are any.
    pub(super) fn items(&self, range: Range<usize>) -> Vec<DeckItem> {
        range.map_while(|at| self.item(at)).collect()
    }

    /// Everybody who was refused.
    pub(super) fn removed(&self) -> Vec<Removed> {
        let of = |(user_id, number): &(UserId, u32)| {
            let (filter, reason, reason_zh) = self.refusals.texts[*number as usize].clone();
            Removed { user_id: *user_id, filter, reason, reason_zh }
        };
        self.removed.iter().map(of).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(user: u64) -> DeckItem {
        let term = |name: &str, side: &str| json!({"name": name, "side": side, "value": 0.5, "weight": 1.5, "contribution": 0.25});
        let reason = |code: &str| json!({"code": code, "zh": "距离不到 5 公里", "en": "Less than 5 km away"});
        let draw = json!({"popularity": 1.0, "exposure": 0.5, "sharpness": 8.0, "popularity_exponent": 0.4, "exposure_exponent": 0.2,
                          "temperature": 1.0, "noise": 0.25, "key": -1.5});
        serde_json::from_value(json!({
            "user_id": user.to_string(), "strategy": "formula", "worth": 0.375, "propensity": 0.125, "score": 0.25, "distance": "5-10 km", "sources": ["near_me", "hot"],
            "sides": {"viewer": 0.5, "candidate": 0.25, "match": 0.375}, "terms": [term("age", "viewer"), term("taste", "candidate")],
            "draw": draw, "newcomer": user.is_multiple_of(2), "portrait_version": {"generation": 1, "version": user},
            "reasons": (0..user % 4).map(|n| reason(&format!("r{n}"))).collect::<Vec<_>>()
        }))
        .unwrap()
    }

    #[test]
    fn what_is_packed_comes_back_and_takes_little() {
        let items: Vec<DeckItem> = (1..=200).map(item).collect();
        let removed: Vec<Removed> = (300..600)
            .map(|user| Removed {
                user_id: UserId(user),
                filter: if user < 400 { FilterName::Age } else { FilterName::Blocked },
                reason: "looks for another age".into(),
                reason_zh: "查看者的年龄不符合对方的期望".into(),
            })
            .collect();
        let pack = Pack::of(items.clone(), removed.clone());
        assert_eq!((pack.len(), pack.items(0..200), pack.removed()), (200, items.clone(), removed));
        assert_eq!(pack.items(198..300), items[198..]);
        assert!(pack.item(200).is_none() && pack.bytes() < 200 * 200, "{}", pack.bytes());
        let empty = Pack::of(Vec::new(), Vec::new());
        assert!(empty.len() == 0 && empty.item(0).is_none() && empty.removed().is_empty());
    }
}

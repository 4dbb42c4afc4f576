//! From scored people to items that explain themselves: the strongest terms in words, in Chinese and English.

use std::collections::HashSet;

use index::geo::Bucket;

use crate::deck::{DeckItem, PortraitVersion, Reason, Side, Term};
use crate::face::Face;
use crate::names::{SourceName, TermName};
use crate::selector::Scored;

/// Values from which a term is worth words.
const HIGH: f32 = 0.6;
/// Log-odds from which it is worth words that somebody is liked more than others: half as often again, about.
const WELL_LIKED: f32 = 0.5;

/// The item of a person whom a strategy scored, with at most `reasons` reasons.
pub(crate) fn item(scored: Scored<'_>, strategy: &str, reasons: usize) -> DeckItem {
    let reasons = words(&scored, reasons);
    let (generation, version) = scored.pair.candidate.version();
    DeckItem {
        user_id: scored.pair.candidate.user(),
        strategy: strategy.to_owned(),
        worth: scored.worth,
        score: scored.score,
        propensity: scored.propensity,
        distance: scored.pair.bucket(),
        sources: scored.sources,
        sides: scored.sides,
        terms: scored.terms,
        draw: scored.draw,
        newcomer: scored.newcomer,
        returning: scored.returning,
        portrait_version: PortraitVersion { generation, version },
        reasons,
    }
}

fn reason(code: &str, zh: impl Into<String>, en: impl Into<String>) -> Reason {
    Reason { code: code.to_owned(), zh: zh.into(), en: en.into() }
}

/// Reasons, those of the greatest contribution first. What does not come from a term stands where a middling term would.
fn words(scored: &Scored<'_>, limit: usize) -> Vec<Reason> {
    const MIDDLING: f32 = 0.08;
    let mut said: Vec<(f32, Reason)> =
        scored.terms.iter().filter_map(|term| of_term(scored, term).map(|r| (term.contribution, r))).collect();
    if scored.newcomer {
        said.push((MIDDLING, reason("newcomer", "新加入的朋友", "Joined recently")));
    }
    if scored.returning {
        said.push((MIDDLING, reason("returning", "离开一段时间后刚刚回来", "Back after a while")));
    }
    if scored.sources.contains(&SourceName::FriendsOfFriends) {
        said.push((MIDDLING, reason("friends_of_friends", "你们有共同好友", "You have friends in common")));
    }
    if scored.sources.contains(&SourceName::CoLike) {
        said.push((MIDDLING, reason("co_like", "和你口味相近的人也喜欢 TA", "Liked by people with a taste like yours")));
    }
    said.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.code.cmp(&b.1.code)));
    let mut codes = HashSet::new();
    said.retain(|(_, reason)| codes.insert(reason.code.clone()));
    said.truncate(limit);
    said.into_iter().map(|(_, reason)| reason).collect()
}

fn of_term(scored: &Scored<'_>, term: &Term) -> Option<Reason> {
    let (viewer, candidate) = (scored.pair.viewer, &scored.pair.candidate);
    match (term.name, term.side) {
        (TermName::Distance, Side::Viewer) => near(scored.pair.bucket()),
        (TermName::SharedTags, Side::Viewer) => {
            let (zh, en) = common(viewer, viewer.tags(), candidate.tags())?;
            Some(reason("shared_tags", format!("你们都喜欢{zh}"), format!("You both like {en}")))
        }
        (TermName::LikedTags, Side::Viewer) => {
            let (zh, en) = common(viewer, viewer.liked_tags(), candidate.tags())?;
            Some(reason("liked_tags", format!("TA 分享的{zh}正合你的口味"), format!("Shares {en}, which you like")))
        }
        (TermName::LikedTags, Side::Candidate) => {
            let (zh, en) = common(viewer, viewer.tags(), candidate.liked_tags())?;
            Some(reason("likes_what_you_share", format!("TA 喜欢你分享的{zh}"), format!("Likes what you share: {en}")))
        }
        (TermName::Taste, Side::Viewer) if term.value >= HIGH => {
            Some(reason("taste", "和你喜欢的人很像", "Like the people and Moments you like"))
        }
        (TermName::Taste, Side::Candidate) if term.value >= HIGH => {
            Some(reason("suits_them", "你很像 TA 会喜欢的人", "You are like the people they like"))
        }
        (TermName::Age, Side::Viewer) if term.value > 0.99 => Some(reason("age", "你们同龄", "You are of the same age")),
        (TermName::Education, Side::Viewer) if term.value > 0.99 => Some(reason("education", "学历相当", "Same level of education")),
        (TermName::Activity, Side::Viewer) if term.value >= HIGH => Some(reason("activity", "最近很活跃", "Active lately")),
        (TermName::Recency, Side::Viewer) if term.value >= HIGH => Some(reason("activity", "最近很活跃", "Active lately")),
        (TermName::Reply, Side::Viewer) if term.value >= HIGH => Some(reason("reply", "乐于回复", "Often replies")),
        (TermName::Liked, Side::Viewer) if term.contribution >= WELL_LIKED => Some(reason("liked", "很受欢迎", "Well liked")),
        (TermName::Richness, Side::Viewer) if term.value >= HIGH => Some(reason("richness", "动态很丰富", "Shares rich Moments")),
        _ => None,
    }
}

fn near(bucket: Bucket) -> Option<Reason> {
    let (zh, en) = match bucket {
        Bucket::Under5 => ("距离不到 5 公里", "Less than 5 km away"),
        Bucket::Under10 => ("距离 5 至 10 公里", "5 to 10 km away"),
        Bucket::Under20 => ("距离 10 至 20 公里", "10 to 20 km away"),
        Bucket::Under50 | Bucket::Under100 | Bucket::Farther | Bucket::Unknown => return None,
    };
    Some(reason("distance", zh, en))
}

/// The two strongest tags of both lists, as Chinese and English lists. Both are sorted by number.
fn common(names: &Face<'_>, a: &[(u32, f32)], b: &[(u32, f32)]) -> Option<(String, String)> {
    let in_b = |tag: u32| b.binary_search_by_key(&tag, |t| t.0).ok().map(|at| b[at].1);
    let mut both: Vec<(f32, &str)> =
        a.iter().filter_map(|(tag, weight)| in_b(*tag).map(|other| (weight.min(other), names.tag_name(*tag)))).collect();
    both.sort_by(|x, y| y.0.total_cmp(&x.0).then_with(|| x.1.cmp(y.1)));
    match both.as_slice() {
        [] => None,
        [(_, one)] => Some(((*one).to_owned(), (*one).to_owned())),
        [(_, one), (_, two), ..] => Some((format!("{one}、{two}"), format!("{one} and {two}"))),
    }
}

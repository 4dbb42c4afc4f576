//! Every transition is decided by a corpus, every rule decides some case, and what holds for all histories holds for random ones.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

const HEAD: &str = "mine,theirs,act,rule,after_mine,after_theirs,refused,publish,friendship,told";

/// A transition as a line of `features/golden/relations.csv`.
fn written(pair: Pair, act: Act) -> String {
    let outcome = pair.after(act);
    let after = outcome.after.map_or(["", ""], |after| [after.mine.name(), after.theirs.name()]);
    let refused = outcome.after.err().map_or("", Refusal::name);
    let publish: Vec<&str> = outcome.publish.iter().map(|kind| kind.name()).collect();
    let friendship = outcome.friendship.map_or("", Friendship::name);
    let row = [
        pair.mine.name(),
        pair.theirs.name(),
        act.name(),
        outcome.rule,
        after[0],
        after[1],
        refused,
        &publish.join("+"),
        friendship,
        outcome.tell.name(),
    ];
    row.join(",")
}

fn transitions() -> impl Iterator<Item = (Pair, Act)> {
    Pair::all().flat_map(|pair| Act::ALL.into_iter().map(move |act| (pair, act)))
}

#[test]
fn the_corpus_decides_every_transition() {
    let corpus = include_str!("../../golden/relations.csv");
    let mut lines = corpus.lines();
    assert_eq!(lines.next(), Some(HEAD));
    let told: Vec<&str> = lines.collect();
    let now: Vec<String> = transitions().map(|(pair, act)| written(pair, act)).collect();
    assert_eq!(now.len(), 81, "nine states and nine acts");
    for (n, line) in now.iter().enumerate() {
        assert_eq!(told.get(n).copied(), Some(line.as_str()), "features/golden/relations.csv:{}: what the rules say now", n + 2);
    }
    assert_eq!(told.len(), now.len(), "the corpus has transitions that are not there");
}

#[test]
fn every_rule_decides_some_case_and_every_case_has_a_rule() {
    let deciding: BTreeSet<&str> = transitions().map(|(pair, act)| pair.after(act).rule).collect();
    let rules: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(deciding, rules);
    assert_eq!(rules.len(), RULES.len(), "no name is used twice");
}

#[test]
fn events_tell_of_acts() {
    for act in Act::ALL {
        let told = Act::of(act.kind()).unwrap();
        assert!(told == act || (act, told) == (Act::Delete, Act::Unfollow));
        let strangers_block = Pair { mine: Side::Nothing, theirs: Side::Blocks };
        assert_eq!(act.is_towards(), strangers_block.after(act).after.is_err(), "a block keeps away what turns to the other");
    }
    for kind in [InteractionKind::Pass, InteractionKind::Impression, InteractionKind::ProfileView] {
        assert_eq!(Act::of(kind), None);
    }
}

#[test]
fn every_state_can_be_reached() {
    let mut reached = BTreeSet::from([Pair::default()]);
    let mut open = vec![Pair::default()];
    while let Some(pair) = open.pop() {
        let outcomes = Act::ALL.into_iter().flat_map(|act| [pair.after(act), pair.after_theirs(act)]);
        open.extend(outcomes.filter_map(|outcome| outcome.after.ok()).filter(|after| reached.insert(*after)));
    }
    assert_eq!(reached, Pair::all().collect());
}

#[test]
fn what_the_issue_says() {
    use Side::{Blocks, Follows, Nothing};
    let pair = |mine, theirs| Pair { mine, theirs };
    let done = |from: Pair, act| from.after(act).after.unwrap();
    let friends = pair(Follows, Follows);
    for act in [Act::Like, Act::Comment, Act::Follow] {
        assert_eq!(done(Pair::default(), act), pair(Follows, Nothing), "a like or comment of somebody is a follow");
        let back = pair(Nothing, Follows).after(act);
        assert_eq!((back.after, back.friendship), (Ok(friends), Some(Friendship::Begins)));
    }
    assert_eq!(pair(Nothing, Follows).after(Act::Reply).friendship, Some(Friendship::Begins), "a reply makes both friends");
    assert_eq!(done(friends, Act::Delete), pair(Nothing, Follows), "a deleted friend still follows");
    assert_eq!(done(friends, Act::Block), pair(Blocks, Follows), "so does a blocked one");
    assert_eq!(done(pair(Blocks, Follows), Act::Unblock), pair(Nothing, Follows), "which shows again after the unblock");
    assert_eq!(done(pair(Blocks, Blocks), Act::Unblock), pair(Nothing, Blocks), "the other's block stays in force");
    assert_eq!(pair(Follows, Blocks).after(Act::Like).after, Err(Refusal::NotAvailable));
}

fn history() -> impl Strategy<Value = Vec<(bool, Act)>> {
    prop::collection::vec((any::<bool>(), prop::sample::select(Act::ALL.to_vec())), 0..200)
}

proptest! {
    #[test]
    fn whatever_both_do(history in history()) {
        let mut pair = Pair::default();
        // The same as a plain model: two sets of words.
        let (mut follows, mut blocks) = ([false; 2], [false; 2]);
        let mut friends = 0i32;
        for (theirs, act) in history {
            let outcome = if theirs { pair.after_theirs(act) } else { pair.after(act) };
            let (actor, blocked) = (usize::from(theirs), blocks[0] || blocks[1]);
            match act {
                Act::Follow | Act::Like | Act::Comment | Act::Reply if !blocked => follows[actor] = true,
                Act::Follow | Act::Like | Act::Comment | Act::Reply => {
                    prop_assert!(outcome.after.is_err() && outcome.publish.is_empty() && outcome.tell == Told::Nobody, "a block keeps everything away");
                }
                Act::Unfollow => follows[actor] = false,
                Act::Delete => follows[actor] &= !(follows[0] && follows[1]),
                Act::Block => (blocks[actor], follows[actor]) = (true, false),
                Act::Unblock => blocks[actor] = false,
                Act::Report => prop_assert!(!outcome.publish.is_empty()),
            }
            let before = pair;
            pair = outcome.after.unwrap_or(pair);
            let side = |i: usize| if blocks[i] { Side::Blocks } else if follows[i] { Side::Follows } else { Side::Nothing };
            prop_assert_eq!(pair, Pair { mine: side(0), theirs: side(1) });
            // Friends follow each other, and no friendship lies across a block.
            prop_assert!(!pair.are_friends() || !pair.is_blocked());
            friends += match outcome.friendship { Some(Friendship::Begins) => 1, Some(Friendship::Ends) => -1, None => 0 };
            prop_assert_eq!(friends, i32::from(pair.are_friends()), "it begins exactly when they become friends, and ends exactly when they no longer are");
            prop_assert!(pair == before || !outcome.publish.is_empty(), "what changes is published");
        }
    }

    #[test]
    fn both_sides_see_the_same(history in history()) {
        let (mut one, mut other) = (Pair::default(), Pair::default());
        for (theirs, act) in history {
            let (here, there) = if theirs { (one.after_theirs(act), other.after(act)) } else { (one.after(act), other.after_theirs(act)) };
            prop_assert_eq!(here.after.map(Pair::mirrored), there.after);
            prop_assert_eq!((here.rule, &here.publish, here.friendship, here.tell), (there.rule, &there.publish, there.friendship, there.tell));
            one = here.after.unwrap_or(one);
            other = there.after.unwrap_or(other);
            prop_assert_eq!(one.mirrored(), other);
        }
    }

    #[test]
    fn saying_it_again_changes_nothing(history in history(), act in prop::sample::select(Act::ALL.to_vec())) {
        let pair = history.into_iter().fold(Pair::default(), |pair, (theirs, act)| {
            if theirs { pair.after_theirs(act) } else { pair.after(act) }.after.unwrap_or(pair)
        });
        if let Ok(once) = pair.after(act).after {
            let twice = once.after(act);
            prop_assert_eq!((twice.after, twice.friendship), (Ok(once), None));
        }
    }

    #[test]
    fn the_events_tell_it_all(history in history()) {
        // Whoever reads the events without the rules comes to the same follows and blocks.
        let mut pair = Pair::default();
        let mut words: HashMap<(bool, &str), bool> = HashMap::new();
        for (theirs, act) in history {
            let outcome = if theirs { pair.after_theirs(act) } else { pair.after(act) };
            for kind in &outcome.publish {
                match kind {
                    InteractionKind::Like | InteractionKind::Follow => words.insert((theirs, "follows"), true),
                    InteractionKind::Unfollow => words.insert((theirs, "follows"), false),
                    InteractionKind::Block => words.insert((theirs, "blocks"), true),
                    InteractionKind::Unblock => words.insert((theirs, "blocks"), false),
                    _ => None,
                };
            }
            pair = outcome.after.unwrap_or(pair);
            for (theirs, side) in [(false, pair.mine), (true, pair.theirs)] {
                let said = |word| words.get(&(theirs, word)).copied().unwrap_or(false);
                prop_assert_eq!((said("follows"), said("blocks")), (side == Side::Follows, side == Side::Blocks));
            }
        }
    }
}

//! Writes the tables of `docs/RELATIONS.md` from the rules, so that the document cannot drift from the code.

use std::fmt::Write as _;

use super::rules::Then;
use super::{Act, Outcome, Pair, RULES};

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a String");
}

/// How a pair is called.
fn called(pair: Pair) -> &'static str {
    use super::Side::{Blocks, Follows, Nothing};
    match (pair.mine, pair.theirs) {
        (Nothing, Nothing) => "strangers",
        (Follows, Nothing) => "following",
        (Nothing, Follows) => "fan",
        (Follows, Follows) => "friends",
        (Blocks, Nothing) => "blocking",
        (Nothing, Blocks) => "blocked",
        (Blocks, Follows) => "blocking a fan",
        (Follows, Blocks) => "blocked, following",
        (Blocks, Blocks) => "both block",
    }
}

fn cell(before: Pair, outcome: &Outcome) -> String {
    match outcome.after {
        Err(refusal) => format!("refused: `{}`", refusal.name()),
        Ok(after) if after == before && outcome.publish.is_empty() => "–".to_owned(),
        Ok(after) if after == before => "as before".to_owned(),
        Ok(after) => format!("**{}**", called(after)),
    }
}

/// The tables of states, of what follows in each for every act, and of rules.
pub fn markdown() -> String {
    let mut out = String::new();
    line(
        &mut out,
        "| state, as the actor sees it | the actor | the other | friends | a block is in force |\n| --- | --- | --- | --- | --- |",
    );
    for pair in Pair::all() {
        let yes = |is: bool| if is { "yes" } else { "" };
        let row = [called(pair), pair.mine.name(), pair.theirs.name(), yes(pair.are_friends()), yes(pair.is_blocked())];
        line(&mut out, &format!("| {} |", row.join(" | ")));
    }
    let heads: Vec<String> = Act::ALL.iter().map(|act| format!("`{}`", act.name())).collect();
    line(&mut out, &format!("\n| state | {} |\n| --- |{}", heads.join(" | "), " --- |".repeat(heads.len())));
    for pair in Pair::all() {
        let cells: Vec<String> = Act::ALL.iter().map(|act| cell(pair, &pair.after(*act))).collect();
        line(&mut out, &format!("| {} | {} |", called(pair), cells.join(" | ")));
    }
    line(
        &mut out,
        "\n| rule | acts | states | the actor then | published | friendship | told | |\n| --- | --- | --- | --- | --- | --- | --- | --- |",
    );
    for rule in RULES {
        let decides = |act: Act, pair: Pair| pair.after(act).rule == rule.name;
        let states: Vec<&str> = Pair::all().filter(|pair| rule.acts.iter().any(|act| decides(*act, *pair))).map(called).collect();
        let acts: Vec<&str> = rule.acts.iter().map(|act| act.name()).collect();
        let then = match rule.then {
            Then::Refuse(refusal) => format!("refused: `{}`", refusal.name()),
            Then::Stay => "as before".to_owned(),
            Then::Become(side) => side.name().to_owned(),
        };
        let published: Vec<&str> = rule.publish.iter().map(super::rules::Publish::name).collect();
        let friendship = rule.friendship.map_or("", super::Friendship::name);
        let row = [rule.name, &acts.join(", "), &states.join("; "), &then, &published.join(", "), friendship, rule.tell.name(), rule.says];
        line(&mut out, &format!("| {} |", row.join(" | ")));
    }
    out
}

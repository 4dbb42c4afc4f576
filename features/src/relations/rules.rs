//! The table of rules: the first that fits an act and a state decides.

use super::{Act, Friendship, Outcome, Pair, Refusal, Side, Told};
use crate::event::InteractionKind;

/// What a rule makes of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The act is not done.
    Refuse(Refusal),
    /// Everything stays as it is.
    Stay,
    /// The actor does this about the other from here on; what the other does never changes by it.
    Become(Side),
}

/// An event to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// The one that tells of the act.
    Act,
    /// One of this kind.
    Kind(InteractionKind),
}

impl Publish {
    /// The name in documents.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Act => "the act",
            Self::Kind(kind) => kind.name(),
        }
    }
}

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// The acts it is about.
    pub acts: &'static [Act],
    /// What the actor does about the other before.
    pub mine: &'static [Side],
    /// What the other does about the actor.
    pub theirs: &'static [Side],
    /// What follows.
    pub then: Then,
    /// What is published.
    pub publish: &'static [Publish],
    /// What becomes of a friendship.
    pub friendship: Option<Friendship>,
    /// Who is told.
    pub tell: Told,
    /// What it says, in words.
    pub says: &'static str,
}

use Act::{Block, Comment, Delete, Follow, Like, Reply, Report, Unblock, Unfollow};
use Side::{Blocks, Follows, Nothing};

const ANY: &[Side] = &Side::ALL;
const TOWARDS: &[Act] = &[Follow, Like, Comment, Reply];
const FOLLOWS: &[Publish] = &[Publish::Act, Publish::Kind(InteractionKind::Follow)];
const FOLLOWS_NO_LONGER: &[Publish] = &[Publish::Kind(InteractionKind::Unfollow), Publish::Act];

/// What a rule is where it says nothing else.
const STAYS: Rule =
    Rule { name: "", acts: &[], mine: ANY, theirs: ANY, then: Then::Stay, publish: &[], friendship: None, tell: Told::Nobody, says: "" };

/// All rules, in the order in which they are asked.
pub const RULES: &[Rule] = &[
    Rule {
        name: "own_block",
        acts: TOWARDS,
        mine: &[Blocks],
        then: Then::Refuse(Refusal::UnblockFirst),
        says: "Who blocks somebody has to unblock them before turning to them again.",
        ..STAYS
    },
    Rule {
        name: "their_block",
        acts: TOWARDS,
        theirs: &[Blocks],
        then: Then::Refuse(Refusal::NotAvailable),
        says: "Who is blocked cannot turn to the other, and is not told why.",
        ..STAYS
    },
    Rule {
        name: "like_back",
        acts: &[Follow, Like],
        mine: &[Nothing],
        theirs: &[Follows],
        then: Then::Become(Follows),
        publish: &[Publish::Act],
        friendship: Some(Friendship::Begins),
        tell: Told::Both,
        says: "A like or follow of somebody who follows already makes both friends.",
    },
    Rule {
        name: "answer_back",
        acts: &[Comment, Reply],
        mine: &[Nothing],
        theirs: &[Follows],
        then: Then::Become(Follows),
        publish: FOLLOWS,
        friendship: Some(Friendship::Begins),
        tell: Told::Both,
        says: "So does a reply or comment: it is a follow.",
    },
    Rule {
        name: "first_like",
        acts: &[Follow, Like],
        mine: &[Nothing],
        then: Then::Become(Follows),
        publish: &[Publish::Act],
        tell: Told::Other,
        says: "A like is a follow.",
        ..STAYS
    },
    Rule {
        name: "first_words",
        acts: &[Comment, Reply],
        mine: &[Nothing],
        then: Then::Become(Follows),
        publish: FOLLOWS,
        tell: Told::Other,
        says: "A comment or reply is a follow of whoever it goes to.",
        ..STAYS
    },
    Rule { name: "follow_again", acts: &[Follow], mine: &[Follows], says: "Who follows cannot follow more.", ..STAYS },
    Rule {
        name: "once_more",
        acts: &[Like, Comment, Reply],
        mine: &[Follows],
        publish: &[Publish::Act],
        tell: Told::Other,
        says: "A further like, comment or reply changes nothing between the two, and is told.",
        ..STAYS
    },
    Rule {
        name: "unfriend",
        acts: &[Unfollow, Delete],
        mine: &[Follows],
        theirs: &[Follows],
        then: Then::Become(Nothing),
        publish: &[Publish::Act],
        friendship: Some(Friendship::Ends),
        says: "Who unfollows or deletes a friend leaves a one-way follow of the other side.",
        ..STAYS
    },
    Rule {
        name: "unfollow",
        acts: &[Unfollow],
        mine: &[Follows],
        then: Then::Become(Nothing),
        publish: &[Publish::Act],
        says: "A follow can be taken back, also from somebody who blocks.",
        ..STAYS
    },
    Rule { name: "nothing_to_unfollow", acts: &[Unfollow], says: "Who does not follow has nothing to take back.", ..STAYS },
    Rule { name: "no_friend_to_delete", acts: &[Delete], says: "Only friends can be deleted.", ..STAYS },
    Rule {
        name: "block_friend",
        acts: &[Block],
        mine: &[Follows],
        theirs: &[Follows],
        then: Then::Become(Blocks),
        publish: FOLLOWS_NO_LONGER,
        friendship: Some(Friendship::Ends),
        says: "Who blocks a friend leaves a one-way follow of the other side, which shows again once the block is gone.",
        ..STAYS
    },
    Rule {
        name: "block_followed",
        acts: &[Block],
        mine: &[Follows],
        then: Then::Become(Blocks),
        publish: FOLLOWS_NO_LONGER,
        says: "Who blocks follows no longer.",
        ..STAYS
    },
    Rule {
        name: "block",
        acts: &[Block],
        mine: &[Nothing],
        then: Then::Become(Blocks),
        publish: &[Publish::Act],
        says: "Anybody can be blocked; a block of the other side is no obstacle.",
        ..STAYS
    },
    Rule { name: "block_again", acts: &[Block], mine: &[Blocks], says: "Who blocks cannot block more.", ..STAYS },
    Rule {
        name: "unblock",
        acts: &[Unblock],
        mine: &[Blocks],
        then: Then::Become(Nothing),
        publish: &[Publish::Act],
        says: "An unblock restores no follow of one's own; that of the other side is still there, and so is a block of theirs.",
        ..STAYS
    },
    Rule { name: "nothing_to_unblock", acts: &[Unblock], says: "Who does not block has nothing to take back.", ..STAYS },
    Rule {
        name: "report",
        acts: &[Report],
        publish: &[Publish::Act],
        tell: Told::Operators,
        says: "A report changes nothing between the two, and is possible through every block.",
        ..STAYS
    },
];

impl Rule {
    fn fits(&self, pair: Pair, act: Act) -> bool {
        self.acts.contains(&act) && self.mine.contains(&pair.mine) && self.theirs.contains(&pair.theirs)
    }
}

/// Decides an act of the one whose view the pair is.
pub(super) fn decide(pair: Pair, act: Act) -> Outcome {
    // Every act has a rule for every state, as a test shows; an act without one would change nothing.
    let rule = RULES.iter().find(|rule| rule.fits(pair, act)).unwrap_or(&STAYS);
    let event = |publish: &Publish| match publish {
        Publish::Act => act.kind(),
        Publish::Kind(kind) => *kind,
    };
    Outcome {
        rule: rule.name,
        after: match rule.then {
            Then::Refuse(refusal) => Err(refusal),
            Then::Stay => Ok(pair),
            Then::Become(mine) => Ok(Pair { mine, ..pair }),
        },
        publish: rule.publish.iter().map(event).collect(),
        friendship: rule.friendship,
        tell: rule.tell,
    }
}

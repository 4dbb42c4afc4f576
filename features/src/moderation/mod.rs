//! What people write for others to read, judged: words of lists and contact details, seen through disguises.
//!
//! - Text is [normalised](normal) first: width, case, marks, invisible characters, lookalikes, traditional characters.
//! - A [`Screen`] is a chain of [`Check`]s over the normalised text: [`Words`] of lists (`lists/*.txt`, and those of whoever runs the platform) and
//!   [`Contacts`], which knows the forms of phone numbers, ids and addresses.
//! - What is found is a [`Finding`]: its category and the entry of the list, never the text itself. What follows from it is policy, and no part of this room.
//!
//! Pure: the same lists and text give the same findings. docs/MODERATION.md says what is seen through and what is not.

mod contacts;
mod folds;
mod han;
mod latin;
mod list;
pub mod normal;
mod words;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::contacts::Contacts;
pub use self::list::{ListError, WordList, built_in};
pub use self::words::Words;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Sexually explicit words, and offers of sex.
    Sexual,
    /// Minors as objects of sex.
    Minors,
    /// Abuse of a person.
    Insult,
    /// Slurs against a group.
    Hate,
    /// Threats, and telling somebody to die.
    Threat,
    /// Words of somebody who may want to hurt themselves: they need help, not a refusal.
    SelfHarm,
    /// Drugs and their trade.
    Drugs,
    /// Gambling and its advertisement.
    Gambling,
    /// Fraud and unwanted advertisement.
    Scam,
    /// Phone numbers, ids of other messengers, addresses of pages and mailboxes.
    Contact,
    /// Whatever else a list of one's own is against.
    Other,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 11] = [
        Self::Sexual,
        Self::Minors,
        Self::Insult,
        Self::Hate,
        Self::Threat,
        Self::SelfHarm,
        Self::Drugs,
        Self::Gambling,
        Self::Scam,
        Self::Contact,
        Self::Other,
    ];

    /// The name in lists, configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sexual => "sexual",
            Self::Minors => "minors",
            Self::Insult => "insult",
            Self::Hate => "hate",
            Self::Threat => "threat",
            Self::SelfHarm => "self_harm",
            Self::Drugs => "drugs",
            Self::Gambling => "gambling",
            Self::Scam => "scam",
            Self::Contact => "contact",
            Self::Other => "other",
        }
    }

    /// The category of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }

    /// What the text has, and what its author can do; without the word that was found.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Sexual => "has sexually explicit words; write it without them",
            Self::Minors => "has words that sexualise minors; these are never accepted",
            Self::Insult => "has insulting words; write it without them",
            Self::Hate => "has words against a group of people; write it without them",
            Self::Threat => "reads as a threat; write it without one",
            Self::SelfHarm => "has words about hurting oneself; please talk to somebody you trust, or to a local helpline",
            Self::Drugs => "has words about drugs; write it without them",
            Self::Gambling => "has words about gambling; write it without them",
            Self::Scam => "reads as an advertisement or a fraud; write it without that",
            Self::Contact => {
                "has contact details (a phone number, an id of another messenger, an address); leave them out, and exchange them in a conversation"
            }
            Self::Other => "has words that are not accepted here; write it without them",
        }
    }

    /// What a photo shows, and what can be done.
    pub const fn image_remedy(self) -> &'static str {
        match self {
            Self::Sexual => "shows sexually explicit content; choose another one",
            Self::Minors => "sexualises minors; that is never accepted",
            Self::Insult => "insults somebody; choose another one",
            Self::Hate => "is against a group of people; choose another one",
            Self::Threat => "threatens somebody, or shows violence; choose another one",
            Self::SelfHarm => "is about hurting oneself; please talk to somebody you trust, or to a local helpline",
            Self::Drugs => "shows drugs; choose another one",
            Self::Gambling => "is about gambling; choose another one",
            Self::Scam => "is an advertisement or a fraud; choose another one",
            Self::Contact => "shows contact details (a number, an id, an address, a QR code); choose one without them",
            Self::Other => "shows what is not accepted here; choose another one",
        }
    }
}

/// Something a check found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub category: Category,
    /// The check that found it.
    pub check: &'static str,
    /// The entry of the list, or the name of the form: for whoever keeps the lists, not for the author.
    pub entry: String,
}

/// One link of the chain.
pub trait Check: Send + Sync {
    /// Adds what it finds in a text that [`normal::normalise`] gave.
    fn look(&self, normal: &str, found: &mut Vec<Finding>);
}

/// The chain of checks.
pub struct Screen {
    checks: Vec<Box<dyn Check>>,
}

impl Screen {
    /// A chain; every check looks at every text.
    pub fn new(checks: Vec<Box<dyn Check>>) -> Self {
        Self { checks }
    }

    /// The chain of the built-in checks over the built-in lists and further ones.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub fn built_in(further: Vec<WordList>) -> Result<Self, ListError> {
        let mut lists = built_in()?;
        lists.extend(further);
        Ok(Self::new(vec![Box::new(Words::new(&lists)?), Box::new(Contacts::new()?)]))
    }

    /// What the checks find in a text as somebody wrote it: each entry once, by category.
    pub fn look(&self, text: &str) -> Vec<Finding> {
        let normal = normal::normalise(text);
        let mut found = Vec::new();
        self.checks.iter().for_each(|check| check.look(&normal, &mut found));
        found.sort();
        found.dedup();
        found
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("checks", &self.checks.len()).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! Codes of some numbers, held by a transaction.

use std::collections::HashMap;

use sea_query::{Alias, ExprTrait};

use super::CODES;
use crate::db::statement::{col, delete, insert_all, one_of, select, update};
use crate::db::{DbError, Row, Tx};

/// A code on its way. Times are microseconds since 1970.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Code {
    pub(in crate::auth) code_hash: String,
    pub(in crate::auth) attempts: i64,
    pub(in crate::auth) sent_at: i64,
    pub(in crate::auth) expires_at: i64,
}

/// The codes of some numbers, locked for change, and what becomes of them. Nothing is written before [`Codes::save`].
#[derive(Debug, Default)]
pub(in crate::auth) struct Codes(HashMap<String, Held>);

#[derive(Debug)]
struct Held {
    /// None once it does not work any more.
    code: Option<Code>,
    /// Whether the table has a row of the number.
    has_row: bool,
    /// Whether the code came after that row.
    is_new: bool,
    /// Attempts that were counted since it was read.
    missed: i64,
}

impl Codes {
    /// The codes of numbers, by their keyed hashes.
    pub(in crate::auth) async fn hold(tx: &mut Tx, numbers: impl IntoIterator<Item = &str>) -> Result<Self, DbError> {
        let mut wanted = select(CODES, ["phone_hash", "code_hash", "attempts", "sent_at", "expires_at"]);
        wanted.and_where(one_of("phone_hash", numbers)).lock_exclusive();
        let read = |row: &Row| {
            let code = Code {
                code_hash: row.text("code_hash")?,
                attempts: row.int("attempts")?,
                sent_at: row.int("sent_at")?,
                expires_at: row.int("expires_at")?,
            };
            Ok((row.text("phone_hash")?, Held { code: Some(code), has_row: true, is_new: false, missed: 0 }))
        };
        Ok(Self(tx.all(&wanted).await?.iter().map(read).collect::<Result<_, DbError>>()?))
    }

    /// The code of a number, if one is on its way.
    pub(in crate::auth) fn of(&self, number: &str) -> Option<&Code> {
        self.0.get(number)?.code.as_ref()
    }

    /// Puts a code in the place of the one before, if there is one.
    pub(in crate::auth) fn put(&mut self, number: &str, code: Code) {
        let has_row = self.0.get(number).is_some_and(|held| held.has_row);
        self.0.insert(number.to_owned(), Held { code: Some(code), has_row, is_new: true, missed: 0 });
    }

    /// The code of a number does not work any more.
    pub(in crate::auth) fn spend(&mut self, number: &str) {
        if let Some(held) = self.0.get_mut(number) {
            held.code = None;
        }
    }

    /// An attempt more at the code of a number.
    pub(in crate::auth) fn miss(&mut self, number: &str) {
        if let Some(held) = self.0.get_mut(number)
            && let Some(code) = &mut held.code
        {
            code.attempts += 1;
            held.missed += 1;
        }
    }

    /// Writes what became of them. Each sixteenth new code, by its time, sweeps out what ended long ago.
    pub(in crate::auth) async fn save(self, tx: &mut Tx) -> Result<(), DbError> {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (number, held) in &self.0 {
            if held.has_row && (held.is_new || held.code.is_none()) {
                gone.push(number.as_str());
            } else if held.has_row && held.missed > 0 {
                let mut more = update(CODES);
                more.value(Alias::new("attempts"), col("attempts").add(held.missed)).and_where(col("phone_hash").eq(number.as_str()));
                tx.run(&more).await?;
            }
            new.extend(held.code.as_ref().filter(|_| held.is_new).map(|code| (number.as_str(), code)));
        }
        if !gone.is_empty() {
            let mut spent = delete(CODES);
            spent.and_where(one_of("phone_hash", gone));
            tx.run(&spent).await?;
        }
        if let Some((_, code)) = new.iter().find(|(_, code)| code.sent_at % 16 == 0) {
            let mut old = delete(CODES);
            old.and_where(col("expires_at").lt(code.sent_at - 3_600_000_000));
            tx.run(&old).await?;
        }
        let row = |(number, code): (&str, &Code)| {
            [number.into(), code.code_hash.as_str().into(), code.attempts.into(), code.sent_at.into(), code.expires_at.into()]
        };
        let columns = ["phone_hash", "code_hash", "attempts", "sent_at", "expires_at"];
        tx.run_all(&insert_all(CODES, columns, new.into_iter().map(row).collect())).await
    }
}

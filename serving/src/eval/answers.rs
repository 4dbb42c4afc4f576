//! Sign-up answers of the speed-dating experiment, from its original file or a table of one row per person with the same columns.

use std::collections::BTreeMap;
use std::path::Path;

use ranker::eval::protocols::newcomers::Answers;

use crate::import::rows::{Cells, read};
use crate::import::speed_dating::INTERESTS;

const SEES_SELF: [&str; 5] = ["attr3_1", "sinc3_1", "intel3_1", "fun3_1", "amb3_1"];
const REQUIRED: [&str; 9] = ["iid", "age", "race", "imprace", "field_cd", "goal", "date", "go_out", "exphappy"];

/// What everybody answered, by user id: `iid` plus `offset`. Of a file with several rows per person the first counts: sign-up answers are
/// the same in all of them.
///
/// # Errors
/// When the file cannot be read, has not the columns, or a cell that is needed is no number.
pub fn answers(file: &Path, offset: u64) -> anyhow::Result<BTreeMap<u64, Answers>> {
    let columns: Vec<&str> = REQUIRED.into_iter().chain(SEES_SELF).chain(INTERESTS.map(|(column, _)| column)).collect();
    let mut found = BTreeMap::new();
    read(file, &columns, &mut |line, cells| {
        let read = cells.and_then(|cells| Ok((offset + cells.whole("iid")?, of(&cells)?)));
        let (id, answers) = read.map_err(|reason| anyhow::anyhow!("line {line}: {reason}"))?;
        found.entry(id).or_insert(answers);
        Ok(())
    })?;
    Ok(found)
}

fn of(cells: &Cells<'_>) -> Result<Answers, String> {
    let number = |column: &str| cells.number(column).map(|n| n.unwrap_or(f64::NAN));
    let mut sees_self = [0.0; 5];
    for (answer, column) in sees_self.iter_mut().zip(SEES_SELF) {
        *answer = number(column)?;
    }
    Ok(Answers {
        age: number("age")?,
        race: number("race")?,
        race_matters: number("imprace")?,
        field: number("field_cd")?,
        goal: number("goal")?,
        dates: number("date")?,
        goes_out: number("go_out")?,
        hopes: number("exphappy")?,
        sees_self,
        interests: INTERESTS.iter().map(|(column, _)| number(column)).collect::<Result<_, _>>()?,
        exercise: INTERESTS.iter().position(|(column, _)| *column == "exercise").unwrap_or(INTERESTS.len()),
    })
}

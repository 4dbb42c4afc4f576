//! People out of sorted rows, one after the other: the newest of their versions, and the last snapshot.

use arrow::array::{AsArray, RecordBatch};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use features::portrait::Portrait;
use futures::TryStreamExt;

use crate::tables::portrait_days::{PersonDay, people_of};

/// Rows of a stream, batch by batch.
struct Cursor {
    rows: Option<SendableRecordBatchStream>,
    batch: Option<RecordBatch>,
    at: usize,
}

impl Cursor {
    fn new(rows: Option<SendableRecordBatchStream>) -> Self {
        Self { rows, batch: None, at: 0 }
    }

    /// The batch with the next row; none at the end. True where it is a new one.
    async fn fill(&mut self) -> Result<Option<bool>, DataFusionError> {
        let mut new = false;
        while self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
            let Some(rows) = &mut self.rows else { return Ok(None) };
            let Some(batch) = rows.try_next().await? else {
                (self.rows, self.batch) = (None, None);
                return Ok(None);
            };
            (self.batch, self.at, new) = (Some(batch), 0, true);
        }
        Ok(Some(new))
    }

    fn text(&self, column: &str) -> Option<String> {
        let batch = self.batch.as_ref()?;
        Some(batch.column_by_name(column)?.as_string_opt::<i32>()?.value(self.at).to_owned())
    }
}

/// Versions of portraits, sorted by user and version: of each user the last.
pub(super) struct Versions(Cursor);

impl Versions {
    pub(super) fn new(rows: Option<SendableRecordBatchStream>) -> Self {
        Self(Cursor::new(rows))
    }

    /// The next user.
    pub(super) async fn peek(&mut self) -> Result<Option<String>, DataFusionError> {
        Ok(if self.0.fill().await?.is_some() { self.0.text("user_id") } else { None })
    }

    pub(super) async fn next(&mut self) -> Result<Option<PersonDay>, DataFusionError> {
        let Some(user) = self.peek().await? else { return Ok(None) };
        let mut newest = None;
        while self.peek().await?.as_deref() == Some(user.as_str()) {
            newest = self.0.text("portrait");
            self.0.at += 1;
        }
        let portrait: Option<Portrait> = newest
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|e| DataFusionError::External(format!("the portrait of user {user} in the lake cannot be understood: {e}").into()))?;
        Ok(portrait.map(PersonDay::from))
    }
}

/// The last snapshot, sorted by user.
pub(super) struct Kept {
    cursor: Cursor,
    people: Vec<Option<PersonDay>>,
}

impl Kept {
    pub(super) fn new(rows: Option<SendableRecordBatchStream>) -> Self {
        Self { cursor: Cursor::new(rows), people: Vec::new() }
    }

    /// The next user.
    pub(super) async fn peek(&mut self) -> Result<Option<String>, DataFusionError> {
        let Some(new) = self.cursor.fill().await? else { return Ok(None) };
        if let (true, Some(batch)) = (new, &self.cursor.batch) {
            self.people = people_of(batch)?.into_iter().map(Some).collect();
        }
        Ok(self.cursor.text("user_id"))
    }

    pub(super) async fn next(&mut self) -> Result<Option<PersonDay>, DataFusionError> {
        if self.peek().await?.is_none() {
            return Ok(None);
        }
        let person = self.people.get_mut(self.cursor.at).and_then(Option::take);
        self.cursor.at += 1;
        Ok(person)
    }
}

//! What must be filed: how many events of each topic, and which.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use datafusion::error::{DataFusionError, Result};
use features::ids::EventId;
use features::topic::Topic;
use futures::StreamExt;

use crate::query::session;

/// How many events of each topic there are, and the sum of their ids: two sets of events of the same count and sum are the same, and one event
/// that is there twice changes both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filed {
    topics: BTreeMap<Topic, (u64, u128)>,
    /// How many records were no events.
    pub refused: u64,
}

impl Filed {
    /// Counts an event of a topic.
    pub fn add(&mut self, topic: Topic, id: EventId) {
        let (count, sum) = self.topics.entry(topic).or_default();
        *count += 1;
        *sum = sum.wrapping_add(id.as_u128());
    }

    /// How many events there are of a topic.
    pub fn of(&self, topic: Topic) -> u64 {
        self.topics.get(&topic).map_or(0, |(count, _)| *count)
    }

    /// How many events there are.
    pub fn events(&self) -> u64 {
        self.topics.values().map(|(count, _)| count).sum()
    }

    /// What the two say differently, a line for each topic; nothing when they are the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for topic in Topic::FILED {
            let (mine, theirs) = (self.topics.get(&topic), other.topics.get(&topic));
            if mine != theirs {
                let (mine, theirs) = (self.of(topic), other.of(topic));
                let same_count = if mine == theirs { ", but not the same ones" } else { "" };
                found.push(format!("{}: {theirs} instead of {mine} events{same_count}", topic.name()));
            }
        }
        if self.refused != other.refused {
            found.push(format!("dead_letters: {} instead of {} records", other.refused, self.refused));
        }
        found
    }
}

/// What the lake at `place` (a folder or a URL) holds.
///
/// # Errors
/// When the lake cannot be read.
pub async fn filed_in_lake(place: &str) -> Result<Filed> {
    let session = session(place).await?;
    let mut filed = Filed::default();
    for topic in Topic::FILED {
        let mut rows =
            session.sql(&format!("SELECT CAST(event_id AS VARCHAR) AS id FROM {}", topic.name())).await?.execute_stream().await?;
        while let Some(batch) = rows.next().await {
            let ids = arrow::compute::cast(batch?.column(0), &arrow::datatypes::DataType::Utf8)?;
            for id in ids.as_string::<i32>().iter().flatten() {
                filed.add(topic, id.parse::<EventId>().map_err(|e| DataFusionError::External(Box::new(e)))?);
            }
        }
    }
    filed.refused = session.table(Topic::DeadLetters.name()).await?.count().await? as u64;
    Ok(filed)
}

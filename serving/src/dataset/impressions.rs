//! Impressions of a day, as the lake has them.

use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::prelude::SessionContext;
use features::event::InteractionKind;
use features::ids::UserId;

/// Somebody was shown to somebody.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Impression {
    pub(super) event_id: String,
    pub(super) at: DateTime<Utc>,
    pub(super) request_id: Option<String>,
    pub(super) viewer: UserId,
    pub(super) candidate: UserId,
    pub(super) deck_id: Option<String>,
    pub(super) position: Option<i64>,
    pub(super) experiments: Vec<String>,
    pub(super) propensity: Option<f64>,
}

/// Impressions of a day (UTC) within a range, by time and then by event id.
pub(super) async fn read(lake: &SessionContext, day: NaiveDate, range: [DateTime<Utc>; 2]) -> anyhow::Result<Vec<Impression>> {
    let sql = format!(
        "SELECT event_id, event_time, request_id, actor_id, target_id, deck_id, position, experiments, propensity FROM interactions \
         WHERE dt = DATE '{day}' AND kind = '{}' ORDER BY event_time, event_id",
        InteractionKind::Impression.name()
    );
    let mut found = Vec::new();
    for batch in lake.sql(&sql).await?.collect().await? {
        let rows = Rows(&batch);
        let (event, request, deck) = (rows.texts("event_id")?, rows.texts("request_id")?, rows.texts("deck_id")?);
        let (times, viewers, candidates) = (rows.times("event_time")?, rows.users("actor_id")?, rows.users("target_id")?);
        let (positions, chances) = (rows.cast("position", &DataType::Int64)?, rows.cast("propensity", &DataType::Float64)?);
        let (positions, chances) = (positions.as_primitive::<Int64Type>(), chances.as_primitive::<Float64Type>());
        let experiments = rows.lists("experiments")?;
        for (row, experiments) in experiments.into_iter().enumerate() {
            if !(range[0]..range[1]).contains(&times[row]) {
                continue;
            }
            let text = |texts: &StringArray| texts.is_valid(row).then(|| texts.value(row).to_owned());
            found.push(Impression {
                event_id: event.value(row).to_owned(),
                at: times[row],
                request_id: text(&request),
                viewer: viewers[row],
                candidate: candidates[row],
                deck_id: text(&deck),
                position: positions.is_valid(row).then(|| positions.value(row)),
                experiments,
                propensity: chances.is_valid(row).then(|| chances.value(row)),
            });
        }
    }
    Ok(found)
}

/// Rows of the lake, read by column.
pub(super) struct Rows<'a>(pub(super) &'a RecordBatch);

impl Rows<'_> {
    pub(super) fn cast(&self, name: &str, to: &DataType) -> anyhow::Result<ArrayRef> {
        let column = self.0.column_by_name(name).with_context(|| format!("the lake has no column {name}"))?;
        cast(column, to).with_context(|| format!("column {name} of the lake"))
    }

    pub(super) fn texts(&self, name: &str) -> anyhow::Result<StringArray> {
        Ok(self.cast(name, &DataType::Utf8)?.as_string::<i32>().clone())
    }

    pub(super) fn users(&self, name: &str) -> anyhow::Result<Vec<UserId>> {
        let texts = self.texts(name)?;
        texts.iter().map(|text| text.unwrap_or_default().parse::<UserId>().with_context(|| format!("column {name} of the lake"))).collect()
    }

    pub(super) fn times(&self, name: &str) -> anyhow::Result<Vec<DateTime<Utc>>> {
        let micros = self.cast(name, &super::cell::Kind::Time.data_type())?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>().values().iter();
        micros
            .map(|at| DateTime::from_timestamp_micros(*at).with_context(|| format!("column {name} of the lake: {at} is no time")))
            .collect()
    }

    /// Lists of texts; none is empty.
    pub(super) fn lists(&self, name: &str) -> anyhow::Result<Vec<Vec<String>>> {
        let lists = self.cast(name, &super::cell::Kind::Texts.data_type())?;
        let texts = |list: ArrayRef| list.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
        Ok(lists.as_list::<i32>().iter().map(|list| list.map(texts).unwrap_or_default()).collect())
    }
}

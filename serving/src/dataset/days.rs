//! Day after day.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use datafusion::prelude::SessionContext;
use features::embed::TextEncoder;
use features::topic::Topic;
use pipelines::lake::History;
use pipelines::shelf::Shelf;

use super::columns::{Column, Example, batch, columns, schema};
use super::decks::DeckLog;
use super::impressions::{Impression, Rows, read};
use super::labels::{Answers, Outcome};
use super::notes::{Counts, DayNote, Made, Recipe};
use super::scene::{Scene, Seen, Unknown};
use super::split::{Split, chance};
use super::write::{DayFile, name};
use super::{Progress, Spec};
use crate::config::Config;

/// Rows that are turned into columns together.
const TOGETHER: usize = 1_024;

/// What every day is made with.
struct Maker<'a> {
    lake: SessionContext,
    answers: Answers,
    split: Split,
    sample: Option<f64>,
    columns: Vec<Column>,
    schema: SchemaRef,
    shelf: &'a Shelf,
}

/// A day to be made.
struct Day {
    day: NaiveDate,
    range: [DateTime<Utc>; 2],
    lake_end: DateTime<Utc>,
}

fn begin(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The time of the newest event of the lake.
async fn lake_end(lake: &SessionContext, days: &BTreeSet<NaiveDate>) -> anyhow::Result<Option<DateTime<Utc>>> {
    let Some(last) = days.last() else { return Ok(None) };
    let mut newest = None;
    for topic in Topic::LIVED {
        let sql = format!("SELECT MAX(event_time) AS newest FROM {} WHERE dt = DATE '{last}'", topic.name());
        for batch in lake.sql(&sql).await?.collect().await? {
            let times = Rows(&batch).cast("newest", &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None))?;
            let times = times.as_primitive::<TimestampMicrosecondType>();
            let found =
                (0..times.len()).filter(|row| times.is_valid(*row)).filter_map(|row| DateTime::from_timestamp_micros(times.value(row)));
            newest = newest.max(found.max());
        }
    }
    Ok(newest)
}

/// Makes the days that are not finished.
pub(super) async fn make(
    config: &Config,
    encoder: Option<Arc<dyn TextEncoder>>,
    spec: &Spec,
    shelf: &Shelf,
    mut told: impl FnMut(Progress),
) -> anyhow::Result<Made> {
    let place = config.lake_place();
    let days = History::open(&place).await?.days();
    let lake = pipelines::query::session(&place).await?;
    let end = lake_end(&lake, &days).await?.with_context(|| {
        format!(
            "the lake {place} is empty; events come into it within lake.flush_s seconds ({} here), or name another --data-dir",
            config.lake.flush_s
        )
    })?;
    let first = days.first().map_or(end, |day| begin(*day));
    let range = [spec.from.unwrap_or(first), spec.to.unwrap_or(end + TimeDelta::microseconds(1))];
    anyhow::ensure!(range[0] < range[1], "--from {} does not lie before --to {}; the lake has {first} to {end}", range[0], range[1]);
    let recipe = Recipe::new(config, encoder.as_ref().map(|encoder| encoder.name()), spec)?;
    recipe.claim(shelf, spec.again).await?;
    let dim = encoder.as_ref().filter(|_| spec.vectors).map(|encoder| i32::try_from(encoder.dim())).transpose()?;
    let columns = columns(dim);
    let schema = schema(&columns);
    let split = Split::new(spec.shares, range);
    let answers = Answers::new(spec.window, days.clone());
    let mut maker = Maker { lake, answers, split, sample: spec.sample, columns, schema, shelf };
    let wanted: Vec<NaiveDate> =
        days.into_iter().filter(|day| begin(*day) < range[1] && begin(*day) + TimeDelta::days(1) > range[0]).collect();
    let mut made = Made { lake_end: Some(end), ..Made::default() };
    let mut scene = None;
    for (at, day) in wanted.iter().copied().enumerate() {
        let day = Day { day, range: [range[0].max(begin(day)), range[1].min(begin(day) + TimeDelta::days(1))], lake_end: end };
        let mut note =
            DayNote { recipe: recipe.clone(), range: day.range, cuts: maker.split.cuts(), lake_end: end, counts: Counts::default() };
        if let Some(there) = DayNote::read(shelf, day.day).await?.filter(|there| !spec.again && there.serves(&note)) {
            made.days_kept += 1;
            made.counts.add(&there.counts);
            told(Progress { day: day.day, days: at + 1, of_days: wanted.len(), done: 0, of: 0 });
            continue;
        }
        if scene.is_none() {
            scene = Some(Scene::begin(config, encoder.clone()).await?);
        }
        let Some(scene) = &mut scene else { continue };
        note.counts = maker.day(scene, &day, |done, of| told(Progress { day: day.day, days: at, of_days: wanted.len(), done, of })).await?;
        note.write(shelf, day.day).await?;
        made.days_made += 1;
        made.rows_made += note.counts.rows;
        made.counts.add(&note.counts);
        told(Progress { day: day.day, days: at + 1, of_days: wanted.len(), done: 0, of: 0 });
    }
    Ok(made)
}

impl Maker<'_> {
    /// Makes the file of a day; the numbers of its rows. Without rows there is no file.
    async fn day(&mut self, scene: &mut Scene, day: &Day, mut told: impl FnMut(usize, usize)) -> anyhow::Result<Counts> {
        let shown = read(&self.lake, day.day, day.range).await?;
        self.answers.move_to(&self.lake, day.day).await?;
        let log = DeckLog::read(&self.lake, day.day).await?;
        let mut counts = Counts { impressions: shown.len() as u64, ..Counts::default() };
        let keep = self.share(&shown, day.lake_end);
        let mut file = DayFile::begin(&self.schema)?;
        let mut rows: Vec<Example> = Vec::new();
        let all = shown.len();
        for (done, shown) in shown.into_iter().enumerate() {
            let liked = self.outcome(&shown, None, day.lake_end).liked.is_some();
            if !liked && chance(&shown) >= keep {
                counts.sampled_out += 1;
                continue;
            }
            match scene.before(&shown).await? {
                Err(Unknown::Viewer) => counts.viewer_unknown += 1,
                Err(Unknown::Candidate) => counts.candidate_unknown += 1,
                Ok(seen) => {
                    let outcome = self.outcome(&shown, Some(&seen), day.lake_end);
                    counts.row(&outcome);
                    rows.push(self.example(shown, seen, outcome, &log, if liked { 1.0 } else { 1.0 / keep }));
                }
            }
            if rows.len() == TOGETHER {
                file.write(&batch(&self.columns, &self.schema, &rows)?)?;
                rows.clear();
            }
            told(done + 1, all);
        }
        if counts.rows == 0 {
            self.shelf.remove(&name(day.day)).await?;
            return Ok(counts);
        }
        file.write(&batch(&self.columns, &self.schema, &rows)?)?;
        file.put(self.shelf, day.day).await?;
        Ok(counts)
    }

    fn outcome(&self, shown: &Impression, seen: Option<&Seen>, end: DateTime<Utc>) -> Outcome {
        self.answers.after(shown, seen.is_some_and(|seen| seen.between.candidate_likes), end)
    }

    /// The share of impressions without a like that is kept, more than 0.
    #[expect(clippy::cast_precision_loss, reason = "impressions of a day stay far below 2^53")]
    fn share(&self, shown: &[Impression], end: DateTime<Utc>) -> f64 {
        let Some(sample) = self.sample else { return 1.0 };
        let liked = shown.iter().filter(|shown| self.outcome(shown, None, end).liked.is_some()).count();
        let others = shown.len() - liked;
        // A day without likes keeps as many as if there were one.
        if others == 0 { 1.0 } else { (sample * liked.max(1) as f64 / others as f64).min(1.0) }
    }

    fn example(&self, shown: Impression, seen: Seen, outcome: Outcome, log: &DeckLog, weight: f64) -> Example {
        let deck = shown.deck_id.as_deref().and_then(|deck| log.deck(deck));
        let logged = shown.deck_id.as_deref().and_then(|deck| log.item(deck, shown.candidate));
        #[expect(clippy::cast_possible_truncation, reason = "a weight needs no more than 24 bits")]
        let weight = weight as f32;
        Example { split: self.split.of(&shown), shown, deck, logged, seen, outcome, weight }
    }
}

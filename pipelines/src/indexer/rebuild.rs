//! Indexes made anew: texts of Moments out of the lake, which holds those that the log no longer has; everything else from compacted topics.

use std::collections::HashSet;
use std::sync::Arc;

use features::event::{Event, MomentKind};
use features::ids::UserId;
use features::topic::Topic;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::job::{Indexer, IndexerConfig, Indexes};
use crate::bus::Bus;
use crate::lake::History;
use crate::supervisor::{JobContext, JobError};
use crate::tables;

/// Fills indexes that nobody else uses, and comes back when they hold everything that was there when it began, durably. Where a part of them
/// is full already, as after a kill, what is written again does no harm. `step` hears of every day of the lake.
///
/// # Errors
/// When lake, log or an index fails.
pub async fn rebuild(
    bus: &Bus,
    lake: &str,
    indexes: &Indexes,
    config: IndexerConfig,
    context: JobContext,
    step: impl Fn(u64, u64),
) -> Result<(), JobError> {
    let failed = |e: index::IndexError| JobError::failed("build the text index", e);
    let authors = moments(lake, indexes, step).await?;
    let (done, mut caught_up) = watch::channel(false);
    let shutdown = context.shutdown.clone();
    let indexer = Indexer::new(bus.clone(), indexes.clone(), config, done);
    let mut run = tokio::spawn(indexer.run(context));
    tokio::select! {
        ended = &mut run => return ended.map_err(|e| JobError::failed("build indexes", e))?,
        _ = caught_up.wait_for(|done| *done) => {}
    }
    // Whoever has no portrait was erased: the lake may know more of them than it should.
    for author in authors.into_iter().filter(|author| !indexes.table.contains(*author)) {
        indexes.text.delete_user(author).map_err(failed)?;
    }
    shutdown.cancel();
    run.await.map_err(|e| JobError::failed("build indexes", e))??;
    let text = Arc::clone(&indexes.text);
    spawn_blocking(move || text.commit()).await.map_err(|e| JobError::failed("build the text index", e))?.map_err(failed)?;
    indexes.vectors.optimize().await.map_err(|e| JobError::failed("build the vector graphs", e))?;
    indexes.vectors.flush().await.map_err(|e| JobError::failed("flush vectors", e))
}

/// Puts the texts of Moments in, as the lake knows them; returns their authors.
async fn moments(lake: &str, indexes: &Indexes, step: impl Fn(u64, u64)) -> Result<HashSet<UserId>, JobError> {
    let failed = |e: &dyn std::fmt::Display| JobError::failed("read Moments from the lake", e.to_string());
    let history = History::open(lake).await.map_err(|e| failed(&e))?;
    let days: Vec<chrono::NaiveDate> = history.days().into_iter().collect();
    let mut authors = HashSet::new();
    for (n, day) in days.iter().enumerate() {
        let rows = history.day(Topic::Moments, *day).await.map_err(|e| failed(&e))?;
        let events = rows.map(|rows| tables::events(&rows.rows)).transpose().map_err(|e| failed(&e))?;
        for event in events.unwrap_or_default() {
            let Event::Moment(moment) = event else { continue };
            authors.insert(moment.author_id);
            let put = if moment.kind == MomentKind::Published {
                indexes.text.put_moment(&moment)
            } else {
                indexes.text.delete_moment(moment.moment_id)
            };
            put.map_err(|e| JobError::failed("index a Moment's text", e))?;
        }
        step(n as u64 + 1, days.len() as u64);
    }
    Ok(authors)
}

//! One statement, from text to the last row: planned, run with a look at how far it is, interrupted by Ctrl-C.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use pipelines::query::{Allowed, QueryError, Scanned, plan};

use super::cells::{cells, expanded, table};
use super::shell::Settings;
use super::sink::{Form, Place, Sink};
use crate::commands::report::say;

/// Rows and characters of a cell that a terminal shows without --all.
const ROWS: usize = 200;
const CELL: usize = 100;

/// When a scan counts as long, and how often it is looked at.
const LONG: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(200);

/// Plans a statement, runs it, and puts its result where the settings say.
pub(super) async fn answer(session: &SessionContext, sql: &str, allowed: Allowed, settings: &mut Settings) -> anyhow::Result<()> {
    let begun = Instant::now();
    let output = settings.output.take();
    let form = settings.form.or_else(|| output.as_deref().and_then(Form::of_file)).unwrap_or(Form::Table);
    let plan = plan(session, sql, allowed).await?;
    let failed = |error| QueryError::of(error, session);
    let frame = session.execute_logical_plan(plan).await.map_err(failed)?;
    if frame.schema().fields().is_empty() && frame.logical_plan().inputs().is_empty() {
        if !settings.quiet {
            eprintln!("done");
        }
        return Ok(());
    }
    let task = Arc::new(frame.task_ctx());
    let physical = frame.create_physical_plan().await.map_err(failed)?;
    let stream = execute_stream(Arc::clone(&physical), task).map_err(failed)?;
    let mut run = Run { session, stream, physical, begun, bar: None };
    let place = output.map_or(Place::Screen, Place::File);
    let told = match (form, &place) {
        (Form::Table, Place::Screen) => run.draw(settings).await?,
        (Form::Table, Place::File(path)) => {
            let (schema, batches) = (run.stream.schema(), run.gather(usize::MAX).await?);
            std::fs::write(path, table(&schema, cells(&batches, usize::MAX, None)?) + "\n")?;
            Some(rows(&batches))
        }
        (form, place) => {
            let written = run.pour(form, place).await?;
            matches!(place, Place::File(_)).then_some(written)
        }
    };
    if let (Some(rows), false) = (told, settings.quiet) {
        tell(rows, begun.elapsed(), settings, &place);
    }
    Ok(())
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// Says how many rows there were, how long it took, and why there may be none.
fn tell(rows: usize, took: Duration, settings: &Settings, place: &Place) {
    let time = if settings.timing { format!(" in {:.3} s", took.as_secs_f64()) } else { String::new() };
    let to = if let Place::File(path) = place { format!(" to {}", path.display()) } else { String::new() };
    match (rows, settings.flush_s) {
        (0, Some(flush_s)) => eprintln!("no rows{to}{time}; events come into the lake within lake.flush_s seconds ({flush_s} here)"),
        (0, None) => eprintln!("no rows{to}{time}"),
        (1, _) => eprintln!("1 row{to}{time}"),
        (n, _) => eprintln!("{} rows{to}{time}", HumanCount(n as u64)),
    }
}

/// A statement that runs.
struct Run<'a> {
    session: &'a SessionContext,
    stream: SendableRecordBatchStream,
    physical: Arc<dyn ExecutionPlan>,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Run<'_> {
    /// The next rows; shows how far the scan is while one waits.
    async fn next(&mut self) -> anyhow::Result<Option<RecordBatch>> {
        loop {
            let looked = tokio::select! {
                batch = self.stream.next() => Some(batch),
                stopped = tokio::signal::ctrl_c() => {
                    stopped?;
                    self.hide();
                    anyhow::bail!("cancelled after {:.1} s", self.begun.elapsed().as_secs_f64());
                }
                () = tokio::time::sleep(LOOK) => None,
            };
            match looked {
                Some(None) => {
                    self.hide();
                    return Ok(None);
                }
                Some(Some(batch)) => {
                    self.show();
                    return batch.map(Some).map_err(|error| {
                        self.hide();
                        QueryError::of(error, self.session).into()
                    });
                }
                None => self.show(),
            }
        }
    }

    fn show(&mut self) {
        if self.begun.elapsed() < LONG || !std::io::stderr().is_terminal() {
            return;
        }
        let scanned = Scanned::of(&self.physical);
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{elapsed} [{bar:30}] {pos} of {len} files: {msg}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_length(scanned.of_files as u64);
        bar.set_position(scanned.files as u64);
        let (rows, read) = (HumanCount(scanned.rows as u64), HumanBytes(scanned.bytes as u64));
        bar.set_message(format!("{rows} rows, {read} of {}; Ctrl-C stops", HumanBytes(scanned.of_bytes)));
    }

    fn hide(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Batches until there are at least so many rows.
    async fn gather(&mut self, enough: usize) -> anyhow::Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while rows(&batches) < enough {
            let Some(batch) = self.next().await? else { break };
            batches.push(batch);
        }
        self.hide();
        Ok(batches)
    }

    /// Draws a table, or blocks of lines; the number of rows, if all of them are shown.
    async fn draw(&mut self, settings: &Settings) -> anyhow::Result<Option<usize>> {
        let (most, width) = if settings.all { (usize::MAX, None) } else { (ROWS, Some(CELL)) };
        let schema: SchemaRef = self.stream.schema();
        let batches = self.gather(most.saturating_add(1)).await?;
        let shown = cells(&batches, most, width)?;
        say(if settings.expanded { expanded(&schema, &shown) } else { table(&schema, shown) })?;
        if rows(&batches) <= most {
            return Ok(Some(rows(&batches)));
        }
        eprintln!("the first {most} rows; --all shows all, a LIMIT fewer, and \\o FILE (--output FILE) takes them elsewhere");
        Ok(None)
    }

    async fn pour(&mut self, form: Form, place: &Place) -> anyhow::Result<usize> {
        let mut sink = Sink::open(form, &self.stream.schema(), place)?;
        let mut rows = 0;
        let ended = async {
            while let Some(batch) = self.next().await? {
                rows += batch.num_rows();
                sink.write(&batch)?;
            }
            anyhow::Ok(())
        }
        .await;
        match ended {
            Ok(()) => sink.end()?,
            Err(error) => {
                sink.abandon();
                return Err(error);
            }
        }
        Ok(rows)
    }
}

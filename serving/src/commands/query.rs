//! `query`: SQL over the lake.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches_with_schema;
use clap::Args;

use super::Global;
use super::report::{Format, ReportArgs, say};

/// Flags of `query`.
#[derive(Debug, Args)]
#[command(
    after_help = "Tables: interactions, moments, profiles, presence, messages, decks, pages, embeddings, portraits, portrait_days, dead_letters.\nExample:\n  hongniang query 'SELECT kind, COUNT(*) AS n FROM interactions GROUP BY kind ORDER BY n DESC'"
)]
pub(super) struct QueryArgs {
    /// The statement.
    sql: String,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn run(global: &Global, args: QueryArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let session = pipelines::lake::session(&config.lake_place()).await?;
    let frame = session.sql(&args.sql).await?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await?;
    if batches.iter().all(|batch| batch.num_rows() == 0) {
        eprintln!("no rows; events come into the lake within lake.flush_s seconds ({} here)", config.lake.flush_s);
    }
    match args.report.format {
        Format::Table => say(pretty_format_batches_with_schema(schema, &batches)?)?,
        Format::Json => {
            let mut writer = arrow::json::ArrayWriter::new(std::io::stdout());
            writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
            writer.finish()?;
            say("")?;
        }
        Format::Csv => {
            let mut writer = arrow::csv::Writer::new(std::io::stdout());
            for batch in &batches {
                writer.write(batch)?;
            }
        }
    }
    Ok(())
}

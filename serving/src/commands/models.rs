//! `models pull|list`.

use clap::Subcommand;

use super::report::{ReportArgs, print};
use crate::models::ModelStore;

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub(super) enum ModelsCommand {
    /// Gets models, checks and converts them; does nothing for those that are there.
    #[command(after_help = "Examples:\n  hongniang models pull\n  hongniang models pull multilingual-e5-small")]
    Pull {
        /// Names; the default encoder, when left out.
        names: Vec<String>,
    },
    /// The models that are known, and whether they are here.
    #[command(after_help = "Example:\n  hongniang models list --format csv")]
    List(ReportArgs),
}

pub(super) async fn run(command: ModelsCommand) -> anyhow::Result<()> {
    let store = ModelStore::open()?;
    match command {
        ModelsCommand::List(report) => print(&store.list(), report.format),
        ModelsCommand::Pull { names } => {
            let names = if names.is_empty() { vec![store.manifest().default_encoder.clone()] } else { names };
            tokio::task::spawn_blocking(move || {
                for name in names {
                    store.ensure(&name, &|step| eprintln!("{name}: {step}"))?;
                }
                anyhow::Ok(())
            })
            .await?
        }
    }
}

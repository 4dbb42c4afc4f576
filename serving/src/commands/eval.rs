//! `eval lake`.

mod lake;

use clap::Subcommand;

use super::Global;

/// What the ranking can be judged on.
#[derive(Debug, Subcommand)]
pub(super) enum EvalCommand {
    /// What people did in a lake after a split in time: imported, simulated or lived.
    Lake(lake::LakeArgs),
}

pub(super) async fn run(global: &Global, command: EvalCommand) -> anyhow::Result<()> {
    match command {
        EvalCommand::Lake(args) => lake::run(global, args).await,
    }
}

//! `config`.

use clap::Args;

use super::Global;
use super::report::say;
use crate::config::DEFAULTS;

/// Flags of `config`.
#[derive(Debug, Args)]
#[command(
    after_help = "Built-in defaults < hongniang.toml < HONGNIANG__SECTION__KEY < flags.\n\nExamples:\n  hongniang config --defaults > hongniang.toml\n  HONGNIANG__HTTP__IN_FLIGHT=64 hongniang config --listen 127.0.0.1:8080"
)]
pub(super) struct ConfigArgs {
    /// The documented defaults instead.
    #[arg(long)]
    defaults: bool,
}

pub(super) fn run(global: &Global, args: &ConfigArgs) -> anyhow::Result<()> {
    if args.defaults {
        return say(DEFAULTS.trim_end());
    }
    say(toml::to_string_pretty(&toml::Value::try_from(global.load()?)?)?.trim_end())
}

//! `dead-letters fix`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use pipelines::dead_letters::{self as letters, Letter, LetterId};
use serde_json::Value;

use super::one;
use super::set::Change;
use super::show::marked;
use crate::commands::Global;
use crate::wiring::Log;

/// Flags of `fix`.
#[derive(Debug, Args)]
pub(in crate::commands) struct FixArgs {
    /// Partition and offset in `dead_letters`, as `list` shows them.
    id: LetterId,
    /// Changes a field: field=text, field:=json, or field= to take it out; a.b is b in a. May be given more than once.
    #[arg(long = "set", value_name = "CHANGE", conflicts_with = "with")]
    changes: Vec<Change>,
    /// The corrected record is in this file; - reads standard input.
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// Judges the corrected record and does not send it.
    #[arg(long)]
    dry_run: bool,
    /// Although it was sent before.
    #[arg(long)]
    again: bool,
}

pub(super) async fn fix(global: &Global, args: &FixArgs) -> anyhow::Result<()> {
    let log = Log::open(&global.load()?).await?;
    let letter = one(&log, args.id).await?;
    if let Some(sent) = letter.sent.as_ref().filter(|_| !args.again) {
        let state = letter.state().name();
        anyhow::bail!("letter {} was {state} at {}; --again sends it once more", letter.id, super::time(sent.sent_at));
    }
    let (value, kept) = corrected(&letter, args)?;
    let passed = match letters::check_fixed(&letter, &value, Utc::now()) {
        Ok(passed) => passed,
        Err(reason) => {
            let shown = marked(&value, &letters::fields_of(&reason)).join("\n");
            let hint = kept.as_ref().map_or_else(String::new, |path| {
                format!("\nwhat you wrote is kept: hongniang dead-letters fix {} --with {}", letter.id, path.display())
            });
            anyhow::bail!("the corrected record would be refused: {reason}\n{shown}{hint}");
        }
    };
    if args.dry_run {
        eprintln!("letter {} would be sent: event {} for `{}`", letter.id, passed.event_id, passed.topic);
    } else {
        letters::send_fixed(&log.bus, &letter, &passed, value, Utc::now()).await?;
        eprintln!("letter {} is fixed and sent to inbox: event {} for `{}`", letter.id, passed.event_id, passed.topic);
        if let Some(path) = kept {
            std::fs::remove_file(path)?;
        }
    }
    log.close().await;
    Ok(())
}

/// The corrected value, and where it is kept if somebody wrote it by hand.
fn corrected(letter: &Letter, args: &FixArgs) -> anyhow::Result<(Vec<u8>, Option<PathBuf>)> {
    if let Some(path) = &args.with {
        let stdin = path == Path::new("-");
        let read = if stdin { std::io::read_to_string(std::io::stdin()).map(String::into_bytes) } else { std::fs::read(path) };
        return Ok((read.with_context(|| format!("--with {}", path.display()))?, None));
    }
    let value = letters::raw(&letter.letter)?;
    anyhow::ensure!(!letters::is_cut(&letter.letter), "only the beginning of the record was kept; give the whole of it with --with FILE");
    if args.changes.is_empty() {
        return edited(letter, &value);
    }
    let mut whole: Value =
        serde_json::from_slice(&value).map_err(|e| anyhow::anyhow!("--set: the record is no JSON ({e}); use --with FILE or $EDITOR"))?;
    for change in &args.changes {
        change.make(&mut whole).map_err(|reason| anyhow::anyhow!("--set: {reason}"))?;
    }
    Ok((serde_json::to_vec(&whole)?, None))
}

/// Lets somebody correct the value in their editor.
fn edited(letter: &Letter, value: &[u8]) -> anyhow::Result<(Vec<u8>, Option<PathBuf>)> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok()).filter(|editor| !editor.trim().is_empty());
    let editor = editor.context("say what to change with --set or --with, or set EDITOR")?;
    let pretty = serde_json::from_slice::<Value>(value).and_then(|read| serde_json::to_vec_pretty(&read));
    let text = pretty.unwrap_or_else(|_| value.to_vec());
    let file = tempfile::Builder::new().prefix(&format!("letter-{}-", letter.id)).suffix(".json").tempfile()?;
    std::fs::write(file.path(), &text)?;
    // As git does it: the editor may be a command with words of its own.
    let status = std::process::Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(file.path()).status();
    let status = status.with_context(|| format!("EDITOR: {editor}"))?;
    anyhow::ensure!(status.success(), "{editor} ended with {status}; nothing is sent");
    let written = std::fs::read(file.path())?;
    anyhow::ensure!(written != text, "nothing was changed; nothing is sent");
    let path = file.into_temp_path().keep()?;
    Ok((written, Some(path)))
}

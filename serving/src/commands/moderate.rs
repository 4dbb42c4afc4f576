//! `moderate`: what the moderation finds in texts, and what would follow.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use features::moderation::normal::normalise;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use crate::moderation::{Moderator, TextKind, Verdict};

/// The exit status when a text would be refused.
const REFUSED: u8 = 3;

/// Flags of `moderate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 when every text would be accepted (flagged ones are), 3 when one would be refused, 1 when something went wrong.\n\nExamples:\n  hongniang moderate --kind nickname '加 V 信 abc123'\n  hongniang moderate --file comments.txt --kind comment --format csv\n  some-export | hongniang moderate --file - --format json"
)]
pub(super) struct ModerateArgs {
    /// Texts, each judged by itself.
    #[arg(value_name = "TEXT", required_unless_present = "file", conflicts_with = "file")]
    texts: Vec<String>,
    /// A file with a text on each line; - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What the texts are for: the policy differs.
    #[arg(long, value_enum, default_value = "comment")]
    kind: TextKind,
    #[command(flatten)]
    report: ReportArgs,
}

/// What is told of a text.
#[derive(Debug, Serialize)]
struct Row {
    /// Its number, from 1.
    number: usize,
    /// What would follow.
    verdict: &'static str,
    /// What it has.
    categories: String,
    /// Entries of lists and forms that were found.
    entries: String,
    /// The text as it is compared.
    normalised: String,
}

fn lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let input: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(file).with_context(|| format!("--file {} cannot be read", file.display()))?))
    };
    input.lines().collect::<Result<Vec<String>, std::io::Error>>().with_context(|| format!("--file {} must be UTF-8 text", file.display()))
}

pub(super) fn run(global: &Global, args: ModerateArgs) -> anyhow::Result<ExitCode> {
    let moderator = Moderator::new(&global.load()?.moderation)?;
    let texts = args.file.as_deref().map_or(Ok(args.texts), lines)?;
    let mut refused = 0;
    let rows: Vec<Row> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let judged = moderator.judge(args.kind, text);
            refused += usize::from(judged.verdict == Verdict::Refuse);
            let mut categories: Vec<&str> = judged.findings.iter().map(|(_, finding)| finding.category.name()).collect();
            categories.dedup();
            let entries: Vec<&str> = judged.findings.iter().map(|(_, finding)| finding.entry.as_str()).collect();
            Row {
                number: n + 1,
                verdict: judged.verdict.name(),
                categories: categories.join(", "),
                entries: entries.join(", "),
                normalised: normalise(text),
            }
        })
        .collect();
    print(&rows, args.report.format)?;
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

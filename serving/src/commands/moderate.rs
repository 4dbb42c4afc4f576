//! `moderate`: what the moderation finds in texts and photos, and what would follow.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use features::moderation::Finding;
use features::moderation::normal::normalise;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use crate::moderation::{Judgement, ModerationConfig, Moderator, ServiceConfig, Subject, SubjectKind, Verdict};

/// The exit status when something would be refused.
const REFUSED: u8 = 3;
/// So many are judged together.
const AT_ONCE: usize = 200;

/// Flags of `moderate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 when all would be accepted (what is flagged is), 3 when something would be refused, 1 when something went wrong or could not be judged.\n\nExamples:\n  hongniang moderate --kind nickname '加 V 信 abc123'\n  hongniang moderate --file comments.txt --kind comment --format csv\n  some-export | hongniang moderate --file - --format json\n  hongniang moderate --kind image --service albums/1.jpg"
)]
pub(super) struct ModerateArgs {
    /// Texts, or of --kind image names of objects in the media store, each judged by itself.
    #[arg(value_name = "TEXT", required_unless_present = "file", conflicts_with = "file")]
    texts: Vec<String>,
    /// A file with one on each line; - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What they are for: the policy differs.
    #[arg(long, value_enum, default_value = "comment")]
    kind: SubjectKind,
    /// Asks moderation.service, too; without this flag nothing leaves this machine.
    #[arg(long)]
    service: bool,
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
    /// Which checks found something: words, contacts, service.
    checks: String,
    /// Entries of lists and forms that were found, and what the service calls it.
    entries: String,
    /// The text as it is compared.
    normalised: String,
}

impl Row {
    fn new(number: usize, subject: &Subject<'_>, judged: &Judgement) -> Self {
        let each = |told: &dyn Fn(&Finding) -> String| {
            let mut all: Vec<String> = judged.findings.iter().map(|(_, finding)| told(finding)).collect();
            let mut seen = std::collections::HashSet::new();
            all.retain(|one| seen.insert(one.clone()));
            all.join(", ")
        };
        let unjudged = judged.missed.filter(|_| judged.verdict != Verdict::Refuse);
        Self {
            number,
            verdict: if unjudged.is_some() { UNJUDGED } else { judged.verdict.name() },
            categories: each(&|finding| finding.category.name().to_owned()),
            checks: each(&|finding| finding.check.to_owned()),
            entries: each(&|finding| finding.entry.clone()),
            normalised: if subject.kind.is_text() { normalise(subject.content) } else { subject.content.to_owned() },
        }
    }
}

/// The verdict where the service does not answer.
const UNJUDGED: &str = "unjudged";

/// The configuration that was asked for, or why it cannot be used.
fn configured(config: ModerationConfig, kind: SubjectKind, service: bool) -> anyhow::Result<ModerationConfig> {
    if service {
        anyhow::ensure!(config.service.is_there(), "--service: there is none; set moderation.service.url and moderation.service.secret");
        anyhow::ensure!(
            config.service.kinds.contains(&kind),
            "--service: it is not asked of this kind; moderation.service.kinds says of which"
        );
        return Ok(config);
    }
    anyhow::ensure!(kind.is_text(), "--kind image: only a service looks at photos; ask it with --service");
    Ok(ModerationConfig { service: ServiceConfig::default(), ..config })
}

fn lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let input: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(file).with_context(|| format!("--file {} cannot be read", file.display()))?))
    };
    input.lines().collect::<Result<Vec<String>, std::io::Error>>().with_context(|| format!("--file {} must be UTF-8 text", file.display()))
}

pub(super) async fn run(global: &Global, args: ModerateArgs) -> anyhow::Result<ExitCode> {
    let config = configured(global.load()?.moderation, args.kind, args.service)?;
    let moderator = Moderator::new(&config, Utc::now)?;
    let texts = args.file.as_deref().map_or(Ok(args.texts), lines)?;
    let mut rows = Vec::with_capacity(texts.len());
    let mut missed = None;
    for some in texts.chunks(AT_ONCE) {
        let subjects: Vec<Subject<'_>> = some.iter().map(|text| Subject::new(args.kind, "text", text)).collect();
        for (subject, judged) in subjects.iter().zip(moderator.judge(&subjects).await) {
            rows.push(Row::new(rows.len() + 1, subject, &judged));
            missed = missed.or(judged.missed);
        }
    }
    print(&rows, args.report.format)?;
    if rows.iter().any(|row| row.verdict == Verdict::Refuse.name()) {
        return Ok(ExitCode::from(REFUSED));
    }
    if let Some(down) = missed {
        anyhow::bail!("moderation.service does not answer as agreed: {down}; see docs/MODERATION.md");
    }
    Ok(ExitCode::SUCCESS)
}

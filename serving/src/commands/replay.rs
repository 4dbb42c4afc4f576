//! `replay`: pages that were served, computed again from the log and compared byte for byte.

use std::process::ExitCode;

use clap::Args;
use ranker::DeckItem;
use ranker::deck::Side;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print, say};
use crate::replay::{Difference, PageAgain, Replayed, replay};

/// Flags of `replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with 0 when every page is equal to what was served, byte for byte, else with 1. docs/REPLAY.md says what is kept and compared.\n\nExamples:\n  hongniang replay 0199f3c2-5a10-7cc3-98c4-dc0c0c07398f\n  hongniang replay 0199f3c2-5a10-7cc3-98c4-dc0c0c07398f --page 2 --explain\n  hongniang replay 0199f3c2-5a10-7cc3-98c4-dc0c0c07398f --diff --format json"
)]
pub(super) struct ReplayArgs {
    /// The deck's id: `deck_id` of an answer, of an impression, or of the lake's tables `decks` and `pages`.
    deck: String,
    /// Only this page, in the order in which they were served, from 1.
    #[arg(long, value_name = "N")]
    page: Option<usize>,
    /// The lake, a folder or a URL; that of the data folder, when left out.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// Prints everything that differs, instead of a line for each page.
    #[arg(long, group = "what")]
    diff: bool,
    /// Prints every term of everybody on the pages, and the reasons in both languages, instead of a line for each page.
    #[arg(long, group = "what")]
    explain: bool,
    /// Prints the answers as they are computed now, one in a line, instead of a line for each page.
    #[arg(long, group = "what")]
    body: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// A page in a line.
#[derive(Serialize)]
struct PageRow {
    page: usize,
    served_at: String,
    positions: String,
    people: usize,
    removed: usize,
    language: String,
    bytes: u32,
    sha256: String,
    result: String,
}

/// A term or a reason of somebody on a page.
#[derive(Serialize)]
struct ExplainRow {
    page: usize,
    position: u32,
    user_id: String,
    /// Who judges; `draw` for what the draw worked with, `reason` for a reason in words.
    side: &'static str,
    term: String,
    value: Option<f32>,
    weight: Option<f32>,
    contribution: Option<f32>,
    zh: String,
    en: String,
}

/// Exit code 0 when every page is equal, 1 otherwise.
pub(super) async fn run(global: &Global, args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let place = match &args.lake {
        Some(place) => place.clone(),
        None => global.load()?.lake_place(),
    };
    let done = replay(&place, &args.deck, args.page).await?;
    if args.diff {
        let all: Vec<&Difference> = done.pages.iter().flat_map(|page| &page.differences).collect();
        print(&all, args.report.format)?;
    } else if args.explain {
        print(&done.pages.iter().flat_map(|page| explained(&done, page)).collect::<Vec<_>>(), args.report.format)?;
    } else if args.body {
        for page in &done.pages {
            say(page.body.as_deref().map_or("another page".into(), String::from_utf8_lossy))?;
        }
    } else {
        print(&done.pages.iter().map(line).collect::<Vec<_>>(), args.report.format)?;
    }
    Ok(verdict(&done))
}

fn line(page: &PageAgain) -> PageRow {
    let served = &page.served;
    PageRow {
        page: page.number,
        served_at: served.event_time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        positions: format!("{}..{}", served.first, served.next),
        people: served.items.len(),
        removed: served.removed.len(),
        language: served.language.clone(),
        bytes: served.body_bytes,
        sha256: served.body_sha256.get(..12).unwrap_or_default().to_owned(),
        result: page.differences.first().map_or("equal".to_owned(), ToString::to_string),
    }
}

/// Everybody on the page as they are computed now.
fn explained(done: &Replayed, page: &PageAgain) -> Vec<ExplainRow> {
    let item = |position: u32| done.deck.items.get(position as usize);
    let people = page.served.items.iter().filter_map(|served| item(served.position).map(|item| (served.position, item)));
    people.flat_map(|(position, item)| rows(page.number, position, item)).collect()
}

fn rows(page: usize, position: u32, item: &DeckItem) -> Vec<ExplainRow> {
    let row = |side, term: &str, value| ExplainRow {
        page,
        position,
        user_id: item.user_id.to_string(),
        side,
        term: term.to_owned(),
        value,
        weight: None,
        contribution: None,
        zh: String::new(),
        en: String::new(),
    };
    let side = |side| if side == Side::Viewer { "viewer" } else { "candidate" };
    let terms = item.terms.iter().map(|term| ExplainRow {
        weight: Some(term.weight),
        contribution: Some(term.contribution),
        ..row(side(term.side), term.name.name(), Some(term.value))
    });
    let draw = &item.draw;
    let sums = [("viewer", item.sides.viewer), ("candidate", item.sides.candidate), ("match", item.sides.mutual), ("worth", item.worth)];
    let drawn =
        [("popularity", draw.popularity), ("exposure", draw.exposure), ("score", item.score), ("noise", draw.noise), ("key", draw.key)];
    let numbers = sums.into_iter().chain(drawn).map(|(name, value)| row("draw", name, Some(value)));
    let reasons = item.reasons.iter().map(|r| ExplainRow { zh: r.zh.clone(), en: r.en.clone(), ..row("reason", &r.code, None) });
    terms.chain(numbers).chain(reasons).collect()
}

/// Says how it went, on standard error.
fn verdict(done: &Replayed) -> ExitCode {
    let wrong: Vec<&PageAgain> = done.pages.iter().filter(|page| !page.differences.is_empty()).collect();
    if wrong.is_empty() {
        eprintln!(
            "deck {}: {} pages computed again out of {} people, equal byte for byte",
            done.served.deck_id,
            done.pages.len(),
            done.served.scored
        );
        return ExitCode::SUCCESS;
    }
    for page in wrong {
        eprintln!("page {} differs in {} fields, first {}", page.number, page.differences.len(), page.differences[0]);
    }
    for note in &done.notes {
        eprintln!("note: {note}");
    }
    ExitCode::FAILURE
}

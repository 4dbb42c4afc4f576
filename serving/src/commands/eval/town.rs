//! `eval town` and `eval fairness`: strategies and knobs in a simulated town.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ranker::eval::{Bootstrap, Row};
use serde_json::{Map, Value};

use super::super::Global;
use super::super::report::{Format, render, say};
use super::Output;
use crate::config::Config;
use crate::eval::report::{Curves, Plot, told, write_html, write_svg};
use crate::eval::town::{FairnessProtocol, KNOBS, Market, TownProtocol, evaluate, fairness as sweep, frontier};
use crate::town::TownSpec;
use crate::wiring::encoder;

/// The town and what is common to both commands.
#[derive(Debug, Args)]
struct Common {
    /// How many people live in the town.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    users: u32,
    /// Days it has lived before anybody is served.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=365))]
    history: u32,
    /// When these days end, RFC 3339.
    #[arg(long, value_name = "TIME", default_value = "2026-11-24T00:00:00Z")]
    until: DateTime<Utc>,
    /// People of a page.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200))]
    page: u32,
    /// The seed of the town and of every draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often viewers are drawn again for the intervals.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    replicates: u32,
    /// Encodes no texts: faster, and the terms that rest on them are not known.
    #[arg(long)]
    no_embeddings: bool,
    #[command(flatten)]
    output: Output,
}

/// Flags of `eval town`.
#[derive(Debug, Args)]
#[command(
    after_help = "docs/FAIRNESS.md says what each strategy and metric is.\n\nExamples:\n  hongniang eval town --users 2000 --viewers 500\n  HONGNIANG__MODEL__ENCODER=hashing hongniang eval town --format csv"
)]
pub(in crate::commands) struct TownArgs {
    /// Viewers who are served one page by each strategy.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    viewers: usize,
    #[command(flatten)]
    common: Common,
}

/// Flags of `eval fairness`.
#[derive(Debug, Args)]
#[command(
    after_help = "docs/FAIRNESS.md says what the knobs do and what was found.\n\nExamples:\n  hongniang eval fairness --users 2000 --days 4 --plot fairness.svg\n  hongniang eval fairness --knob exposure_exponent --knob pile_up_cap --format csv"
)]
pub(in crate::commands) struct FairnessArgs {
    /// Days the town lives on with each setting.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    days: u32,
    /// Turns only this knob; may be given several times. `joint` turns several at once.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(KNOBS))]
    knob: Vec<String>,
    /// Also draws matches against the Gini of received likes: a *.svg, or a *.html page with the rows.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Common {
    fn bootstrap(&self) -> Bootstrap {
        Bootstrap { replicates: self.replicates, seed: self.seed, ..Bootstrap::default() }
    }

    async fn market(&self, config: &Config) -> anyhow::Result<Arc<Market>> {
        let encoder = if self.no_embeddings { None } else { Some(encoder(config)?) };
        let spec = TownSpec { users: self.users, days: self.history, seed: self.seed, until: self.until };
        eprintln!("a town of {} lives for {} days", self.users, self.history);
        Ok(Arc::new(Market::grow(config, encoder, spec).await?))
    }

    /// Rows as they are for programs, one line a strategy for people.
    fn tell(&self, title: &str, rows: &[Row]) -> anyhow::Result<()> {
        if self.output.report.format != Format::Table {
            return self.output.tell_rows(title, rows, &plots(rows));
        }
        self.output.write(title, rows, &plots(rows))?;
        say(render(&wide(rows), Format::Table)?)
    }
}

/// Pictures of what holds for everybody.
fn plots(rows: &[Row]) -> Vec<Plot> {
    let whole: Vec<Row> = rows.iter().filter(|row| row.slice == "all").cloned().collect();
    Plot::per_metric(&whole)
}

/// One line for each strategy with what holds for everybody, a column for each metric.
fn wide(rows: &[Row]) -> Vec<Map<String, Value>> {
    let whole = || rows.iter().filter(|row| row.slice == "all");
    let (mut names, mut metrics): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for row in whole() {
        if !names.contains(&row.strategy.as_str()) {
            names.push(&row.strategy);
        }
        if !metrics.contains(&row.metric.as_str()) {
            metrics.push(&row.metric);
        }
    }
    let cell = |name: &str, metric: &str| {
        let row = whole().find(|row| row.strategy == name && row.metric == metric)?;
        let interval = row.low.zip(row.high).map_or_else(String::new, |(low, high)| format!(" ({} – {})", told(low), told(high)));
        Some(told(row.value) + &interval)
    };
    let line = |name: &&str| {
        let mut line = Map::new();
        line.insert("strategy".to_owned(), Value::from(*name));
        line.extend(metrics.iter().map(|metric| ((*metric).to_owned(), Value::from(cell(name, metric).unwrap_or_default()))));
        line
    };
    names.iter().map(line).collect()
}

/// A bar on a terminal, a line for each tenth elsewhere.
fn progress(what: &'static str) -> impl FnMut(usize, usize) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(&format!("{what} {{bar:40}} {{pos}}/{{len}}, {{eta}} left")) {
        bar.set_style(style);
    }
    move |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        if bar.is_hidden() && (done % all.div_ceil(10).max(1) == 0 || done == all) {
            eprintln!("{what}: {done} of {all} done");
        }
        if done == all {
            bar.finish_and_clear();
        }
    }
}

pub(in crate::commands) async fn run(global: &Global, args: TownArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let market = args.common.market(&config).await?;
    let protocol = TownProtocol { viewers: args.viewers, page: args.common.page as usize, bootstrap: args.common.bootstrap() };
    let rows = evaluate(&market, &config.ranker, &protocol, progress("strategies")).await?;
    args.common.tell("Strategies in a simulated town 模拟小镇中的各策略", &rows)
}

pub(in crate::commands) async fn fairness(global: &Global, args: FairnessArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let draws = args.plot.as_deref().map(Picture::of).transpose()?;
    let market = args.common.market(&config).await?;
    let protocol =
        FairnessProtocol { days: args.days, page: args.common.page as usize, knobs: args.knob.clone(), bootstrap: args.common.bootstrap() };
    let rows = sweep(&market, &config.ranker, &protocol, progress("settings")).await?;
    let title = "What fairness costs 公平的代价";
    if let Some(draws) = draws {
        draws.write(title, &rows, frontier(&rows))?;
    }
    args.common.tell(title, &rows)
}

/// Where the frontier is drawn.
enum Picture<'a> {
    Svg(&'a Path),
    Html(&'a Path),
}

impl<'a> Picture<'a> {
    fn of(path: &'a Path) -> anyhow::Result<Self> {
        match path.extension().and_then(OsStr::to_str) {
            Some("svg") => Ok(Self::Svg(path)),
            Some("html") => Ok(Self::Html(path)),
            _ => anyhow::bail!("--plot {}: the name must end in .svg or .html", path.display()),
        }
    }

    fn write(&self, title: &str, rows: &[Row], frontier: Curves) -> anyhow::Result<()> {
        match self {
            Self::Svg(path) => write_svg(path, &frontier),
            Self::Html(path) => write_html(path, title, rows, &[Plot::Curves(frontier)]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_strategy() {
        let row = |strategy: &str, slice: &str, metric: &str, value: f64| Row::plain(strategy, slice, metric, value);
        let told = Row { low: Some(1.0), high: Some(1.5), ..row("a", "all", "matches", 1.25) };
        let rows = [told, row("a", "gender=male", "matches", 9.0), row("b", "all", "gini", 0.5)];
        let lines = wide(&rows);
        assert_eq!(render(&lines, Format::Csv).unwrap(), "strategy,matches,gini\na,1.250 (1.000 – 1.500),\nb,,0.500");
    }

    #[test]
    fn a_picture_is_svg_or_html() {
        assert!(Picture::of(Path::new("a.svg")).is_ok() && Picture::of(Path::new("a.html")).is_ok());
        let error = Picture::of(Path::new("a.png")).err().unwrap().to_string();
        assert!(error.contains("a.png") && error.contains(".svg"), "{error}");
    }
}

//! `dataset`: training examples out of the lake.

use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipelines::shelf::Shelf;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use crate::dataset::{Counts, Made, Progress, Shares, Spec, SplitBy, make};
use crate::wiring::encoder;

/// How often the progress is told where there is no terminal.
const TELL: Duration = Duration::from_secs(3);

/// Flags of `dataset`.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes one Parquet file a day, dt=YYYY-MM-DD/impressions.parquet. A day that is finished is not made again; whoever is interrupted runs the same command once more. docs/DATASET.md has every column.\n\nExamples:\n  hongniang dataset --as-of-events --out examples\n  hongniang dataset --as-of-events --from 2026-11-01 --to 2026-11-15 --window 3d --split viewer --no-vectors --out s3://bucket/examples"
)]
pub(super) struct DatasetArgs {
    /// Features of an impression know what happened strictly before it, by the time of events.
    #[arg(long, required = true)]
    as_of_events: bool,
    /// Impressions from here on, a day or RFC 3339; from the beginning of the lake, when left out.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<DateTime<Utc>>,
    /// Impressions before this, a day or RFC 3339; to the end of the lake, when left out.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<DateTime<Utc>>,
    /// A folder or a URL; `dataset` in the data folder, when left out.
    #[arg(long, value_name = "DIR")]
    out: Option<String>,
    /// How long after an impression an answer counts: 7d, 36h, 90m, 30s.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span)]
    window: TimeDelta,
    /// By what rows are told apart for training and testing.
    #[arg(long, value_enum, default_value = "time")]
    split: SplitBy,
    /// The share for validation, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    valid_share: f64,
    /// The share for testing, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    test_share: f64,
    /// Keeps so many impressions without a like for each with one, by chance, and weighs them; all, when left out.
    #[arg(long, value_name = "N")]
    sample: Option<f64>,
    /// Leaves the vectors out: smaller files; cosines stay.
    #[arg(long)]
    no_vectors: bool,
    /// Encodes no texts: faster, and what rests on vectors is not known.
    #[arg(long)]
    no_embeddings: bool,
    /// Removes what is there and makes every day anew: after events came late, or with other flags.
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// A day, or a time with its zone.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse().map_err(|_| format!("`{text}` is neither a day such as 2026-11-01 nor a time such as 2026-11-01T08:00:00Z"))
}

/// A number of days, hours, minutes or seconds.
fn span(text: &str) -> Result<TimeDelta, String> {
    let wrong = || format!("`{text}` is not a time such as 7d, 36h, 90m or 30s, more than 0 and at most 3650d");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return Err(wrong()),
    };
    let span = number.checked_mul(seconds).and_then(TimeDelta::try_seconds).ok_or_else(wrong)?;
    if span > TimeDelta::zero() && span <= TimeDelta::days(3_650) { Ok(span) } else { Err(wrong()) }
}

impl DatasetArgs {
    fn spec(&self) -> anyhow::Result<Spec> {
        let shares = Shares { by: self.split, valid: self.valid_share, test: self.test_share };
        for (flag, share) in [("--valid-share", shares.valid), ("--test-share", shares.test)] {
            anyhow::ensure!((0.0..=1.0).contains(&share), "{flag}: {share} is not a share; give a number from 0 to 1");
        }
        anyhow::ensure!(shares.valid + shares.test <= 1.0, "--valid-share and --test-share are more than 1 together");
        let sample = self.sample.unwrap_or(1.0);
        anyhow::ensure!(sample > 0.0 && sample.is_finite(), "--sample: {sample} is too few; give a number above 0, such as 4");
        Ok(Spec {
            from: self.from,
            to: self.to,
            window: self.window,
            shares,
            sample: self.sample,
            vectors: !self.no_vectors,
            again: self.again,
        })
    }
}

/// A bar on a terminal, plain lines elsewhere.
struct Teller {
    bar: ProgressBar,
    last: Instant,
}

impl Teller {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("dataset {msg} {bar:40} {pos}/{len} impressions") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, last: Instant::now() }
    }

    fn tell(&mut self, now: Progress) {
        let Progress { day, days, of_days, done, of } = now;
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{day} ({days} of {of_days} days done)"));
            self.bar.set_length(of as u64);
            self.bar.set_position(done as u64);
        } else if self.last.elapsed() >= TELL || days == of_days {
            self.last = Instant::now();
            eprintln!("dataset: {day}: {done} of {of} impressions; {days} of {of_days} days done");
        }
    }
}

/// A line of the report.
#[derive(Debug, Serialize)]
struct Line {
    what: &'static str,
    count: u64,
    /// Of the rows; of the impressions for what was left out.
    share: Option<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "rows stay far below 2^53")]
fn lines(made: &Made) -> Vec<Line> {
    let Counts { impressions, rows, liked, passed, commented, replied, matched, chatted, censored, .. } = made.counts;
    let of = |count: u64, all: u64| (all > 0).then(|| count as f64 / all as f64);
    let part = |what, count| Line { what, count, share: of(count, rows) };
    let left = |what, count| Line { what, count, share: of(count, impressions) };
    let plain = |what, count| Line { what, count, share: None };
    vec![
        plain("days made", made.days_made as u64),
        plain("days that were there", made.days_kept as u64),
        plain("impressions", impressions),
        left("left out: viewer unknown", made.counts.viewer_unknown),
        left("left out: candidate unknown", made.counts.candidate_unknown),
        left("left out: sampled", made.counts.sampled_out),
        plain("rows", rows),
        part("liked", liked),
        part("passed", passed),
        part("commented", commented),
        part("replied", replied),
        part("matched", matched),
        part("chatted", chatted),
        part("censored", censored),
    ]
}

pub(super) async fn run(global: &Global, args: DatasetArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.as_of_events, "--as-of-events is missing: there is no other dataset");
    let config = global.load()?;
    let spec = args.spec()?;
    let out = args.out.clone().unwrap_or_else(|| config.data_dir.join("dataset").display().to_string());
    let shelf = Shelf::open(&out).with_context(|| format!("--out {out}"))?;
    let encoder = if args.no_embeddings { None } else { Some(encoder(&config)?) };
    let (begun, mut teller) = (Instant::now(), Teller::new());
    let made = make(&config, encoder, &spec, &shelf, |progress| teller.tell(progress)).await?;
    teller.bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "rows stay far below 2^53")]
    let rate = made.rows_made as f64 / seconds.max(1e-3);
    let end = made.lake_end.map(|end| end.format("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
    eprintln!("{out}: {} rows made in {seconds:.1} s, {rate:.0} a second; the lake ends at {end}", made.rows_made);
    if made.counts.impressions == 0 {
        eprintln!("no impressions; `hongniang query 'SELECT MIN(event_time), MAX(event_time) FROM interactions'` tells what the lake has");
    }
    print(&lines(&made), args.report.format)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_and_others_are_told() {
        assert_eq!(moment("2026-11-01").unwrap(), moment("2026-11-01T08:00:00+08:00").unwrap());
        assert_eq!(span("7d").unwrap(), TimeDelta::days(7));
        assert_eq!(
            (span("36h").unwrap(), span("90m").unwrap(), span("30s").unwrap()),
            (TimeDelta::hours(36), TimeDelta::minutes(90), TimeDelta::seconds(30))
        );
        assert!(moment("yesterday").unwrap_err().contains("2026-11-01"));
        for wrong in ["", "d", "7", "0d", "-1h", "7天", "99999999999999d", "4000d", "1.5h"] {
            assert!(span(wrong).unwrap_err().contains("such as 7d"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_a_span_panic(text in "\\PC{0,12}") {
            if let Ok(read) = span(&text) {
                prop_assert!(read > TimeDelta::zero() && read <= TimeDelta::days(3_650));
            }
        }
    }
}

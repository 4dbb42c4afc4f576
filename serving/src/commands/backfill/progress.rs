//! How far a backfill is: a bar on a terminal, plain lines elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipelines::backfill::{Phase, Progress, Watcher};

/// How often it is told where there is no terminal.
const TELL: Duration = Duration::from_secs(3);

/// The bar.
#[derive(Clone)]
pub(super) struct Bar {
    bar: ProgressBar,
    told: Arc<Mutex<Option<(Phase, Instant)>>>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}, {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, told: Arc::default() }
    }

    /// Whom a backfill tells.
    pub(super) fn watcher(&self) -> Watcher {
        let bar = self.clone();
        Arc::new(move |at| bar.tell(at))
    }

    /// Days of the lake that are indexed.
    pub(super) fn index(&self, done: u64, total: u64) {
        self.tell(&Progress { phase: Phase::Index, what: "Moments by day".to_owned(), done, total, events: 0 });
    }

    fn tell(&self, at: &Progress) {
        let events = if at.events > 0 { format!(", {} events", at.events) } else { String::new() };
        let message = match at.phase {
            Phase::Totals => format!("adding the days of {}", at.what),
            Phase::Waiting => at.what.clone(),
            _ => format!("{}{events}", at.what),
        };
        self.bar.set_length(at.total);
        self.bar.set_position(at.done);
        self.bar.set_message(message.clone());
        if !self.bar.is_hidden() {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // What a phase begins with is told at once; the days of one come by and by.
        if told.is_some_and(|(phase, when)| phase == at.phase && when.elapsed() < TELL) {
            return;
        }
        *told = Some((at.phase, Instant::now()));
        if at.total > 0 { eprintln!("backfill: {message}, {} of {}", at.done, at.total) } else { eprintln!("backfill: {message}") }
    }

    /// Makes room for what is printed.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

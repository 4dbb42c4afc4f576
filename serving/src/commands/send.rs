//! Events on their way into `inbox`, with a progress bar (plain lines where there is no terminal).

use std::time::Duration;

use features::event::Event;
use features::topic::Topic;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipelines::bus::{Bus, EventProducer, OutRecord};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How many events are acknowledged together.
pub(super) const CHUNK: usize = 5_000;

/// How often the progress is told where there is no terminal.
const TELL: Duration = Duration::from_secs(3);

/// Sends chunk after chunk.
pub(super) struct Sender {
    producer: EventProducer,
    bar: ProgressBar,
    what: &'static str,
    telling: Interval,
}

impl Sender {
    /// `total` events are to come.
    pub(super) fn new(bus: &Bus, what: &'static str, total: u64) -> anyhow::Result<Self> {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} events, {per_sec}, {eta} left") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        let mut telling = interval_at(Instant::now() + TELL, TELL);
        telling.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { producer: bus.producer()?, bar, what, telling })
    }

    /// Comes back when every event is durable.
    pub(super) async fn send(&mut self, events: &[Event]) -> anyhow::Result<()> {
        let record = |e: &Event| OutRecord::new(Topic::Inbox.name(), e.actor().to_string(), Some(e.encode()));
        let sending = self.producer.send_all(events.iter().map(record).collect());
        tokio::pin!(sending);
        loop {
            // Also while a chunk takes long: silence would look like death.
            tokio::select! {
                biased;
                sent = &mut sending => break sent?,
                _ = self.telling.tick() => tell(&self.bar, self.what),
            }
        }
        self.bar.inc(events.len() as u64);
        Ok(())
    }
}

/// A plain line where there is no terminal.
fn tell(bar: &ProgressBar, what: &str) {
    if bar.is_hidden() {
        eprintln!("{what}: {} of {} events", bar.position(), bar.length().unwrap_or_default());
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        tell(&self.bar, self.what);
        self.bar.finish_and_clear();
    }
}

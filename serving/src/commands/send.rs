//! Events on their way into `inbox`, with a progress bar (plain lines where there is no terminal).

use std::time::Duration;

use features::event::Event;
use features::topic::Topic;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipelines::bus::{Bus, EventProducer, OutRecord};

/// How many events are acknowledged together.
pub(super) const CHUNK: usize = 5_000;

/// Sends chunk after chunk.
pub(super) struct Sender {
    producer: EventProducer,
    bar: ProgressBar,
    what: &'static str,
    chunks: usize,
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
        Ok(Self { producer: bus.producer()?, bar, what, chunks: 0 })
    }

    /// Comes back when every event is durable.
    pub(super) async fn send(&mut self, events: &[Event]) -> anyhow::Result<()> {
        let record = |e: &Event| OutRecord::new(Topic::Inbox.name(), e.actor().to_string(), Some(e.encode()));
        self.producer.send_all(events.iter().map(record).collect()).await?;
        self.bar.inc(events.len() as u64);
        self.chunks += 1;
        if self.bar.is_hidden() && self.chunks.is_multiple_of(10) {
            eprintln!("{}: {} of {} events", self.what, self.bar.position(), self.bar.length().unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

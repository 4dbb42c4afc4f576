//! What is usual in everybody's segment, computed anew now and then from the portrait table.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use index::table::PortraitTable;
use ranker::warm::LiveRates;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long to wait while the table is still being read from the stream.
const SOON: Duration = Duration::from_secs(2);

/// The priors of a node, and what they are made of.
pub struct KeptRates {
    /// Every portrait.
    pub table: Arc<PortraitTable>,
    /// What the ranker reads.
    pub rates: Arc<LiveRates>,
    /// Whether the table has caught up with the stream.
    pub caught_up: watch::Receiver<bool>,
}

impl KeptRates {
    /// Computes the priors every so often until told to stop; more often until the table has caught up.
    pub async fn keep(self, every: Duration, clock: fn() -> DateTime<Utc>, stop: CancellationToken) {
        loop {
            let (table, rates, now) = (Arc::clone(&self.table), Arc::clone(&self.rates), clock());
            if let Err(error) = tokio::task::spawn_blocking(move || rates.refresh(&table, now)).await {
                tracing::error!(%error, "the priors of segments cannot be computed; the old ones hold");
            }
            let wait = if *self.caught_up.borrow() { every } else { SOON.min(every) };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

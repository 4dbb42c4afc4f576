//! The assembler's state out of the lake, and its handing over.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::BackfillError;
use super::job::Backfill;
use super::record::Phase;
use crate::assembler::{Handed, rebuild};

/// What became of the assembler's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PortraitsReport {
    /// People of whom something is known.
    pub people: usize,
    /// Whether the assembler has taken it over; otherwise it does at its next start.
    pub taken_over: bool,
}

impl Backfill {
    /// Computes what the assembler knows: opinions from the lake, everything else from the compacted topics; then hands it over, and waits until
    /// the assembler has written every portrait anew, at most `patience`.
    ///
    /// # Errors
    /// When the log, the lake or the state fails.
    pub async fn portraits(&mut self, patience: Duration) -> Result<PortraitsReport, BackfillError> {
        self.keeper.write(|run| (run.phase, run.done, run.total) = (Phase::Portraits, 0, 0)).await?;
        let step = async |done, total| {
            self.tell(Phase::Portraits, "opinions by day", done, total, 0);
            self.still_mine().await
        };
        let (people, state) = rebuild(&self.core.bus, &self.core.lake, step).await?;
        self.still_mine_now().await?;
        let handed = Handed::new(&self.core.state);
        let number = self.claim.number();
        handed.put(number, &state).await?;
        let until = Instant::now() + patience;
        while handed.waits(number).await? {
            if Instant::now() >= until {
                return Ok(PortraitsReport { people, taken_over: false });
            }
            self.tell(Phase::Portraits, "the assembler takes over", 0, 0, 0);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(PortraitsReport { people, taken_over: true })
    }
}

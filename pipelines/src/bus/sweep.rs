//! Reading what is there, once.

use std::time::Duration;

use tokio::time::timeout;

use super::{Bus, BusError, Offsets, Reader, Record};

/// Records that come out together at most, where nobody asks for another number.
const AT_ONCE: usize = 10_000;
const LINGER: Duration = Duration::from_millis(20);
/// How often it is asked whether anything is still to come: the last offsets may be markers or compacted away, so that no record comes.
const LOOK: Duration = Duration::from_millis(100);

/// The committed records of some topics from where to where was settled when it began. What has come since may be among the last ones.
pub struct Sweep {
    /// None where there is nothing to read.
    reader: Option<Reader>,
    begin: Offsets,
    end: Offsets,
    at_once: usize,
}

impl Bus {
    /// Reads `topics` from the offsets in `from` (where that says nothing, from the beginning) up to where they end now. `who` is how the reader is
    /// called where something is said of it.
    ///
    /// # Errors
    /// When the broker does not answer or a topic is missing.
    pub async fn sweep(&self, who: &str, topics: &[String], from: &Offsets) -> Result<Sweep, BusError> {
        let (mut begin, end) = self.bounds(topics).await?;
        begin.merge(from);
        self.sweep_until(who, topics, begin, end).await
    }

    /// The same from `begin` to `end`; `begin` says something about every partition.
    ///
    /// # Errors
    /// When the broker does not answer, a topic is missing, or `begin` lies beyond the end of a partition.
    pub async fn sweep_until(&self, who: &str, topics: &[String], begin: Offsets, end: Offsets) -> Result<Sweep, BusError> {
        let reader = if begin.reached(&end) { None } else { Some(self.reader(who, topics, &begin).await?) };
        Ok(Sweep { reader, begin, end, at_once: AT_ONCE })
    }
}

impl Sweep {
    /// At most so many records come out together: for those that are large.
    #[must_use]
    pub fn at_once(mut self, records: usize) -> Self {
        self.at_once = records;
        self
    }

    /// The next records; none when everything has come.
    ///
    /// # Errors
    /// As [`Reader::batch`].
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, BusError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        while !reader.position().reached(&self.end) {
            match timeout(LOOK, reader.batch(self.at_once, LINGER)).await {
                Ok(records) => return records.map(Some),
                Err(_) if reader.caught_up() => break,
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Shows every record.
    ///
    /// # Errors
    /// As [`Reader::batch`].
    pub async fn each(mut self, mut show: impl FnMut(&Record)) -> Result<(), BusError> {
        while let Some(records) = self.next().await? {
            records.iter().for_each(&mut show);
        }
        Ok(())
    }

    /// The next offset to read of each partition.
    pub fn position(&self) -> &Offsets {
        self.reader.as_ref().map_or(&self.begin, Reader::position)
    }
}

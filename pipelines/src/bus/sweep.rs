//! Reading what is there, once.

use std::time::Duration;

use tokio::time::timeout;

use super::{Bus, BusError, Offsets, Record};

const AT_ONCE: usize = 10_000;
const LINGER: Duration = Duration::from_millis(20);
/// How often it is asked whether anything is still to come: the last offsets may be markers or compacted away, so that no record comes.
const LOOK: Duration = Duration::from_millis(100);

impl Bus {
    /// Shows `each` every committed record of one topic from the offsets in `from` (where that says nothing, from the beginning) up to where the
    /// topic ends now.
    ///
    /// # Errors
    /// When the broker does not answer or the topic is missing.
    pub async fn sweep(&self, topic: &str, from: &Offsets, mut each: impl FnMut(&Record)) -> Result<(), BusError> {
        let topics = [topic.to_owned()];
        let (mut begin, end) = self.bounds(&topics).await?;
        begin.merge(&from.of_topic(topic));
        if begin.reached(&end) {
            return Ok(());
        }
        let mut reader = self.reader("hongniang-look", &topics, &begin).await?;
        while !reader.position().reached(&end) {
            match timeout(LOOK, reader.batch(AT_ONCE, LINGER)).await {
                Ok(records) => records?.iter().for_each(&mut each),
                Err(_) if reader.caught_up() => break,
                Err(_) => {}
            }
        }
        Ok(())
    }
}

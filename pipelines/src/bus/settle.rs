//! Whether a reader has come to the end, by what it has committed, and the end of what all have read.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use super::{Bus, BusError, Offsets};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Who is further behind is not waited for record by record.
const NEAR: i64 = 10_000;

impl Bus {
    /// Whether `group` has committed everything in `topics` that lies before `end`. Markers of transactions, which take offsets that nobody reads, do not count.
    ///
    /// # Errors
    /// When the broker does not answer or a topic is missing.
    pub async fn has_read(&self, group: &str, topics: &[String], end: &Offsets) -> Result<bool, BusError> {
        let mut at = self.beginning_offsets(topics).await?;
        at.merge(&self.committed(group, topics).await?);
        if at.reached(end) {
            return Ok(true);
        }
        let behind: i64 = end.0.iter().map(|((topic, partition), end)| (end - at.get(topic, *partition).unwrap_or(0)).max(0)).sum();
        if behind > NEAR {
            return Ok(false);
        }
        let mut rest = self.sweep_until("settle", topics, at, end.clone()).await?;
        while let Some(records) = rest.next().await? {
            // What has come since is none of its business.
            if records.iter().any(|record| end.get(&record.topic, record.partition).is_some_and(|end| record.offset < end)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes every record before the given offsets (Kafka's `DeleteRecords`).
    ///
    /// # Errors
    /// When the broker does not answer or refuses.
    pub async fn delete_before(&self, offsets: &Offsets) -> Result<(), BusError> {
        if offsets.0.is_empty() {
            return Ok(());
        }
        let admin: AdminClient<DefaultClientContext> = self.create(&self.config().client())?;
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
        let what = "remove records that were read";
        let done = admin.delete_records(&offsets.to_list(), &options).await.map_err(|e| self.config().error(what, e))?;
        match done.elements().into_iter().find_map(|element| element.error().err()) {
            Some(error) => Err(self.config().error(what, error)),
            None => Ok(()),
        }
    }
}

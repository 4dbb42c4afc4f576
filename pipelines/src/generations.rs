//! Announcements of generations, and which generations there are.

use features::generation::{Announcement, Generations, TOPIC};
use features::sets::FeatureSet;
use serde::Deserialize;

use crate::bus::{Bus, BusError, Offsets, OutRecord};

/// What has been announced.
///
/// # Errors
/// When the event log does not answer.
pub async fn announced(bus: &Bus) -> Result<Generations, BusError> {
    let mut generations = Generations::default();
    let there = bus.sweep("generations", &[TOPIC.to_owned()], &Offsets::default()).await?;
    there
        .each(|record| {
            // Whatever else somebody wrote there says nothing.
            if let Some(said) = record.value.as_deref().and_then(|value| Announcement::decode(value).ok()) {
                generations.announce(&said.set, said.generation);
            }
        })
        .await?;
    Ok(generations)
}

/// Says that a generation of a set has caught up: from now on readers use its rows.
///
/// # Errors
/// When the event log does not take it.
pub async fn announce(bus: &Bus, set: &str, generation: u32) -> Result<(), BusError> {
    let said = Announcement { set: set.to_owned(), generation };
    bus.producer()?.send_all(vec![OutRecord::new(TOPIC, set.to_owned(), Some(said.encode()))]).await
}

/// The largest generation among the rows in a set's topic; 0 when it is empty.
///
/// # Errors
/// When the event log does not answer.
pub async fn newest_row(bus: &Bus, set: &FeatureSet) -> Result<u32, BusError> {
    let mut newest = 0;
    let there = bus.sweep("generations", &[set.topic()], &Offsets::default()).await?;
    there
        .each(|record| {
            newest = newest.max(record.value.as_deref().and_then(of_row).unwrap_or(0));
        })
        .await?;
    Ok(newest)
}

/// The generation of a row in either form, without reading the rest of it.
fn of_row(value: &[u8]) -> Option<u32> {
    #[derive(Deserialize, Default)]
    struct Columns {
        #[serde(default)]
        generation: u32,
    }
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        generation: u32,
        #[serde(default)]
        after: Option<Columns>,
    }
    let head: Head = serde_json::from_slice(value).ok()?;
    Some(head.after.map_or(head.generation, |after| after.generation))
}

#[cfg(test)]
mod tests {
    use super::of_row;

    #[test]
    fn both_forms_tell_their_generation() {
        assert_eq!(of_row(br#"{"user_id":"1","version":3,"generation":2,"likes":1.5}"#), Some(2));
        assert_eq!(of_row(br#"{"before":null,"after":{"user_id":"1","version":3,"generation":4},"op":"c"}"#), Some(4));
        assert_eq!(of_row(br#"{"before":{"generation":9},"after":null,"op":"d"}"#), Some(0));
        assert_eq!(of_row(br#"{"user_id":"1","version":3}"#), Some(0));
        assert_eq!(of_row(b"garbage"), None);
    }
}

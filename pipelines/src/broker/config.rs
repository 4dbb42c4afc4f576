//! Topic settings the broker heeds, by Kafka's names, with Kafka's defaults; `segment.bytes` has the broker's own.

use std::collections::BTreeMap;

use super::log::Policy;

/// The setting whose default is the broker's.
const SEGMENT_BYTES: &str = "segment.bytes";

/// Name and default of every setting that is heeded or at least told.
pub(super) const SETTINGS: [(&str, &str); 8] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "604800000"),
    ("retention.bytes", "-1"),
    ("delete.retention.ms", "86400000"),
    ("max.message.bytes", "1048588"),
    ("min.cleanable.dirty.ratio", "0.5"),
    ("max.compaction.lag.ms", "9223372036854775807"),
    (SEGMENT_BYTES, ""),
];

/// A topic's setting, or its default.
pub(super) fn setting<'a>(configs: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    configs.get(name).map_or_else(|| SETTINGS.iter().find(|(n, _)| *n == name).map_or("", |(_, default)| default), String::as_str)
}

/// A numeric setting, or its default.
pub(super) fn number(configs: &BTreeMap<String, String>, name: &str) -> i64 {
    let default = || SETTINGS.iter().find(|(n, _)| *n == name).and_then(|(_, d)| d.parse().ok()).unwrap_or(-1);
    setting(configs, name).parse().unwrap_or_else(|_| default())
}

/// Size at which a topic's segments are closed, in bytes.
pub(super) fn segment_bytes(configs: &BTreeMap<String, String>, default: u64) -> u64 {
    configs.get(SEGMENT_BYTES).and_then(|bytes| bytes.parse().ok()).unwrap_or(default)
}

/// How the topic is compacted.
pub(super) fn policy(configs: &BTreeMap<String, String>) -> Policy {
    Policy {
        dirty_ratio: setting(configs, "min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
        max_lag_ms: number(configs, "max.compaction.lag.ms"),
        delete_retention_ms: number(configs, "delete.retention.ms"),
    }
}

/// Whether the topic is compacted.
pub(super) fn compacts(configs: &BTreeMap<String, String>) -> bool {
    setting(configs, "cleanup.policy").contains("compact")
}

/// Whether old data is deleted.
pub(super) fn deletes(configs: &BTreeMap<String, String>) -> bool {
    setting(configs, "cleanup.policy").contains("delete")
}

/// Whether a value is possible for a setting; unknown settings are kept as they are.
pub(super) fn possible(name: &str, value: &str) -> bool {
    match name {
        "cleanup.policy" => !value.is_empty() && value.split(',').all(|p| matches!(p.trim(), "compact" | "delete")),
        "min.cleanable.dirty.ratio" => value.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
        SEGMENT_BYTES => value.parse::<u64>().is_ok_and(|bytes| bytes >= 1),
        _ if SETTINGS.iter().any(|(n, _)| *n == name) => value.parse::<i64>().is_ok(),
        _ => true,
    }
}

//! Topic settings the broker heeds, by Kafka's names, with Kafka's defaults.

use std::collections::BTreeMap;

/// Name and default of every setting that is heeded or at least told.
pub(super) const SETTINGS: [(&str, &str); 6] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "604800000"),
    ("retention.bytes", "-1"),
    ("delete.retention.ms", "86400000"),
    ("max.message.bytes", "1048588"),
    ("segment.bytes", "1073741824"),
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
        _ if SETTINGS.iter().any(|(n, _)| *n == name) => value.parse::<i64>().is_ok(),
        _ => true,
    }
}

//! `dead-letters show`.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use pipelines::dead_letters::{self as letters, Letter, LetterId};
use serde_json::{Value, json};

use super::{one, origin, time};
use crate::commands::Global;
use crate::commands::report::{Format, ReportArgs, say};
use crate::wiring::Log;

/// Lines that are shown at most; `--raw` gives all.
const MOST_LINES: usize = 200;

/// Flags of `show`.
#[derive(Debug, Args)]
pub(in crate::commands) struct ShowArgs {
    /// Partition and offset in `dead_letters`, as `list` shows them.
    id: LetterId,
    /// Only the record's value, byte by byte as it came.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn show(global: &Global, args: &ShowArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.report.format != Format::Csv, "--format: one letter is no table; use table or json");
    let log = Log::open(&global.load()?).await?;
    let letter = one(&log, args.id).await?;
    log.close().await;
    let value = letters::raw(&letter.letter)?;
    if args.raw {
        return Ok(std::io::stdout().write_all(&value)?);
    }
    if args.report.format == Format::Json {
        return say(serde_json::to_string_pretty(&as_json(&letter, &value))?);
    }
    say(text(&letter, &value))
}

/// Bytes as text, with what is no UTF-8 told as such.
fn readable(base64: &str) -> String {
    STANDARD.decode(base64).map_or_else(|_| base64.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn as_json(letter: &Letter, value: &[u8]) -> Value {
    let l = &letter.letter;
    let headers: serde_json::Map<String, Value> = l.headers.iter().map(|h| (h.name.clone(), json!(readable(&h.value)))).collect();
    json!({
        "id": letter.id.to_string(), "refused_at": l.refused_at, "job": l.job, "reason": l.reason, "state": letter.state().name(),
        "sent_at": letter.sent.as_ref().map(|sent| sent.sent_at), "event_id": letter.sent.as_ref().map(|sent| sent.event_id),
        "topic": l.topic, "partition": l.partition, "offset": l.offset, "key": l.key.as_deref().map(readable), "headers": headers,
        "bytes": value.len(), "cut": letters::is_cut(l), "fields": letters::fields_of(&l.reason),
        "place": letters::place(value).map(|place| json!({"line": place.line, "column": place.column})),
        "value": serde_json::from_slice::<Value>(value).unwrap_or_else(|_| json!(String::from_utf8_lossy(value))),
    })
}

fn text(letter: &Letter, value: &[u8]) -> String {
    let l = &letter.letter;
    let became = letter.sent.as_ref().map_or_else(String::new, |sent| format!(" at {}, event {}", time(sent.sent_at), sent.event_id));
    let mut lines = vec![
        format!("letter   {}", letter.id),
        format!("state    {}{became}", letter.state().name()),
        format!("refused  {} by {}", time(l.refused_at), l.job),
        format!("reason   {}", l.reason),
        format!("origin   {}, key {}", origin(letter), l.key.as_deref().map_or_else(|| "none".to_owned(), readable)),
    ];
    lines.extend(l.headers.iter().map(|header| format!("header   {} = {}", header.name, readable(&header.value))));
    let cut = if letters::is_cut(l) { ", of which only the beginning was kept" } else { "" };
    let place = letters::place(value).map_or_else(String::new, |at| format!("; reading ends at line {}, column {}", at.line, at.column));
    lines.push(format!("value    {} bytes{cut}{place}", value.len()));
    lines.extend(marked(value, &letters::fields_of(&l.reason)));
    lines.join("\n")
}

/// The value, JSON laid out, with `>` before the lines at fault.
pub(super) fn marked(value: &[u8], fields: &[String]) -> Vec<String> {
    let mut lines = match serde_json::from_slice::<Value>(value).and_then(|read| serde_json::to_string_pretty(&read)) {
        Ok(pretty) => {
            let at_fault = |line: &str| fields.iter().any(|field| line.trim_start().starts_with(&format!("\"{field}\":")));
            pretty.lines().map(|line| format!("{} {line}", if at_fault(line) { '>' } else { ' ' })).collect()
        }
        Err(_) => as_it_came(value),
    };
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("  … {more} lines more; --raw gives all"));
    }
    lines
}

/// What is no JSON: the lines around the fault, and a caret under it.
fn as_it_came(value: &[u8]) -> Vec<String> {
    const AROUND: usize = 60;
    let place = letters::place(value);
    let mut out = Vec::new();
    for (n, line) in value.split(|byte| *byte == b'\n').enumerate() {
        let at = place.filter(|place| place.line == n + 1).map(|place| place.column.saturating_sub(1).min(line.len()));
        let (from, to) = at.map_or((0, line.len().min(2 * AROUND)), |at| (at.saturating_sub(AROUND), line.len().min(at + AROUND)));
        // What cannot be shown is told, one character for a byte, so that the caret stands where it should.
        let shown = |bytes: &[u8]| -> String {
            String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '\u{b7}' } else { c }).collect()
        };
        let before = shown(&line[from..at.unwrap_or(from)]);
        let rest = shown(&line[at.unwrap_or(from)..to]);
        let (head, tail) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
        out.push(format!("{} {head}{before}{rest}{tail}", if at.is_some() { '>' } else { ' ' }));
        if at.is_some() {
            let width = head.chars().chain(before.chars()).map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
            out.push(format!("  {}^", " ".repeat(width)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_at_fault_is_marked() {
        let lines = marked(br#"{"kind":"like","target_id":"1"}"#, &["target_id".to_owned()]);
        assert_eq!(lines, ["  {", "    \"kind\": \"like\",", ">   \"target_id\": \"1\"", "  }"]);
    }

    #[test]
    fn the_place_where_reading_ends_is_marked() {
        let lines = marked(br#"{"kind":"like" "x""#, &[]);
        assert_eq!(lines[0], r#"> {"kind":"like" "x""#);
        assert_eq!(lines[1].find('^'), lines[0].find("\"x"));
        let long = [b"[".repeat(5_000), b"\xff".to_vec()].concat();
        let lines = marked(&long, &[]);
        assert!(lines[0].len() < 200 && lines[0].starts_with("> …["), "{lines:?}");
    }

    #[test]
    fn long_values_are_cut_with_the_way_to_all_of_it() {
        let long = serde_json::to_vec(&vec![1; 1_000]).unwrap_or_default();
        let lines = marked(&long, &[]);
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert!(lines[MOST_LINES].contains("--raw"), "{}", lines[MOST_LINES]);
    }
}

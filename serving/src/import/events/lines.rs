//! JSON lines: one event of docs/EVENTS.md per line; `event_id` may be left out.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

/// A line is not read beyond this: no event is as long, and memory stays bounded.
const MOST: u64 = 1 << 20;

/// Reads line after line; blank ones are passed over.
pub(super) fn read(path: &Path, each: &mut dyn FnMut(u64, Result<Map<String, Value>, String>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut bytes = Vec::new();
    for line in 1u64.. {
        bytes.clear();
        if std::io::Read::take(&mut reader, MOST).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.len() as u64 == MOST && bytes.last() != Some(&b'\n') {
            reader.skip_until(b'\n')?;
            each(line, Err("longer than 1 MiB".to_owned()))?;
        } else if !bytes.iter().all(u8::is_ascii_whitespace) {
            each(line, object(&bytes))?;
        }
    }
    Ok(())
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

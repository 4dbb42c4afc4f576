//! People into the snapshots of a data folder, and what that costs.

use std::path::Path;
use std::time::{Duration, Instant};

use index::ledger::Ledger;
use index::snapshot::OffsetMap;
use index::table::PortraitTable;

use super::crowd::Crowd;
use crate::bench::measure::{Row, cpu, resident};

/// Where a node keeps its portrait table, below its data folder.
const TABLE: &str = "state/portraits.table";
/// Where a node keeps its ledger.
const LEDGER: &str = "state/ledger";

/// When something began, and what the process had used by then.
struct Begun(Instant, Duration);

impl Begun {
    fn now() -> Self {
        Self(Instant::now(), cpu(std::process::id()))
    }

    /// One operation over so many people.
    fn row(&self, name: impl Into<String>, people: u64, rss_mb: f64) -> Row {
        let (took, used) = (self.0.elapsed(), cpu(std::process::id()).saturating_sub(self.1));
        #[expect(clippy::cast_precision_loss, reason = "a count of people")]
        let (people_f, ms) = (people.max(1) as f64, took.as_secs_f64() * 1_000.0);
        let cpu_ms_per_op = used.as_secs_f64() * 1_000.0 / people_f;
        Row {
            name: name.into(),
            ops: people,
            throughput_per_s: people_f / took.as_secs_f64().max(1e-9),
            p50_ms: ms,
            p99_ms: ms,
            cpu_ms_per_op,
            rss_mb,
        }
    }
}

/// Builds the table and the ledger of a crowd, saves both, and reads the table back. For a process of its own: what they take is told by its memory.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn make(crowd: &Crowd, folder: &Path) -> anyhow::Result<Vec<Row>> {
    let pid = std::process::id();
    let mut rows = Vec::new();
    let per_person = |mb: f64| {
        #[expect(clippy::cast_precision_loss, reason = "a count of people")]
        let bytes = mb * 1_048_576.0 / crowd.users.max(1) as f64;
        format!("{bytes:.0} bytes a person")
    };
    let (before, begun) = (resident(pid), Begun::now());
    let table = PortraitTable::default();
    (1..=crowd.users).for_each(|user| {
        table.apply(&crowd.portrait(user));
    });
    let taken = resident(pid) - before;
    rows.push(begun.row(format!("portrait table in memory: {}", per_person(taken)), crowd.users, taken));
    let begun = Begun::now();
    table.save(&folder.join(TABLE), &OffsetMap::new())?;
    rows.push(begun.row("portrait table saved", crowd.users, resident(pid)));
    drop(table);
    let begun = Begun::now();
    let (table, _) = PortraitTable::load(&folder.join(TABLE))?;
    anyhow::ensure!(table.len() as u64 == crowd.users, "{} people came back of {}", table.len(), crowd.users);
    rows.push(begun.row("portrait table loaded", crowd.users, resident(pid)));
    drop(table);
    rows.extend(ledger(crowd, folder, &per_person)?);
    Ok(rows)
}

fn ledger(crowd: &Crowd, folder: &Path, per_person: &dyn Fn(f64) -> String) -> anyhow::Result<Vec<Row>> {
    let pid = std::process::id();
    let mut cities: Vec<Vec<u32>> = vec![Vec::new(); usize::try_from(crowd.cities)?];
    for user in 1..=crowd.users {
        cities[usize::try_from(crowd.city(user))?].push(u32::try_from(user)?);
    }
    let (before, begun) = (resident(pid), Begun::now());
    let ledger = Ledger::default();
    for user in 1..=crowd.users {
        ledger.apply_all(&crowd.history(user, &cities[usize::try_from(crowd.city(user))?]));
    }
    let taken = (resident(pid) - before).max(0.0);
    let name = format!("ledger in memory: {} exposures, {}", ledger.exposures(), per_person(taken));
    let mut rows = vec![begun.row(name, crowd.users, taken)];
    let begun = Begun::now();
    ledger.save(&folder.join(LEDGER), &OffsetMap::new())?;
    rows.push(begun.row("ledger saved", crowd.users, resident(pid)));
    Ok(rows)
}

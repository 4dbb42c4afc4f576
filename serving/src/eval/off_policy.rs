//! Logs of decisions with propensities, out of Parquet or CSV files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::prelude::{CsvReadOptions, DataFrame, ParquetReadOptions, SessionContext};
use ranker::eval::off_policy::Decision;

/// Names of the columns of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// When; rows are sorted by it where the file has it.
    pub time: String,
    /// What was shown.
    pub action: String,
    /// Where.
    pub position: String,
    /// What came of it.
    pub reward: String,
    /// With which chance it was shown.
    pub propensity: String,
}

impl Columns {
    fn needed(&self) -> [&str; 4] {
        [&self.position, &self.action, &self.reward, &self.propensity]
    }
}

async fn open(path: &Path) -> anyhow::Result<Option<DataFrame>> {
    let context = SessionContext::new();
    let place = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    let frame = match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => context.read_parquet(place, ParquetReadOptions::default()).await,
        Some("csv") => context.read_csv(place, CsvReadOptions::default()).await,
        _ => return Ok(None),
    };
    Ok(Some(frame.with_context(|| format!("{} cannot be read", path.display()))?))
}

fn missing(frame: &DataFrame, columns: &Columns) -> Vec<String> {
    let has = |name: &str| frame.schema().fields().iter().any(|field| field.name() == name);
    columns.needed().into_iter().filter(|name| !has(name)).map(str::to_owned).collect()
}

/// The logs at a path: the file itself, or those files of a folder that have the columns, sorted by name.
///
/// # Errors
/// When there is none, or a file cannot be read.
pub async fn logs(path: &Path, columns: &Columns) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        anyhow::ensure!(path.exists(), "{} does not exist", path.display());
        return Ok(vec![path.to_path_buf()]);
    }
    let files = std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut files: Vec<PathBuf> = files.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        if open(&file).await?.is_some_and(|frame| missing(&frame, columns).is_empty()) {
            found.push(file);
        }
    }
    let needed = columns.needed().join(", ");
    anyhow::ensure!(!found.is_empty(), "{} has no .parquet or .csv file with the columns {needed}; name others by flags", path.display());
    Ok(found)
}

/// The decisions of a log, in the order of time.
///
/// # Errors
/// When the file cannot be read, a column is missing or no number, or a propensity is not above 0 and at most 1.
pub async fn read(path: &Path, columns: &Columns) -> anyhow::Result<Vec<Decision>> {
    let Some(frame) = open(path).await? else { anyhow::bail!("{}: expected a .parquet or .csv file", path.display()) };
    let gone = missing(&frame, columns);
    anyhow::ensure!(gone.is_empty(), "{} lacks the column {}; name another by a flag", path.display(), gone.join(", "));
    let timed = frame.schema().fields().iter().any(|field| field.name() == &columns.time);
    let context = SessionContext::new();
    context.register_table("log", frame.into_view())?;
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let [position, action, reward, propensity] = columns.needed().map(quoted);
    let order = if timed { format!(" ORDER BY {}", quoted(&columns.time)) } else { String::new() };
    let sql = format!(
        "SELECT CAST({position} AS BIGINT) AS \"position\", CAST({action} AS BIGINT) AS \"action\", CAST({reward} AS DOUBLE) AS \"reward\", \
         CAST({propensity} AS DOUBLE) AS \"propensity\" FROM log{order}"
    );
    let batches = context.sql(&sql).await?.collect().await.with_context(|| format!("{} cannot be read as numbers", path.display()))?;
    let mut decisions = Vec::new();
    for batch in batches {
        let whole = |name: &str| batch[name].as_primitive::<Int64Type>();
        let real = |name: &str| batch[name].as_primitive::<Float64Type>();
        let (positions, actions, rewards, chances) = (whole("position"), whole("action"), real("reward"), real("propensity"));
        for (((position, action), reward), propensity) in positions.iter().zip(actions).zip(rewards).zip(chances) {
            let row = decisions.len() + 1;
            let decision = decision(position, action, reward, propensity);
            decisions.push(decision.map_err(|problem| anyhow::anyhow!("{}: row {row} by time: {problem}", path.display()))?);
        }
    }
    Ok(decisions)
}

fn decision(position: Option<i64>, action: Option<i64>, reward: Option<f64>, propensity: Option<f64>) -> Result<Decision, String> {
    let count =
        |name: &str, value: Option<i64>| value.filter(|v| *v >= 0).ok_or_else(|| format!("{name} must be a whole number of 0 or more"));
    let position = u32::try_from(count("position", position)?).map_err(|_| "position is too large".to_owned())?;
    let action = count("action", action)?.unsigned_abs();
    let reward = reward.filter(|r| r.is_finite()).ok_or("reward is missing or no number")?;
    let propensity = propensity.filter(|p| *p > 0.0 && *p <= 1.0);
    let propensity = propensity.ok_or("propensity must be above 0 and at most 1: the chance with which the row was shown")?;
    Ok(Decision { position, action, reward, propensity })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let of = str::to_owned;
        Columns {
            time: of("timestamp"),
            action: of("item_id"),
            position: of("position"),
            reward: of("click"),
            propensity: of("propensity_score"),
        }
    }

    #[tokio::test]
    async fn a_log_is_read_in_the_order_of_time_and_others_of_a_folder_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.csv");
        std::fs::write(
            &log,
            "timestamp,item_id,position,click,propensity_score\n2019-11-24 00:02:00+00:00,7,1,0,0.5\n2019-11-24 00:01:00+00:00,8,2,1,0.25\n",
        )
        .unwrap();
        std::fs::write(dir.path().join("items.csv"), "item_id,price\n7,1.5\n").unwrap();
        std::fs::write(dir.path().join("readme.md"), "x").unwrap();
        assert_eq!(logs(dir.path(), &columns()).await.unwrap(), std::slice::from_ref(&log));
        let rows = read(&log, &columns()).await.unwrap();
        assert_eq!(rows.iter().map(|d| d.action).collect::<Vec<_>>(), [8, 7]);
        assert_eq!(rows[0], Decision { position: 2, action: 8, reward: 1.0, propensity: 0.25 });
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let zero = write("zero.csv", "item_id,position,click,propensity_score\n7,1,0,0.5\n7,1,0,0\n");
        let error = read(&zero, &columns()).await.unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("propensity"), "{error}");
        let lacks = write("lacks.csv", "item_id,position,click\n7,1,0\n");
        let error = read(&lacks, &columns()).await.unwrap_err().to_string();
        assert!(error.contains("propensity_score"), "{error}");
        let other = write("other.txt", "x");
        assert!(read(&other, &columns()).await.unwrap_err().to_string().contains(".parquet or .csv"));
        assert!(logs(&dir.path().join("gone"), &columns()).await.unwrap_err().to_string().contains("does not exist"));
        let empty = tempfile::tempdir().unwrap();
        assert!(logs(empty.path(), &columns()).await.unwrap_err().to_string().contains("item_id"));
    }
}

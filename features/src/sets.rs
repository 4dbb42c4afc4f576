//! Feature sets: the SQL files of `features/sql`, each a plain `SELECT … GROUP BY key` in the dialect that
//! DataFusion and Arroyo share.
//!
//! A file names its columns in this order: the key columns, then `COUNT(*) AS version`, then the value columns. A value
//! column whose name ends in `_d<days>` is a forward-decayed sum with that half-life (see [`crate::decay`]).

use std::sync::OnceLock;

use crate::topic::{Topic, feature_topic};

/// One feature set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSet {
    /// Its name: the file name without `.sql`.
    pub name: String,
    /// The SQL as written, without comments.
    pub sql: String,
    /// The line of the file on which `sql` begins, from 1.
    pub line: usize,
    /// The topic it reads.
    pub source: Topic,
    /// Columns that make the key.
    pub key_columns: Vec<String>,
    /// Columns that hold sums and counts.
    pub value_columns: Vec<String>,
}

impl FeatureSet {
    /// The topic its rows go to.
    pub fn topic(&self) -> String {
        feature_topic(&self.name)
    }

    /// Reads a feature file.
    ///
    /// # Errors
    /// A text that names what the file lacks.
    pub fn parse(name: &str, sql: &str) -> Result<Self, String> {
        let code: String = sql.lines().map(|line| line.split("--").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
        let source = Topic::ALL
            .into_iter()
            .find(|topic| {
                code.split_whitespace()
                    .collect::<Vec<_>>()
                    .windows(2)
                    .any(|w| w[0].eq_ignore_ascii_case("FROM") && w[1].trim_end_matches(')') == topic.name())
            })
            .ok_or_else(|| format!("{name}.sql: no `FROM <topic>` with a known topic"))?;
        let columns = output_columns(&code).ok_or_else(|| format!("{name}.sql: no SELECT list before FROM"))?;
        let at = columns.iter().position(|c| c == "version").ok_or_else(|| format!("{name}.sql: no `COUNT(*) AS version`"))?;
        if at == 0 {
            return Err(format!("{name}.sql: no key column before `version`"));
        }
        let before = code.len() - code.trim_start().len();
        Ok(Self {
            name: name.to_owned(),
            sql: code.trim().to_owned(),
            line: 1 + code[..before].matches('\n').count(),
            source,
            key_columns: columns[..at].to_vec(),
            value_columns: columns[at + 1..].to_vec(),
        })
    }
}

/// Names of the outermost SELECT list: the alias after AS, or the bare column.
fn output_columns(code: &str) -> Option<Vec<String>> {
    let upper = code.to_ascii_uppercase();
    let start = upper.find("SELECT")? + "SELECT".len();
    let (mut depth, mut items, mut item) = (0i32, Vec::new(), String::new());
    let rest = &code[start..];
    for (i, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        let word_end = depth == 0
            && c.is_whitespace()
            && rest[i..].trim_start().get(..5).is_some_and(|w| w.eq_ignore_ascii_case("FROM ") || w.eq_ignore_ascii_case("FROM\n"));
        if word_end || (depth == 0 && c == ',') {
            items.push(std::mem::take(&mut item));
            if word_end {
                break;
            }
        } else {
            item.push(c);
        }
    }
    items.iter().map(|item| item.split_whitespace().last().map(|name| name.to_ascii_lowercase())).collect()
}

macro_rules! sql_files {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../sql/", $name, ".sql")))),+] };
}

const FILES: [(&str, &str); 8] = sql_files![
    "activity_actions",
    "activity_messages",
    "activity_sessions",
    "given",
    "moment_richness",
    "moment_tags",
    "popularity",
    "tag_affinity"
];

/// Every feature set, by name.
pub fn feature_sets() -> &'static [FeatureSet] {
    static SETS: OnceLock<Vec<FeatureSet>> = OnceLock::new();
    SETS.get_or_init(|| {
        FILES.iter().map(|(name, sql)| FeatureSet::parse(name, sql).expect("a test holds every file to the rules")).collect()
    })
}

/// The feature set of that name.
pub fn feature_set(name: &str) -> Option<&'static FeatureSet> {
    feature_sets().iter().find(|set| set.name == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_registered_and_keeps_the_rules() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql");
        let mut on_disk: Vec<String> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        on_disk.sort();
        let registered: Vec<String> = FILES.iter().map(|(name, _)| format!("{name}.sql")).collect();
        assert_eq!(on_disk, registered);
        for (name, sql) in FILES {
            let set = FeatureSet::parse(name, sql).unwrap();
            assert!(!set.value_columns.is_empty(), "{name}");
            for column in &set.value_columns {
                if let Some(days) = crate::decay::column_half_life(column) {
                    assert!(days >= 4.0, "{name}.{column}: forward decay overflows with half-lives under four days");
                    assert!(sql.contains("1767225600.0"), "{name}: the landmark of features::decay");
                    assert!(
                        sql.contains(&format!("{days:.1} * 86400.0")),
                        "{name}.{column}: the half-life in the file must be the one in the name"
                    );
                }
            }
        }
    }

    #[test]
    fn columns_are_read_from_the_select_list() {
        let set = FeatureSet::parse("x", "SELECT a, b AS tag, COUNT(*) AS version, SUM(CASE WHEN k = 'x' THEN f(1, 2) ELSE 0 END) AS n FROM (SELECT 1 FROM interactions) GROUP BY a, b").unwrap();
        assert_eq!(set.key_columns, ["a", "tag"]);
        assert_eq!(set.value_columns, ["n"]);
        assert_eq!(set.source, Topic::Interactions);
        assert_eq!(set.line, 1);
        let late =
            FeatureSet::parse("x", "-- what it is\n\n  SELECT a, COUNT(*) AS version, COUNT(*) AS n -- why\nFROM moments GROUP BY a")
                .unwrap();
        assert_eq!((late.line, late.sql.lines().count()), (3, 2), "comments are left out, lines are not");
        assert!(FeatureSet::parse("x", "SELECT a FROM interactions").is_err());
        assert!(FeatureSet::parse("x", "SELECT COUNT(*) AS version FROM nothing").is_err());
    }
}

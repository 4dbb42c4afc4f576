//! The `[database]` section.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Kind, NODES};

/// The `[database]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Where the tables are: empty for SQLite in the data folder, `sqlite://FILE`, `mysql://…` (MariaDB, TiDB) or `postgres://…`.
    pub url: String,
    /// Connections at most. SQLite writes through one more.
    pub connections: u32,
    /// Seconds a request waits for a connection before it is refused.
    pub wait_s: u64,
    /// Whether a node may change the tables of MySQL or PostgreSQL at its start; on SQLite it always does.
    pub migrate: bool,
    /// The number of this node in ids, 0 to 1023; nodes that share a database have different ones.
    pub node: u16,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: String::new(), connections: 8, wait_s: 5, migrate: false, node: 0 }
    }
}

impl DatabaseConfig {
    /// Which database the URL names.
    ///
    /// # Errors
    /// What is wrong with the URL; it is not repeated, for it may hold a password.
    pub fn kind(&self) -> Result<Kind, String> {
        match self.url.trim().split_once("://") {
            None if self.url.trim().is_empty() => Ok(Kind::Sqlite),
            Some(("sqlite", file)) if !file.is_empty() => Ok(Kind::Sqlite),
            Some(("mysql" | "mariadb", rest)) if !rest.is_empty() => Ok(Kind::MySql),
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => Ok(Kind::Postgres),
            _ => Err(
                "must be empty (SQLite in the data folder), sqlite://FILE, mysql://USER:PASSWORD@HOST/DATABASE or postgres://USER:PASSWORD@HOST/DATABASE"
                    .to_owned(),
            ),
        }
    }

    /// What is wrong with the section: the key, and the remedy.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.kind().map_err(|reason| ("database.url", reason))?;
        if !(1..=1_000).contains(&self.connections) {
            return Err(("database.connections", "must be 1 to 1000".to_owned()));
        }
        if !(1..=300).contains(&self.wait_s) {
            return Err(("database.wait_s", "must be 1 to 300 seconds".to_owned()));
        }
        if self.node >= NODES {
            return Err(("database.node", format!("must be 0 to {}", NODES - 1)));
        }
        Ok(())
    }

    /// The file of a SQLite database.
    pub fn file(&self, data_dir: &Path) -> PathBuf {
        match self.url.trim().strip_prefix("sqlite://") {
            Some(file) => PathBuf::from(file),
            None => data_dir.join("hongniang.db"),
        }
    }

    /// Where the tables are, without user and password, for messages.
    pub fn shown(&self, data_dir: &Path) -> String {
        let url = self.url.trim();
        match url.split_once("://") {
            Some((scheme, rest)) if scheme != "sqlite" => {
                let rest = rest.split(['?', '#']).next().unwrap_or_default();
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{host}")
            }
            _ => self.file(data_dir).display().to_string(),
        }
    }
}

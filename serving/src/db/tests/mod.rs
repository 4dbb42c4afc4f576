//! One suite for every database: SQLite always, MariaDB where it is installed, PostgreSQL where `HONGNIANG_TEST_POSTGRES_URL` names a server on
//! which a database may be made.
#![allow(clippy::unwrap_used)]

mod servers;
mod suite;

use std::path::PathBuf;

use super::*;

/// Where a database is, without tables.
pub(super) struct Place {
    pub(super) config: DatabaseConfig,
    pub(super) folder: PathBuf,
}

impl Place {
    /// A connection of a node with this number.
    pub(super) async fn open(&self, node: u16) -> Db {
        Db::open(&DatabaseConfig { node, ..self.config.clone() }, &self.folder).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    suite::run(async |name| Place { config: DatabaseConfig::default(), folder: folder.path().join(name) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mariadb_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = servers::MariaDb::start(folder.path()).await else { return };
    suite::run(async |name| server.database(name).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_passes_the_suite() {
    let Some(server) = servers::postgres() else { return };
    suite::run(async |name| servers::new_postgres(&server, name).await).await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_without_the_password() {
    let config = |url: &str| DatabaseConfig { url: url.to_owned(), wait_s: 1, ..DatabaseConfig::default() };
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "mysql://app:s3cr%65t@127.0.0.1:9/shop?ssl-mode=disabled",
        "postgres://app:s3cr%65t@127.0.0.1:9/shop",
        "mysql://app:s3cr%65t@:::/shop",
    ] {
        let error = Db::open(&config(url), folder.path()).await.err().unwrap().to_string();
        assert!(error.contains("database.url") && !error.contains("s3cr"), "{error}");
        assert!(error.contains("shop"), "{error}");
    }
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let error = Db::open(&config(&format!("sqlite://{}/x.db", blocked.display())), folder.path()).await.err().unwrap();
    assert!(error.to_string().contains("file/x.db"), "{error}");
    for (key, wrong) in [
        ("database.url", config("oracle://somewhere")),
        ("database.url", config("mysql://")),
        ("database.connections", DatabaseConfig { connections: 0, ..config("") }),
        ("database.wait_s", DatabaseConfig { wait_s: 0, ..config("") }),
        ("database.node", DatabaseConfig { node: 1024, ..config("") }),
    ] {
        let (field, reason) = wrong.check().unwrap_err();
        assert!(field == key && reason.contains("must be"), "{field}: {reason}");
    }
}

/// Every table of a migration is known, and what belongs to people has an index that begins with its shard key.
#[test]
fn every_table_says_whose_it_is() {
    for kind in [Kind::Sqlite, Kind::MySql, Kind::Postgres] {
        let steps: Vec<Step> = MIGRATIONS.iter().flat_map(|m| (m.up)(kind)).collect();
        let sql: Vec<String> = steps.iter().map(|step| step.sql(kind).replace('`', "\"").replace(" integer ", " bigint ")).collect();
        let made: Vec<&String> = sql.iter().filter(|sql| sql.starts_with("CREATE TABLE")).collect();
        for spec in TABLES.iter().filter(|spec| spec.name != migrate::TABLE) {
            let create = made
                .iter()
                .find(|sql| sql.contains(&format!("\"{}\" (", spec.name)))
                .unwrap_or_else(|| panic!("{} is not made", spec.name));
            let Owned::By(column) = spec.owned else { continue };
            assert!(create.contains(&format!("\"{column}\" bigint NOT NULL")), "{create}");
            let indexed = |sql: &String| sql.contains(&format!("ON \"{}\" (\"{column}\"", spec.name));
            let primary = [format!("\"{column}\" bigint NOT NULL PRIMARY KEY"), format!("PRIMARY KEY (\"{column}\"")]
                .iter()
                .any(|key| create.contains(key));
            assert!(primary || sql.iter().any(indexed), "{} has no index that begins with {column}: {sql:?}", spec.name);
        }
        assert_eq!(made.len() + 1, TABLES.len(), "every table is in TABLES: {made:?}");
        let downs: Vec<String> = MIGRATIONS.iter().flat_map(|m| (m.down)(kind)).map(|step| step.sql(kind)).collect();
        assert_eq!(
            downs.iter().filter(|sql| sql.starts_with("DROP TABLE")).count(),
            made.len(),
            "what is made can be taken back: {downs:?}"
        );
    }
    assert!(MIGRATIONS.iter().zip(1..).all(|(m, version)| m.version == version), "versions have no gaps");
}

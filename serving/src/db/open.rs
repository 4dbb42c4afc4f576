//! Opening the database that the configuration names.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Database, Executor, MySql};
use tokio::sync::Notify;

use super::pool::Pools;
use super::{DatabaseConfig, Db, DbError, Ids, Kind};

/// How long a writer of another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);

impl Db {
    /// Opens the database of the configuration; a SQLite file is made where there is none. Tables are not touched: see [`super::prepare`].
    ///
    /// # Errors
    /// When it cannot be reached or opened, with the key and the remedy.
    pub async fn open(config: &DatabaseConfig, data_dir: &Path) -> Result<Self, DbError> {
        let place = config.shown(data_dir);
        let wrong = |reason: String| DbError::Open { place: place.clone(), reason };
        let kind = config.kind().map_err(&wrong)?;
        let pools = match kind {
            Kind::Sqlite => sqlite(config, &config.file(data_dir)).await,
            Kind::MySql => mysql(config).await,
            Kind::Postgres => postgres(config).await,
        };
        let pools = pools.map_err(|error| wrong(told(error)))?;
        let outbox = Arc::new(Notify::new());
        Ok(Self { pools, ids: Arc::new(Ids::new(config.node)), outbox, place: place.into() })
    }
}

/// What an error says that may hold the URL, and so the password, only by its kind.
fn told(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(_) => "the address cannot be read".to_owned(),
        error => error.to_string(),
    }
}

fn pool<DB: Database>(config: &DatabaseConfig) -> PoolOptions<DB> {
    PoolOptions::new().max_connections(config.connections).acquire_timeout(Duration::from_secs(config.wait_s))
}

async fn sqlite(config: &DatabaseConfig, file: &Path) -> Result<Pools, sqlx::Error> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    // For its owner only; SQLite gives the files beside it the same rights.
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Of what was acknowledged nothing is lost, not even by a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        // What is deleted is overwritten: nobody reads an erased phone number out of a free page.
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let one: SqlitePoolOptions = pool(config).max_connections(1).idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    let write = one.connect_with(options.clone()).await?;
    let read = pool(config).connect_with(options.pragma("query_only", "ON")).await?;
    Ok(Pools::Sqlite { read, write })
}

async fn mysql(config: &DatabaseConfig) -> Result<Pools, sqlx::Error> {
    let url = config.url.trim().replacen("mariadb://", "mysql://", 1);
    let options = MySqlConnectOptions::from_str(&url)?.charset("utf8mb4").disable_statement_logging();
    let pool: MySqlPoolOptions = pool::<MySql>(config).after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
            Ok(())
        })
    });
    Ok(Pools::MySql(pool.connect_with(options).await?))
}

async fn postgres(config: &DatabaseConfig) -> Result<Pools, sqlx::Error> {
    let options = PgConnectOptions::from_str(config.url.trim())?.application_name("hongniang").disable_statement_logging();
    let pool: PgPoolOptions = pool(config);
    Ok(Pools::Postgres(pool.connect_with(options).await?))
}

//! Versioned changes of the tables, by one process at a time.
//!
//! SQLite and PostgreSQL change tables within a transaction, under a lock: a migration is there as a whole or not at all. MySQL commits each
//! statement by itself: there the lock is `GET_LOCK`, steps that were done before a cut are passed over, and the version is written last.

use chrono::{DateTime, Utc};
use sea_query::{Alias, ExprTrait, Order};

use super::schema::{number, table, text};
use super::statement::{col, delete, insert, select};
use super::{DatabaseConfig, Db, DbError, Kind, MIGRATIONS, Migration, Step, Tx, micros, time};

/// Which migrations are applied.
pub(super) const TABLE: &str = "schema_migrations";
/// `hongniang`, in ASCII.
const LOCK: i64 = 0x686f_6e67_6e69_616e;
/// Seconds to wait for another process that migrates.
const WAIT_S: u32 = 60;

/// Whether a migration is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is.
    Applied,
    /// Not yet.
    Pending,
}

/// A migration, and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MigrationStatus {
    /// Its version.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// Whether it is applied.
    pub state: State,
    /// When it was.
    pub applied_at: Option<DateTime<Utc>>,
}

/// At the start of a node: tables of SQLite, and with `database.migrate` those of others, are brought up to date.
///
/// # Errors
/// When migrations are missing and may not be applied, with the command that applies them; or when the database fails.
pub async fn prepare(db: &Db, config: &DatabaseConfig, now: DateTime<Utc>) -> Result<(), DbError> {
    let pending = status(db).await?.iter().filter(|m| m.state == State::Pending).count();
    if pending == 0 {
        return Ok(());
    }
    if db.kind() != Kind::Sqlite && !config.migrate {
        return Err(DbError::Behind { place: db.place().to_owned(), pending });
    }
    let applied = up(db, now).await?;
    tracing::info!(migrations = applied.len(), place = db.place(), "the tables are up to date");
    Ok(())
}

/// Every migration and whether it is applied.
///
/// # Errors
/// When the database fails, or knows a migration that is not known here.
pub async fn status(db: &Db) -> Result<Vec<MigrationStatus>, DbError> {
    let mut tx = locked(db).await?;
    let read = applied(&mut tx).await;
    let applied = unlock(tx, read).await?;
    let of = |m: &Migration| applied.iter().find(|(version, _)| *version == m.version).map(|(_, at)| time(*at));
    let told = |m: &Migration| MigrationStatus {
        version: m.version,
        name: m.name,
        state: if of(m).is_some() { State::Applied } else { State::Pending },
        applied_at: of(m),
    };
    Ok(MIGRATIONS.iter().map(told).collect())
}

/// Applies what is missing, in order; what was applied.
///
/// # Errors
/// When the database fails or another process migrates for more than a minute.
pub async fn up(db: &Db, now: DateTime<Utc>) -> Result<Vec<&'static Migration>, DbError> {
    let mut tx = locked(db).await?;
    let done = climb(&mut tx, now).await;
    unlock(tx, done).await
}

/// Takes the newest `steps` migrations back, with everything in their tables; what was taken back.
///
/// # Errors
/// When the database fails or another process migrates for more than a minute.
pub async fn down(db: &Db, steps: usize) -> Result<Vec<&'static Migration>, DbError> {
    let mut tx = locked(db).await?;
    let done = descend(&mut tx, steps).await;
    unlock(tx, done).await
}

async fn climb(tx: &mut Tx, now: DateTime<Utc>) -> Result<Vec<&'static Migration>, DbError> {
    let applied = applied(tx).await?;
    let mut done = Vec::new();
    for migration in MIGRATIONS.iter().filter(|m| applied.iter().all(|(version, _)| *version != m.version)) {
        steps(tx, &(migration.up)(tx.kind())).await?;
        let values = [migration.version.into(), migration.name.into(), micros(now).into()];
        tx.run(&insert(TABLE, ["version", "name", "applied_at"], values)).await?;
        done.push(migration);
    }
    Ok(done)
}

async fn descend(tx: &mut Tx, most: usize) -> Result<Vec<&'static Migration>, DbError> {
    let applied = applied(tx).await?;
    let mut done = Vec::new();
    let newest_first = MIGRATIONS.iter().rev().filter(|m| applied.iter().any(|(version, _)| *version == m.version));
    for migration in newest_first.take(most) {
        steps(tx, &(migration.down)(tx.kind())).await?;
        let mut row = delete(TABLE);
        row.and_where(col("version").eq(migration.version));
        tx.run(&row).await?;
        done.push(migration);
    }
    Ok(done)
}

async fn steps(tx: &mut Tx, steps: &[Step]) -> Result<(), DbError> {
    for step in steps {
        match tx.raw(&step.sql(tx.kind())).await {
            // MySQL knows no CREATE INDEX IF NOT EXISTS: a migration that was cut off here begins again.
            Err(DbError::Failed(told)) if tx.kind() == Kind::MySql && told.contains("Duplicate key name") => {}
            done => drop(done?),
        }
    }
    Ok(())
}

/// A transaction that no other process has at the same time, and the table of versions.
async fn locked(db: &Db) -> Result<Tx, DbError> {
    let mut tx = db.begin().await?;
    match tx.kind() {
        Kind::Sqlite => {} // it writes alone
        Kind::MySql => {
            let rows = tx.raw(&format!("SELECT GET_LOCK(CONCAT('hongniang.', DATABASE()), {WAIT_S}) AS had")).await?;
            if rows.first().map(|row| row.opt_int("had")).transpose()?.flatten() != Some(1) {
                return Err(DbError::Migrating);
            }
        }
        Kind::Postgres => {
            tx.raw(&format!("SET LOCAL lock_timeout = '{WAIT_S}s'")).await?;
            tx.raw(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
        }
    }
    Ok(tx)
}

/// Commits what was done, or undoes what was begun, and lets the next one in.
async fn unlock<T>(mut tx: Tx, done: Result<T, DbError>) -> Result<T, DbError> {
    if tx.kind() == Kind::MySql {
        tx.raw("SELECT RELEASE_LOCK(CONCAT('hongniang.', DATABASE()))").await?;
    }
    let done = done?;
    tx.commit().await?;
    Ok(done)
}

/// Versions and times of what is applied.
async fn applied(tx: &mut Tx) -> Result<Vec<(i64, i64)>, DbError> {
    let mut versions = table(tx.kind(), TABLE);
    versions.col(number("version").primary_key()).col(text("name", 100)).col(number("applied_at"));
    tx.raw(&Step::Create(Box::new(versions)).sql(tx.kind())).await?;
    let mut wanted = select(TABLE, ["version", "applied_at"]);
    wanted.order_by(Alias::new("version"), Order::Asc);
    let mut applied = Vec::new();
    for row in tx.all(&wanted).await? {
        let version = row.int("version")?;
        if MIGRATIONS.iter().all(|m| m.version != version) {
            return Err(DbError::Newer { version });
        }
        applied.push((version, row.int("applied_at")?));
    }
    Ok(applied)
}

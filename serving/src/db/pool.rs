//! Connections and transactions.

use std::sync::Arc;
use std::time::Duration;

use sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, QueryStatementWriter, SelectStatement, SqliteQueryBuilder, Value, Values};
use sqlx::mysql::MySqlPool;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, MySql, Postgres, Sqlite, Transaction};
use tokio::sync::Notify;

use super::{DbError, Ids, Row};

/// How often a checkpoint is tried that readers are in the way of.
const CHECKPOINTS: usize = 20;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In a file.
    Sqlite,
    /// MySQL, MariaDB or TiDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// The tables. A clone is the same.
#[derive(Clone)]
pub struct Db {
    pub(super) pools: Pools,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Rung when something was put into the outbox.
    pub(super) outbox: Arc<Notify>,
    /// Where it is, for messages.
    pub(super) place: Arc<str>,
}

#[derive(Clone)]
pub(super) enum Pools {
    /// SQLite takes one writer at a time: writers wait for the one connection here, in order, instead of for the lock of the file, in none.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
    },
    MySql(MySqlPool),
    Postgres(PgPool),
}

/// A transaction; dropped without a commit it changes nothing.
pub struct Tx {
    inner: Inner,
    outbox: Arc<Notify>,
    /// Whether it has put something into the outbox.
    pub(super) put: bool,
}

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    MySql(Transaction<'static, MySql>),
    Postgres(Transaction<'static, Postgres>),
}

/// A statement as this database wants it.
fn built(kind: Kind, statement: &impl QueryStatementWriter) -> (String, Values) {
    match kind {
        Kind::Sqlite => statement.build(SqliteQueryBuilder),
        Kind::MySql => statement.build(MysqlQueryBuilder),
        Kind::Postgres => statement.build(PostgresQueryBuilder),
    }
}

/// A query with its values bound. Values are bound and never written into the text, so the text is made of names in the code only.
macro_rules! query {
    ($db:ty, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query::<$db>(AssertSqlSafe($sql));
        for value in $values {
            query = match value {
                Value::BigInt(value) => query.bind(value),
                Value::Int(value) => query.bind(value.map(i64::from)),
                Value::BigUnsigned(value) => query.bind(value.map(u64::cast_signed)),
                Value::String(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                _ => return Err(DbError::Unexpected("only 64-bit numbers, texts and bytes are bound".to_owned())),
            };
        }
        query
    }};
}

macro_rules! read {
    ($db:ident, $sql:expr, $values:expr, $on:expr) => {
        query!($db, $sql, $values).fetch_all($on).await?.into_iter().map(Row::$db).collect()
    };
}

impl Pools {
    /// Begins a transaction; see [`Db::begin`].
    pub(super) async fn begin(&self, outbox: &Arc<Notify>) -> Result<Tx, DbError> {
        let inner = match self {
            Self::Sqlite { write, .. } => Inner::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::MySql(pool) => Inner::MySql(pool.begin().await?),
            Self::Postgres(pool) => Inner::Postgres(pool.begin().await?),
        };
        Ok(Tx { inner, outbox: Arc::clone(outbox), put: false })
    }
}

impl Db {
    /// Which database it is.
    pub fn kind(&self) -> Kind {
        match self.pools {
            Pools::Sqlite { .. } => Kind::Sqlite,
            Pools::MySql(_) => Kind::MySql,
            Pools::Postgres(_) => Kind::Postgres,
        }
    }

    /// Where it is, without a password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Rows that were committed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all(&self, select: &SelectStatement) -> Result<Vec<Row>, DbError> {
        let (sql, values) = built(self.kind(), select);
        Ok(match &self.pools {
            Pools::Sqlite { read, .. } => read!(Sqlite, sql, values, read),
            Pools::MySql(pool) => read!(MySql, sql, values, pool),
            Pools::Postgres(pool) => read!(Postgres, sql, values, pool),
        })
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn one(&self, select: &SelectStatement) -> Result<Option<Row>, DbError> {
        Ok(self.all(select).await?.into_iter().next())
    }

    /// Begins a transaction that may write. On SQLite there is one at a time; elsewhere it is at READ COMMITTED, and whoever reads a row to
    /// change it either locks it (`lock_exclusive`) or says in the change what it must still be.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        self.pools.begin(&self.outbox).await
    }

    /// One statement in a transaction of its own; how many rows it met.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, statement: &impl QueryStatementWriter) -> Result<u64, DbError> {
        let mut tx = self.begin().await?;
        let met = tx.run(statement).await?;
        tx.commit().await?;
        Ok(met)
    }

    /// Writes what is committed into the file of SQLite and empties its write-ahead log, which otherwise keeps pages as they were; nothing to do elsewhere. Waits a
    /// second for readers that are at work.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn checkpoint(&self) -> Result<(), DbError> {
        if let Pools::Sqlite { write, .. } = &self.pools {
            for _ in 0..CHECKPOINTS {
                let told = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(write).await?;
                if told.into_iter().map(Row::Sqlite).all(|row| row.int("busy").is_ok_and(|busy| busy == 0)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Ends all connections; what was not committed is undone.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::MySql(pool) => pool.close().await,
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Which database it is.
    pub fn kind(&self) -> Kind {
        match self.inner {
            Inner::Sqlite(_) => Kind::Sqlite,
            Inner::MySql(_) => Kind::MySql,
            Inner::Postgres(_) => Kind::Postgres,
        }
    }

    /// Rows, with the changes of this transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all(&mut self, select: &SelectStatement) -> Result<Vec<Row>, DbError> {
        let (sql, values) = built(self.kind(), select);
        Ok(match &mut self.inner {
            Inner::Sqlite(tx) => read!(Sqlite, sql, values, &mut **tx),
            Inner::MySql(tx) => read!(MySql, sql, values, &mut **tx),
            Inner::Postgres(tx) => read!(Postgres, sql, values, &mut **tx),
        })
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn one(&mut self, select: &SelectStatement) -> Result<Option<Row>, DbError> {
        Ok(self.all(select).await?.into_iter().next())
    }

    /// Inserts, updates or deletes; how many rows the statement met, also where it left them as they were.
    ///
    /// # Errors
    /// When the database fails or refuses.
    pub async fn run(&mut self, statement: &impl QueryStatementWriter) -> Result<u64, DbError> {
        let (sql, values) = built(self.kind(), statement);
        Ok(match &mut self.inner {
            Inner::Sqlite(tx) => query!(Sqlite, sql, values).execute(&mut **tx).await?.rows_affected(),
            Inner::MySql(tx) => query!(MySql, sql, values).execute(&mut **tx).await?.rows_affected(),
            Inner::Postgres(tx) => query!(Postgres, sql, values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Several statements, one after the other.
    ///
    /// # Errors
    /// When the database fails or refuses.
    pub async fn run_all(&mut self, statements: &[impl QueryStatementWriter]) -> Result<(), DbError> {
        for statement in statements {
            self.run(statement).await?;
        }
        Ok(())
    }

    /// Statements that only one kind of database knows, for migrations; the rows they give.
    pub(super) async fn raw(&mut self, sql: &str) -> Result<Vec<Row>, DbError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        Ok(match &mut self.inner {
            Inner::Sqlite(tx) => sql.fetch_all(&mut **tx).await?.into_iter().map(Row::Sqlite).collect(),
            Inner::MySql(tx) => sql.fetch_all(&mut **tx).await?.into_iter().map(Row::MySql).collect(),
            Inner::Postgres(tx) => sql.fetch_all(&mut **tx).await?.into_iter().map(Row::Postgres).collect(),
        })
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// When the database fails: then it is not known whether the changes are there.
    pub async fn commit(self) -> Result<(), DbError> {
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await?,
            Inner::MySql(tx) => tx.commit().await?,
            Inner::Postgres(tx) => tx.commit().await?,
        }
        if self.put {
            self.outbox.notify_one();
        }
        Ok(())
    }
}

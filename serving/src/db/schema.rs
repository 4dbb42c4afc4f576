//! The tables of all rooms: what they belong to, and the migrations that make them.

use sea_query::{
    Alias, ColumnDef, Index, IndexCreateStatement, MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder, Table,
    TableCreateStatement, TableDropStatement,
};

use super::{Kind, outbox};
use crate::{audit, auth, entitlements, moments, relations, reviews, rights, users};

/// Whom the rows of a table belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// A person each: by this column the table can be spread over servers, and everything of somebody be found.
    By(&'static str),
    /// Nobody; the reason.
    Nobody(&'static str),
}

/// What is known of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name.
    pub name: &'static str,
    /// Whose rows it holds.
    pub owned: Owned,
}

/// Every table.
pub const TABLES: &[TableSpec] = &[
    TableSpec { name: super::migrate::TABLE, owned: Owned::Nobody("which migrations are applied") },
    TableSpec { name: outbox::TABLE, owned: Owned::By("shard_key") },
    TableSpec { name: auth::ACCOUNTS, owned: Owned::By("user_id") },
    TableSpec { name: auth::IDENTITIES, owned: Owned::By("user_id") },
    TableSpec { name: auth::SESSIONS, owned: Owned::By("user_id") },
    TableSpec { name: auth::CODES, owned: Owned::Nobody("numbers that ask for a code may have no account; by keyed hash, for minutes") },
    TableSpec { name: auth::OIDC_LOGINS, owned: Owned::By("user_id") },
    TableSpec { name: auth::SPENT_TOKENS, owned: Owned::Nobody("ID tokens that were used, by keyed hash, until they end") },
    TableSpec { name: users::PROFILES, owned: Owned::By("user_id") },
    TableSpec { name: entitlements::GRANTS, owned: Owned::By("user_id") },
    TableSpec { name: entitlements::USAGE, owned: Owned::By("user_id") },
    TableSpec {
        name: rights::ERASURES,
        owned: Owned::Nobody("an erasure outlives whom it is about; its row forgets them when it is done"),
    },
    TableSpec { name: audit::TABLE, owned: Owned::Nobody("what was done stays when a person goes; then it names a pseudonym") },
    TableSpec { name: reviews::REVIEWS, owned: Owned::By("user_id") },
    TableSpec { name: reviews::REPORTS, owned: Owned::By("user_id") },
    TableSpec { name: reviews::BANS_TABLE, owned: Owned::By("user_id") },
    TableSpec { name: relations::RELATIONS, owned: Owned::By("user_id") },
    TableSpec { name: relations::SETS, owned: Owned::By("user_id") },
    TableSpec { name: relations::CONVERSATIONS, owned: Owned::By("user_id") },
    TableSpec { name: relations::REPORTS, owned: Owned::By("user_id") },
    TableSpec { name: moments::LIKES, owned: Owned::By("user_id") },
    TableSpec { name: moments::COMMENTS, owned: Owned::By("user_id") },
    TableSpec { name: moments::COUNTS, owned: Owned::By("author_id") },
    TableSpec { name: reviews::PENDING, owned: Owned::By("user_id") },
];

/// One change of a table.
#[derive(Debug, Clone)]
pub enum Step {
    /// A new table; nothing where it is there.
    Create(Box<TableCreateStatement>),
    /// A new index; nothing where it is there.
    Index(Box<IndexCreateStatement>),
    /// A table goes.
    Drop(Box<TableDropStatement>),
}

impl Step {
    /// The statement as this database wants it.
    pub fn sql(&self, kind: Kind) -> String {
        macro_rules! text {
            ($statement:expr) => {
                match kind {
                    Kind::Sqlite => $statement.to_string(SqliteQueryBuilder),
                    Kind::MySql => $statement.to_string(MysqlQueryBuilder),
                    Kind::Postgres => $statement.to_string(PostgresQueryBuilder),
                }
            };
        }
        match self {
            Self::Create(statement) => text!(statement),
            Self::Index(statement) => text!(statement),
            Self::Drop(statement) => text!(statement),
        }
    }
}

/// A versioned change of the tables. What has been released is never edited: the next change is a new migration.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// From 1, without gaps.
    pub version: i64,
    /// What it brings.
    pub name: &'static str,
    /// How. Where a database commits every step by itself (MySQL) a migration that was cut off begins again.
    pub up: fn(Kind) -> Vec<Step>,
    /// How back.
    pub down: fn(Kind) -> Vec<Step>,
}

/// All migrations, by version.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "outbox", up: outbox::tables, down: |_| vec![drop_table(outbox::TABLE)] },
    Migration { version: 2, name: "logins", up: auth::tables, down: |_| auth::drop_tables() },
    Migration { version: 3, name: "logins by OIDC", up: auth::oidc_tables, down: |_| auth::drop_oidc_tables() },
    Migration { version: 4, name: "profiles", up: users::tables, down: |_| users::drop_tables() },
    Migration { version: 5, name: "entitlements", up: entitlements::tables, down: |_| entitlements::drop_tables() },
    Migration {
        version: 6,
        name: "rights",
        up: |kind| [rights::tables(kind), audit::tables(kind), reviews::tables(kind)].concat(),
        down: |_| [reviews::drop_tables(), audit::drop_tables(), rights::drop_tables()].concat(),
    },
    Migration { version: 7, name: "relations", up: relations::tables, down: |_| relations::drop_tables() },
    Migration { version: 8, name: "likes and comments of Moments", up: moments::tables, down: |_| moments::drop_tables() },
    Migration { version: 9, name: "what waits to be judged", up: reviews::pending_tables, down: |_| reviews::drop_pending_tables() },
];

/// A new table, with texts that are compared byte by byte on every database.
pub fn table(kind: Kind, name: &'static str) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name)).if_not_exists();
    if kind == Kind::MySql {
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
}

/// A number that is always there.
pub fn number(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.big_integer().not_null();
    column
}

/// A number that may be missing.
pub fn opt_number(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.big_integer().null();
    column
}

/// A text that is always there, of at most so many characters.
pub fn text(name: &'static str, most: u32) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.string_len(most).not_null();
    column
}

/// A text of any length.
pub fn long_text(kind: Kind, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    let typed = if kind == Kind::MySql { column.custom(Alias::new("LONGTEXT")) } else { column.text() };
    typed.not_null();
    column
}

/// An index `<table>_<columns>`.
pub fn index(kind: Kind, table: &'static str, columns: &[&'static str], unique: bool) -> Step {
    let mut index = Index::create();
    index.name(format!("{table}_{}", columns.join("_"))).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    if unique {
        index.unique();
    }
    if kind != Kind::MySql {
        index.if_not_exists();
    }
    Step::Index(Box::new(index))
}

/// A table goes, with its indexes.
pub fn drop_table(name: &'static str) -> Step {
    Step::Drop(Box::new(Table::drop().table(Alias::new(name)).if_exists().take()))
}

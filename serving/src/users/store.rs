//! The table of the room: the profile of everybody who has changed it here, as it now stands.

use features::ids::UserId;
use features::profile::Profile;
use sea_query::{Alias, Expr, ExprTrait, Order};

use crate::db::schema::{drop_table, long_text, number, table};
use crate::db::statement::{col, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, user};

/// Profiles: one row a person. `version` is [`Profile::revision`], which is in the document, too.
pub(crate) const PROFILES: &str = "profiles";
/// Versions that are read at a time.
const AT_ONCE: u64 = 5_000;

/// The table, as it is made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let mut profiles = table(kind, PROFILES);
    profiles.col(number("user_id").primary_key()).col(number("version")).col(long_text(kind, "document")).col(number("updated_at"));
    vec![Step::Create(Box::new(profiles))]
}

/// The table goes.
pub(crate) fn drop_tables() -> Vec<Step> {
    vec![drop_table(PROFILES)]
}

fn wanted(user_id: UserId) -> sea_query::SelectStatement {
    let mut wanted = select(PROFILES, ["document"]);
    wanted.and_where(col("user_id").eq(key(user_id)));
    wanted
}

fn read(row: &Row) -> Result<Profile, DbError> {
    serde_json::from_str(&row.text("document")?).map_err(|e| DbError::Unexpected(format!("a profile cannot be read: {e}")))
}

/// The profile of a person who has a row.
pub(super) async fn find(db: &Db, user_id: UserId) -> Result<Option<Profile>, DbError> {
    db.one(&wanted(user_id)).await?.map(|row| read(&row)).transpose()
}

/// The same, locked for change.
pub(super) async fn locked(tx: &mut Tx, user_id: UserId) -> Result<Option<Profile>, DbError> {
    tx.one(wanted(user_id).lock_exclusive()).await?.map(|row| read(&row)).transpose()
}

/// Writes a profile in the place of one of a revision, or the first one of the person.
///
/// # Errors
/// A duplicate or a conflict, when somebody else was faster.
pub(super) async fn put(tx: &mut Tx, user_id: UserId, before: Option<u64>, profile: &Profile) -> Result<(), DbError> {
    let document = serde_json::to_string(profile).map_err(|e| DbError::Unexpected(e.to_string()))?;
    let version = profile.revision.cast_signed();
    let Some(before) = before else {
        let values = [key(user_id).into(), version.into(), document.into(), version.into()];
        tx.run(&insert(PROFILES, ["user_id", "version", "document", "updated_at"], values)).await?;
        return Ok(());
    };
    let mut changed = update(PROFILES);
    changed.values([
        (Alias::new("version"), Expr::val(version)),
        (Alias::new("document"), Expr::val(document)),
        (Alias::new("updated_at"), Expr::val(version)),
    ]);
    changed.and_where(col("user_id").eq(key(user_id))).and_where(col("version").eq(before.cast_signed()));
    if tx.run(&changed).await? == 1 { Ok(()) } else { Err(DbError::Conflict("profile".to_owned())) }
}

/// Some people after one, by their column, with the revisions of their profiles; nobody after the last one.
pub(super) async fn versions(db: &Db, after: Option<UserId>) -> Result<Vec<(UserId, u64)>, DbError> {
    let mut wanted = select(PROFILES, ["user_id", "version"]);
    wanted.order_by(Alias::new("user_id"), Order::Asc).limit(AT_ONCE);
    if let Some(after) = after {
        wanted.and_where(col("user_id").gt(key(after)));
    }
    let read = |row: &Row| Ok((user(row.int("user_id")?), row.int("version")?.cast_unsigned()));
    db.all(&wanted).await?.iter().map(read).collect()
}

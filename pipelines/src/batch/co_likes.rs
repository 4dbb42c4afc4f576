//! The likes that recall by co-likes works with, recomputed over the lake's `interactions`.
//!
//! The definition is that of [`index::co_likes`]: the last word of each pair, and of these the newest of each person, in both directions.

use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use features::ids::UserId;
use index::co_likes::{KEPT, KeptWord};

use crate::query::session;

/// One row per word that must be kept of (or about) anybody. `user`, `other` are replaced by the columns of the direction.
const SQL: &str = "
WITH said AS (
  SELECT CAST(actor_id AS BIGINT UNSIGNED) AS actor_id, CAST(target_id AS BIGINT UNSIGNED) AS target_id, kind <> 'unfollow' AS likes, event_time,
         ROW_NUMBER() OVER (PARTITION BY actor_id, target_id ORDER BY event_time DESC, kind <> 'unfollow' DESC) AS nth
  FROM interactions WHERE kind = 'like' OR kind = 'follow' OR kind = 'unfollow'
), ranked AS (
  SELECT {user} AS user_id, {other} AS other_id, likes, event_time,
         ROW_NUMBER() OVER (PARTITION BY {user} ORDER BY event_time DESC, likes DESC, {other} DESC) AS nth
  FROM said WHERE nth = 1
)
SELECT user_id, other_id, likes, event_time FROM ranked WHERE nth <= {kept}";

/// What [`index::co_likes::CoLikes::kept`] must be, given or received, sorted likewise.
///
/// # Errors
/// When the lake at `place` cannot be read.
pub async fn kept(place: &str, received: bool) -> Result<Vec<KeptWord>> {
    let (user, other) = if received { ("target_id", "actor_id") } else { ("actor_id", "target_id") };
    let sql = SQL.replace("{user}", user).replace("{other}", other).replace("{kept}", &KEPT.to_string());
    let mut words = Vec::new();
    for batch in session(place).await?.sql(&sql).await?.collect().await? {
        words.extend(rows(&batch)?);
    }
    words.sort_unstable();
    Ok(words)
}

fn rows(batch: &RecordBatch) -> Result<Vec<KeptWord>> {
    let strange = || DataFusionError::Internal("columns of another type than the query names".to_owned());
    let users = batch.column(0).as_primitive_opt::<UInt64Type>().ok_or_else(strange)?;
    let others = batch.column(1).as_primitive_opt::<UInt64Type>().ok_or_else(strange)?;
    let likes: &BooleanArray = batch.column(2).as_boolean_opt().ok_or_else(strange)?;
    let times = batch.column(3).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(strange)?;
    let row = |i| KeptWord { user: UserId(users.value(i)), other: UserId(others.value(i)), at: times.value(i), likes: likes.value(i) };
    Ok((0..users.len()).map(row).collect())
}

/// What stream and batch say differently about one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The word that only one of the two has.
    pub word: KeptWord,
    /// Whether the stream has it; otherwise the batch does.
    pub in_stream: bool,
}

/// Words that only one of two sorted lists has.
pub fn compare(stream: &[KeptWord], batch: &[KeptWord]) -> Vec<Difference> {
    let only = |these: &[KeptWord], those: &[KeptWord], in_stream| {
        let lacks = these.iter().filter(|word| those.binary_search(word).is_err());
        lacks.map(|word| Difference { word: *word, in_stream }).collect::<Vec<_>>()
    };
    let mut found = only(stream, batch, true);
    found.extend(only(batch, stream, false));
    found
}

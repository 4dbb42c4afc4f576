//! A copy of everything about a person: a ZIP of JSON files, with a page that says what is what.
//!
//! Rows come out of every table with a shard key, events out of the lake. Of what others did only what the person could see: who liked, followed, commented, replied, with the
//! texts. Who passed or looked is counted; of reports and blocks nobody is told.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::json::writer::{JsonArray, WriterBuilder};
use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use features::profile::Profile;
use futures::StreamExt;
use pipelines::query;
use serde::Serialize;
use serde_json::{Map, Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::audit::{self, Act, Actor, Wanted};
use crate::db::{DbError, people};
use crate::http::ApiError;
use crate::state::App;

/// The act in the audit log.
const ACT: &str = "export";

/// A table of the lake in the archive: name, query of the rows of `{id}`, and what it is, in Chinese and English.
type Events = (&'static str, &'static str, &'static str, &'static str);

const EVENTS: [Events; 8] = [
    (
        "profile_history.json",
        "SELECT * FROM profiles WHERE user_id = '{id}' ORDER BY event_time",
        "资料的历次修改",
        "every version of your profile",
    ),
    (
        "moments.json",
        "SELECT * FROM moments WHERE author_id = '{id}' ORDER BY event_time",
        "您发布和删除的动态，含所引用的图片和视频",
        "Moments you published and deleted, with the photos and videos they name",
    ),
    (
        "interactions_given.json",
        "SELECT * FROM interactions WHERE actor_id = '{id}' ORDER BY event_time",
        "您对他人所做的：喜欢、评论、屏蔽、举报等，以及给您看过谁",
        "what you did about others: likes, comments, blocks, reports, and who was shown to you",
    ),
    (
        "interactions_received.json",
        "SELECT event_time, kind, actor_id, moment_id, text FROM interactions WHERE target_id = '{id}' AND kind IN ('like', 'follow', 'comment', 'reply') ORDER BY event_time",
        "他人对您的喜欢、关注、评论和回复",
        "likes, follows, comments and replies of others",
    ),
    (
        "interactions_received_counts.json",
        "SELECT kind, COUNT(*) AS count FROM interactions WHERE target_id = '{id}' AND kind NOT IN ('report', 'block', 'unblock', 'unfollow') GROUP BY kind ORDER BY kind",
        "他人对您所做的各类行为的次数",
        "how often others did what about you, by kind",
    ),
    (
        "presence.json",
        "SELECT * FROM presence WHERE user_id = '{id}' ORDER BY event_time",
        "打开应用的时间和位置",
        "when you opened the app, and where",
    ),
    (
        "messages.json",
        "SELECT * FROM messages WHERE sender_id = '{id}' OR receiver_id = '{id}' ORDER BY event_time",
        "消息的时间和长度（不含内容）",
        "when messages were sent and read, and how long they were; not their texts",
    ),
    (
        "recommendations.json",
        "SELECT * FROM pages WHERE viewer_id = '{id}' ORDER BY event_time",
        "为您推荐过的页面及理由",
        "pages of recommendations you saw, with the reasons",
    ),
];

/// The other files.
const OTHERS: [(&str, &str, &str); 4] = [
    ("profile.json", "您现在的资料", "your profile as it stands"),
    (
        "tables.json",
        "账号、登录方式（部分隐去）、设备等数据库记录",
        "rows of the database: account, logins (partly masked), devices and so on",
    ),
    ("audit.json", "与安全有关的操作记录", "security-relevant acts by and about you"),
    (PORTRAIT, "系统由此计算的画像", "the portrait that was computed of all this"),
];

/// The portrait.
const PORTRAIT: &str = "portrait.json";

/// The set of sums over what others did about somebody.
const RECEIVED: &str = "popularity";
/// What its columns count of which a person may know: what is in the other files as a number, or with whom and when. A new column is not told unless it is named here.
const TOLD: [&str; 7] = ["impressions", "likes", "passes", "comments", "replies", "answered", "looked"];

/// Why a copy could not be made.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    /// The archive.
    #[error("the archive could not be written: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The file of the archive.
    #[error("the archive could not be written: {0}")]
    File(#[from] std::io::Error),
    /// The lake.
    #[error("the lake could not be read: {0}")]
    Lake(#[from] datafusion::error::DataFusionError),
    /// Rows of the lake.
    #[error("rows of the lake could not be written: {0}")]
    Rows(#[from] arrow::error::ArrowError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// A copy of everything about a person, as a file that is gone when it is closed.
pub(super) async fn export(app: &App, user: UserId) -> Result<File, ApiError> {
    let now = app.now();
    let since = now - TimeDelta::days(1);
    let wanted = Wanted { user: Some(user.to_string()), act: Some(ACT.to_owned()), since: Some(since), limit: None };
    let made = audit::list(&app.db, &wanted).await?;
    if made.len() >= app.config.rights.exports_per_day as usize {
        let oldest = made.last().map_or(now, |entry| entry.at);
        return Err(ApiError::TooOften((oldest - since).num_seconds().max(1)));
    }
    audit::note(&app.db, &Act::done(Actor::Person(user), user, ACT), now).await?;
    let (app, runtime) = (app.clone(), tokio::runtime::Handle::current());
    // Packing is work for the processor, and reading the lake waits in between.
    let written = tokio::task::spawn_blocking(move || runtime.block_on(write(&app, user, now)));
    written.await.map_err(|e| ApiError::Internal(e.to_string()))?.map_err(|e| ApiError::Internal(e.to_string()))
}

async fn write(app: &App, user: UserId, now: DateTime<Utc>) -> Result<File, ExportError> {
    let mut archive = ZipWriter::new(tempfile::tempfile_in(&app.config.data_dir)?);
    let options = SimpleFileOptions::default();
    archive.start_file("index.html", options)?;
    archive.write_all(page(user, now).as_bytes())?;
    let profile: Option<Profile> = app.profile(user).map(|profile| (*profile).clone());
    put(&mut archive, "profile.json", &profile)?;
    put(&mut archive, "tables.json", &masked(people::rows(&app.db, user).await?))?;
    put(&mut archive, "audit.json", &audit::list(&app.db, &Wanted { user: Some(user.to_string()), ..Wanted::default() }).await?)?;
    let session = query::open(&app.config.lake_place(), &app.config.query.limits(Some(app.config.data_dir.join("spill")))).await?;
    for (name, sql, ..) in EVENTS {
        archive.start_file(name, options)?;
        let mut rows = session.sql(&sql.replace("{id}", &user.to_string())).await?.execute_stream().await?;
        let mut out = WriterBuilder::new().with_explicit_nulls(false).build::<_, JsonArray>(&mut archive);
        while let Some(batch) = rows.next().await {
            out.write(&batch?)?;
        }
        out.finish()?;
    }
    let newest = format!("SELECT portrait FROM portraits WHERE user_id = '{user}' ORDER BY generation DESC, version DESC LIMIT 1");
    let rows = session.sql(&newest).await?.collect().await?;
    let texts = rows.iter().filter_map(|batch| batch.column_by_name("portrait").map(|column| cast(column, &DataType::Utf8)));
    let texts: Vec<_> = texts.collect::<Result<_, _>>()?;
    let portraits = texts.iter().flat_map(|texts| texts.as_string::<i32>().iter().flatten());
    put(&mut archive, PORTRAIT, &portraits.map(|text| serde_json::from_str(text).map(told)).collect::<Result<Vec<_>, _>>()?)?;
    let mut file = archive.finish()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn put(archive: &mut ZipWriter<File>, name: &str, what: &impl Serialize) -> Result<(), ExportError> {
    archive.start_file(name, SimpleFileOptions::default())?;
    Ok(serde_json::to_writer_pretty(archive, what)?)
}

/// A portrait as it is for the person. What counts reports and blocks of others is left out, and so are the numbers of the version: they grow with every act of others, also where nothing
/// else that is told does.
fn told(mut portrait: Map<String, Value>) -> Map<String, Value> {
    for number in ["version", "generation"] {
        portrait.remove(number);
    }
    if let Some(Value::Object(counters)) = portrait.get_mut("counters") {
        counters.retain(|name, _| match name.split_once('.') {
            Some((RECEIVED, column)) => TOLD.contains(&column.split_once("_d").map_or(column, |(base, _)| base)),
            _ => true,
        });
    }
    portrait
}

/// Rows without what would let in whoever finds the archive: of logins the last four characters.
fn masked(tables: std::collections::BTreeMap<&'static str, Vec<Map<String, Value>>>) -> Value {
    let mask = |mut row: Map<String, Value>| {
        if let Some(Value::String(subject)) = row.get_mut("subject") {
            let skip = subject.chars().count().saturating_sub(4);
            *subject = format!("…{}", subject.chars().skip(skip).collect::<String>());
        }
        row
    };
    json!(
        tables
            .into_iter()
            .map(|(table, rows)| (table, rows.into_iter().map(mask).collect::<Vec<_>>()))
            .collect::<std::collections::BTreeMap<_, _>>()
    )
}

/// What is what.
fn page(user: UserId, now: DateTime<Utc>) -> String {
    let files = OTHERS.into_iter().chain(EVENTS.into_iter().map(|(name, _, zh, en)| (name, zh, en)));
    let lines: String = files
        .map(|(name, zh, en)| {
            format!("<tr><td><a href=\"{name}\">{name}</a></td><td lang=\"zh\">{zh}</td><td lang=\"en\">{en}</td></tr>\n")
        })
        .collect();
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>您的数据 · Your data</title>\n<h1>您的数据 · Your data</h1>\n<p lang=\"zh\">用户 {user}，制作于 {now}。时间均为 UTC；最近一分钟内的事件可能尚未包含。\
         他人的浏览和跳过只计次数。</p>\n<p lang=\"en\">User {user}, made at {now}. Times are UTC; what happened within the last minute may be missing. Views and \
         passes of others are only counted.</p>\n<table>\n{lines}</table>\n",
        now = now.format("%Y-%m-%d %H:%M:%S")
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::sets::feature_sets;

    use super::*;

    #[test]
    fn a_portrait_tells_all_that_counts_today_and_no_reports_or_blocks_of_others() {
        let mut counters: Map<String, Value> = feature_sets()
            .iter()
            .filter(|set| set.key_columns.len() == 1)
            .flat_map(|set| set.value_columns.iter().map(|column| (format!("{}.{column}", set.name), json!(1.5))))
            .collect();
        let all = counters.clone();
        assert!(all.contains_key("popularity.likes_d14") && all.contains_key("given.seen"), "{all:?}");
        for untold in ["reports", "reports_d14", "blocks", "blocked_d60", "unfollows"] {
            counters.insert(format!("popularity.{untold}"), json!(2));
        }
        let portrait = json!({"user_id": "7", "version": 1_790_000_000_123_u64, "generation": 2, "tags": [], "counters": counters});
        let Value::Object(portrait) = portrait else { panic!("an object") };
        assert_eq!(Value::Object(told(portrait)), json!({"user_id": "7", "tags": [], "counters": all}));
    }
}

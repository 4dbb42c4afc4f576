//! Sums by arm, by SQL over the lake.

use std::collections::BTreeMap;

use anyhow::Context;
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use chrono::{DateTime, Utc};
use ranker::experiments::Sums;

/// Sums over the users of an arm: of impressions, likes and matches, of their squares and of the products that a ratio needs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ArmSums {
    /// Users who were shown somebody.
    pub users: u64,
    /// Σ impressions.
    pub impressions: f64,
    /// Σ likes of whom they were shown, after they were.
    pub likes: f64,
    /// Σ of those likes that are mutual.
    pub matches: f64,
    squares: [f64; 3],
    /// Σ impressions · likes, Σ impressions · matches.
    products: [f64; 2],
}

impl ArmSums {
    /// The same and one user more.
    #[must_use]
    pub fn with(mut self, impressions: f64, likes: f64, matches: f64) -> Self {
        self.users += 1;
        self.impressions += impressions;
        self.likes += likes;
        self.matches += matches;
        for (square, of) in self.squares.iter_mut().zip([impressions, likes, matches]) {
            *square += of * of;
        }
        for (product, of) in self.products.iter_mut().zip([likes, matches]) {
            *product += impressions * of;
        }
        self
    }

    /// Likes per impression.
    pub fn like_rate(&self) -> Sums {
        let [xx, yy, _] = self.squares;
        Sums { users: self.users, y: self.likes, x: self.impressions, yy, xx, xy: self.products[0] }
    }

    /// Matches per impression.
    pub fn match_rate(&self) -> Sums {
        let [xx, _, yy] = self.squares;
        Sums { users: self.users, y: self.matches, x: self.impressions, yy, xx, xy: self.products[1] }
    }

    /// Impressions, likes or matches per user.
    pub(super) fn per_user(&self, which: usize) -> Sums {
        let y = [self.impressions, self.likes, self.matches][which];
        #[expect(clippy::cast_precision_loss, reason = "users stay far below 2^53")]
        let n = self.users as f64;
        Sums { users: self.users, y, x: n, yy: self.squares[which], xx: n, xy: y }
    }
}

/// What the lake says of an experiment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcomes {
    /// By name of the arm; arms without users are absent.
    pub arms: BTreeMap<String, ArmSums>,
    /// Users with impressions of more than one arm, who are not counted.
    pub in_two_arms: u64,
}

const DAY: i64 = 86_400_000_000;

/// The common table expressions; `{labels}` are quoted, `{last}` is when a user's time ends, `{complete}` a condition on it.
const WITH: &str = "
WITH labelled AS (
  SELECT actor_id, target_id, CAST(event_time AS BIGINT) AS t, unnest(experiments) AS label
  FROM interactions WHERE kind = 'impression' AND experiments IS NOT NULL),
shown AS (SELECT actor_id, target_id, t, label FROM labelled WHERE label IN ({labels})),
viewers AS (
  SELECT actor_id, MIN(label) AS label, COUNT(DISTINCT label) AS arms, MIN(t) AS begun FROM shown GROUP BY actor_id),
counted AS (SELECT actor_id, label, {last} AS ended FROM viewers WHERE arms = 1 AND {complete}),
pairs AS (
  SELECT c.label, s.actor_id, s.target_id, MIN(s.t) AS seen, MAX(c.ended) AS ended, COUNT(*) AS times
  FROM shown s JOIN counted c ON s.actor_id = c.actor_id WHERE s.t < c.ended GROUP BY c.label, s.actor_id, s.target_id),
likes AS (
  SELECT actor_id, target_id, MIN(CAST(event_time AS BIGINT)) AS t FROM interactions WHERE kind = 'like' GROUP BY actor_id, target_id),
done AS (
  SELECT p.label, p.actor_id, CAST(SUM(p.times) AS DOUBLE) AS i,
    CAST(SUM(CASE WHEN l.t >= p.seen AND l.t < p.ended THEN 1 ELSE 0 END) AS DOUBLE) AS k,
    CAST(SUM(CASE WHEN l.t >= p.seen AND l.t < p.ended AND b.t < p.ended THEN 1 ELSE 0 END) AS DOUBLE) AS m
  FROM pairs p
  LEFT JOIN likes l ON l.actor_id = p.actor_id AND l.target_id = p.target_id
  LEFT JOIN likes b ON b.actor_id = p.target_id AND b.target_id = p.actor_id
  GROUP BY p.label, p.actor_id)
";

const SUMS: &str = "SELECT label, COUNT(*) AS users, SUM(i) AS i, SUM(k) AS k, SUM(m) AS m, SUM(i * i) AS ii, SUM(k * k) AS kk,
  SUM(m * m) AS mm, SUM(i * k) AS ik, SUM(i * m) AS im FROM done GROUP BY label";

fn with(experiment: &str, arms: &[&str], days: Option<u32>, now: DateTime<Utc>) -> String {
    // Names are lower-case letters, digits, `_` and `-`: the configuration was validated.
    let labels: Vec<String> = arms.iter().map(|arm| format!("'{experiment}:{arm}'")).collect();
    let (last, complete) = match days {
        Some(days) => {
            let last = format!("begun + {}", i64::from(days) * DAY);
            (last.clone(), format!("{last} <= {}", now.timestamp_micros()))
        }
        None => (i64::MAX.to_string(), "begun IS NOT NULL".to_owned()),
    };
    WITH.replace("{labels}", &labels.join(", ")).replace("{last}", &last).replace("{complete}", &complete)
}

/// What the lake at a place (a folder or a URL) says of the named arms of an experiment. With `days`, every user is followed for so many
/// days from their first impression on, and counts once those are over at `now`; without, all that happened counts.
///
/// # Errors
/// When the lake cannot be read.
pub async fn outcomes(place: &str, experiment: &str, arms: &[&str], days: Option<u32>, now: DateTime<Utc>) -> anyhow::Result<Outcomes> {
    let session = pipelines::query::session(place).await?;
    let with = with(experiment, arms, days, now);
    let failed = || format!("the lake at {place} cannot be read");
    let mut found = Outcomes::default();
    for batch in session.sql(&format!("{with}{SUMS}")).await?.collect().await.with_context(failed)? {
        let labels = arrow::compute::cast(&batch["label"], &arrow::datatypes::DataType::Utf8)?;
        let users = batch["users"].as_primitive::<Int64Type>();
        for (row, label) in labels.as_string::<i32>().iter().enumerate() {
            let of = |column: &str| batch[column].as_primitive::<Float64Type>().value(row);
            let sums = ArmSums {
                users: users.value(row).unsigned_abs(),
                impressions: of("i"),
                likes: of("k"),
                matches: of("m"),
                squares: [of("ii"), of("kk"), of("mm")],
                products: [of("ik"), of("im")],
            };
            let arm = label.and_then(|label| label.split_once(':')).map(|(_, arm)| arm.to_owned());
            found.arms.insert(arm.unwrap_or_default(), sums);
        }
    }
    let crossed =
        session.sql(&format!("{with}SELECT COUNT(*) AS n FROM viewers WHERE arms > 1")).await?.collect().await.with_context(failed)?;
    found.in_two_arms =
        crossed.iter().flat_map(|batch| batch["n"].as_primitive::<Int64Type>().values().to_vec()).map(i64::unsigned_abs).sum();
    Ok(found)
}

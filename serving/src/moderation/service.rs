//! A service of the operator's, asked by signed JSON.
//!
//! - What it has said is remembered for some hours, by hash, so that the same is not asked twice: neither by the job `reviews` on the same node, nor of
//!   the comment that everybody writes.
//! - After some failures in a row it is left alone for some seconds: while it is away nobody waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use moka::sync::Cache;
use pipelines::supervisor::Clock;
use sha2::{Digest, Sha256};

use super::checker::{Checker, Down, Found};
use super::config::ServiceConfig;
use super::{Subject, SubjectKind, wire};
use crate::outside::{self, Signed, Unread};

/// Subjects of a request at most.
const AT_ONCE: usize = 50;
/// Requests about one write at the same time.
const TOGETHER: usize = 4;
/// Bytes of an answer at most.
const MOST_BYTES: usize = 64 << 10;
/// For so long it is remembered what it said.
const REMEMBERED: Duration = Duration::from_secs(6 * 3_600);
/// Of so many subjects.
const KEPT: u64 = 100_000;
/// After so many failures in a row it is left alone.
const FAILURES: u32 = 3;
/// For so long.
const REST: TimeDelta = TimeDelta::seconds(5);

/// How it has fared of late.
#[derive(Default)]
struct Health {
    failures: u32,
    rests_until: Option<DateTime<Utc>>,
}

/// A service that judges.
pub(super) struct Service {
    signed: Signed,
    kinds: Vec<SubjectKind>,
    clock: Clock,
    said: Cache<[u8; 32], Vec<Found>>,
    health: Mutex<Health>,
}

fn hash(kind: SubjectKind, subject: &Subject<'_>) -> [u8; 32] {
    Sha256::new().chain_update(kind.name()).chain_update([0]).chain_update(subject.content).finalize().into()
}

fn failed(error: &reqwest::Error) -> Down {
    if error.is_timeout() { Down::Timeout } else { Down::Unreachable }
}

impl Service {
    /// The service of a configuration that has one.
    pub(super) fn new(config: &ServiceConfig, clock: Clock) -> anyhow::Result<Self> {
        let client = outside::client(Duration::from_millis(config.timeout_ms))?;
        let said = Cache::builder().max_capacity(KEPT).time_to_live(REMEMBERED).build();
        let signed = Signed::new(client, &config.url, &config.secret);
        Ok(Self { signed, kinds: config.kinds.clone(), clock, said, health: Mutex::default() })
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rests(&self) -> bool {
        self.health().rests_until.is_some_and(|until| (self.clock)() < until)
    }

    fn note(&self, failure: Option<Down>) {
        let mut health = self.health();
        if !failure.is_some_and(Down::is_away) {
            *health = Health::default();
            return;
        }
        health.failures = health.failures.saturating_add(1);
        if health.failures >= FAILURES {
            health.rests_until = Some((self.clock)() + REST);
        }
    }

    /// What it says of subjects of one kind.
    async fn ask(&self, kind: SubjectKind, subjects: &[&Subject<'_>]) -> Result<Vec<Vec<Found>>, Down> {
        let told = if self.rests() { Err(Down::Resting) } else { self.exchange(kind, subjects).await };
        let outcome = told.as_ref().map_or_else(|down| down.name(), |_| "ok");
        metrics::counter!("hongniang_moderation_service_total", "kind" => kind.name(), "outcome" => outcome).increment(1);
        told
    }

    async fn exchange(&self, kind: SubjectKind, subjects: &[&Subject<'_>]) -> Result<Vec<Vec<Found>>, Down> {
        let begun = Instant::now();
        let names = wire::names(subjects);
        let body = wire::request(kind, &names, subjects).map_err(|_| Down::Answer)?;
        let told = self.post(body).await.and_then(|answer| wire::answer(&answer, &names).ok_or(Down::Answer));
        metrics::histogram!("hongniang_moderation_service_seconds").record(begun.elapsed().as_secs_f64());
        if let Err(down) = &told {
            tracing::warn!(reason = %down, kind = kind.name(), "the moderation service does not judge");
        }
        self.note(told.as_ref().err().copied());
        told
    }

    async fn post(&self, body: String) -> Result<Vec<u8>, Down> {
        let answer = self.signed.post((self.clock)(), body).await.map_err(|error| failed(&error))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(Down::Status(answer.status().as_u16()));
        }
        outside::body(answer, MOST_BYTES).await.map_err(|unread| match unread {
            Unread::TooLong => Down::Size,
            Unread::Failed(error) => failed(&error),
        })
    }
}

#[async_trait]
impl Checker for Service {
    fn takes(&self, kind: SubjectKind) -> bool {
        self.kinds.contains(&kind)
    }

    async fn look(&self, kind: SubjectKind, subjects: &[&Subject<'_>]) -> Vec<Result<Vec<Found>, Down>> {
        let hashes: Vec<[u8; 32]> = subjects.iter().map(|subject| hash(kind, subject)).collect();
        let mut all: Vec<Result<Vec<Found>, Down>> = hashes.iter().map(|hash| self.said.get(hash).ok_or(Down::Resting)).collect();
        let unknown: Vec<usize> = (0..subjects.len()).filter(|place| all[*place].is_err()).collect();
        let requests: Vec<Vec<usize>> = unknown.chunks(AT_ONCE).map(<[usize]>::to_vec).collect();
        let asked = requests.into_iter().map(|places| async move {
            let some: Vec<&Subject<'_>> = places.iter().map(|place| subjects[*place]).collect();
            (places, self.ask(kind, &some).await)
        });
        let asked: Vec<_> = stream::iter(asked).buffered(TOGETHER).collect().await;
        for (places, told) in asked {
            match told {
                Ok(told) => {
                    for (place, found) in places.iter().zip(told) {
                        self.said.insert(hashes[*place], found.clone());
                        all[*place] = Ok(found);
                    }
                }
                Err(down) => places.iter().for_each(|place| all[*place] = Err(down)),
            }
        }
        all
    }
}

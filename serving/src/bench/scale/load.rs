//! Load in an open loop: requests go out when they are due, whether or not earlier ones have been answered, and each is timed from when it was due.
//! A server that falls behind cannot slow the clients down, so that queues show.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use super::dice::Dice;
use crate::bench::Target;

/// Requests per second, for so long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Requests per second.
    pub(crate) rps: u32,
    /// For how long.
    pub(crate) span: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From when each answered request was due until it was answered.
    pub(crate) times: Vec<Duration>,
    /// Requests that were refused or failed.
    pub(crate) failed: usize,
    /// The first failure.
    pub(crate) failure: Option<String>,
    /// From the first request that was due to the last answer.
    pub(crate) span: Duration,
}

/// Sends at a pace; `request` makes the n-th.
pub(crate) async fn open_loop<F>(pace: Pace, request: impl Fn(u64) -> F) -> Outcome
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let begun = Instant::now();
    let total = u64::from(pace.rps) * pace.span.as_millis() as u64 / 1_000;
    let (tick, mut ticks) = unbounded_channel();
    // A thread keeps the time to some ten microseconds; timers of the runtime come up to two milliseconds late, which would count as the server's.
    let clock = std::thread::spawn(move || {
        for n in 0..total {
            let due = begun + Duration::from_secs_f64(n as f64 / f64::from(pace.rps));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if tick.send((n, due)).is_err() {
                return;
            }
        }
    });
    let mut open: JoinSet<(Duration, anyhow::Result<()>)> = JoinSet::new();
    let mut outcome = Outcome::default();
    while let Some((n, due)) = ticks.recv().await {
        let work = request(n);
        open.spawn(async move {
            let done = work.await;
            (due.elapsed(), done)
        });
        while let Some(ended) = open.try_join_next() {
            outcome.take(ended);
        }
    }
    while let Some(ended) = open.join_next().await {
        outcome.take(ended);
    }
    outcome.span = begun.elapsed();
    drop(clock.join());
    outcome
}

impl Outcome {
    fn take(&mut self, ended: Result<(Duration, anyhow::Result<()>), tokio::task::JoinError>) {
        match ended {
            Ok((took, Ok(()))) => self.times.push(took),
            Ok((_, Err(error))) => self.fail(error.to_string()),
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn fail(&mut self, error: String) {
        self.failed += 1;
        self.failure.get_or_insert(error);
    }
}

/// Viewers who page through decks.
#[derive(Debug, Clone)]
pub(crate) struct Viewers {
    target: Target,
    users: u64,
    seed: u64,
    /// Viewers with the cursor of their next page.
    open: Arc<Mutex<VecDeque<(u64, String)>>>,
    /// Viewers at the end of a deck.
    done: Arc<Mutex<VecDeque<u64>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Viewers {
    pub(crate) fn new(target: &Target, users: u64, seed: u64) -> Self {
        Self { target: target.clone(), users, seed, open: Arc::default(), done: Arc::default() }
    }

    /// The n-th viewer of a run.
    fn viewer(&self, n: u64) -> u64 {
        1 + Dice::new(self.seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).below(self.users)
    }

    /// Asks for a new deck of somebody; remembers the cursor.
    pub(crate) async fn first(self, n: u64) -> anyhow::Result<()> {
        let viewer = self.viewer(n);
        self.page(viewer, None).await
    }

    /// Asks for a next page of whoever has waited longest.
    pub(crate) async fn next(self, _: u64) -> anyhow::Result<()> {
        let (viewer, cursor) = lock(&self.open).pop_front().ok_or_else(|| anyhow::anyhow!("no deck has a next page"))?;
        self.page(viewer, Some(cursor)).await
    }

    /// Asks for a new deck of somebody who has seen all of theirs.
    pub(crate) async fn again(self, _: u64) -> anyhow::Result<()> {
        let viewer = lock(&self.done).pop_front().ok_or_else(|| anyhow::anyhow!("nobody is at the end of a deck"))?;
        self.page(viewer, None).await
    }

    async fn page(self, viewer: u64, cursor: Option<String>) -> anyhow::Result<()> {
        let cursor = cursor.map(|c| format!("&cursor={c}")).unwrap_or_default();
        let body = self.target.text(&format!("/v1/recommendations?viewer={viewer}&limit=10{cursor}")).await?;
        match cursor_of(&body) {
            Some(cursor) => lock(&self.open).push_back((viewer, cursor)),
            None => lock(&self.done).push_back(viewer),
        }
        Ok(())
    }

    /// Viewers who have a next page.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.open).len()
    }

    /// Viewers at the end of a deck.
    pub(crate) fn ended(&self) -> usize {
        lock(&self.done).len()
    }

    /// Forgets every deck but so many.
    pub(crate) fn keep(&self, most: usize) {
        lock(&self.done).clear();
        let mut open = lock(&self.open);
        let drop = open.len().saturating_sub(most);
        open.drain(..drop);
    }
}

/// The cursor of an answer, without reading all of it: the driver shares the machine with the server.
fn cursor_of(body: &str) -> Option<String> {
    const MARK: &str = "\"cursor\":\"";
    let begin = body.rfind(MARK)? + MARK.len();
    body[begin..].split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_found() {
        assert_eq!(cursor_of(r#"{"deck_id":"d","items":[{"bio":"x"}],"cursor":"abc","degraded":[]}"#).as_deref(), Some("abc"));
        assert_eq!(cursor_of(r#"{"deck_id":"d","items":[],"degraded":[]}"#), None);
    }

    #[tokio::test]
    async fn whoever_waits_for_a_slow_server_is_counted_from_when_they_were_due() {
        let one_at_a_time = Arc::new(tokio::sync::Mutex::new(()));
        let pace = Pace { rps: 100, span: Duration::from_millis(100) };
        let outcome = open_loop(pace, |n| {
            let turn = Arc::clone(&one_at_a_time);
            async move {
                let _turn = turn.lock().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                anyhow::ensure!(n != 3, "the third fails");
                Ok(())
            }
        })
        .await;
        assert_eq!((outcome.times.len(), outcome.failed, outcome.failure.as_deref()), (9, 1, Some("the third fails")));
        let longest = outcome.times.iter().max().copied().unwrap_or_default();
        assert!(longest >= Duration::from_millis(100), "ten take 200 ms one after the other, and the last was due after 90: {longest:?}");
    }
}

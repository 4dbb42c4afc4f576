//! What a process tells that runs jobs and serves no API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use pipelines::supervisor::{JobHealth, JobState, Supervisor};
use serde::Serialize;

use crate::config::FeatureRuntime;

#[derive(Clone)]
struct Worker {
    jobs: Arc<Supervisor>,
    metrics: PrometheusHandle,
    features: FeatureRuntime,
}

/// What `/readyz` says.
#[derive(Debug, Serialize)]
struct Readiness {
    /// Whether every job is at work, or stands by for another process that is.
    ready: bool,
    /// Process id, for measuring.
    pid: u32,
    /// Who computes the feature sets.
    features: FeatureRuntime,
    /// Name, state, lag, restarts and last error of each job.
    jobs: Vec<JobHealth>,
}

/// `/healthz`, `/readyz` and `/metrics` of jobs without an API; no key is asked for.
pub fn worker(jobs: Arc<Supervisor>, metrics: PrometheusHandle, features: FeatureRuntime) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(async |State(worker): State<Worker>| worker.metrics.render()))
        .with_state(Worker { jobs, metrics, features })
}

async fn ready(State(worker): State<Worker>) -> (StatusCode, Json<Readiness>) {
    let jobs = worker.jobs.health();
    let ready = jobs.iter().all(|job| matches!(job.state, JobState::Running | JobState::StandingBy));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, pid: std::process::id(), features: worker.features, jobs }))
}

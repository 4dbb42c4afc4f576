//! For operators: health, readiness, jobs, metrics.

mod worker;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::worker::worker;

use crate::state::App;

/// Routes that need no key: probes and metrics.
pub fn public() -> Router<App> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready)).route("/metrics", get(metrics))
}

/// Routes that need a key.
pub fn private() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(jobs))
}

/// Jobs of this process.
#[derive(Debug, Serialize, ToSchema)]
struct Jobs {
    /// Whether requests are answered in full.
    ready: bool,
    /// Process id, for measuring.
    pid: u32,
    /// People in the portrait table.
    people: usize,
    /// Exposures in the ledger.
    exposures: usize,
    /// Who computes the feature sets: `embedded`, `arroyo` or `off`.
    features: &'static str,
    /// Name, state, lag, restarts and last error of each job.
    #[schema(value_type = Vec<Object>)]
    jobs: Vec<pipelines::supervisor::JobHealth>,
}

fn told(app: &App) -> Jobs {
    let indexes = &app.indexes;
    Jobs {
        ready: app.readiness.is_ready(),
        pid: std::process::id(),
        people: indexes.table.len(),
        exposures: indexes.ledger.exposures(),
        features: app.config.features.runtime.name(),
        jobs: app.readiness.jobs.health(),
    }
}

/// Lag, state and restarts of every job of this process.
#[utoipa::path(get, path = "/v1/jobs", tag = "operations", responses((status = 200, body = Jobs)))]
async fn jobs(State(app): State<App>) -> Json<Jobs> {
    Json(told(&app))
}

async fn ready(State(app): State<App>) -> (StatusCode, Json<Jobs>) {
    let status = if app.readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(told(&app)))
}

#[expect(clippy::cast_precision_loss, reason = "gauges")]
async fn metrics(State(app): State<App>) -> String {
    metrics::gauge!("hongniang_people").set(app.indexes.table.len() as f64);
    metrics::gauge!("hongniang_exposures").set(app.indexes.ledger.exposures() as f64);
    app.metrics.render()
}

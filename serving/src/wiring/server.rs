//! The HTTP server of a platform.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::Platform;
use crate::http;

/// Installs the metrics recorder of the process; a second call gives a handle to the same.
///
/// # Errors
/// When another recorder is installed already.
pub fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = installed.as_ref() {
        return Ok(handle.clone());
    }
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?;
    let handle = builder.install_recorder().context("metrics")?;
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Serves on a listener until `until` comes, then stops everything in order.
///
/// # Errors
/// When the server fails.
pub async fn serve(
    platform: Platform,
    listener: tokio::net::TcpListener,
    until: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let router = http::router(platform.app.clone());
    let served = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(until).await;
    platform.stop().await;
    Ok(served?)
}

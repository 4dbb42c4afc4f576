//! A node in this process whose codes are handed over instead of sent.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::provider::{APP, Provider};
use crate::auth::{Auth, HandedOver, OidcConfig, system_chance};
use crate::config::Config;
use crate::http;
use crate::wiring::{Platform, install_metrics};

/// A node that runs.
pub(super) struct Node {
    /// Where it answers.
    pub(super) address: SocketAddr,
    /// The codes that it has sent.
    pub(super) codes: Arc<HandedOver>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    running: tokio::sync::Mutex<Option<Running>>,
    _folder: Option<TempDir>,
}

struct Running {
    platform: Platform,
    end: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

/// As it is by default, but for limits: everybody here comes from one address.
fn config(folder: &Path, provider: &Provider) -> Config {
    let mut config = Config { data_dir: folder.to_path_buf(), ..Config::default() };
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.http.in_flight = 100_000;
    config.model.encoder = "hashing".to_owned();
    let codes = &mut config.auth.codes;
    (codes.per_address, codes.tries_per_address, config.auth.id_tokens_per_address) = (u32::MAX, u32::MAX, u32::MAX);
    let oidc = OidcConfig {
        issuer: provider.url.clone(),
        jwks_uri: format!("{}/keys", provider.url),
        audiences: vec![APP.to_owned()],
        ..OidcConfig::default()
    };
    config.auth.oidc.insert("bench".to_owned(), oidc);
    config
}

impl Node {
    /// Starts one on tables in a folder, or in one of its own, and waits until it is ready.
    pub(super) async fn start(folder: Option<&Path>, provider: &Provider) -> anyhow::Result<Self> {
        let own = if folder.is_none() { Some(tempfile::tempdir()?) } else { None };
        let place = folder.or(own.as_ref().map(TempDir::path)).unwrap_or(Path::new("."));
        let config = config(place, provider);
        let platform = Platform::start(config.clone(), &[], install_metrics()?).await?;
        while !platform.app.readiness.is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let codes = Arc::new(HandedOver::default());
        let auth = Auth::open(platform.app.db.clone(), &config.auth, place, system_chance(), Utc::now())?.handing_over(&codes);
        let app = platform.app.with_auth(auth);
        let listener = tokio::net::TcpListener::bind(config.http.listen).await?;
        let (address, metrics) = (listener.local_addr()?, app.metrics.clone());
        let service = http::router(app).into_make_service_with_connect_info::<SocketAddr>();
        let (end, ended) = oneshot::channel::<()>();
        let until = async move { drop(ended.await) };
        let server = tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(until).await });
        let running = tokio::sync::Mutex::new(Some(Running { platform, end, server }));
        Ok(Self { address, codes, metrics, running, _folder: own })
    }

    /// How many commits were shared so far, and by how many writers.
    pub(super) fn commits(&self) -> (u64, u64) {
        let text = self.metrics.render();
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or_default() as u64
        };
        (of("hongniang_db_commit_writers_count"), of("hongniang_db_commit_writers_sum"))
    }

    /// Ends it in order.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        let Some(Running { platform, end, server }) = self.running.lock().await.take() else { return Ok(()) };
        let _ = end.send(()); // it has ended already
        server.await??;
        platform.stop().await;
        Ok(())
    }
}

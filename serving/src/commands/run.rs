//! `up` and `serve`.

use anyhow::Context;
use clap::Args;

use super::Global;
use crate::config::{Config, DEVELOPMENT_KEY};
use crate::wiring::{Platform, install_metrics, serve as serve_platform};

/// Flags of `up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hongniang up\n  hongniang up --data-dir /var/lib/hongniang --listen 127.0.0.1:8080")]
pub(super) struct UpArgs {}

/// Everything in one process.
pub(super) async fn up(global: &Global, _args: UpArgs) -> anyhow::Result<()> {
    start(global.load()?, true).await
}

/// The API alone, with this node's indexes.
pub(super) async fn serve(global: &Global) -> anyhow::Result<()> {
    let config = global.load()?;
    anyhow::ensure!(!config.kafka.brokers.is_empty(), "`serve` needs an event log that others can reach: set kafka.brokers, or use `up`");
    start(config, false).await
}

async fn start(config: Config, with_pipelines: bool) -> anyhow::Result<()> {
    let listen = config.http.listen;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let address = listener.local_addr()?;
    let development = config.http.service_keys.iter().any(|k| k == DEVELOPMENT_KEY);
    let platform = Platform::start(config, with_pipelines, install_metrics()?).await?;
    println!("hongniang is up");
    println!("  console  http://{address}/");
    println!("  API      http://{address}/docs");
    println!("  log      {}", platform.log.bus.config().brokers);
    if development {
        println!("  key      {DEVELOPMENT_KEY}  (development only; set http.service_keys)");
    }
    serve_platform(platform, listener, stop_asked()).await
}

/// Ctrl-C or SIGTERM.
pub(crate) async fn stop_asked() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
    eprintln!("stopping: saving state");
}

//! `up` and `serve`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use features::event::Event;
use pipelines::bus::Bus;

use super::Global;
use super::evenings::{Evening, evening, target};
use super::pipeline::listen;
use super::simulate::grow;
use crate::config::{Config, DEVELOPMENT_KEY};
use crate::state::App;
use crate::town::{Town, TownSpec};
use crate::wiring::{PIPELINES, Platform, install_metrics, run_together, serve as serve_platform};

/// Flags of `up`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hongniang up\n  hongniang up --town 2000 --town-evenings 3\n  hongniang up --data-dir /var/lib/hongniang --listen 127.0.0.1:8080"
)]
pub(super) struct UpArgs {
    /// Lets a town of so many people grow, if nobody is here yet.
    #[arg(long, value_name = "PEOPLE")]
    town: Option<u32>,
    /// Days of the town.
    #[arg(long, default_value_t = 14)]
    town_days: u32,
    /// Evenings on which the people of a town that has just grown use the app: they open pages and answer them.
    #[arg(long, default_value_t = 0, requires = "town", value_name = "EVENINGS")]
    town_evenings: u32,
}

/// A town on its way here.
struct Moving {
    spec: TownSpec,
    /// Evenings on which its people use what is served here, once they live here.
    evenings: u32,
}

/// Everything in one process.
pub(super) async fn up(global: &Global, args: UpArgs) -> anyhow::Result<()> {
    let spec = |users| TownSpec { users, days: args.town_days, seed: 1, until: Utc::now() };
    let town = args.town.map(|users| Moving { spec: spec(users), evenings: args.town_evenings });
    let mut config = global.load()?;
    if config.flight.listen.is_empty() {
        config.flight.listen = beside(config.http.listen).await;
    }
    start(config, &PIPELINES, town).await
}

/// Where Flight SQL listens when nobody says: on loopback, at the port after that of the API, and nowhere if somebody else does.
async fn beside(http: SocketAddr) -> String {
    let port = if http.port() == 0 { 0 } else { http.port().wrapping_add(1) };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => address.to_string(),
        Err(error) => {
            tracing::warn!(%error, "no Flight SQL: {address} cannot be had; set flight.listen");
            String::new()
        }
    }
}

/// Flags of `serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hongniang serve --brokers kafka:9092\n  hongniang serve --brokers kafka:9092 --modules api,gate,features"
)]
pub(super) struct ServeArgs {
    /// `api` (HTTP, console and this node's indexes) and any of gate, features, lake, embedder, assembler.
    #[arg(long, value_delimiter = ',', default_value = "api", value_name = "NAMES")]
    modules: Vec<String>,
    /// Answers /healthz, /readyz and /metrics here; with `api` they are on its address.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

/// What was chosen, on an outside event log.
pub(super) async fn serve(global: &Global, args: &ServeArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    anyhow::ensure!(!config.kafka.brokers.is_empty(), "`serve` needs an event log that others can reach: set kafka.brokers, or use `up`");
    let jobs: Vec<&str> = args.modules.iter().map(String::as_str).filter(|name| *name != "api").collect();
    if let Some(unknown) = jobs.iter().find(|name| !PIPELINES.contains(name)) {
        anyhow::bail!("there is no module `{unknown}`; there are api, {}", PIPELINES.join(", "));
    }
    if args.modules.iter().any(|name| name == "api") {
        return start(config, &jobs, None).await;
    }
    eprintln!("{} on {}; Ctrl-C ends", jobs.join(", "), config.kafka.brokers);
    run_together(&jobs, &config, listen(args.metrics).await?, stop_asked()).await
}

async fn start(config: Config, jobs: &[&str], town: Option<Moving>) -> anyhow::Result<()> {
    let listen = config.http.listen;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let address = listener.local_addr()?;
    let development = config.http.service_keys.iter().any(|k| k == DEVELOPMENT_KEY);
    let platform = Platform::start(config, jobs, install_metrics()?).await?;
    println!("hongniang is up");
    println!("  console  http://{address}/");
    println!("  API      http://{address}/docs");
    if let Some(flight) = platform.flight {
        println!("  SQL      grpc://{flight}  (Arrow Flight SQL: ADBC, DBeaver, Grafana)");
    }
    println!("  log      {}", platform.log.bus.config().brokers);
    if development {
        println!("  key      {DEVELOPMENT_KEY}  (development only; set http.service_keys)");
    }
    if let Some(town) = town {
        tokio::spawn(populate(platform.app.clone(), platform.log.bus.clone(), town, address));
    }
    serve_platform(platform, listener, stop_asked()).await
}

/// Grows the town once the node knows that nobody is here, and says when there is something to look at.
async fn populate(app: App, bus: Bus, town: Moving, address: SocketAddr) {
    let Moving { spec, evenings } = town;
    let (begun, users) = (Instant::now(), spec.users);
    let mut ready = app.readiness.profiles.clone();
    if ready.wait_for(|ready| *ready).await.is_err() || !app.indexes.table.is_empty() {
        return;
    }
    println!("  town     {users} people move in");
    let events = match grow(&bus, spec.clone()).await {
        Ok(events) => events,
        Err(error) => return tracing::error!(%error, "the town could not grow"),
    };
    println!("  town     {} events sent after {:.0} s", events.len(), begun.elapsed().as_secs_f64());
    let interactions = events.iter().filter_map(|event| if let Event::Interaction(event) = event { Some(event) } else { None });
    match app.relations.rebuild(interactions, app.now()).await {
        Ok(rows) => println!("  town     {} of {} pairs are friends", rows.friends, rows.pairs),
        Err(error) => {
            tracing::error!(%error, "the relations of the town are not in the tables; `hongniang relations rebuild` brings them there");
        }
    }
    drop(events);
    while app.indexes.table.len() < users as usize {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!(
        "  town     everybody can be recommended after {:.0} s; similarity fills in while texts are embedded",
        begun.elapsed().as_secs_f64()
    );
    if evenings > 0 {
        let key = app.config.http.service_keys.first().cloned().unwrap_or_default();
        if let Err(error) = go_out(address, &key, spec, evenings).await {
            tracing::error!("the people of the town could not use the app: {error:#}");
        }
    }
}

/// The people of a town use what is served here, evening after evening.
async fn go_out(address: SocketAddr, key: &str, spec: TownSpec, evenings: u32) -> anyhow::Result<()> {
    let target = target(address, key)?;
    let seed = spec.seed;
    let town = tokio::task::spawn_blocking(move || Town::new(spec)).await?;
    for number in 1..=evenings {
        let begun = Instant::now();
        let Evening { pages, shown, likes } = evening(&target, &town, seed.wrapping_add(number.into())).await?;
        let took = begun.elapsed().as_secs_f64();
        println!("  town     evening {number} of {evenings}: {pages} pages opened, {shown} people shown, {likes} likes, in {took:.0} s");
    }
    println!("  town     what was shown and answered is in the lake within lake.flush_s seconds");
    Ok(())
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

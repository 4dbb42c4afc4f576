//! Arrow Flight SQL over the lake, for ADBC, JDBC and whatever speaks it: the router of a port of its own.
//!
//! Invariants: nothing is answered without a service key, whichever method is called ([`auth`] stands before all of them); nothing but reading
//! is done ([`pipelines::query::plan`]); queries share the memory of `[query]`, and no more than `flight.queries` run at once, none longer than
//! `flight.timeout_s`. Tickets carry the statement, so that any node of the same lake answers them; prepared statements live in the node that made them.
#![allow(clippy::result_large_err)] // `tonic::Status` is what every answer of gRPC is

mod auth;
mod catalog;
mod service;
mod statements;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::{Router, TcpIncoming};

use crate::config::Config;
use service::Service;
use statements::Statements;

/// How long those who are reading an answer may go on when the node stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// The service behind its keys.
fn router(statements: Statements, keys: Vec<String>) -> Router {
    let service = FlightServiceServer::with_interceptor(Service::new(statements), auth::Keys::new(keys));
    Server::builder().http2_keepalive_interval(Some(Duration::from_secs(30))).add_service(service)
}

/// Serves Flight SQL over the lake of `config` at `flight.listen` until `stop`; where it listens, or nothing where that is not asked for.
///
/// # Errors
/// When the address is taken or the lake cannot be opened.
pub async fn start(config: &Config, stop: CancellationToken) -> anyhow::Result<Option<SocketAddr>> {
    let Some(wanted) = config.flight.address().map_err(anyhow::Error::msg)? else { return Ok(None) };
    let listener = TcpListener::bind(wanted).await.with_context(|| format!("flight.listen: cannot listen on {wanted}"))?;
    let address = listener.local_addr()?;
    let limits = config.query.limits(Some(config.data_dir.join("spill")));
    let session = pipelines::query::open(&config.lake_place(), &limits).await.context("flight: the lake cannot be opened")?;
    let router = router(Statements::new(session, &config.flight), config.http.service_keys.clone());
    let asked = stop.clone();
    let served = router.serve_with_incoming_shutdown(TcpIncoming::from(listener), async move { asked.cancelled().await });
    tokio::spawn(async move {
        let farewell = async {
            stop.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            ended = served => if let Err(error) = ended {
                tracing::error!(%error, "Flight SQL is not served any more");
            },
            () = farewell => {}
        }
    });
    Ok(Some(address))
}

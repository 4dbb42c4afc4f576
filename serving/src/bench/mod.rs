//! Whole-system measurements against a running server (freshness, recommend), in this process (stream), of an Arroyo cluster beside it (runtimes), on synthetic people in a node of
//! their own (scale, relations), of logins into a node in this process (login), of jobs that are killed (parity), or over a lake (query). Load goes to loopback only.

mod backfill;
mod freshness;
mod login;
mod measure;
mod parity;
mod query;
mod recommend;
mod relations;
mod runtimes;
pub(crate) mod scale;
mod stream;

use std::net::ToSocketAddrs;
use std::path::Path;

use anyhow::Context;
use features::topic::Topic;
use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig};
use reqwest::Client;
use serde_json::Value;

pub use self::backfill::backfill;
pub use self::freshness::{Freshness, PATIENCE, likes, moments};
pub use self::login::Logins;
pub use self::measure::{Row, machine};
pub use self::parity::{Parity, ParityRow, PerSet, parity};
pub use self::query::{QUERIES, query};
pub use self::recommend::recommend;
pub use self::relations::relations;
pub use self::runtimes::Runtimes;
pub use self::stream::stream;

/// An event log of one's own below a folder, with every topic.
async fn own_log(folder: &Path) -> anyhow::Result<(EmbeddedBroker, Bus)> {
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.join("log"))).await?;
    let bus = Bus::new(BusConfig { brokers: broker.bootstrap(), ..BusConfig::default() })?;
    bus.ensure_topics().await?;
    Ok((broker, bus))
}

/// Makes the topics of an outside event log, and refuses one that has had records in this topic.
async fn unused(bus: &Bus, topic: Topic) -> anyhow::Result<()> {
    bus.ensure_topics().await?;
    let topics = [topic.name().to_owned()];
    let empty = bus.beginning_offsets(&topics).await? == bus.end_offsets(&topics).await?;
    anyhow::ensure!(empty, "the event log at {} has events; this needs one of its own", bus.config().brokers);
    Ok(())
}

/// A server under measurement.
#[derive(Debug, Clone)]
pub struct Target {
    url: String,
    key: String,
    client: Client,
}

impl Target {
    /// A server on this machine.
    ///
    /// # Errors
    /// When the address is not a loopback one.
    pub fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let host = url.strip_prefix("http://").context("--url must begin with http://")?;
        let local = host.to_socket_addrs().with_context(|| format!("--url: {host} is not host:port"))?.all(|a| a.ip().is_loopback());
        anyhow::ensure!(local, "--url: load goes to this machine only; {host} is elsewhere");
        Ok(Self { url, key: key.to_owned(), client: Client::builder().build()? })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let reply = request
            .bearer_auth(&self.key)
            .send()
            .await
            .with_context(|| format!("{} does not answer; start `hongniang up --town 2000`", self.url))?;
        let status = reply.status();
        let body: Value = reply.json().await.unwrap_or(Value::Null);
        anyhow::ensure!(status.is_success(), "{status}: {body}");
        Ok(body)
    }

    /// The body of an answer, as it came.
    async fn text(&self, path: &str) -> anyhow::Result<String> {
        let reply = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.key).send().await?;
        let (status, body) = (reply.status(), reply.text().await?);
        anyhow::ensure!(status.is_success(), "{status}: {body}");
        Ok(body)
    }

    /// What a GET gives.
    ///
    /// # Errors
    /// When it is refused or not answered.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    /// What a POST of JSON gives.
    ///
    /// # Errors
    /// When it is refused or not answered.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.client.put(format!("{}{path}", self.url)).json(body)).await
    }

    async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.client.delete(format!("{}{path}", self.url))).await
    }

    /// Process id and number of people of the server.
    async fn told(&self) -> anyhow::Result<(u32, u64)> {
        let jobs = self.get("/v1/jobs").await?;
        let pid = jobs["pid"].as_u64().and_then(|p| u32::try_from(p).ok()).context("the server does not tell its pid")?;
        let people = jobs["people"].as_u64().unwrap_or(0);
        anyhow::ensure!(people >= 10, "there are {people} people; let a town grow first: `hongniang up --town 2000`");
        Ok((pid, people))
    }
}

//! Logins under load: a node in this process with tables of its own, and clients who log in over HTTP, each somebody new.
//!
//! A login by phone is two requests, the code and its use; the code is handed over inside the process in place of an SMS. A login by a provider is
//! one request with an ID token that was signed before the clock started. Those who came by phone then refresh their tokens, each once. CPU time and memory are those of the node and the clients together.

mod node;
mod provider;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use self::node::Node;
use self::provider::Provider;
use self::wire::Wire;
use super::measure::{Row, cpu, row};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Logins {
    /// How many people log in by phone, and how many by a provider.
    pub logins: u64,
    /// Clients who log in one after the other without a pause.
    pub clients: u64,
    /// Where the tables are kept; without it they go afterwards.
    pub folder: Option<PathBuf>,
}

/// One way to log in.
#[derive(Clone)]
enum Way {
    Phone,
    Provider(Arc<Vec<String>>),
    /// The refresh tokens of those who came by phone.
    Refresh(Arc<Vec<String>>),
}

impl Logins {
    /// Logs everybody in; a row for each way.
    ///
    /// # Errors
    /// When the node cannot start, or a login fails.
    pub async fn measure(&self) -> anyhow::Result<Vec<Row>> {
        let provider = Provider::start().await?;
        let tokens = (0..self.logins).map(|n| provider.token(n)).collect::<anyhow::Result<Vec<_>>>()?;
        let node = Arc::new(Node::start(self.folder.as_deref(), &provider).await?);
        let (phone, refresh) = self.timed(&node, "login by phone: code and its use", Way::Phone).await?;
        let (by_provider, _) = self.timed(&node, "login by a provider", Way::Provider(Arc::new(tokens))).await?;
        let (refreshed, _) = self.timed(&node, "refresh of tokens", Way::Refresh(Arc::new(refresh))).await?;
        node.stop().await?;
        Ok(vec![phone, by_provider, refreshed])
    }

    /// The row of a way, and the refresh tokens of all, in order.
    async fn timed(&self, node: &Arc<Node>, name: &str, way: Way) -> anyhow::Result<(Row, Vec<String>)> {
        // Connections, statements and keys are there before the clock starts, as in a node that has run for a while.
        let warm = self.clients.min(self.logins);
        let mut all = self.run(node, &way, 0..warm).await?;
        let before = node.commits();
        let (begun, used) = (Instant::now(), cpu(std::process::id()));
        let timed = self.run(node, &way, warm..self.logins).await?;
        let (span, used) = (begun.elapsed(), cpu(std::process::id()).saturating_sub(used));
        let (commits, writers) = node.commits();
        eprintln!("{name}: {} commits for {} writes", commits - before.0, writers - before.1);
        let times = timed.iter().map(|one| one.took).collect();
        all.extend(timed);
        all.sort_by_key(|one| one.n);
        let row = row(&format!("{name}, {} clients", self.clients), times, span, used, std::process::id());
        Ok((row, all.into_iter().map(|one| one.refresh).collect()))
    }

    async fn run(&self, node: &Arc<Node>, way: &Way, who: std::ops::Range<u64>) -> anyhow::Result<Vec<Entered>> {
        let clients = self.clients;
        let begin = who.start;
        let client = |i: u64| tokio::spawn(client(Arc::clone(node), way.clone(), (begin + i..who.end).step_by(clients as usize)));
        let mut entered = Vec::new();
        for client in (0..clients).map(client).collect::<Vec<_>>() {
            entered.extend(client.await??);
        }
        Ok(entered)
    }
}

/// Somebody who has logged in.
struct Entered {
    n: u64,
    took: Duration,
    refresh: String,
}

/// Logs some people in, one after the other.
async fn client(node: Arc<Node>, way: Way, who: std::iter::StepBy<std::ops::Range<u64>>) -> anyhow::Result<Vec<Entered>> {
    let mut wire = Wire::open(node.address).await?;
    let mut entered = Vec::new();
    for n in who {
        let begun = Instant::now();
        let token = |tokens: &[String]| anyhow::Ok(tokens.get(usize::try_from(n)?).context("there are too few tokens")?.clone());
        let answer = match &way {
            Way::Phone => by_phone(&node, &mut wire, n).await?,
            Way::Provider(tokens) => {
                let body = json!({"id_token": token(tokens)?, "device_name": "bench"});
                wire.post("/v1/auth/oidc/bench", &body.to_string(), 200).await?
            }
            Way::Refresh(tokens) => wire.post("/v1/auth/refresh", &json!({"refresh_token": token(tokens)?}).to_string(), 200).await?,
        };
        let took = begun.elapsed();
        let answer: Value = serde_json::from_slice(&answer)?;
        let is_new = matches!(way, Way::Refresh(_)) || answer["created"] == true;
        let refresh = answer["refresh_token"].as_str().filter(|_| is_new && answer["access_token"].is_string());
        entered.push(Entered { n, took, refresh: refresh.with_context(|| format!("no new account: {answer}"))?.to_owned() });
    }
    Ok(entered)
}

async fn by_phone(node: &Node, wire: &mut Wire, n: u64) -> anyhow::Result<Vec<u8>> {
    let phone = format!("+86138{n:08}");
    wire.post("/v1/auth/phone/code", &json!({"phone": phone}).to_string(), 202).await?;
    let code = node.codes.take(&phone).context("no code came")?;
    wire.post("/v1/auth/phone/verify", &json!({"phone": phone, "code": code, "device_name": "bench"}).to_string(), 200).await
}

//! The sections `[http]` and `[flight]`: where is listened, and for whom.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::DEVELOPMENT_KEY;

/// The `[http]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Keys of trusted back ends.
    pub service_keys: Vec<String>,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// Seconds until a request is given up.
    pub timeout_s: u64,
    /// Requests that are worked on at the same time; more are answered with 429.
    pub in_flight: usize,
    /// Hours for which an `Idempotency-Key` gives the same answer again.
    pub idempotency_hours: u64,
}

/// The `[flight]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlightConfig {
    /// Where Flight SQL listens; empty for nowhere, or where `up` thinks best.
    pub listen: String,
    /// Queries that run at the same time; more wait.
    pub queries: usize,
    /// Seconds after which a query is given up, waiting included.
    pub timeout_s: u64,
}

impl FlightConfig {
    /// Where to listen, if anywhere.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn address(&self) -> Result<Option<SocketAddr>, String> {
        let listen = self.listen.trim();
        if listen.is_empty() {
            return Ok(None);
        }
        listen.parse().map(Some).map_err(|_| format!("`{listen}` is no address; give one such as 127.0.0.1:7879, or nothing"))
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 7878));
        Self {
            listen,
            service_keys: vec![DEVELOPMENT_KEY.to_owned()],
            body_limit: 1 << 20,
            timeout_s: 30,
            in_flight: 256,
            idempotency_hours: 24,
        }
    }
}

impl Default for FlightConfig {
    fn default() -> Self {
        Self { listen: String::new(), queries: 4, timeout_s: 300 }
    }
}

//! Configuration: built-in defaults < `hongniang.toml` < `HONGNIANG__SECTION__KEY` < flags. Unknown keys are errors.

mod listen;
mod runtime;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use pipelines::assembler::AssemblerConfig;
use pipelines::bus::BusConfig;
use pipelines::embedder::EmbedderConfig;
use pipelines::gate::GateConfig;
use pipelines::indexer::IndexerConfig;
use pipelines::lake::LakeConfig;
use pipelines::ledger_feed::LedgerConfig;
use pipelines::query::QueryConfig;
use pipelines::runner::RunnerConfig;
use pipelines::snapshots::S3Config;
use ranker::RankerConfig;
use serde::{Deserialize, Serialize};

pub use self::listen::{FlightConfig, HttpConfig};
pub use self::runtime::{FeatureRuntime, FeaturesConfig};
use crate::auth::AuthConfig;
use crate::db::DatabaseConfig;
use crate::entitlements::EntitlementsConfig;
use crate::moderation::ModerationConfig;
use crate::relations::RelationsConfig;
use crate::rights::RightsConfig;

/// The key that works until another is configured; only ever on loopback.
pub const DEVELOPMENT_KEY: &str = "development-key";

/// The documented defaults.
pub const DEFAULTS: &str = include_str!("../hongniang.default.toml");

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything embedded is kept.
    pub data_dir: PathBuf,
    /// The API.
    pub http: HttpConfig,
    /// The tables.
    pub database: DatabaseConfig,
    /// Logins.
    pub auth: AuthConfig,
    /// The event log; without `brokers` the embedded broker.
    pub kafka: BusConfig,
    /// The embedded broker.
    pub broker: EmbeddedConfig,
    /// The gate.
    pub gate: GateConfig,
    /// Who computes the feature sets.
    pub features: FeaturesConfig,
    /// The embedded feature runner.
    pub runner: RunnerConfig,
    /// The lake writer.
    pub lake: LakeConfig,
    /// Queries over the lake.
    pub query: QueryConfig,
    /// Arrow Flight SQL.
    pub flight: FlightConfig,
    /// Stores that speak S3.
    pub s3: S3Config,
    /// The state of jobs.
    pub state: StateConfig,
    /// The embedding worker.
    pub embedder: EmbedderConfig,
    /// The assembler.
    pub assembler: AssemblerConfig,
    /// The indexer.
    pub indexer: IndexerConfig,
    /// The ledger feed.
    pub ledger: LedgerConfig,
    /// The text encoder.
    pub model: ModelConfig,
    /// The vector store.
    pub vectors: VectorsConfig,
    /// Pages of recommendations.
    pub recommend: RecommendConfig,
    /// What people write.
    pub moderation: ModerationConfig,
    /// What people may do how often.
    pub entitlements: EntitlementsConfig,
    /// Follows, blocks, likes and comments.
    pub relations: RelationsConfig,
    /// Ranking.
    pub ranker: RankerConfig,
    /// Erasures and exports.
    pub rights: RightsConfig,
}

/// The `[broker]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// Where the embedded broker listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Bytes at which a file of the log is closed, where a topic has no `segment.bytes`; only closed files are removed by retention.
    pub segment_bytes: u64,
    /// Seconds between two rounds of retention and compaction.
    pub cleanup_s: f64,
    /// Milliseconds after which written data is forced to the disk: what a power cut may take. A kill of the process takes nothing.
    pub sync_ms: u64,
}

/// The `[state]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateConfig {
    /// Where jobs save their state: a folder or a URL such as `s3://bucket/prefix`; empty for the folder `state` of the data folder.
    pub place: String,
}

/// The `[model]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Name of the text encoder in the model manifest; empty for the default one, `hashing` for one without weights.
    pub encoder: String,
}

/// The `[vectors]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VectorsConfig {
    /// gRPC address of a Qdrant server; empty for Qdrant Edge in the process.
    pub url: String,
}

/// The `[recommend]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecommendConfig {
    /// Minutes for which a deck is kept.
    pub deck_minutes: u64,
    /// MiB of decks that are kept at most.
    pub deck_memory_mb: u64,
    /// People of a page when `limit` is not given.
    pub default_limit: usize,
    /// People of a page at most.
    pub max_limit: usize,
    /// Milliseconds after which a deck out of the hot pool is given instead.
    pub deadline_ms: u64,
    /// The next deck is made ahead when so many people of a deck are left, or it is three quarters of `deck_minutes` old; 0 turns that off.
    pub ahead_below: usize,
    /// Decks that wait to be made ahead at most; more are not made ahead.
    pub ahead_queue: usize,
    /// Whether decks and pages are logged as they are served, so that they can be computed again.
    pub deck_log: bool,
    /// How often within an hour the cell may change that a viewer is ranked from; 0 sets no limit.
    pub places_per_hour: u32,
    /// Seconds between two computations of what is usual in everybody's segment, which the strategy `warm` goes by.
    pub rates_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("hongniang-data"),
            http: HttpConfig::default(),
            database: DatabaseConfig::default(),
            auth: AuthConfig::default(),
            kafka: BusConfig { brokers: String::new(), ..BusConfig::default() },
            broker: EmbeddedConfig::default(),
            gate: GateConfig::default(),
            features: FeaturesConfig::default(),
            runner: RunnerConfig::default(),
            lake: LakeConfig::default(),
            query: QueryConfig::default(),
            flight: FlightConfig::default(),
            s3: S3Config::default(),
            state: StateConfig::default(),
            embedder: EmbedderConfig::default(),
            assembler: AssemblerConfig::default(),
            indexer: IndexerConfig::default(),
            ledger: LedgerConfig::default(),
            model: ModelConfig::default(),
            vectors: VectorsConfig::default(),
            recommend: RecommendConfig::default(),
            moderation: ModerationConfig::default(),
            entitlements: EntitlementsConfig::default(),
            relations: RelationsConfig::default(),
            ranker: RankerConfig::default(),
            rights: RightsConfig::default(),
        }
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), segment_bytes: 64 << 20, cleanup_s: 60.0, sync_ms: 1_000 }
    }
}

impl Default for RecommendConfig {
    fn default() -> Self {
        Self {
            deck_minutes: 10,
            deck_memory_mb: 256,
            default_limit: 10,
            max_limit: 50,
            deadline_ms: 2_000,
            ahead_below: 30,
            ahead_queue: 64,
            deck_log: true,
            places_per_hour: 30,
            rates_s: 300,
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// A file is missing.
    #[error("{0} does not exist; leave out --config to use the defaults")]
    Missing(PathBuf),
    /// A key or value is wrong.
    #[error("configuration: {0}; `hongniang config --defaults` shows every key")]
    Wrong(Box<figment::Error>),
    /// A value does not make sense.
    #[error("configuration: {field}: {reason}")]
    Value {
        /// The key.
        field: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
}

/// What a section finds wrong with itself.
fn of_section((field, reason): (&'static str, String)) -> ConfigFault {
    ConfigFault::Value { field, reason }
}

impl Config {
    /// Reads the configuration: the defaults, then `file` (or `hongniang.toml` here, if there is one), then the environment, then `flags`.
    ///
    /// # Errors
    /// When a named file is missing, a key unknown, or a value senseless.
    pub fn load(file: Option<&Path>, flags: impl Serialize) -> Result<Self, ConfigFault> {
        if let Some(file) = file.filter(|f| !f.exists()) {
            return Err(ConfigFault::Missing(file.to_path_buf()));
        }
        let file = file.unwrap_or(Path::new("hongniang.toml"));
        let figment = Figment::from(Toml::string(DEFAULTS)).merge(Toml::file(file)).merge(Env::prefixed("HONGNIANG__").split("__"));
        let config: Self = figment.merge(Serialized::defaults(flags)).extract().map_err(|e| ConfigFault::Wrong(Box::new(e)))?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigFault> {
        let wrong = |field, reason: &str| Err(ConfigFault::Value { field, reason: reason.to_owned() });
        self.database.check().and_then(|()| self.auth.check(!self.http.listen.ip().is_loopback())).map_err(of_section)?;
        self.entitlements.check().map_err(of_section)?;
        self.rights.check().map_err(of_section)?;
        self.relations.check().map_err(of_section)?;
        self.moderation.check().map_err(of_section)?;
        let keys = &self.http.service_keys;
        if keys.is_empty() || keys.iter().any(|k| k.trim().is_empty()) {
            return wrong("http.service_keys", "needs at least one key, and no empty one");
        }
        let flight = match self.flight.address() {
            Ok(address) => address,
            Err(reason) => return wrong("flight.listen", &reason),
        };
        if self.flight.queries == 0 || self.flight.timeout_s == 0 {
            return wrong("flight.queries", "and flight.timeout_s must be at least 1");
        }
        if self.query.memory_mb < 16 {
            return wrong("query.memory_mb", "must be at least 16 MiB, or nothing can be sorted");
        }
        let abroad = |address: SocketAddr| !address.ip().is_loopback();
        if (abroad(self.http.listen) || flight.is_some_and(abroad)) && keys.iter().any(|k| k == DEVELOPMENT_KEY || k.len() < 16) {
            return wrong(
                "http.service_keys",
                "the development key and keys under 16 characters only work on loopback; set keys of your own",
            );
        }
        if self.recommend.max_limit == 0 || self.recommend.default_limit == 0 || self.recommend.default_limit > self.recommend.max_limit {
            return wrong("recommend.default_limit", "must be 1 to recommend.max_limit");
        }
        if self.recommend.ahead_queue > 100_000 {
            return wrong("recommend.ahead_queue", "must be at most 100000");
        }
        if !(1..=86_400).contains(&self.recommend.rates_s) {
            return wrong("recommend.rates_s", "must be 1 to 86400 seconds");
        }
        if !self.lake.compact.every_h.is_finite() || !self.lake.compact.keep_h.is_finite() || self.lake.compact.keep_h < 0.0 {
            return wrong("lake.compact", "every_h and keep_h are hours, 0 or more");
        }
        if self.lake.compact.target_mb == 0 || self.lake.compact.memory_mb < 16 {
            return wrong("lake.compact", "target_mb must be at least 1, and memory_mb at least 16");
        }
        if self.http.in_flight == 0 {
            return wrong("http.in_flight", "must be at least 1");
        }
        if self.broker.segment_bytes < 1024 {
            return wrong("broker.segment_bytes", "must be at least 1024, or every few records get a file of their own");
        }
        if !(0.05..=86_400.0).contains(&self.broker.cleanup_s) {
            return wrong("broker.cleanup_s", "must be 0.05 to 86400 seconds");
        }
        if self.broker.sync_ms == 0 {
            return wrong("broker.sync_ms", "must be at least 1 millisecond");
        }
        if self.ledger.keep_days < self.ranker.deck.exposure_window_days {
            return wrong("ledger.keep_days", "must be at least ranker.deck.exposure_window_days, or people are shown again too early");
        }
        self.ranker.validate().map_err(|e| ConfigFault::Value { field: "ranker", reason: e.to_string() })
    }

    /// Where the lake lies.
    pub fn lake_place(&self) -> String {
        self.place(&self.lake.place, "lake")
    }

    /// Where jobs save their state.
    pub fn state_place(&self) -> String {
        self.place(&self.state.place, "state")
    }

    fn place(&self, place: &str, folder: &str) -> String {
        if place.is_empty() { self.data_dir.join(folder).display().to_string() } else { place.to_owned() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let documented: Config = Figment::from(Toml::string(DEFAULTS)).extract().unwrap();
        assert_eq!(documented, Config::default());
    }

    #[test]
    fn every_key_is_documented() {
        fn undocumented(documented: &serde_json::Value, actual: &serde_json::Value, at: &str, out: &mut Vec<String>) {
            for (key, value) in actual.as_object().into_iter().flatten() {
                match documented.get(key) {
                    None if value.as_object().is_some_and(serde_json::Map::is_empty) => {}
                    None => out.push(format!("{at}{key}")),
                    Some(inner) => undocumented(inner, value, &format!("{at}{key}."), out),
                }
            }
        }
        let documented: serde_json::Value = toml::from_str(DEFAULTS).unwrap();
        let mut missing = Vec::new();
        undocumented(&documented, &serde_json::to_value(Config::default()).unwrap(), "", &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_are_named() {
        let error = Figment::from(Toml::string(DEFAULTS)).merge(Toml::string("[http]\nlisten_on = \"x\"")).extract::<Config>().unwrap_err();
        assert!(error.to_string().contains("listen_on"), "{error}");
    }

    #[test]
    fn the_development_key_stays_at_home() {
        let mut config = Config::default();
        config.http.listen = SocketAddr::from(([0, 0, 0, 0], 80));
        assert!(config.validate().unwrap_err().to_string().contains("service_keys"));
    }
}

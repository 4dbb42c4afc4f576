//! Where the parts meet: what is embedded is started, what is outside is connected, jobs get what they need.

mod jobs;
mod platform;
mod quotas;
mod rebuild;
mod server;

pub use self::jobs::{JOBS, PIPELINES, Told, run_together};
pub use self::platform::{Log, Platform, encoder};
pub use self::rebuild::{put_in_place, rebuild_indexes};
pub use self::server::{install_metrics, serve};

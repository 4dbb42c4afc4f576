//! Randomness that nobody can guess.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

/// The system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct NoChance;

/// Fills bytes with what nobody can guess.
pub type Chance = Arc<dyn Fn(&mut [u8]) -> Result<(), NoChance> + Send + Sync>;

/// That of the operating system.
pub fn system_chance() -> Chance {
    let system = SystemRandom::new();
    Arc::new(move |bytes| system.fill(bytes).map_err(|_| NoChance))
}

//! Text to vectors, on the CPU, with candle.
//!
//! A [`TextEncoder`] turns texts into vectors of length one. Three of them exist:
//!
//! * [`UseMultilingual`]: the default, fast and the better one across Chinese and English
//!   (`docs/MODELS.md` has the comparison);
//! * [`E5`]: multilingual-e5-small, a transformer;
//! * [`HashingEncoder`]: feature hashing without any weights, for tests and for the time before a
//!   model is there. It knows words, not meanings.
//!
//! What holds for all of them: results come in the order of the texts; a text is encoded to the
//! same vector alone or in a batch (within 1e-4); a text without content (empty or only white
//! space) gives the zero vector, which adds nothing to a mean and is similar to nothing; texts
//! longer than `max_tokens` of the manifest are cut at the end.
//!
//! Vectors of different [`TextEncoder::name`]s never mix: whoever stores a vector stores the name.

mod batch;
mod bert;
mod charsmap;
pub mod convert;
mod hashing;
mod lanes;
mod tokens;
mod use_multilingual;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::manifest::{Architecture, ModelSpec};

use lanes::Lanes;
use tokens::Tokens;

pub use bert::E5;
pub use hashing::HashingEncoder;
pub use use_multilingual::UseMultilingual;

/// Texts that one thread tokenises in one go.
const TOKENISED_TOGETHER: usize = 64;

/// Tokens below which a batch is not split further to give every core a share.
const SMALLEST_BATCH: usize = 256;

/// What a text is to a search; encoders that were trained with two prefixes need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// A short text that looks for others.
    Query,
    /// A text that is to be found: a Moment, a bio.
    Passage,
}

/// Turns texts into vectors.
pub trait TextEncoder: Send + Sync {
    /// Name of the model with its version, stamped onto vectors.
    fn name(&self) -> &str;

    /// Length of the vectors.
    fn dim(&self) -> usize;

    /// One vector per text, in the order of the texts, each of Euclidean length one, or zero for a
    /// text without content. Blocks while it computes: call it from a thread that may.
    ///
    /// # Errors
    /// When tokenising or arithmetic fails; then no vector is returned.
    fn encode(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Why a model cannot be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file of the model cannot be read or written.
    #[error("model file {path}: {source}; `hongniang models pull` fetches it anew")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file of the model does not hold what it should.
    #[error("model file {path} is damaged or of another model: {reason}; remove its folder and run `hongniang models pull`")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// The text could not be cut into tokens.
    #[error("a text cannot be tokenised: {0}")]
    Tokenise(String),
    /// The threads for the arithmetic could not be started.
    #[error("the encoder's threads cannot be started: {0}")]
    Threads(String),
    /// The arithmetic failed.
    #[error("the encoder failed: {0}")]
    Compute(#[from] candle_core::Error),
}

impl EmbedError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// Loads the encoder that `spec` describes from the folder `dir` with its finished files.
///
/// # Errors
/// When a file is missing or does not fit the architecture or the `dim` of `spec`.
pub fn load_encoder(dir: &Path, spec: &ModelSpec) -> Result<Arc<dyn TextEncoder>, EmbedError> {
    Ok(match spec.architecture {
        Architecture::E5 => Arc::new(E5::load(dir, spec)?),
        Architecture::UseMultilingual => Arc::new(UseMultilingual::load(dir, spec)?),
    })
}

/// Reads and parses a JSON file of a model.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, EmbedError> {
    let bytes = std::fs::read(path).map_err(|error| EmbedError::file(path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| EmbedError::damaged(path, error))
}

/// Reads all tensors of a safetensors file in the types in which they are stored.
pub(crate) fn read_tensors(path: &Path) -> Result<std::collections::HashMap<String, candle_core::Tensor>, EmbedError> {
    if !path.exists() {
        return Err(EmbedError::file(path, std::io::ErrorKind::NotFound.into()));
    }
    candle_core::safetensors::load(path, &candle_core::Device::Cpu).map_err(|error| EmbedError::damaged(path, error))
}

/// Scales `vector` to length one; a vector of zeros stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        for x in vector {
            *x /= norm;
        }
    }
}

/// Tokenises, batches by length, runs `forward` on every batch (rows of token ids → one vector
/// each) and puts the vectors, scaled to length one, in the order of the texts.
fn encode_batched(
    tokens: &Tokens,
    lanes: &Lanes,
    (prefix, texts): (&str, &[&str]),
    (dim, limit): (usize, usize),
    forward: impl Fn(&[&[u32]]) -> candle_core::Result<Vec<Vec<f32>>> + Sync,
) -> Result<Vec<Vec<f32>>, EmbedError> {
    let chunks: Vec<&[&str]> = texts.chunks(TOKENISED_TOGETHER).collect();
    let chunks = lanes.map(&chunks, |chunk| tokens.ids(chunk, prefix));
    let ids = chunks.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
    let share = lengths.iter().sum::<usize>() / lanes.count();
    let batches = batch::plan(&lengths, share.clamp(SMALLEST_BATCH.min(limit), limit));
    let found = lanes.map(&batches, |batch| {
        let rows: Vec<&[u32]> = batch.iter().map(|&i| ids[i].as_slice()).collect();
        forward(&rows)
    });
    let mut vectors = vec![vec![0f32; dim]; texts.len()];
    for (batch, rows) in batches.iter().zip(found) {
        for (&i, mut vector) in batch.iter().zip(rows?) {
            normalise(&mut vector);
            vectors[i] = vector;
        }
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests;

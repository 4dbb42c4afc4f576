//! The E5 family: BERT, mean pooling over the tokens, vectors of length one (Wang et al.,
//! "Multilingual E5 Text Embeddings", 2024).

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};

use super::lanes::Lanes;
use super::tokens::Tokens;
use super::{EmbedError, TextEncoder, TextKind, encode_batched, read_json, read_tensors};
use crate::manifest::ModelSpec;

/// Padded tokens per batch: more does not make a token cheaper on a CPU, only caches fuller.
const BATCH_TOKENS: usize = 512;

/// multilingual-e5-small and its relatives.
pub struct E5 {
    name: String,
    model: BertModel,
    tokens: Tokens,
    lanes: Lanes,
    pad: u32,
    dim: usize,
}

impl E5 {
    /// Loads `config.json`, `model.safetensors` and `tokenizer.json` from `dir`.
    ///
    /// # Errors
    /// When a file is missing, or its tensors do not fit the configuration or `spec.dim`.
    pub fn load(dir: &Path, spec: &ModelSpec) -> Result<Self, EmbedError> {
        let config_path = dir.join("config.json");
        let config: Config = read_json(&config_path)?;
        if config.hidden_size != spec.dim {
            let reason = format!("hidden_size {} instead of {}", config.hidden_size, spec.dim);
            return Err(EmbedError::damaged(&config_path, reason));
        }
        let weights_path = dir.join("model.safetensors");
        let tensors = read_tensors(&weights_path)?;
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let model = BertModel::load(vb, &config).map_err(|e| EmbedError::damaged(&weights_path, e))?;
        let max_tokens = spec.max_tokens.min(config.max_position_embeddings);
        Ok(Self {
            name: spec.label(),
            model,
            tokens: Tokens::load(dir, max_tokens)?,
            lanes: Lanes::new()?,
            pad: u32::try_from(config.pad_token_id).unwrap_or(0),
            dim: spec.dim,
        })
    }

    /// Mean of the last hidden states of each text's own tokens: one row per text.
    fn forward(&self, batch: &[&[u32]]) -> candle_core::Result<Vec<Vec<f32>>> {
        let longest = batch.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(batch.len() * longest);
        let mut mask = Vec::with_capacity(batch.len() * longest);
        for text in batch {
            ids.extend_from_slice(text);
            ids.resize(ids.len() + longest - text.len(), self.pad);
            mask.resize(mask.len() + text.len(), 1f32);
            mask.resize(mask.len() + longest - text.len(), 0f32);
        }
        let shape = (batch.len(), longest);
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.unsqueeze(2)?;
        let sum = hidden.broadcast_mul(&mask)?.sum(1)?;
        sum.broadcast_div(&mask.sum(1)?)?.to_vec2()
    }
}

impl TextEncoder for E5 {
    fn name(&self) -> &str {
        &self.name
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn encode(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<f32>>, EmbedError> {
        let prefix = match kind {
            TextKind::Query => "query: ",
            TextKind::Passage => "passage: ",
        };
        let sizes = (self.dim, BATCH_TOKENS);
        encode_batched(&self.tokens, &self.lanes, (prefix, texts), sizes, |batch| self.forward(batch))
    }
}

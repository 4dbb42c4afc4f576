//! Texts to token ids.

use std::path::Path;

use tokenizers::{Tokenizer, TruncationParams};

use super::EmbedError;

/// No token of the vocabularies in use covers more characters than this. Texts are cut to
/// `max_tokens` times this many characters before they are tokenised, which bounds the time that
/// a huge text can take.
const CHARS_PER_TOKEN: usize = 32;

/// The tokenizer of a model.
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    max_chars: usize,
}

impl Tokens {
    /// Loads `tokenizer.json` from the folder of a model.
    pub(crate) fn load(dir: &Path, max_tokens: usize) -> Result<Self, EmbedError> {
        let path = dir.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(|error| EmbedError::file(&path, error))?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| EmbedError::damaged(&path, error))?;
        let truncation = TruncationParams { max_length: max_tokens, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| EmbedError::damaged(&path, error))?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer, max_chars: max_tokens * CHARS_PER_TOKEN })
    }

    /// Token ids of each text behind `prefix`, with the model's marks for begin and end; no ids at
    /// all for a text without content.
    pub(crate) fn ids(&self, texts: &[&str], prefix: &str) -> Result<Vec<Vec<u32>>, EmbedError> {
        let filled: Vec<usize> = (0..texts.len()).filter(|&i| !texts[i].trim().is_empty()).collect();
        let inputs: Vec<String> = filled.iter().map(|&i| format!("{prefix}{}", self.clip(texts[i].trim_start()))).collect();
        let encodings = self.tokenizer.encode_batch_fast(inputs, true).map_err(|error| EmbedError::Tokenise(error.to_string()))?;
        let mut ids = vec![Vec::new(); texts.len()];
        for (i, encoding) in filled.into_iter().zip(encodings) {
            ids[i] = encoding.get_ids().to_vec();
        }
        Ok(ids)
    }

    fn clip<'t>(&self, text: &'t str) -> &'t str {
        match text.char_indices().nth(self.max_chars) {
            Some((end, _)) => &text[..end],
            None => text,
        }
    }
}

//! An encoder without weights.

use super::{EmbedError, TextEncoder, TextKind, normalise};

/// Feature hashing (Weinberger et al., ICML 2009): every word, and in Chinese every character and
/// every pair of neighbouring characters, is hashed to one of `dim` places and added there with a
/// hashed sign; the sum is scaled to length one. Texts that share words are similar, nothing else
/// is: use it in tests and until a model is there.
#[derive(Debug, Clone)]
pub struct HashingEncoder {
    name: String,
    dim: usize,
}

impl HashingEncoder {
    /// An encoder whose vectors have `dim` places (at least one).
    #[must_use]
    pub fn new(dim: usize) -> Self {
        let dim = dim.max(1);
        Self { name: format!("hashing-{dim}@1"), dim }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0f32; self.dim];
        for feature in features(&text.to_lowercase()) {
            let hash = fnv1a(feature.as_bytes());
            let place = usize::try_from((hash >> 1) % self.dim as u64).unwrap_or(0);
            vector[place] += if hash & 1 == 0 { 1.0 } else { -1.0 };
        }
        normalise(&mut vector);
        vector
    }
}

impl TextEncoder for HashingEncoder {
    fn name(&self) -> &str {
        &self.name
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn encode(&self, texts: &[&str], _kind: TextKind) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }
}

/// Words of scripts with spaces; characters and pairs of characters of Chinese.
fn features(text: &str) -> Vec<&str> {
    let mut features = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()) {
        let mut word = None;
        let mut previous = None;
        for (at, c) in run.char_indices() {
            let end = at + c.len_utf8();
            if is_han(c) {
                features.extend(word.take().map(|start| &run[start..at]));
                features.push(&run[at..end]);
                features.extend(previous.map(|start| &run[start..end]));
                previous = Some(at);
            } else {
                previous = None;
                word = word.or(Some(at));
            }
        }
        features.extend(word.map(|start| &run[start..]));
    }
    features
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// FNV-1a with a final mix (from SplitMix64), because the lowest bits of FNV alone are weak.
fn fnv1a(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 27)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let encoder = HashingEncoder::new(256);
        let v = encoder.encode(&[a, b], TextKind::Passage).unwrap();
        v[0].iter().zip(&v[1]).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn words_and_characters_are_the_features() {
        assert_eq!(features("go hiking, 爬山ok吗"), ["go", "hiking", "爬", "山", "爬山", "ok", "吗"]);
    }

    #[test]
    fn shared_words_make_texts_similar() {
        assert!((cosine("周末去爬山", "周末去爬山") - 1.0).abs() < 1e-6);
        assert!(cosine("周末去爬山", "我周末爬山") > cosine("周末去爬山", "今天吃火锅") + 0.3);
        assert!(cosine("I love hiking", "hiking is what I love") > 0.5);
    }

    #[test]
    fn vectors_never_change_between_builds() {
        let vector = &HashingEncoder::new(64).encode(&["猫 cat"], TextKind::Query).unwrap()[0];
        let filled: Vec<_> = vector.iter().enumerate().filter(|&(_, &x)| x > 0.7).map(|(i, _)| i).collect();
        assert_eq!(filled, [3, 43]);
        assert_eq!(HashingEncoder::new(8).name(), "hashing-8@1");
    }

    #[test]
    fn nothing_gives_the_zero_vector() {
        let vectors = HashingEncoder::new(4).encode(&["", " !? "], TextKind::Passage).unwrap();
        assert_eq!(vectors, vec![vec![0.0; 4]; 2]);
    }
}

//! Writes the `precompiled_charsmap` of SentencePiece: a double-array trie (the layout of
//! darts-clone) from UTF-8 strings to their replacements, which lie behind it, each ended by a NUL.
//! Tokenizer files carry their Unicode normalisation in this form.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Marks a unit that holds a value instead of a label.
const VALUE: u32 = 1 << 31;
/// Marks a node at which a key ends; its value lies at the node's base.
const LEAF: u32 = 1 << 8;

/// Builds the charsmap from replacements by character.
///
/// # Panics
/// Never for maps of Unicode size: offsets up to 2²¹ units are representable and a few thousand
/// keys need a few ten thousand.
pub(crate) fn build(replacements: &BTreeMap<char, String>) -> Vec<u8> {
    let (trie, texts) = collect(replacements);
    let units = DoubleArray::place(&trie).units;
    let bytes = u32::try_from(units.len() * 4).expect("a few thousand keys make a small trie");
    let mut charsmap = bytes.to_le_bytes().to_vec();
    charsmap.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    charsmap.extend(texts);
    charsmap
}

#[derive(Default)]
struct Node {
    children: BTreeMap<u8, usize>,
    value: Option<u32>,
}

/// The plain trie of the keys, and the NUL-ended replacements that its values point to.
fn collect(replacements: &BTreeMap<char, String>) -> (Vec<Node>, Vec<u8>) {
    let mut nodes = vec![Node::default()];
    let mut texts = Vec::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    for (key, text) in replacements {
        let value = *known.entry(text).or_insert_with(|| {
            let start = u32::try_from(texts.len()).expect("replacements take a few kilobytes");
            texts.extend_from_slice(text.as_bytes());
            texts.push(0);
            start
        });
        let mut at = 0;
        for &byte in key.encode_utf8(&mut [0; 4]).as_bytes() {
            let fresh = nodes.len();
            let next = *nodes[at].children.entry(byte).or_insert(fresh);
            if next == fresh {
                nodes.push(Node::default());
            }
            at = next;
        }
        nodes[at].value = Some(value);
    }
    (nodes, texts)
}

struct DoubleArray {
    units: Vec<u32>,
    taken: Vec<bool>,
    bases: Vec<bool>,
    first_free: usize,
}

impl DoubleArray {
    fn place(trie: &[Node]) -> Self {
        let mut array = Self { units: Vec::new(), taken: Vec::new(), bases: Vec::new(), first_free: 1 };
        array.grow(256);
        array.taken[0] = true;
        let mut queue = VecDeque::from([(0usize, 0usize)]);
        while let Some((node, at)) = queue.pop_front() {
            let node = &trie[node];
            let labels = node.value.map(|_| 0).into_iter().chain(node.children.keys().copied());
            let base = array.free_base(&labels.collect::<Vec<u8>>());
            let offset = u32::try_from(at ^ base).expect("offsets fit 21 bits");
            array.units[at] |= offset << 10;
            if let Some(value) = node.value {
                array.units[at] |= LEAF;
                array.put(base, VALUE | value);
            }
            for (&label, &child) in &node.children {
                let slot = base ^ usize::from(label);
                array.put(slot, u32::from(label));
                queue.push_back((child, slot));
            }
        }
        array
    }

    /// A base that no other node has, with free slots for all `labels`.
    fn free_base(&mut self, labels: &[u8]) -> usize {
        while self.taken[self.first_free] && self.first_free + 1 < self.taken.len() {
            self.first_free += 1;
        }
        let mut base = self.first_free;
        loop {
            if base >= self.units.len() {
                self.grow(self.units.len() + 256);
            }
            let free = |label: &u8| !self.taken[base ^ usize::from(*label)];
            if !self.bases[base] && labels.iter().all(free) {
                self.bases[base] = true;
                return base;
            }
            base += 1;
        }
    }

    fn put(&mut self, slot: usize, unit: u32) {
        self.units[slot] = unit;
        self.taken[slot] = true;
    }

    fn grow(&mut self, len: usize) {
        self.units.resize(len, 0);
        self.taken.resize(len, false);
        self.bases.resize(len, false);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use proptest::prelude::*;
    use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};

    fn normalise(map: &BTreeMap<char, String>, text: &str) -> String {
        let charsmap = base64::engine::general_purpose::STANDARD.encode(build(map));
        let json = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": charsmap});
        let normaliser: NormalizerWrapper = serde_json::from_value(json).unwrap();
        let mut text = NormalizedString::from(text);
        normaliser.normalize(&mut text).unwrap();
        text.get().to_owned()
    }

    #[test]
    fn characters_are_replaced_removed_and_kept() {
        let map = [('Ａ', "A"), ('①', "1"), ('ﬁ', "fi"), ('\u{200b}', ""), ('\t', " ")].map(|(key, text)| (key, text.to_owned())).into();
        assert_eq!(normalise(&map, "Ａb①ﬁ\u{200b}猫\t。"), "Ab1fi猫 。");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_key_and_nothing_else_is_replaced(
            keys in proptest::collection::btree_map(
                proptest::char::range('\u{21}', '\u{ffff}'), "[a-z]{0,3}", 1..300),
            others in proptest::collection::vec(proptest::char::range('\u{21}', '\u{ffff}'), 50),
        ) {
            // One character per line, so that none joins its neighbour in a grapheme.
            for (key, text) in keys.iter().take(40) {
                prop_assert_eq!(&normalise(&keys, &key.to_string()), text);
            }
            for other in others.iter().filter(|c| !keys.contains_key(c)) {
                prop_assert_eq!(normalise(&keys, &other.to_string()), other.to_string());
            }
        }
    }
}

//! Exact nearest neighbours over int8 columns.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use features::vector::QVector;

use super::slab::VectorRef;
use super::{Columns, VectorColumn};

/// Rows whose vectors are on the way while one is compared.
const AHEAD: usize = 6;

#[derive(PartialEq)]
struct Scored(f32, u32);

impl Eq for Scored {}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(other.1.cmp(&self.1))
    }
}

impl Columns {
    /// The `k` rows among `rows` whose vector lies closest to `query` by cosine, best first; rows without a vector are left
    /// out, ties go to the lower row.
    pub fn scan_cosine(&self, column: VectorColumn, query: &QVector, rows: impl Iterator<Item = u32>, k: usize) -> Vec<(u32, f32)> {
        let norm2 = features::vector::dot_i8(&query.codes, &query.codes);
        if norm2 == 0 || k == 0 {
            return Vec::new();
        }
        #[expect(clippy::cast_precision_loss, reason = "a cosine needs no more than 24 bits")]
        let query = VectorRef { codes: &query.codes, scale: query.scale, inverse_norm: 1.0 / (norm2 as f32).sqrt() };
        let mut best: BinaryHeap<Reverse<Scored>> = BinaryHeap::with_capacity(k + 1);
        let slab = self.slab(column);
        let (mut ahead, rows): (_, Vec<u32>) = (0, rows.collect());
        for (at, row) in rows.iter().enumerate() {
            while ahead < (at + AHEAD).min(rows.len()) {
                slab.prefetch(rows[ahead] as usize);
                ahead += 1;
            }
            let row = *row;
            let Some(vector) = slab.get(row as usize) else { continue };
            let scored = Scored(query.cosine(&vector), row);
            if best.len() < k {
                best.push(Reverse(scored));
            } else if best.peek().is_some_and(|worst| scored > worst.0) {
                best.pop();
                best.push(Reverse(scored));
            }
        }
        best.into_sorted_vec().into_iter().map(|Reverse(Scored(score, row))| (row, score)).collect()
    }
}

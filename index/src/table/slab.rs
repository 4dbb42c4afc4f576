//! int8 vectors of all rows in one flat slab: row `r` occupies `codes[r·dim..(r+1)·dim]`.

use features::vector::QVector;
use serde::{Deserialize, Serialize};

/// A vector inside a slab.
#[derive(Debug, Clone, Copy)]
pub struct VectorRef<'a> {
    /// One code per dimension.
    pub codes: &'a [i8],
    /// What one step is worth.
    pub scale: f32,
    /// 1 / length of the codes, so that a cosine is one dot product and two factors.
    pub inverse_norm: f32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Slab {
    dim: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    inverse_norms: Vec<f32>,
}

impl Slab {
    pub(super) fn resize(&mut self, rows: usize) {
        self.codes.resize(rows * self.dim, 0);
        self.scales.resize(rows, 0.0);
        self.inverse_norms.resize(rows, 0.0);
    }

    /// Sets or clears the vector of a row. The first vector fixes the dimension; when vectors of another dimension arrive (a
    /// new model) the slab starts over with it, because the two cannot be compared.
    pub(super) fn set(&mut self, row: usize, vector: Option<&QVector>) {
        let Some(vector) = vector.filter(|v| !v.is_zero()) else {
            self.scales[row] = 0.0;
            self.inverse_norms[row] = 0.0;
            return;
        };
        if vector.dim() != self.dim {
            let rows = self.scales.len();
            *self = Self { dim: vector.dim(), ..Self::default() };
            self.resize(rows);
        }
        self.codes[row * self.dim..(row + 1) * self.dim].copy_from_slice(&vector.codes);
        let norm2: i32 = features::vector::dot_i8(&vector.codes, &vector.codes);
        #[expect(clippy::cast_precision_loss, reason = "a cosine needs no more than 24 bits")]
        let inverse_norm = 1.0 / (norm2 as f32).sqrt();
        self.scales[row] = vector.scale;
        self.inverse_norms[row] = inverse_norm;
    }

    pub(super) fn get(&self, row: usize) -> Option<VectorRef<'_>> {
        let inverse_norm = *self.inverse_norms.get(row)?;
        let codes = self.codes.get(row * self.dim..(row + 1) * self.dim)?;
        (inverse_norm > 0.0).then_some(VectorRef { codes, scale: self.scales[row], inverse_norm })
    }
}

impl VectorRef<'_> {
    /// Cosine of the angle to another vector of the same dimension; 0 for another dimension.
    pub fn cosine(&self, other: &VectorRef<'_>) -> f32 {
        if self.codes.len() != other.codes.len() {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a cosine needs no more than 24 bits")]
        let dot = features::vector::dot_i8(self.codes, other.codes) as f32;
        dot * self.inverse_norm * other.inverse_norm
    }

    /// A copy that outlives the slab.
    pub fn to_owned(&self) -> QVector {
        QVector { scale: self.scale, codes: self.codes.to_vec() }
    }
}

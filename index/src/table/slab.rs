//! int8 vectors of all rows in one flat slab: row `r` occupies `codes[r·dim..(r+1)·dim]`.

use features::vector::QVector;
use serde::{Deserialize, Serialize};

use crate::snapshot::Block;

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

#[derive(Debug, Clone, Default)]
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
        self.scales[row] = vector.scale;
        self.inverse_norms[row] = inverse_norm(&vector.codes, vector.scale);
    }

    /// Tells the processor that the vector of a row will be read soon: rows that are scanned lie apart, and waiting for each costs more than
    /// comparing it.
    #[inline]
    pub(super) fn prefetch(&self, row: usize) {
        #[cfg(target_arch = "x86_64")]
        if let Some(codes) = self.codes.get(row * self.dim..(row + 1) * self.dim) {
            for line in codes.chunks(64) {
                // SAFETY: a hint that reads nothing, on an address inside the slab; every x86-64 processor has SSE.
                unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr()) };
            }
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<VectorRef<'_>> {
        let inverse_norm = *self.inverse_norms.get(row)?;
        let codes = self.codes.get(row * self.dim..(row + 1) * self.dim)?;
        (inverse_norm > 0.0).then_some(VectorRef { codes, scale: self.scales[row], inverse_norm })
    }
}

/// The vectors of some rows, for a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Piece {
    dim: usize,
    codes: Block,
    scales: Vec<f32>,
}

impl Piece {
    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.scales.len()
    }
}

impl Slab {
    /// The vectors of some rows.
    pub(super) fn piece(&self, rows: &[usize]) -> Piece {
        let mut codes = Vec::with_capacity(rows.len() * self.dim);
        for row in rows {
            codes.extend(self.codes[row * self.dim..(row + 1) * self.dim].iter().map(|code| code.cast_unsigned()));
        }
        Piece { dim: self.dim, codes: Block(codes), scales: rows.iter().map(|row| self.scales[*row]).collect() }
    }

    /// Adds the rows of a piece behind those that are there; `false` if it does not fit together. As everywhere, the later dimension wins.
    pub(super) fn push(&mut self, piece: Piece) -> bool {
        let Piece { dim, codes: Block(codes), scales } = piece;
        let (rows, more) = (self.scales.len(), scales.len());
        if codes.len() != more * dim {
            return false;
        }
        if dim != self.dim && dim > 0 {
            *self = Self { dim, ..Self::default() };
            self.resize(rows);
        }
        if dim == self.dim {
            self.codes.extend(codes.iter().map(|code| code.cast_signed()));
            self.scales.extend(scales);
            let added = (rows..rows + more).map(|row| inverse_norm(&self.codes[row * dim..(row + 1) * dim], self.scales[row]));
            let added: Vec<f32> = added.collect();
            self.inverse_norms.extend(added);
        } else {
            self.resize(rows + more);
        }
        true
    }
}

/// 1 / length of codes; 0 where there is no vector.
fn inverse_norm(codes: &[i8], scale: f32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a cosine needs no more than 24 bits")]
    let norm2 = features::vector::dot_i8(codes, codes) as f32;
    if scale == 0.0 || norm2 == 0.0 { 0.0 } else { 1.0 / norm2.sqrt() }
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

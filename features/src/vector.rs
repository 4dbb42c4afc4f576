//! Vectors: int8 form for storage and scanning, and the reductions that make `content` and `taste`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::decay::remaining;

/// A unit vector in symmetric int8: `value[i] ≈ scale · code[i]`, codes −127 to 127.
/// In JSON: `{"scale": 0.0008, "codes": "<base64>"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct QVector {
    /// What one step is worth.
    pub scale: f32,
    /// One code per dimension.
    pub codes: Vec<i8>,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
struct Wire {
    scale: f32,
    codes: String,
}

impl Serialize for QVector {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.codes.iter().map(|c| c.cast_unsigned()).collect();
        if out.is_human_readable() {
            Wire { scale: self.scale, codes: BASE64.encode(bytes) }.serialize(out)
        } else {
            (self.scale, bytes).serialize(out)
        }
    }
}

impl<'de> Deserialize<'de> for QVector {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let (scale, bytes) = if input.is_human_readable() {
            let wire = Wire::deserialize(input)?;
            (wire.scale, BASE64.decode(wire.codes).map_err(D::Error::custom)?)
        } else {
            <(f32, Vec<u8>)>::deserialize(input)?
        };
        if !scale.is_finite() || scale < 0.0 {
            return Err(D::Error::custom("scale must be finite and not negative"));
        }
        Ok(Self { scale, codes: bytes.into_iter().map(u8::cast_signed).collect() })
    }
}

impl utoipa::PartialSchema for QVector {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        Wire::schema()
    }
}

impl utoipa::ToSchema for QVector {}

impl QVector {
    /// Quantises `values`; the largest magnitude becomes ±127. All zeros stay zeros.
    pub fn from_f32(values: &[f32]) -> Self {
        let top = values.iter().fold(0f32, |m, v| m.max(v.abs()));
        if top == 0.0 || !top.is_finite() {
            return Self { scale: 0.0, codes: vec![0; values.len()] };
        }
        let scale = top / 127.0;
        #[expect(clippy::cast_possible_truncation, reason = "rounded and within ±127 by construction")]
        let codes = values.iter().map(|v| (v / scale).round().clamp(-127.0, 127.0) as i8).collect();
        Self { scale, codes }
    }

    /// Back to floats.
    pub fn to_f32(&self) -> Vec<f32> {
        self.codes.iter().map(|c| f32::from(*c) * self.scale).collect()
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.codes.len()
    }

    /// Whether the vector points nowhere.
    pub fn is_zero(&self) -> bool {
        self.scale == 0.0
    }

    /// Cosine of the angle to `other`, −1 to 1; 0 when either is zero or the dimensions differ.
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.dim() != other.dim() {
            return 0.0;
        }
        let norm = (norm2(&self.codes) * norm2(&other.codes)).sqrt();
        if norm == 0.0 { 0.0 } else { int_to_f32(dot_i8(&self.codes, &other.codes)) / norm }
    }
}

fn norm2(codes: &[i8]) -> f32 {
    int_to_f32(dot_i8(codes, codes))
}

fn int_to_f32(value: i32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a cosine needs no more than 24 bits")]
    let float = value as f32;
    float
}

/// Dot product of int8 codes, over the shorter of the two lengths. At most 130,000 dimensions.
///
/// With AVX2 where the processor has it (found out once, at run time), else with what the compiler makes of sixteen lanes; both are exact.
#[inline]
pub fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    let shorter = a.len().min(b.len());
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just asked.
        return unsafe { avx2::dot(&a[..shorter], &b[..shorter]) };
    }
    dot_lanes(&a[..shorter], &b[..shorter])
}

/// Sixteen lanes and wrapping arithmetic (nothing can overflow: a product fits 15 bits), because overflow checks would keep the
/// compiler from SIMD; inlined, so that callers built with more optimisation than this crate profit from it.
#[inline]
fn dot_lanes(a: &[i8], b: &[i8]) -> i32 {
    const LANES: usize = 16;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let product = |x: i8, y: i8| i32::from(i16::from(x).wrapping_mul(i16::from(y)));
    let rest = a_rest.iter().zip(b_rest).fold(0i32, |sum, (x, y)| sum.wrapping_add(product(*x, *y)));
    let sums = a.iter().zip(b).fold([0i32; LANES], |sums, (x, y)| std::array::from_fn(|i| sums[i].wrapping_add(product(x[i], y[i]))));
    sums.iter().fold(rest, |sum, lane| sum.wrapping_add(*lane))
}

/// The same with 256-bit registers: sixteen codes at a time are widened to 16 bits, multiplied and added in pairs to 32 bits.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_madd_epi16, _mm256_setzero_si256,
        _mm256_storeu_si256,
    };

    /// Both slices have the same length.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn dot(a: &[i8], b: &[i8]) -> i32 {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
        let (mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (x, y) in a.iter().zip(b) {
            let (x, y) = (x.as_ptr().cast::<__m128i>(), y.as_ptr().cast::<__m128i>());
            // SAFETY: both chunks hold 32 bytes, two unaligned loads of 16.
            let (x0, x1, y0, y1) =
                unsafe { (_mm_loadu_si128(x), _mm_loadu_si128(x.add(1)), _mm_loadu_si128(y), _mm_loadu_si128(y.add(1))) };
            even = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_cvtepi8_epi16(x0), _mm256_cvtepi8_epi16(y0)));
            odd = _mm256_add_epi32(odd, _mm256_madd_epi16(_mm256_cvtepi8_epi16(x1), _mm256_cvtepi8_epi16(y1)));
        }
        let mut lanes = [0i32; 8];
        // SAFETY: the array holds 32 bytes, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast::<__m256i>(), _mm256_add_epi32(even, odd)) };
        lanes.iter().fold(super::dot_lanes(a_rest, b_rest), |sum, lane| sum.wrapping_add(*lane))
    }
}

/// Scales to unit length in place; leaves a zero vector alone.
pub fn normalise(values: &mut [f32]) {
    let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    if norm > 0.0 {
        values.iter_mut().for_each(|v| *v /= norm);
    }
}

/// One contribution to a reduced vector.
#[derive(Debug, Clone)]
pub struct Contribution<'a> {
    /// The vector.
    pub vector: &'a QVector,
    /// When it entered: older ones count less.
    pub at: DateTime<Utc>,
    /// Its weight before decay; negative pushes away.
    pub weight: f32,
}

/// The decayed mean: `normalise(Σ weight · 2^(−age/half_life) · v)`, at time `at`. `None` when nothing contributes or
/// everything cancels out. Contributions of another dimension than the first are ignored.
///
/// The sum is taken in the order given; callers sort, so that equal inputs give equal bits.
pub fn decayed_mean(parts: &[Contribution<'_>], at: DateTime<Utc>, half_life_days: f64) -> Option<QVector> {
    let dim = parts.first()?.vector.dim();
    let mut sum = vec![0f32; dim];
    for part in parts.iter().filter(|p| p.vector.dim() == dim) {
        #[expect(clippy::cast_possible_truncation, reason = "a weight between 0 and 1")]
        let faded = part.weight * remaining(at - part.at, half_life_days) as f32 * part.vector.scale;
        for (total, code) in sum.iter_mut().zip(&part.vector.codes) {
            *total += faded * f32::from(*code);
        }
    }
    normalise(&mut sum);
    let mean = QVector::from_f32(&sum);
    (!mean.is_zero()).then_some(mean)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    #[test]
    fn old_likes_count_less_and_passes_push_away() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let (x, y) = (QVector::from_f32(&[1.0, 0.0]), QVector::from_f32(&[0.0, 1.0]));
        let part = |vector, days, weight| Contribution { vector, at: now - TimeDelta::days(days), weight };
        let mean = decayed_mean(&[part(&x, 0, 1.0), part(&y, 30, 1.0)], now, 30.0).unwrap().to_f32();
        assert!((mean[1] / mean[0] - 0.5).abs() < 0.02);
        let away = decayed_mean(&[part(&x, 0, 1.0), part(&y, 0, -0.3)], now, 30.0).unwrap().to_f32();
        assert!(away[1] < 0.0);
        assert!(decayed_mean(&[part(&x, 0, 1.0), part(&x, 0, -1.0)], now, 30.0).is_none());
        assert!(decayed_mean(&[], now, 30.0).is_none());
    }

    proptest! {
        #[test]
        fn the_dot_product_is_exact(pairs in proptest::collection::vec((any::<i8>(), any::<i8>()), 0..200)) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.iter().copied().unzip();
            let plain: i64 = pairs.iter().map(|(x, y)| i64::from(*x) * i64::from(*y)).sum();
            prop_assert_eq!(i64::from(dot_i8(&a, &b)), plain);
            prop_assert_eq!(i64::from(dot_lanes(&a, &b)), plain);
        }

        #[test]
        fn quantising_keeps_the_direction(values in proptest::collection::vec(-1f32..1.0, 16..64)) {
            let mut unit = values.clone();
            normalise(&mut unit);
            let q = QVector::from_f32(&unit);
            let back = q.to_f32();
            for (a, b) in unit.iter().zip(&back) {
                prop_assert!((a - b).abs() <= q.scale * 0.5 + 1e-6);
            }
            let json = serde_json::to_string(&q).unwrap();
            prop_assert_eq!(serde_json::from_str::<QVector>(&json).unwrap(), q);
        }
    }
}

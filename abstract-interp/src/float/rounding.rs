//! How far an evaluation in `f32` can be from the real value.

/// What the `f32` evaluation of a layer's rows may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Nothing: rows of the identity, differences of which only one is not zero, and the like.
    Exact,
    /// Products and sums in any order, with fused multiply-add or without, round to nearest.
    AnyOrder,
}

/// A bound of |fl(w·x + b) − (w·x + b)| over all orders of summation, from `magnitude`, which is at
/// least |w|·|x| + |b|, and the number of products.
///
/// # Source
/// Higham, "Accuracy and stability of numerical algorithms", 2nd ed., §3.1:
/// γ_{n+1}·(|w|·|x| + |b|) + (n + 1)·η with γ_k = k·u/(1 − k·u), u = 2⁻²⁴, and η = 2⁻¹⁴⁹, or 2⁻¹²⁶ where a
/// processor flushes denormal numbers to zero, which is what is assumed here.
pub fn any_order_error(products: usize, magnitude: f64) -> f64 {
    let k = (products + 1) as f64;
    let gamma = k * UNIT / (1.0 - k * UNIT);
    // The few roundings of this very formula, and of the magnitude, are far below 2⁻²⁰ of it.
    (gamma * magnitude + k * SMALLEST) * (1.0 + 1.0 / (1u64 << 20) as f64)
}

/// Half the distance between one and the next `f32`.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;
/// The smallest normal `f32`, 2⁻¹²⁶.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_order_of_a_sum_stays_within_the_bound(
            terms in prop::collection::vec((-9.0f32..9.0, -9.0f32..9.0), 1..40),
            bias in -9.0f32..9.0,
            turn in 0usize..40,
        ) {
            let exact: f64 = terms.iter().map(|&(w, x)| f64::from(w) * f64::from(x)).sum::<f64>()
                + f64::from(bias);
            let magnitude: f64 = terms.iter().map(|&(w, x)| f64::from(w * x).abs()).sum::<f64>()
                * 1.001 + f64::from(bias).abs();
            let mut rotated = terms.clone();
            rotated.rotate_left(turn % terms.len());
            for order in [terms, rotated] {
                let forward = order.iter().fold(0.0f32, |sum, (w, x)| sum + w * x) + bias;
                let backward = order.iter().rev().fold(bias, |sum, (w, x)| sum + w * x);
                let bound = any_order_error(order.len(), magnitude);
                for sum in [forward, backward] {
                    prop_assert!((f64::from(sum) - exact).abs() <= bound);
                }
            }
        }
    }
}

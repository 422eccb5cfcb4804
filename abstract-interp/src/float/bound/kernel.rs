//! The inner loops of backward passes, over the lanes of a batch.

use super::layer::Lines;

/// Makes a buffer of zeros.
pub(super) fn zero(buffer: &mut Vec<f64>, length: usize) {
    buffer.clear();
    buffer.resize(length, 0.0);
}

/// One neuron's activation and bias: coefficients Λ of its value become λ of its pre-activation.
///
/// λ = a·Λ and nothing else where Λ ≥ 0, λ = s·Λ and t·Λ to the constant where Λ < 0; then λ·b − |λ|·D − |Λ|·slip.
pub(super) fn bend(
    values: &[f64],
    lines: Lines,
    (bias, error): (f64, f64),
    bent: &mut [f64],
    constant: &mut [f64],
) {
    for ((&value, bent), constant) in values.iter().zip(bent).zip(constant) {
        let (above, below) = (value.max(0.0), value.min(0.0));
        *bent = lines.lower * above + lines.upper * below;
        let gain = below * lines.intercept + *bent * bias;
        *constant += gain - (bent.abs() * error + value.abs() * lines.slip);
    }
}

/// `next[x] += Σ_i W[i, x]·bent[position of i]` over the neurons of a list.
pub(super) fn product(
    list: impl Iterator<Item = u32>,
    bent: &[f64],
    (rows, inputs): (&[f64], usize),
    lanes: usize,
    next: &mut [f64],
) {
    for (position, neuron) in list.enumerate() {
        let bent = &bent[position * lanes..][..lanes];
        let row = &rows[neuron as usize * inputs..][..inputs];
        for (&weight, next) in row.iter().zip(next.chunks_exact_mut(lanes)) {
            for (next, &bent) in next.iter_mut().zip(bent) {
                *next += weight * bent;
            }
        }
    }
}

/// Adds the least value of Λ·x over low ≤ x ≤ high, and subtracts |Λ|·`error`.
pub(super) fn minimum(values: &[f64], (low, high): (f64, f64), error: f64, constant: &mut [f64]) {
    for (&value, constant) in values.iter().zip(constant) {
        let least = (value * low).min(value * high);
        *constant += least - value.abs() * error;
    }
}

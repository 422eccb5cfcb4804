//! The forward pass, and the proof at load that it cannot overflow.

use super::{LayerShape, MAX_HEADS, MAX_ROW, ModelError, ModelHeader, Skip};
use crate::fixed::Q16;

/// Room for the activations of one evaluation; contents are irrelevant between calls.
#[derive(Clone, Debug)]
pub struct Scratch {
    from: [i32; MAX_ROW],
    to: [i32; MAX_ROW],
}

impl Scratch {
    /// Fresh room.
    pub const fn new() -> Self {
        Self {
            from: [0; MAX_ROW],
            to: [0; MAX_ROW],
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn forward(
    header: &ModelHeader,
    parameters: &[i16],
    features: &[i32],
    scratch: &mut Scratch,
) -> [i32; MAX_HEADS] {
    let Scratch { from, to } = scratch;
    let inputs = usize::from(header.inputs);
    let features = features
        .get(..inputs.min(features.len()))
        .unwrap_or_default();
    copy(
        from,
        features
            .iter()
            .copied()
            .chain(core::iter::repeat(0))
            .take(inputs),
    );
    let hidden = usize::from(header.hidden_count);
    let mut heads = [0; MAX_HEADS];
    for (number, layer) in header.layers().enumerate() {
        if number < hidden {
            for (output, row) in to.iter_mut().zip(layer.rows(parameters)) {
                *output = neuron(row, from, layer.shift).max(0);
            }
            core::mem::swap(from, to);
        } else {
            if header.skip == Skip::Linear {
                let start = layer.inputs.saturating_sub(inputs);
                if let Some(place) = from.get_mut(start..) {
                    let padded = features.iter().copied().chain(core::iter::repeat(0));
                    copy(place, padded.take(inputs));
                }
            }
            for (head, row) in heads.iter_mut().zip(layer.rows(parameters)) {
                let value = neuron(row, from, layer.shift);
                *head = value.clamp(Q16::NEG_ONE.units(), Q16::ONE.units());
            }
        }
    }
    heads
}

/// `⌊(Σ w·x + bias·2¹⁶) / 2^shift⌋`. [`prove_no_overflow`] has shown that nothing wraps and that
/// the result fits for inputs in range.
fn neuron(row: &[i16], inputs: &[i32], shift: u8) -> i32 {
    let Some((&bias, weights)) = row.split_last() else {
        return 0;
    };
    let sum = weights
        .iter()
        .zip(inputs)
        .fold(i64::from(bias) << Q16::FRACTION_BITS, |sum, (&w, &x)| {
            sum.wrapping_add(i64::from(w).wrapping_mul(i64::from(x)))
        });
    Q16::saturate(sum.wrapping_shr(u32::from(shift))).units()
}

fn copy(to: &mut [i32], from: impl Iterator<Item = i32>) {
    for (place, value) in to.iter_mut().zip(from) {
        *place = value;
    }
}

/// Interval propagation over the table's ranges in 64 bits; |Σ| < 2¹⁵ · 161 · 2³¹ < 2⁵⁴, so the
/// proof itself cannot overflow as long as every layer's result fits 32 bits.
pub(super) fn prove_no_overflow(
    header: &ModelHeader,
    parameters: &[i16],
) -> Result<(), ModelError> {
    let inputs = usize::from(header.inputs);
    let mut low = [0i64; MAX_ROW];
    let mut high = [0i64; MAX_ROW];
    let mut next_low = [0i64; MAX_ROW];
    let mut next_high = [0i64; MAX_ROW];
    let features = header.table().features;
    set_ranges(&mut low, &mut high, header, 0);
    for (number, layer) in header.layers().enumerate() {
        let is_output = number == usize::from(header.hidden_count);
        if is_output && header.skip == Skip::Linear && features.len() == inputs {
            set_ranges(
                &mut low,
                &mut high,
                header,
                layer.inputs.saturating_sub(inputs),
            );
        }
        let outputs = next_low.iter_mut().zip(next_high.iter_mut());
        for ((neuron, row), (to_low, to_high)) in layer.rows(parameters).enumerate().zip(outputs) {
            let (from, to) = neuron_range(row, &low, &high, layer);
            for bound in [from, to] {
                if i32::try_from(bound).is_err() {
                    return Err(ModelError::Overflow {
                        layer: number,
                        neuron,
                        bound,
                    });
                }
            }
            *to_low = from.max(0);
            *to_high = to.max(0);
        }
        core::mem::swap(&mut low, &mut next_low);
        core::mem::swap(&mut high, &mut next_high);
    }
    Ok(())
}

fn set_ranges(low: &mut [i64], high: &mut [i64], header: &ModelHeader, start: usize) {
    let bounds = low.iter_mut().zip(high.iter_mut()).skip(start);
    for ((low, high), feature) in bounds.zip(header.table().features) {
        *low = i64::from(feature.low.units());
        *high = i64::from(feature.high.units());
    }
}

fn neuron_range(row: &[i16], low: &[i64], high: &[i64], layer: LayerShape) -> (i64, i64) {
    let Some((&bias, weights)) = row.split_last() else {
        return (0, 0);
    };
    let start = i64::from(bias) << Q16::FRACTION_BITS;
    let (from, to) = weights.iter().zip(low.iter().zip(high)).fold(
        (start, start),
        |(from, to), (&weight, (&low, &high))| {
            let weight = i64::from(weight);
            let (a, b) = (weight.saturating_mul(low), weight.saturating_mul(high));
            (from.saturating_add(a.min(b)), to.saturating_add(a.max(b)))
        },
    );
    (
        from.wrapping_shr(u32::from(layer.shift)),
        to.wrapping_shr(u32::from(layer.shift)),
    )
}

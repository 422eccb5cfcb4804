//! The largest model that is measured: 16-32-32-4, 1732 parameters.

use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelHeader, Skip,
};

/// Parameters of [`HEADER`]: 32·17 + 32·33 + 4·33.
pub const PARAMETERS: usize = 1732;

/// One model's parameters in read-only memory, under a name that the reader of sections knows.
#[unsafe(no_mangle)]
pub static TAUTLINE_WEIGHTS: [i16; PARAMETERS] = weights(1);

/// Parameters between −2¹³ and 2¹³, from a seed.
pub const fn weights(seed: u32) -> [i16; PARAMETERS] {
    let mut weights = [0; PARAMETERS];
    let mut state = seed;
    let mut at = 0;
    while at < PARAMETERS {
        // Numerical Recipes' generator; its upper bits.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        weights[at] = ((state >> 18) as i16) - (1 << 13);
        at += 1;
    }
    weights
}

/// The shapes. Table 0 has the sixteen inputs; table 1, which connections fill, has twelve
/// features, and the other four then read zero: the same work.
pub const HEADER: ModelHeader = ModelHeader {
    feature_table: 0,
    inputs: 16,
    hidden_count: 2,
    hidden: [
        Hidden {
            width: 32,
            shift: 14,
        },
        Hidden {
            width: 32,
            shift: 14,
        },
        Hidden { width: 0, shift: 0 },
        Hidden { width: 0, shift: 0 },
    ],
    output_shift: 14,
    skip: Skip::None,
    head_count: 4,
    heads: [
        Head::free(HeadKind::Rate),
        Head::free(HeadKind::Pacing),
        Head::free(HeadKind::Buffer),
        Head::free(HeadKind::Retry),
    ],
    step_gain: Q16::from_units(1 << 14),
    pacing_gain: Q16::from_units(5 << 14),
    jitter: Q16::from_units(3277),
    cadence: Cadence::EveryRound,
};

const _: () = assert!(MAX_HEADS == 4 && MAX_HIDDEN_LAYERS == 4);

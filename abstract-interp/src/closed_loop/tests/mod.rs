//! The prover's images against the controller itself, and its ranks against their definition.

mod follow;
mod ranked;
mod search;

use tautline_certificate_format::closed_loop::{
    Buffer, Grid, LoopBounds, LoopClaim, Losses, MEMORY_MAX, PathFamily,
};
use tautline_core::features::{FEATURE_COUNT, index};
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

use super::image::Image;
use super::{LoopWatch, Tuning};

const ONE: i32 = 1 << 16;
const GAIN: i32 = 9216;
const JITTER: u32 = 3277;

fn header(hidden: &[u16], skip: Skip) -> ModelHeader {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &width) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift: 12 };
    }
    ModelHeader {
        feature_table: 1,
        inputs: FEATURE_COUNT as u16,
        hidden_count: hidden.len() as u8,
        hidden: layers,
        output_shift: 12,
        skip,
        head_count: 1,
        heads: [Head::free(HeadKind::Rate); MAX_HEADS],
        step_gain: Q16::from_units(GAIN),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(JITTER as i32),
        cadence: Cadence::EveryRound,
    }
}

/// How the rate moves with each feature in these tests; zero for those that it does not read.
const SIGNS: [i32; FEATURE_COUNT] = [-1, -1, -1, -1, 0, -1, 0, -1, -1, 1, 0, 0];

/// min(1.25·(T − x̂), …) as one affine map: it settles.
fn linear_law() -> Policy<Vec<i16>> {
    let mut row = [0i16; FEATURE_COUNT + 1];
    row[index::STANDING_QUEUE] = -4096;
    row[index::QUEUEING_EWMA] = -1024;
    row[index::LOSS] = -12_000;
    row[index::LOG_WINDOW] = -819;
    row[index::OWN_QUEUE] = -205;
    row[index::LAST_STEP] = 410;
    row[FEATURE_COUNT] = 3_500;
    Policy::new(header(&[], Skip::None), row.to_vec()).unwrap()
}

/// A network of two hidden layers whose paths all have the signs above.
fn monotone_net(weights: &[u16], bias: &[i8]) -> Policy<Vec<i16>> {
    const WIDTH: usize = 6;
    let mut weights = weights
        .iter()
        .cycle()
        .map(|&weight| i32::from(weight % 4096));
    let mut bias = bias.iter().cycle().map(|&bias| i32::from(bias) * 24);
    let kind = |unit: usize| if unit.is_multiple_of(2) { 1 } else { -1 };
    let mut parameters = vec![];
    let mut push = |value: i32| parameters.push(value as i16);
    for unit in 0..WIDTH {
        for sign in SIGNS {
            push(sign * kind(unit) * weights.next().unwrap());
        }
        push(bias.next().unwrap());
    }
    for unit in 0..WIDTH {
        for below in 0..WIDTH {
            push(kind(unit) * kind(below) * weights.next().unwrap() / 2);
        }
        push(bias.next().unwrap());
    }
    for below in 0..WIDTH {
        push(kind(below) * weights.next().unwrap() / 4);
    }
    for sign in SIGNS {
        push(sign * weights.next().unwrap() / 8);
    }
    push(bias.next().unwrap());
    let header = header(&[WIDTH as u16, WIDTH as u16], Skip::Linear);
    Policy::new(header, parameters).unwrap()
}

fn grid(width: u16, low: i32, high: i32, averages: i32) -> Grid {
    Grid {
        low,
        width,
        windows: ((high - low) / i32::from(width)) as u16,
        reach: (GAIN as u16).div_ceil(width << 8),
        falls: 2,
        memory: (0..=averages)
            .map(|edge| edge * (MEMORY_MAX / averages))
            .collect(),
    }
}

fn claim(utilisation: f64, queue: f64) -> LoopClaim {
    let share = |value: f64| (value * f64::from(ONE)) as u32;
    LoopClaim {
        name: "settles".into(),
        says: String::new(),
        family: PathFamily {
            jitter: JITTER,
            log_bdp: (10 << 8, 11 << 8),
            buffer: Buffer {
                least: share(4.0),
                most: None,
            },
        },
        losses: Losses::Any,
        start: (-128, 256),
        then: LoopBounds {
            utilisation: share(utilisation),
            queue: share(queue),
            rounds: 120,
        },
    }
}

const QUIET: LoopWatch<'_> = LoopWatch {
    progress: &|_| {},
    stop: &|| false,
};

fn coarse() -> Tuning {
    Tuning {
        width: 6,
        narrowest: 6,
        averages: (16, 4),
        refinements: 2,
        ..Tuning::default()
    }
}

const NONE: Image = Image {
    first: 0,
    last: 0,
    memory_first: 0,
    memory_last: 0,
};

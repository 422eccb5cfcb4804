//! Every interval holds: rounds drawn from the model of the path, read by the deployed controller's
//! own features, policy and guard.

use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;
use tautline_certificates::closed_loop::{
    Buffer, Cell, Cells, Grid, MEMORY_MAX, Path, PathFamily, Policy, Powers,
};
use tautline_core::action::Proposal;
use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::log2::exp2_scaled;
use tautline_core::observe::{Memory, Observation, View};
use tautline_core::policy::{Policy as Deployed, Scratch};
use tautline_core::units::Bytes;

use super::prover;

/// A place between the ends of a range.
type At = f64;

#[derive(Clone, Debug)]
struct Draw {
    jitter: At,
    log_bdp: i32,
    /// Of the slice, in 2⁻⁸ octaves.
    spread: i32,
    shallow: At,
    bounded: bool,
    /// A6 is assumed.
    assumes: bool,
    width: u16,
    cell: (At, At, At, At),
    /// Where in the cell the state is, and which bandwidth-delay product of the slice it is.
    state: [At; 3],
    /// q, j of two samples, m, lost share.
    seen: [At; 6],
    base_nanos: u64,
}

fn at() -> impl Strategy<Value = At> {
    prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0]
}

fn draws() -> impl Strategy<Value = Draw> {
    (
        (
            at(),
            1024i32..4096,
            0i32..256,
            at(),
            any::<(bool, bool)>(),
            1u16..33,
        ),
        (at(), at(), at(), at()),
        prop::array::uniform3(at()),
        prop::array::uniform6(at()),
        1_000_000u64..400_000_000,
    )
        .prop_map(|(path, cell, state, seen, base_nanos)| {
            let (jitter, log_bdp, spread, shallow, (bounded, assumes), width) = path;
            Draw {
                jitter,
                log_bdp,
                spread,
                shallow,
                bounded,
                assumes,
                width,
                cell,
                state,
                seen,
                base_nanos,
            }
        })
}

fn between(at: At, (low, high): (f64, f64)) -> f64 {
    (low + at * (high - low)).clamp(low, high.max(low))
}

fn pick(at: At, low: i32, high: i32) -> i32 {
    between(at, (f64::from(low), f64::from(high))).round() as i32
}

/// Bounds of q and of the lost share at a point, as docs/closed-loop.md has them.
fn round(
    (omega, lambda, peak): (f64, f64, f64),
    (d, g): (f64, f64),
    beta: (f64, f64),
    past: Option<f64>,
) -> ((f64, f64), (f64, f64)) {
    let whole = 1.0 + d;
    let unsent = if lambda >= whole / 2.0 {
        0.0
    } else {
        let held = lambda.max(whole / 4.0);
        held * (1.0 - 2.0 * held / whole)
    };
    let p = d + g + unsent;
    let of = |window: f64, left: f64| (window + 3.0 * g - beta.0 - left).max(0.0);
    let still = (lambda - p - g - d).min(1.0);
    let x = of(peak, past.map_or(still, |_| 1.0));
    let before = past.map_or(x, |past| of(past, 1.0));
    let b = omega.min(d + (omega - lambda) + before + p + g);
    let e = ((peak - 1.0 + g).max(b) - beta.0).max(0.0);
    let full = lambda - p - g - 1.0 - d - 2.0 * g;
    let mut low = beta.0.min(full);
    if e > 0.0 {
        low = low.min(beta.0 - d - p - 3.0 * g - (peak - lambda));
    }
    if b > beta.0 {
        low = low.min(full - (b - beta.0) - x);
    }
    let high = (omega - 1.0 + g).max(b).min(beta.1 + g);
    let lost = (lambda - p - g - 1.0 - d - 3.0 * g - beta.1).max(0.0) / omega;
    let loss = match past {
        None => (lost, (e / lambda).min(1.0)),
        Some(_) => (0.0, f64::from(e > 0.0)),
    };
    ((low.max(0.0), high), loss)
}

/// 2^log, in units of 2⁻¹⁶.
fn octaves(log: i32) -> f64 {
    (f64::from(log) / 65536.0).exp2()
}

fn deployed() -> &'static (Deployed<Vec<i16>>, Policy, Powers) {
    static MODEL: OnceLock<(Deployed<Vec<i16>>, Policy, Powers)> = OnceLock::new();
    MODEL.get_or_init(|| {
        let model = prover::model(&prover::parameters());
        let deployed = Deployed::new(prover::header(), prover::parameters()).unwrap();
        (deployed, prover::policy(&model), prover::powers())
    })
}

/// A memory with an average near `wanted` and the step from p to a; the average that it has.
fn remembering(wanted: i32, step: i32) -> (Memory, i32) {
    let mut memory = Memory::default();
    let mut features = [0; FEATURE_COUNT];
    features[index::STANDING_QUEUE] = wanted;
    for _ in 0..80 {
        memory.end_round(&features, Q16::from_units(step), prover::GAIN);
    }
    let view = View {
        observation: &Observation::default(),
        min_rtt: Duration::from_millis(1),
        log_window: Q16::from_units(8 << 16),
        window: Bytes::new(1),
    };
    let average = memory.features(&view)[index::QUEUEING_EWMA];
    (memory, average)
}

/// A round within bounds of its queue and its loss, measured in whole nanoseconds and packets, and
/// the minimum of the round-trip times.
fn observe(draw: &Draw, d: f64, queue: (f64, f64), loss: (f64, f64)) -> (Observation, Duration) {
    let base = draw.base_nanos as f64;
    let rtt = |q: At, j: At| (1.0 + between(q, queue) + j * d) * base;
    let samples = [
        rtt(draw.seen[0], draw.seen[1]),
        rtt(draw.seen[2], draw.seen[3]),
    ];
    // The minimum never exceeds a sample.
    let min_rtt = ((1.0 + draw.seen[4] * d) * base)
        .min(samples[0])
        .min(samples[1]);
    let packets = 1_000_000u64;
    let lost = (between(draw.seen[5], loss) * packets as f64) as u64;
    let lost = lost.max((loss.0 * packets as f64).ceil() as u64);
    let nanos = |value: f64| Duration::from_nanos(value as u64);
    let observation = Observation {
        mean_rtt: nanos(f64::midpoint(samples[0], samples[1])),
        min_rtt: nanos(samples[0].min(samples[1])),
        acked_packets: packets - lost,
        lost_packets: lost,
        ..Observation::default()
    };
    (observation, nanos(min_rtt))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn every_feature_and_successor_of_a_round_of_the_model_is_in_its_interval(draw in draws()) {
        let (deployed, policy, powers) = deployed();
        let gain = prover::GAIN;
        let reach = 32u16.div_ceil(draw.width);
        let beta = pick(draw.shallow, 6554, 4 << 16).unsigned_abs();
        let family = PathFamily {
            jitter: pick(draw.jitter, 0, 20_000).unsigned_abs(),
            log_bdp: (draw.log_bdp, draw.log_bdp + draw.spread),
            buffer: Buffer { least: beta, most: draw.bounded.then_some(beta + 9999) },
        };
        let grid = Grid {
            low: -384,
            width: draw.width,
            windows: 768u16.div_ceil(draw.width),
            reach,
            falls: reach.div_ceil(2),
            memory: (0..40).map(|edge| edge * 3277).chain([MEMORY_MAX]).collect(),
        };
        let highest = 100 + (300.0 * draw.cell.0) as i32;
        let path_of = |drops| Path::new(powers, &family, family.log_bdp, family.buffer, drops);
        // Lemma X is not for every buffer.
        let bare = path_of(Some(highest)).ok().filter(|_| !draw.assumes);
        let is_bare = bare.is_some();
        let path = bare.unwrap_or_else(|| path_of(None).unwrap());
        let cells = Cells::new(policy, path.clone(), &grid).unwrap();

        // A state: integer windows in datagrams, whose distance to b lies in the cell.
        let (reach, falls) = (i32::from(reach), i32::from(grid.falls));
        let window = pick(draw.cell.0, 0, i32::from(grid.windows) - 1);
        let bdp = pick(draw.state[0], family.log_bdp.0 << 8, family.log_bdp.1 << 8);
        let inside = |cell: i32, at: At| {
            let (low, high) = grid.edges(cell);
            pick(at, low << 8, (high << 8) - 1)
        };
        let a = inside(window, draw.state[1]);
        let gain_units = gain.units();
        let near = |from: i32, at: At| from + pick(at, -gain_units, gain_units);
        let p = near(a, draw.cell.1);
        let o = near(p, draw.cell.2);
        let cell_of = |log: i32| (log - (grid.low << 8)).div_euclid(i32::from(draw.width) << 8);
        let memory_cell = grid.memory_of(pick(draw.cell.3, 0, MEMORY_MAX));
        let (low, high) = grid.memory_range(memory_cell).unwrap();
        let (mut memory, average) = remembering(pick(draw.state[2], low, high), a - p);
        let cell = Cell {
            window,
            before: cell_of(p) - window,
            turn: grid.turn_of(cell_of(o) - cell_of(p)),
            memory: grid.memory_of(average),
        };
        prop_assert!((-falls..=reach).contains(&cell.turn));
        let log_window = a + bdp;
        let fits = family.log_bdp.0 + grid.edges(window).0 >= 512
            && family.log_bdp.1 + grid.edges(window).1 <= 18 << 8;
        prop_assume!(fits);
        let judged = cells.judge(cell).unwrap();

        // A round of the model.
        let d = f64::from(family.jitter) / 65536.0;
        let real = |share: u32| f64::from(share) / 65536.0;
        let deep = family.buffer.most.map_or(f64::INFINITY, real);
        let windows = (octaves(p), octaves(p.min(o)), octaves(p.max(o)));
        let beta = (real(beta), deep);
        // What was in force before both is within a step of the older one.
        let past = is_bare.then(|| octaves(p.max(o + gain_units)));
        let (queue, loss) = round(windows, (d, octaves(-bdp)), beta, past);
        prop_assert!(queue.0 <= queue.1);
        let unit = (1u64 << 30) as f64;
        prop_assert!(judged.round.queue.0 as f64 <= queue.0 * unit);
        prop_assert!(judged.round.queue.1 as f64 >= queue.1 * unit);
        let view = |queue: (f64, f64), loss: (f64, f64)| observe(&draw, d, queue, loss);
        let (observation, min_rtt) = view(queue, loss);
        let read = |memory: &Memory, observation: &Observation, min_rtt: Duration| {
            memory.features(&View {
                observation,
                min_rtt,
                log_window: Q16::from_units(log_window),
                window: Bytes::new(exp2_scaled(Q16::from_units(log_window), 1200)),
            })
        };
        let features = read(&memory, &observation, min_rtt);
        let state = tautline_certificates::closed_loop::State {
            memory: (average, average),
            ..judged.state
        };
        let intervals = path.features(&state, &judged.round, gain);
        let named = TABLE_1.features.iter().zip(features).zip(intervals);
        for ((feature, value), (low, high)) in named {
            prop_assert!(
                (low..=high).contains(&value),
                "{}: {value} is not in {low} to {high}",
                feature.name
            );
        }

        // The next state, as policy and guard make it.
        let decide = |memory: &mut Memory, features: &[i32; FEATURE_COUNT], lost: u64| {
            let heads = deployed.forward(features, &mut Scratch::new());
            let step = Proposal::from_heads(deployed.header(), &heads).step;
            let refused = lost > 0 && draw.bounded && step > Q16::ZERO;
            let step = if refused { 0 } else { step.units() };
            memory.end_round(features, Q16::from_units(step), gain);
            let standing = features[index::STANDING_QUEUE];
            Cell {
                window: cell_of(a + step),
                before: cell_of(a) - cell_of(a + step),
                turn: 0,
                memory: grid.memory_of(average + ((standing - average) >> 2)),
            }
        };
        let next = Cell {
            turn: grid.turn_of(cell_of(p) - cell_of(a)),
            ..decide(&mut memory.clone(), &features, observation.lost_packets)
        };
        let image = cells.image(&judged, cell.memory).unwrap();
        prop_assert!(image.cells().any(|met| met == next), "{next:?} is not in {image:?}");

        // After a drain the judged packets and those before them left in windows of a.
        let Ok(image) = cells.drained(&judged, cell.memory) else {
            // Its window may not let the queue empty.
            return Ok(());
        };
        let (queue, loss) = round((octaves(a), octaves(a), octaves(a)), (d, octaves(-bdp)), beta, is_bare.then(|| octaves(a)));
        let (observation, min_rtt) = view(queue, loss);
        let features = read(&memory, &observation, min_rtt);
        let next = decide(&mut memory, &features, observation.lost_packets);
        prop_assert!(image.cells().any(|met| met == next), "drained: {next:?} is not in {image:?}");
    }
}

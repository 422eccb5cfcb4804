//! Every step of the controller lies in the image of its cell.

use core::time::Duration;

use proptest::prelude::*;
use tautline_certificate_format::closed_loop::{Buffer, Grid};
use tautline_core::features::{FEATURE_COUNT, LOG_WINDOW_MAX, LOG_WINDOW_MIN, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::guard::{UncheckedEnvelope, Usage, rule};
use tautline_core::observe::{Memory, Observation, View};
use tautline_core::policy::{Policy, Scratch};
use tautline_core::units::Bytes;

use super::{GAIN, JITTER, NONE, ONE, grid, linear_law, monotone_net};
use crate::closed_loop::image::{RowAt, Step};
use crate::closed_loop::path::{Drops, Paths};
use crate::closed_loop::{ModelRate, Rate as _};

/// A path and the adversary's choices on it, as shares of what is allowed.
#[derive(Clone, Copy, Debug)]
struct Round {
    queue: f64,
    jitter: (f64, f64),
    minimum: f64,
    loss: f64,
}

fn round() -> impl Strategy<Value = Round> {
    let ends = || prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    (ends(), ends(), ends(), ends(), ends()).prop_map(|(queue, low, high, minimum, loss)| Round {
        queue,
        jitter: (low, high),
        minimum,
        loss,
    })
}

/// The formulas of docs/closed-loop.md for windows known exactly, in floats.
struct Formulas {
    g: f64,
    buffer: f64,
    d: f64,
    /// Whether A6 is assumed.
    assumes: bool,
}

impl Formulas {
    /// Queue and share lost, at least and at most.
    fn ranges(&self, p: f64, o: f64) -> ((f64, f64), (f64, f64)) {
        let (g, d, beta) = (self.g, self.d, self.buffer);
        let (omega, lambda, over) = (p.exp2(), p.min(o).exp2(), p.max(o).exp2());
        let train = if lambda >= f64::midpoint(1.0, d) {
            0.0
        } else if lambda <= (1.0 + d) / 4.0 {
            (1.0 + d) / 8.0
        } else {
            lambda * (1.0 - 2.0 * lambda / (1.0 + d))
        };
        let held = d + g + train;
        let of = |window: f64, left: f64| (window + 3.0 * g - beta - left).max(0.0);
        let standing = lambda - held - g - d;
        let past = p.max(o + f64::from(GAIN) / 65536.0).exp2();
        let (gone, before) = if self.assumes {
            let gone = of(over, standing.min(1.0));
            (gone, gone)
        } else {
            (of(over, 1.0), of(past, 1.0))
        };
        let burst = omega.min(d + (omega - lambda) + before + held + g);
        let overflow = ((over - 1.0 + g).max(burst) - beta).max(0.0);
        let standing = lambda - held - g - 1.0 - d - 2.0 * g;
        let mut low = beta.min(standing);
        if overflow > 0.0 {
            low = low.min(beta - d - held - 3.0 * g - (over - lambda));
        }
        if burst > beta {
            low = low.min(standing - (burst - beta) - gone);
        }
        let high = (beta + g).min((omega - 1.0 + g).max(burst));
        let least = ((standing - g - beta) / omega).max(0.0);
        let most = (overflow / lambda).min(1.0);
        let loss = if self.assumes {
            (least.min(most), most)
        } else {
            (0.0, f64::from(overflow > 0.0))
        };
        ((low.max(0.0), high.max(0.0)), loss)
    }
}

/// What the observer reports of a round on a path of 40 ms.
fn observation(formulas: &Formulas, p: f64, o: f64, round: Round) -> (Observation, Duration) {
    let between = |(low, high): (f64, f64), at: f64| low + (high - low) * at;
    let (queue, loss) = formulas.ranges(p, o);
    let base = 40e6;
    let rtt = |at: f64| base * (1.0 + between(queue, round.queue) + formulas.d * at);
    let (first, second) = round.jitter;
    let lost = (between(loss, round.loss) * 1000.0) as u64;
    let nanos = |value: f64| Duration::from_nanos(value as u64);
    let observation = Observation {
        min_rtt: nanos(rtt(first.min(second))),
        mean_rtt: nanos(rtt(first.max(second))),
        acked_packets: 1000 - lost,
        acked_bytes: Bytes::new(1_000_000),
        lost_packets: lost,
        ..Observation::default()
    };
    (
        observation,
        nanos(base * (1.0 + formulas.d * round.minimum)),
    )
}

fn cell_of(grid: &Grid, bdp: i32, log_window: i32) -> i32 {
    (log_window - bdp - (grid.low << 8)).div_euclid(i32::from(grid.width) << 8)
}

/// A memory that knows the first two steps.
fn remembering(start: [i32; 3]) -> Memory {
    let mut memory = Memory::default();
    for step in [start[1] - start[2], start[0] - start[1]] {
        let (step, gain) = (Q16::from_units(step), Q16::from_units(GAIN));
        memory.end_round(&[0; FEATURE_COUNT], step, gain);
    }
    memory
}

/// Runs the controller's own arithmetic on a path and asks that every step lies in the image.
fn follow(
    policy: &Policy<Vec<i16>>,
    bdp: i32,
    buffer: f64,
    start: [i32; 3],
    rounds: &[Round],
    drops: Drops,
) -> Result<(), TestCaseError> {
    let rate = ModelRate::new(policy).map_err(|it| TestCaseError::fail(it.to_string()))?;
    let grid = grid(4, -1024, 1024, 20);
    let log_bdp = ((bdp >> 8) - 20, (bdp >> 8) + 30);
    let share = |value: f64| (value * f64::from(ONE)) as u32;
    let range = Buffer {
        least: share(buffer * 0.95),
        most: Some(share(buffer * 1.05)),
    };
    let step = Step {
        rate: &rate,
        paths: Paths::new(JITTER, log_bdp, range, drops),
        grid: &grid,
    };
    let formulas = Formulas {
        g: (-f64::from(bdp) / 65536.0).exp2(),
        buffer,
        d: f64::from(JITTER) / 65536.0,
        assumes: drops == Drops::Assumed,
    };
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    let gain = Q16::from_units(GAIN);
    let mut memory = remembering(start);
    let [mut a, mut p, mut o] = start;
    for &round in rounds {
        let log = |w: i32| f64::from(w - bdp) / 65536.0;
        let (seen, minimum) = observation(&formulas, log(p), log(o), round);
        memory.count_loss(&seen);
        let features = memory.features(&View {
            observation: &seen,
            min_rtt: minimum,
            log_window: Q16::from_units(a),
            window: Bytes::new(1_000_000),
        });
        let heads = policy.forward(&features, &mut Scratch::new());
        let proposed = Q16::from_units(heads[0]).saturating_mul(gain);
        let target = a + proposed.units();
        if target <= LOG_WINDOW_MIN.units() || target >= LOG_WINDOW_MAX.units() {
            // Ranked cells keep clear of the controller's clamps.
            return Ok(());
        }
        let limited = Usage::WindowLimited;
        let applied = rule(&envelope, &features, limited, Q16::from_units(a), proposed).step();
        memory.end_round(&features, applied, gain);
        let average = (
            features[index::QUEUEING_EWMA],
            features[index::STANDING_QUEUE],
        );
        let next = average.0 + ((average.1 - average.0) >> 2);
        let cell = |w: i32| cell_of(&grid, bdp, w);
        let at = RowAt {
            window: cell(a),
            before: cell(p) - cell(a),
            turn: grid.turn_of(cell(o) - cell(p)),
        };
        let mut images = vec![NONE; grid.memories()];
        step.row(at, &mut images);
        let image = images[grid.memory_of(average.0)];
        let moved = cell(a + applied.units()) - cell(a);
        prop_assert!(
            (i32::from(image.first)..=i32::from(image.last)).contains(&moved),
            "moved {moved} cells, the image is {image:?} at {at:?} with {features:?}"
        );
        let remembered = grid.memory_of(next) as u8;
        prop_assert!(
            (image.memory_first..=image.memory_last).contains(&remembered),
            "average in cell {remembered}, the image is {image:?}"
        );
        (o, p, a) = (p, a, a + applied.units());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_step_of_the_controller_lies_in_the_image(
        weights in prop::collection::vec(any::<u16>(), 200),
        bias in prop::collection::vec(any::<i8>(), 13),
        bdp in 5 * ONE..12 * ONE,
        buffer in 0.3..3.0,
        from in -ONE..ONE,
        steps in prop::array::uniform2(-GAIN..=GAIN),
        rounds in prop::collection::vec(round(), 1..30),
        highest in -128..512,
    ) {
        let start = [bdp + from, bdp + from - steps[0], bdp + from - steps[0] - steps[1]];
        for drops in [Drops::Assumed, Drops::Below(highest)] {
            follow(&monotone_net(&weights, &bias), bdp, buffer, start, &rounds, drops)?;
            follow(&linear_law(), bdp, buffer, start, &rounds, drops)?;
        }
    }

    #[test]
    fn the_fast_rate_is_the_deployed_one(
        weights in prop::collection::vec(any::<u16>(), 200),
        bias in prop::collection::vec(any::<i8>(), 13),
        at in prop::array::uniform12(0.0..=1.0),
    ) {
        let policy = monotone_net(&weights, &bias);
        let mut features = [0; FEATURE_COUNT];
        for ((place, feature), at) in features.iter_mut().zip(TABLE_1.features).zip(at) {
            let (low, high) = (f64::from(feature.low.units()), f64::from(feature.high.units()));
            *place = (low + (high - low) * at) as i32;
        }
        let rate = ModelRate::new(&policy).unwrap();
        let row = rate.row(&features);
        let heads = policy.forward(&features, &mut Scratch::new());
        prop_assert_eq!(rate.at(&row, features[index::QUEUEING_EWMA]), heads[0]);
    }
}

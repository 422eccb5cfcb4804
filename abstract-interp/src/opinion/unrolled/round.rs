//! What one round shows, and what the policy makes of it.

use tautline_core::features::{FEATURE_COUNT, index};

use super::super::ONE;
use super::super::enclosure::affine;
use super::super::formula::{Row, Sum};
use super::encode::{Encoder, Log, Value};
use super::{EXCESS_MAX, State, power};
use crate::interval::Interval;
use crate::network::Affine;

/// What a round showed: `queueing`, `standing_queue` and `loss`.
pub(super) struct Observed {
    pub(super) queueing: Value,
    pub(super) standing: Value,
    pub(super) loss: Value,
}

impl Encoder<'_> {
    /// Everything that packets can show which left under `before`.
    pub(super) fn observe(&mut self, before: &Log, earlier: &Log) -> Observed {
        let plant = self.plant;
        if let (Some(before), Some(earlier)) = (before.value.known(), earlier.value.known()) {
            return self.observe_known(before, earlier);
        }
        let (g, jitter) = (plant.datagram, plant.jitter);
        let most = power(before.value.range.high);
        let burst = 2 * jitter + 2 * g;
        // λ from above: either power will do, and the smaller one allows most.
        let least = self.of_round("least", at_most(2 * most + 8)).sum;
        let either = [&before.above, &earlier.above];
        let either = either.map(|power| vec![power.at_most(&least)]);
        self.formula.assert_one(either.to_vec());
        // The queue from below.
        let ahead = self.of_round("ahead", at_most(most + burst)).sum;
        let below = &before.below;
        let settled = vec![ahead.at_most(&below.offset(g - ONE))];
        let bursts = [Sum::constant(burst), below.minus(&least).offset(burst)];
        let mut cases = bursts
            .map(|it| vec![ahead.at_most(below), ahead.at_most(&it)])
            .to_vec();
        cases.push(settled);
        self.formula.assert_one(cases);
        let capped = plant
            .buffer
            .map_or(EXCESS_MAX, |buffer| buffer + g + jitter);
        let excess = at_most(EXCESS_MAX.min(most + burst + jitter).min(capped));
        let [queueing, standing] = ["x", "y"].map(|name| {
            let shown = self.of_round(name, excess);
            self.formula
                .assert(shown.sum.at_most(&ahead.offset(jitter)));
            self.floor_of_excess(&shown.sum, &least);
            shown
        });
        self.formula.assert(standing.sum.at_most(&queueing.sum));
        let loss = self.lose(before, &least, &ahead);
        Observed {
            queueing,
            standing,
            loss,
        }
    }

    /// The same where both windows are numbers.
    fn observe_known(&mut self, before: i64, earlier: i64) -> Observed {
        let shown = self.plant.shown(&State {
            window: before,
            before,
            earlier,
            memory: 0,
        });
        let [queueing, standing] = ["x", "y"].map(|name| self.of_round(name, shown.excess));
        self.formula.assert(standing.sum.at_most(&queueing.sum));
        Observed {
            queueing,
            standing,
            loss: self.of_round("l", shown.loss),
        }
    }

    /// `(1 + D)·(1 + shown) ≥ 1 + q`, the feature rounded up.
    fn floor_of_excess(&mut self, shown: &Sum, least: &Sum) {
        let (g, jitter) = (self.plant.datagram, self.plant.jitter);
        let unit = 1i64 << jitter.trailing_zeros().min(16);
        let seen = shown.offset(ONE - 1).times((ONE + jitter) / unit);
        let sure = least.offset(-(2 * jitter + 4 * g));
        let mut cases = vec![vec![sure.times(ONE / unit).at_most(&seen)]];
        if let Some(buffer) = self.plant.buffer {
            let full = Sum::constant((ONE + buffer) * (ONE / unit));
            cases.push(vec![full.at_most(&seen)]);
        }
        self.formula.assert_one(cases);
    }

    /// Losses between what surely overflows and what may.
    fn lose(&mut self, before: &Log, least: &Sum, ahead: &Sum) -> Value {
        let Some(buffer) = self.plant.buffer else {
            return self.of_round("l", at_most(0));
        };
        let (g, jitter) = (self.plant.datagram, self.plant.jitter);
        let loss = self.of_round("l", at_most(ONE));
        let range = before.value.range;
        let (low, high) = (
            power(range.low) >> COARSE,
            (power(range.high) >> COARSE) + 1,
        );
        let over = ahead.offset(-buffer).times(ONE >> COARSE);
        let may = vec![loss.sum.times(high).at_most(&over)];
        let none = vec![loss.sum.at_most(&Sum::default())];
        self.formula.assert_one(vec![none, may]);
        let surely = least.offset(-(ONE + 2 * jitter + 5 * g + buffer));
        let not = vec![surely.at_most(&Sum::default())];
        let shown = loss.sum.offset(-1).times(low);
        let must = vec![surely.times(ONE >> COARSE).at_most(&shown)];
        self.formula.assert_one(vec![not, must]);
        loss
    }

    /// The policy's inputs.
    pub(super) fn features(
        &mut self,
        window: &Value,
        before: &Log,
        memory: &Value,
        observed: &Observed,
    ) -> Vec<Value> {
        let nothing = Value {
            sum: Sum::default(),
            range: Interval::point(0),
        };
        let mut features = vec![nothing; FEATURE_COUNT];
        let (log_bdp, shift) = (self.plant.log_bdp, self.plant.gain_shift);
        let datagrams = window.sum.offset(log_bdp);
        let range = Interval {
            low: (window.range.low + log_bdp) >> 4,
            high: (window.range.high + log_bdp) >> 4,
        };
        features[index::LOG_WINDOW] = self.floor("w", &datagrams, 4, range);
        let grown = |from: i64, to: i64| ((to - from) << shift).clamp(-ONE, ONE);
        features[index::LAST_STEP] = Value {
            sum: window.sum.minus(&before.value.sum).times(1 << shift),
            range: Interval {
                low: grown(before.value.range.high, window.range.low),
                high: grown(before.value.range.low, window.range.high),
            },
        };
        features[index::QUEUEING] = observed.queueing.clone();
        features[index::STANDING_QUEUE] = observed.standing.clone();
        features[index::QUEUEING_EWMA] = memory.clone();
        features[index::LOSS] = observed.loss.clone();
        features
    }

    /// The first head, clamped.
    pub(super) fn rate(&mut self, features: &[Value]) -> Value {
        let network = self.plant.network;
        let mut below = features.to_vec();
        for (number, layer) in network.layers().iter().enumerate() {
            let is_output = number == network.hidden_count();
            if is_output {
                below.extend_from_slice(&features[..network.skip_inputs()]);
            }
            let before = self.affine(&format!("z{number}"), layer, &below, !is_output);
            below = before;
            if !is_output {
                let values = below.iter().enumerate();
                below = values
                    .map(|(neuron, z)| self.relu(&format!("h{number}x{neuron}"), z))
                    .collect();
            }
        }
        self.clamp(&below[0])
    }

    fn affine(
        &mut self,
        name: &str,
        layer: &Affine,
        below: &[Value],
        is_hidden: bool,
    ) -> Vec<Value> {
        let neurons = if is_hidden { layer.outputs } else { 1 };
        let ranges: Vec<Interval> = below.iter().map(|value| value.range).collect();
        let reached = affine(layer, &ranges);
        (0..neurons)
            .map(|neuron| {
                if is_hidden && reached[neuron].high <= 0 {
                    return Value {
                        sum: Sum::default(),
                        range: Interval::point(0),
                    };
                }
                let mut sum = Sum::constant(layer.bias[neuron]);
                for (&weight, value) in layer.row(neuron).iter().zip(below) {
                    sum = sum.plus(weight, &value.sum);
                }
                let name = format!("{name}x{neuron}");
                self.floor(&name, &sum, layer.shift.into(), reached[neuron])
            })
            .collect()
    }

    fn relu(&mut self, name: &str, z: &Value) -> Value {
        let range = Interval {
            low: z.range.low.max(0),
            high: z.range.high.max(0),
        };
        if z.range.low >= 0 {
            return z.clone();
        }
        if z.range.high <= 0 {
            return Value {
                sum: Sum::default(),
                range,
            };
        }
        let after = self.of_round(name, range);
        let zero = Sum::default();
        self.formula.assert(z.sum.at_most(&after.sum));
        let on = vec![after.sum.at_most(&z.sum)];
        let off = vec![after.sum.at_most(&zero)];
        self.formula.assert_one(vec![on, off]);
        after
    }

    fn clamp(&mut self, y: &Value) -> Value {
        let range = Interval {
            low: y.range.low.clamp(-ONE, ONE),
            high: y.range.high.clamp(-ONE, ONE),
        };
        if range == y.range {
            return y.clone();
        }
        let rate = self.of_round("rate", range);
        let mut within = equal(&rate.sum, &y.sum);
        within.push(y.sum.at_most(&Sum::constant(ONE)));
        within.push(Sum::constant(-ONE).at_most(&y.sum));
        let mut cases = vec![within];
        if y.range.high > ONE {
            let mut rows = equal(&rate.sum, &Sum::constant(ONE));
            rows.push(Sum::constant(ONE).at_most(&y.sum));
            cases.push(rows);
        }
        if y.range.low < -ONE {
            let mut rows = equal(&rate.sum, &Sum::constant(-ONE));
            rows.push(y.sum.at_most(&Sum::constant(-ONE)));
            cases.push(rows);
        }
        self.formula.assert_one(cases);
        rate
    }
}

/// `left = right`.
pub(super) fn equal(left: &Sum, right: &Sum) -> Vec<Row> {
    vec![left.at_most(right), right.at_most(left)]
}

fn at_most(high: i64) -> Interval {
    Interval { low: 0, high }
}

/// Bits that the factors of a share of losses leave out.
const COARSE: u32 = 8;

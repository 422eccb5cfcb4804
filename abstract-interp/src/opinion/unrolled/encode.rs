//! Rounds of a plant as a formula.

use num_rational::BigRational;

use super::super::formula::{Formula, Row, Sort, Sum};
use super::round::equal;
use super::{Part, Plant, Seen, State, power};
use crate::interval::Interval;

/// Can the plant be in one of `bad` after so many rounds?
#[derive(Clone, Debug)]
pub struct Unrolled {
    /// Satisfied by the trajectories that get there.
    pub formula: Formula,
    /// How many of the bad parts meet the interval of every coordinate; where none does, nothing is
    /// left to ask.
    pub open: usize,
    /// Of the variables: o, p, a and e at the start.
    start: [usize; 4],
    /// Of the variables: `queueing`, `standing_queue`, `loss` and whether the window was held.
    seen: Vec<[usize; 4]>,
}

/// A logarithm, and its power from above and from below.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) value: Value,
    pub(super) above: Sum,
    pub(super) below: Sum,
}

/// What is known of a sum.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) sum: Sum,
    pub(super) range: Interval,
}

pub(super) struct Encoder<'p> {
    pub(super) plant: &'p Plant<'p>,
    pub(super) formula: Formula,
    round: usize,
}

impl Unrolled {
    /// From a state of `start`, `rounds` rounds, into a state of one of `bad`.
    pub fn new(plant: &Plant<'_>, start: Part, rounds: usize, bad: &[Part]) -> Self {
        let mut encoder = Encoder {
            plant,
            formula: Formula::new(Sort::Int),
            round: 0,
        };
        let [mut earlier, mut before] =
            [("o", start.earlier), ("p", start.before)].map(|(name, range)| {
                let value = encoder.value(name, range);
                encoder.log(value)
            });
        let mut window = encoder.value("a", start.window);
        let mut memory = encoder.value("e", start.memory);
        for pair in [(&earlier.value, &before.value), (&before.value, &window)] {
            for (one, other) in [pair, (pair.1, pair.0)] {
                let farthest = other.sum.offset(plant.gain());
                encoder.formula.assert(one.sum.at_most(&farthest));
            }
        }
        let mut last = (window.clone(), before.value.clone(), earlier.value.clone());
        for round in 0..rounds {
            encoder.round = round;
            let (next, average) = encoder.step(&window, &before, &earlier, &memory);
            last = (next.clone(), window.clone(), before.value.clone());
            if round + 1 < rounds {
                earlier = before;
                before = encoder.log(window);
            }
            window = next;
            memory = average;
        }
        let sides = |part: &Part| {
            let sides = [
                (&last.0, part.window),
                (&last.1, part.before),
                (&last.2, part.earlier),
                (&memory, part.memory),
            ];
            let meets = |(value, side): &(&Value, Interval)| {
                side.low <= value.range.high && value.range.low <= side.high
            };
            let rows = sides.iter().flat_map(|(value, side)| value.within(*side));
            sides.iter().all(meets).then(|| rows.collect())
        };
        let cases: Vec<Vec<Row>> = bad.iter().filter_map(sides).collect();
        let open = cases.len();
        encoder.formula.assert_one(cases);
        let place = |name: &str| {
            let mut all = encoder.formula.variables().iter();
            all.position(|it| it.name == name).unwrap_or(0)
        };
        let start = ["o", "p", "a", "e"].map(place);
        let seen = (0..rounds)
            .map(|round| ["x", "y", "l", "held"].map(|name| place(&format!("{name}_{round}"))));
        Self {
            start,
            seen: seen.collect(),
            open,
            formula: encoder.formula,
        }
    }

    /// The trajectory of a solver's values, rounded to integers.
    pub fn trajectory(&self, values: &[BigRational]) -> Option<(State, Vec<Seen>)> {
        let value = |place: usize| i64::try_from(values.get(place)?.round().to_integer()).ok();
        let [earlier, before, window, memory] = self.start;
        let start = State {
            window: value(window)?,
            before: value(before)?,
            earlier: value(earlier)?,
            memory: value(memory)?,
        };
        let seen = self.seen.iter().map(|&[queueing, standing, loss, held]| {
            Some(Seen {
                queueing: value(queueing)?,
                standing: value(standing)?,
                loss: value(loss)?,
                held: value(held)? > 0,
            })
        });
        Some((start, seen.collect::<Option<_>>()?))
    }
}

impl Value {
    /// The only value, if there is one.
    pub(super) fn known(&self) -> Option<i64> {
        (self.range.low == self.range.high).then_some(self.range.low)
    }

    /// The sides of an interval that are not known to hold.
    pub(super) fn within(&self, side: Interval) -> Vec<Row> {
        let mut rows = vec![];
        if side.low > self.range.low {
            rows.push(Sum::constant(side.low).at_most(&self.sum));
        }
        if side.high < self.range.high {
            rows.push(self.sum.at_most(&Sum::constant(side.high)));
        }
        rows
    }
}

impl Encoder<'_> {
    fn value(&mut self, name: &str, range: Interval) -> Value {
        let bounds = Some((range.low, range.high));
        Value {
            sum: self.formula.declare(name.to_owned(), bounds),
            range,
        }
    }

    pub(super) fn of_round(&mut self, name: &str, range: Interval) -> Value {
        let name = format!("{name}_{}", self.round);
        self.value(&name, range)
    }

    /// `⌊sum / 2^shift⌋`.
    pub(super) fn floor(&mut self, name: &str, sum: &Sum, shift: u32, range: Interval) -> Value {
        let floored = self.of_round(name, range);
        let (unit, scaled) = (1 << shift, floored.sum.times(1 << shift));
        self.formula.assert(scaled.at_most(sum));
        self.formula.assert(sum.at_most(&scaled.offset(unit - 1)));
        floored
    }

    /// Two more unknowns: at least 2^value, and at most that. Chords lie above the power, and
    /// below it by at most (ln 2)²/8 of the square of their length and of their upper end.
    fn log(&mut self, value: Value) -> Log {
        if let Some(known) = value.known() {
            let power = power(known);
            return Log {
                value,
                above: Sum::constant(power + 1),
                below: Sum::constant(power),
            };
        }
        let unit = 1i64 << SEGMENT_BITS;
        let (first, last) = (
            value.range.low >> SEGMENT_BITS,
            value.range.high >> SEGMENT_BITS,
        );
        let most = power((last + 1) << SEGMENT_BITS);
        let sag = (most >> (2 * (16 - SEGMENT_BITS) + 4)) + ROUNDING;
        let range = Interval {
            low: 0,
            high: most + ROUNDING,
        };
        let tag = format!("{}", self.formula.variables().len());
        let above = self.value(&format!("above{tag}"), range).sum;
        let below = self.value(&format!("below{tag}"), range).sum;
        let segments = (first..=last).map(|segment| {
            let ends = Interval {
                low: segment << SEGMENT_BITS,
                high: ((segment + 1) << SEGMENT_BITS) - 1,
            };
            let from = power(ends.low) + 1;
            let rise = power(ends.high + 1) + 1 - from;
            let chord = value.sum.offset(-ends.low).times(rise).offset(from * unit);
            let mut rows = value.within(ends);
            rows.push(chord.at_most(&above.times(unit)));
            rows.push(below.offset(sag).times(unit).at_most(&chord));
            rows
        });
        self.formula.assert_one(segments.collect());
        Log {
            value,
            above,
            below,
        }
    }

    /// One round: the next window and average, and the variables of what it showed.
    fn step(
        &mut self,
        window: &Value,
        before: &Log,
        earlier: &Log,
        memory: &Value,
    ) -> (Value, Value) {
        let plant = self.plant;
        let observed = self.observe(before, earlier);
        let gain = plant.gain();
        let features = self.features(window, before, memory, &observed);
        let (standing, loss) = (observed.standing, observed.loss);
        let rate = self.rate(&features);
        let shift = plant.gain_shift;
        let range = Interval {
            low: rate.range.low >> shift,
            high: rate.range.high >> shift,
        };
        let mut step = self.floor("s", &rate.sum, shift, range);
        let held = self.of_round(
            "held",
            Interval {
                low: 0,
                high: i64::from(plant.buffer.is_some()),
            },
        );
        if plant.buffer.is_some() {
            let kept = self.of_round(
                "kept",
                Interval {
                    low: range.low.min(0),
                    high: range.high.max(0),
                },
            );
            let zero = Sum::default();
            let mut free = equal(&kept.sum, &step.sum);
            free.extend(equal(&held.sum, &zero));
            let mut stays = equal(&kept.sum, &zero);
            stays.extend(equal(&held.sum, &Sum::constant(1)));
            stays.push(zero.at_most(&step.sum));
            stays.push(Sum::constant(1).at_most(&loss.sum));
            self.formula.assert_one(vec![free, stays]);
            step = kept;
        }
        let next = Value {
            sum: window.sum.clone().plus(1, &step.sum),
            range: Interval {
                low: window.range.low + step.range.low.max(-gain),
                high: window.range.high + step.range.high.min(gain),
            },
        };
        let quarter = |end: fn(&Interval) -> i64| {
            end(&memory.range) + ((end(&standing.range) - end(&memory.range)) >> 2)
        };
        let range = Interval {
            low: quarter(|it| it.low),
            high: quarter(|it| it.high),
        };
        // e + ⌊(y − e)/4⌋ = ⌊(y + 3e)/4⌋
        let sum = standing.sum.clone().plus(3, &memory.sum);
        let average = self.floor("e", &sum, 2, range);
        (next, average)
    }
}

/// Chords span 2^(this − 16) octaves.
const SEGMENT_BITS: u32 = 13;
/// Covers what powers and chords are rounded by.
const ROUNDING: i64 = 4;

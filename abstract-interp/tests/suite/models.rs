//! Random and hand-made models, boxes and claims.

use tautline_abstract_interp::bab::{self, Branching, Budget, Flow, Goal};
use tautline_abstract_interp::claim::{Claim, ClaimKind, Constraint, Region};
use tautline_abstract_interp::interval::Interval;
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::problem::Problem;
use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Scratch, Skip,
};

/// Deterministic numbers for one test case.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }
}

pub(crate) fn header(table: u16, hidden: &[u16], heads: u8, skip: Skip) -> ModelHeader {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &width) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift: 12 };
    }
    let features = FeatureTable::by_version(table).unwrap().features.len();
    ModelHeader {
        feature_table: table,
        inputs: u16::try_from(features).unwrap(),
        hidden_count: u8::try_from(hidden.len()).unwrap(),
        hidden: layers,
        output_shift: 12,
        skip,
        head_count: heads,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    }
}

/// Weights of the size that keeps activations of the order of one.
pub(crate) fn random_policy(header: ModelHeader, dice: &mut Dice) -> Policy<Vec<i16>> {
    let mut parameters = vec![];
    for layer in header.layers() {
        let reach = (4096.0 * (6.0 / layer.inputs as f64).sqrt()) as i64;
        for _ in 0..layer.outputs {
            for _ in 0..layer.inputs {
                parameters.push(dice.between(-reach, reach) as i16);
            }
            parameters.push(dice.between(-1000, 1000) as i16);
        }
    }
    Policy::new(header, parameters).unwrap()
}

/// Weights −1, 0 and 1, so that linear bounds are whole numbers and floats cannot tell a floor.
pub(crate) fn whole_policy(header: ModelHeader, dice: &mut Dice) -> Policy<Vec<i16>> {
    let parameters = (0..header.parameter_count()).map(|_| 4096 * dice.between(-1, 1) as i16);
    Policy::new(header, parameters.collect::<Vec<_>>()).unwrap()
}

/// Hidden neurons rise with the first features and fall with the last ones, output weights are
/// negative: every feature but `free` has a known sign for every head.
pub(crate) fn signed_policy(
    header: ModelHeader,
    free: &[usize],
    dice: &mut Dice,
) -> Policy<Vec<i16>> {
    let policy = random_policy(header, dice);
    let mut parameters = policy.parameters().to_vec();
    let layers: Vec<_> = header.layers().collect();
    for (number, layer) in layers.iter().enumerate() {
        let is_output = number + 1 == layers.len();
        for neuron in 0..layer.outputs {
            for input in 0..layer.inputs {
                let place = layer.offset + neuron * layer.row_len() + input;
                let width = layer.inputs
                    - if is_output && header.skip == Skip::Linear {
                        usize::from(header.inputs)
                    } else {
                        0
                    };
                let is_feature = number == 0 || input >= width;
                let feature = if number == 0 {
                    input
                } else {
                    input - width.min(input)
                };
                if is_feature && free.contains(&feature) {
                    continue;
                }
                let sign = if is_output { -1 } else { 1 };
                let sign = if is_feature && feature % 2 == 1 {
                    -sign
                } else {
                    sign
                };
                parameters[place] = parameters[place].abs() / 3 * sign;
            }
        }
    }
    Policy::new(header, parameters).unwrap()
}

/// A law over feature table 1 that satisfies the standard claims: 0.083 − 0.3·standing_queue
/// − 2.2·slow_loss − 0.6·ce, less what hidden units see of queue and marks, and a ripple of hidden
/// units that read window, own queue and competitor with both signs. `forgotten` is taken from the
/// weight of marks.
pub(crate) fn hand_made_law(forgotten: i16) -> Policy<Vec<i16>> {
    let header = header(1, &[6, 4], 1, Skip::Linear);
    let mut parameters = vec![0i16; header.parameter_count()];
    let layers: Vec<_> = header.layers().collect();
    let mut set = |layer: usize, neuron: usize, input: usize, weight: i16| {
        parameters[layers[layer].offset + neuron * layers[layer].row_len() + input] = weight;
    };
    let (queueing, loss, ce, window, own, competitor) = (0, 3, 5, 7, 8, 11);
    for (neuron, feature, weight, bias) in [
        (0, queueing, 4096, -2048),
        (1, ce, 4096, -1024),
        (2, loss, 4096, -400),
    ] {
        set(0, neuron, feature, weight);
        set(0, neuron, 12, bias);
    }
    for (neuron, weights) in [
        (3, [4096, -3000, 500]),
        (4, [-3500, 4096, -900]),
        (5, [900, 2000, -4096]),
    ] {
        for (feature, weight) in [window, own, competitor].into_iter().zip(weights) {
            set(0, neuron, feature, weight);
        }
        set(0, neuron, 12, -300);
    }
    for (neuron, row) in [
        [4096, 2048, 1024, 0, 0, 0],
        [1024, 4096, 2048, 0, 0, 0],
        [0, 0, 0, 4096, -4096, 3000],
        [0, 0, 0, -2000, 4096, -4096],
    ]
    .into_iter()
    .enumerate()
    {
        for (input, weight) in row.into_iter().enumerate() {
            set(1, neuron, input, weight);
        }
        set(1, neuron, 6, if neuron < 2 { -200 } else { 100 });
    }
    for (input, weight) in [(0, -100), (1, -100), (2, 60), (3, -60)] {
        set(2, 0, input, weight);
    }
    let (standing_queue, slow_loss) = (4 + 1, 4 + 4);
    set(2, 0, standing_queue, -1230);
    set(2, 0, slow_loss, -9012);
    set(2, 0, 4 + ce, -2458 + forgotten.min(2458));
    set(2, 0, 16, 340);
    Policy::new(header, parameters).unwrap()
}

pub(crate) fn random_box(table: u16, scale: f64, dice: &mut Dice) -> Vec<Interval> {
    let features = FeatureTable::by_version(table).unwrap().features;
    let sides = features.iter().map(|feature| {
        let (low, high) = (
            i64::from(feature.low.units()),
            i64::from(feature.high.units()),
        );
        let width = ((high - low) as f64 * scale) as i64;
        let width = dice.between(0, width);
        let start = dice.between(low, high - width);
        Interval {
            low: start,
            high: start + width,
        }
    });
    sides.collect()
}

pub(crate) fn random_point(region: &[Interval], dice: &mut Dice) -> Vec<i64> {
    let values = region.iter().map(|side| match dice.between(0, 3) {
        0 => side.low,
        1 => side.high,
        _ => dice.between(side.low, side.high),
    });
    values.collect()
}

pub(crate) fn region(sides: &[Interval]) -> Region {
    let bounds = sides.iter().map(|side| (side.low as i32, side.high as i32));
    Region {
        bounds: bounds.collect(),
        linear: vec![],
    }
}

/// `coefficient · rate ≤ bound` over a box.
pub(crate) fn rate_claim(sides: &[Interval], coefficient: i64, bound: i64) -> Claim {
    Claim {
        name: "random".to_owned(),
        says: String::new(),
        kind: ClaimKind::Point,
        region: region(sides),
        constraints: vec![Constraint {
            heads: vec![(HeadKind::Rate, coefficient)],
            features: vec![],
            bound,
        }],
    }
}

/// The largest `coefficient · rate` over many points of a claim's region, and how many there were.
pub(crate) fn sampled_maximum(
    policy: &Policy<Vec<i16>>,
    claim: &Claim,
    dice: &mut Dice,
    samples: usize,
) -> Option<i64> {
    let sides: Vec<_> = claim
        .region
        .bounds
        .iter()
        .map(|&(low, high)| Interval {
            low: i64::from(low),
            high: i64::from(high),
        })
        .collect();
    let constraint = &claim.constraints[0];
    let mut scratch = Scratch::new();
    let values = (0..samples).filter_map(|_| {
        let point: Vec<i32> = random_point(&sides, dice)
            .iter()
            .map(|&value| value as i32)
            .collect();
        let belongs = policy.table().contains(&point) && claim.region.contains(&point);
        let heads = policy.forward(&point, &mut scratch);
        let direct: i64 = constraint
            .features
            .iter()
            .map(|&(place, d)| d * i64::from(point[place]))
            .sum();
        belongs.then_some(constraint.heads[0].1 * i64::from(heads[0]) + direct)
    });
    values.max()
}

/// The largest left-hand side of a claim's constraint that the prover's attack finds.
pub(crate) fn attacked_maximum(policy: &Policy<Vec<i16>>, claim: &Claim) -> i64 {
    let mut claim = claim.clone();
    claim.constraints[0].bound = 1 << 40;
    let network = Network::new(policy);
    let problem = Problem::of_claim(&network, &claim).unwrap().remove(0);
    let budget = Budget {
        boxes: 0,
        after_violation: 0,
    };
    let goal = Goal::Decide(Branching::Both);
    let found = bab::search(&problem, budget, goal, &|_| Flow::Continue);
    let (excess, _) = found.candidate.unwrap();
    i64::try_from(excess).unwrap() + (1 << 40)
}

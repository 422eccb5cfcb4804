//! How wide bounds of `f32` networks may be: relations that hold always, and widths on fixed networks.

use proptest::prelude::*;

use tautline_abstract_interp::domain::{AbstractDomain, propagate};
use tautline_abstract_interp::float::bound::{
    Bounder, Effort, Ends, Hidden, IntervalBatch, Intervals, LinearBounds, Phase, Region, Row,
    Side, Zonotope,
};
use tautline_abstract_interp::float::network::FloatNetwork;
use tautline_abstract_interp::float::range::Range;
use tautline_abstract_interp::float::rounding::Rounding;

use crate::float_nets::{Draws, Kind, Order, evaluate, network, region};

const SHAPES: [&[usize]; 5] = [
    &[2, 7, 2],
    &[5, 12, 9, 3],
    &[4, 8, 8, 8, 2],
    &[9, 17, 2],
    &[5, 20, 20, 20, 20, 5],
];
const KINDS: [Kind; 3] = [Kind::Relu, Kind::Leaky, Kind::Mixed];

fn ends(network: &FloatNetwork) -> Vec<Row> {
    let rows = (0..network.outputs()).flat_map(|output| {
        [1.0, -1.0].map(|sign| Row {
            outputs: vec![(output, sign)],
            inputs: vec![],
        })
    });
    rows.collect()
}

fn lies_within(inner: &[Range], outer: &[Range]) -> bool {
    let mut pairs = inner.iter().zip(outer);
    pairs.all(|(inner, outer)| outer.low <= inner.low && inner.high <= outer.high)
}

fn layers<D: AbstractDomain<FloatNetwork, Bound = Range>>(
    network: &FloatNetwork,
    region: &Region,
    mut domain: D,
) -> Vec<Vec<Range>> {
    domain.enter(network, &region.input);
    let mut all = vec![];
    for layer in 0..network.layers().len() {
        domain.affine(network, layer);
        all.push(domain.bounds().to_vec());
        domain.activation(network, layer);
        all.push(domain.bounds().to_vec());
    }
    all
}

fn width<D: AbstractDomain<FloatNetwork, Bound = Range>>(
    network: &FloatNetwork,
    regions: &[Region],
    mut domain: D,
) -> f64 {
    let widths = regions.iter().map(|region| {
        propagate(network, &region.input, &mut domain)
            .iter()
            .map(|range| range.width())
            .sum::<f64>()
    });
    widths.sum::<f64>() / regions.len() as f64
}

/// CROWN as in the textbook, dense and without rounding errors: the bounds of one layer's neurons from
/// those of the layers before. `lines`: per layer and neuron (lower slope, upper slope, intercept).
fn textbook(network: &FloatNetwork, region: &Region) -> Vec<Vec<Range>> {
    let mut lines: Vec<Vec<(f64, f64, f64)>> = vec![];
    let mut bounds: Vec<Vec<Range>> = vec![];
    for (index, layer) in network.layers().iter().enumerate() {
        let ends = (0..layer.outputs).map(|output| {
            let [low, high] = [1.0, -1.0].map(|sign| {
                let mut row: Vec<f64> = layer.row(output).iter().map(|w| sign * w).collect();
                let mut constant = sign * layer.bias[output];
                for below in (0..index).rev() {
                    let map = &network.layers()[below];
                    let mut next = vec![0.0; map.inputs];
                    for (neuron, &value) in row.iter().enumerate() {
                        let (lower, upper, intercept) = lines[below][neuron];
                        let slope = if value >= 0.0 { lower } else { upper };
                        constant += value.min(0.0) * intercept + slope * value * map.bias[neuron];
                        for (next, weight) in next.iter_mut().zip(map.row(neuron)) {
                            *next += slope * value * weight;
                        }
                    }
                    row = next;
                }
                let box_minimum = row.iter().zip(&region.input);
                let least = box_minimum.map(|(a, x)| (a * x.low).min(a * x.high));
                constant + least.sum::<f64>()
            });
            Range::new(low, -high)
        });
        bounds.push(ends.collect());
        let of = |range: &Range| match (range.low, range.high) {
            (low, _) if low >= 0.0 => (1.0, 1.0, 0.0),
            (_, high) if high <= 0.0 => (0.0, 0.0, 0.0),
            (low, high) => {
                let slope = high / (high - low);
                (if high > -low { 1.0 } else { 0.0 }, slope, -low * slope)
            }
        };
        lines.push(bounds[index].iter().map(of).collect());
    }
    bounds
}

proptest! {
    #[test]
    fn linear_bounds_and_zonotopes_lie_within_intervals(
        seed: u64, shape in 0..SHAPES.len(), kind in 0..3usize, scale in 0..3usize,
    ) {
        let draws = &mut Draws(seed);
        let network = network(SHAPES[shape], KINDS[kind], Rounding::AnyOrder, draws);
        let region = region(SHAPES[shape][0], [0.01, 0.2, 2.0][scale], draws);
        let plain = layers(&network, &region, Intervals::default());
        for other in [
            layers(&network, &region, LinearBounds::default()),
            layers(&network, &region, Zonotope::default()),
        ] {
            for (inner, outer) in other.iter().zip(&plain) {
                prop_assert!(lies_within(inner, outer));
            }
        }
        let rows = ends(&network);
        let mut bounder = Bounder::new(&network);
        let efforts = [Effort::Intervals, Effort::Crown, Effort::Alpha { steps: 1 },
            Effort::Alpha { steps: 10 }];
        let lower = efforts.map(|effort| bounder.bound(&region, &rows, effort, None).lower.to_vec());
        for pair in lower.windows(2) {
            prop_assert!(pair[0].iter().zip(&pair[1]).all(|(less, more)| less <= more));
        }
    }

    #[test]
    fn batches_of_intervals_are_hardly_wider_than_single_ones(
        seed: u64, shape in 0..SHAPES.len(), kind in 0..3usize,
    ) {
        let draws = &mut Draws(seed);
        let network = network(SHAPES[shape], KINDS[kind], Rounding::AnyOrder, draws);
        let centre: Vec<f32> = (0..network.inputs()).map(|_| draws.symmetric() as f32).collect();
        let radius: Vec<f32> = centre.iter().map(|_| draws.unit() as f32).collect();
        let sides = centre.iter().zip(&radius).map(|(&c, &r)| (f64::from(c), f64::from(r)));
        let input = sides.map(|(c, r)| Range::new(c - r, c + r)).collect();
        let plain = layers(&network, &Region { input, phases: vec![] }, Intervals::default());
        let mut batch_ends = Ends::default();
        IntervalBatch::new(&network).bound(1, &centre, &radius, &mut batch_ends);
        for (output, range) in plain[plain.len() - 1].iter().enumerate() {
            let width = f64::from(batch_ends.high[output]) - f64::from(batch_ends.low[output]);
            prop_assert!(width >= range.width() * 0.999 && width <= range.width() * 1.001 + 1e-3);
        }
    }

    #[test]
    fn children_are_never_looser_than_what_their_parent_knows(
        seed: u64, shape in 0..SHAPES.len(), kind in 0..3usize, by_input: bool,
    ) {
        let draws = &mut Draws(seed);
        let network = network(SHAPES[shape], KINDS[kind], Rounding::AnyOrder, draws);
        let mut region = region(SHAPES[shape][0], 0.5, draws);
        let rows = ends(&network);
        let mut bounder = Bounder::new(&network);
        let mut known: Option<Hidden> = None;
        for _ in 0..5 {
            let outcome = bounder.bound(&region, &rows, Effort::Crown, known.as_ref());
            if outcome.infeasible {
                break;
            }
            if let Some(known) = &known {
                for (child, parent) in outcome.hidden.layers.iter().zip(&known.layers) {
                    prop_assert!(lies_within(child, parent));
                }
            }
            known = Some(outcome.hidden.clone());
            let scores = bounder.neuron_scores(0).to_vec();
            prop_assert!(scores.iter().all(|score| score.score >= 0.0));
            let open = scores.iter().max_by(|a, b| a.score.total_cmp(&b.score));
            if let (false, Some(open)) = (by_input, open) {
                let side = [Side::Active, Side::Inactive][draws.below(2)];
                region.phases.push(Phase { layer: open.layer, neuron: open.neuron, side });
            } else {
                let scores = bounder.input_scores(0);
                prop_assert_eq!(scores.len(), network.inputs());
                let mut inputs = 0..scores.len();
                let widest = inputs.by_ref().max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
                let range = &mut region.input[widest.unwrap()];
                range.high = range.low.midpoint(range.high);
            }
        }
    }
}

#[test]
fn widths_are_those_of_textbook_crown() {
    let draws = &mut Draws(20);
    for (shape, radius) in [(&[30, 64, 64, 1][..], 0.05), (&[5, 50, 50, 50, 5], 0.02)] {
        let network = network(shape, Kind::Relu, Rounding::Exact, draws);
        let regions: Vec<_> = (0..20).map(|_| region(shape[0], radius, draws)).collect();
        let mut bounder = Bounder::new(&network);
        let (mut own, mut reference) = (0.0, 0.0);
        for region in &regions {
            let lower = bounder
                .bound(region, &ends(&network), Effort::Crown, None)
                .lower;
            own -= lower.iter().sum::<f64>();
            let bounds = textbook(&network, region);
            reference += bounds[bounds.len() - 1]
                .iter()
                .map(|range| range.width())
                .sum::<f64>();
        }
        assert!(
            (own / reference - 1.0).abs() < 1e-6,
            "{own} instead of {reference}"
        );
    }
}

/// Widths as fractions of the intervals', on networks that never change; a change of any is a change of
/// a transformer.
#[test]
fn widths_on_fixed_networks_are_pinned() {
    let draws = &mut Draws(4);
    let network = network(&[8, 32, 32, 2], Kind::Relu, Rounding::AnyOrder, draws);
    let regions: Vec<_> = (0..20).map(|_| region(8, 0.1, draws)).collect();
    let plain = width(&network, &regions, Intervals::default());
    let zonotope = width(&network, &regions, Zonotope::default()) / plain;
    let linear = width(&network, &regions, LinearBounds::default()) / plain;
    let mut bounder = Bounder::new(&network);
    let mut improved = 0.0;
    for region in &regions {
        let effort = Effort::Alpha { steps: 20 };
        improved -= bounder
            .bound(region, &ends(&network), effort, None)
            .lower
            .iter()
            .sum::<f64>();
    }
    let improved = improved / regions.len() as f64 / plain;
    let near = |value: f64, pinned: f64| (value / pinned - 1.0).abs() < 1e-3;
    let widths = [zonotope, linear, improved];
    let pinned = [0.076_832, 0.073_856, 0.070_685];
    assert!(
        widths
            .iter()
            .zip(pinned)
            .all(|(&width, pinned)| near(width, pinned)),
        "{widths:?}"
    );
}

#[test]
fn multipliers_close_the_gap_where_phases_are_fixed() {
    // All phases as at the minimum over a fine grid: what is left is a linear program, whose optimum β finds.
    let draws = &mut Draws(7);
    let (mut gaps, mut open_gaps) = (0.0, 0.0);
    for _ in 0..20 {
        let network = network(&[2, 6, 4, 1], Kind::Relu, Rounding::AnyOrder, draws);
        let mut region = region(2, 1.5, draws);
        let row = &ends(&network)[..1];
        let at =
            |range: Range, step: usize| (range.low + range.width() * step as f64 / 100.0) as f32;
        let grid = (0..101 * 101).map(|cell| [cell % 101, cell / 101]);
        let points = grid.map(|[a, b]| [at(region.input[0], a), at(region.input[1], b)]);
        let values = points.map(|point| (network.forward(&point)[0], point));
        let (least, point) = values.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let trace = evaluate(&network, &point, Order::Forward, draws);
        let mut bounder = Bounder::new(&network);
        let effort = Effort::Alpha { steps: 100 };
        open_gaps += f64::from(least) - bounder.bound(&region, row, effort, None).lower[0];
        for (layer, (pre, _)) in trace.iter().enumerate().take(2) {
            for (neuron, &z) in pre.iter().enumerate() {
                let side = if z > 0.0 {
                    Side::Active
                } else {
                    Side::Inactive
                };
                region.phases.push(Phase {
                    layer,
                    neuron,
                    side,
                });
            }
        }
        gaps += f64::from(least) - bounder.bound(&region, row, effort, None).lower[0];
    }
    assert!(
        open_gaps > 0.1 && gaps < 0.1 * open_gaps,
        "{gaps} of {open_gaps}"
    );
}

#[test]
fn neurons_are_bounded_without_any_row() {
    let draws = &mut Draws(11);
    let network = network(&[3, 8, 8, 2], Kind::Relu, Rounding::AnyOrder, draws);
    let region = region(3, 0.3, draws);
    let mut bounder = Bounder::new(&network);
    let with = bounder
        .bound(&region, &ends(&network), Effort::Crown, None)
        .hidden
        .clone();
    let without = bounder.bound(&region, &[], Effort::Crown, None);
    assert!(without.lower.is_empty() && !without.infeasible);
    assert_eq!(without.hidden, &with);
}

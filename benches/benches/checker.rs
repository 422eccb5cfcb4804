//! Leaves per second of the exact checker on one thread, with a relaxation witness in every leaf,
//! beside the prover's linear bounds of the same boxes.
//!
//! The claim is one that every model obeys, so that every leaf is accepted; the work per leaf is
//! the same as for a claim with substance: bounds of all neurons, then those of the head. Boxes
//! are wide: most neurons are open, and no slope is 0 or 1.
//!
//! Networks of 30 inputs follow a table of features that exists here only. Models name tables by
//! version, so no file can name this one; its program goes through the checker's work on one claim,
//! which makes no certificate.
#![expect(
    clippy::expect_used,
    reason = "the bench makes its own networks and claims; a failure must stop it"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tautline_abstract_interp::domain::propagate;
use tautline_abstract_interp::interval::Interval;
use tautline_abstract_interp::linear_bounds::LinearBounds;
use tautline_abstract_interp::network::Network;
use tautline_certificates::check_claim;
use tautline_certificates::claim::{Claim, ClaimKind, Constraint, Region};
use tautline_certificates::format::{Node, Tree};
use tautline_certificates::semantics::Program;
use tautline_core::features::{Feature, FeatureTable};
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Digest, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

/// Leaves of the benched trees: full ones of this depth.
const DEPTH: usize = 9;

/// Thirty inputs in [−1, 1].
static THIRTY: FeatureTable = FeatureTable {
    version: u16::MAX,
    features: &[Feature {
        name: "x",
        low: Q16::from_units(-65_536),
        high: Q16::ONE,
        meaning: "generic",
    }; 30],
    links: &[],
};

/// A shape and the table that its inputs follow.
struct Shape {
    name: &'static str,
    table: &'static FeatureTable,
    width: u16,
    heads: u8,
    skip: Skip,
}

fn shapes() -> [Shape; 3] {
    let table = |version| FeatureTable::by_version(version).expect("the table exists");
    let shape = |name, table, width, heads, skip| Shape {
        name,
        table,
        width,
        heads,
        skip,
    };
    [
        shape("12-32-32-1", table(1), 32, 1, Skip::Linear),
        shape("16-32-32-4", table(0), 32, 4, Skip::Linear),
        shape("30-64-64-1", &THIRTY, 64, 1, Skip::None),
    ]
}

/// Weights uniform within ±√(6/inputs), from a fixed seed.
fn network(shape: &Shape) -> (ModelHeader, Vec<i16>) {
    let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for layer in hidden.iter_mut().take(2) {
        *layer = Hidden {
            width: shape.width,
            shift: 12,
        };
    }
    let header = ModelHeader {
        feature_table: shape.table.version,
        inputs: u16::try_from(shape.table.features.len()).expect("features fit"),
        hidden_count: 2,
        hidden,
        output_shift: 12,
        skip: shape.skip,
        head_count: shape.heads,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let mut state = 7u64;
    let mut parameters = vec![];
    for layer in header.layers() {
        let reach = (4096.0 * (6.0 / layer.inputs as f64).sqrt()) as u64;
        parameters.extend((0..layer.parameter_count()).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let draw = (state >> 40) % (2 * reach);
            draw as i16 - reach as i16
        }));
    }
    (header, parameters)
}

/// Splits features in turn, `depth` times on every path; the boxes of the leaves are kept too.
struct Growth {
    nodes: Vec<Node>,
    boxes: Vec<Vec<Interval>>,
    bounds: Vec<(i32, i32)>,
    neurons: usize,
}

impl Growth {
    fn grow(&mut self, depth: usize) {
        if depth == 0 {
            self.nodes.push(Node::Relaxation {
                alpha: vec![64; self.neurons],
                multipliers: vec![],
                beta: vec![],
            });
            let ends = self.bounds.iter();
            let ends = ends.map(|&(low, high)| (i64::from(low), i64::from(high)));
            self.boxes
                .push(ends.map(|(low, high)| Interval { low, high }).collect());
            return;
        }
        let feature = depth % self.bounds.len();
        let (low, high) = self.bounds[feature];
        let cut = i32::midpoint(low, high);
        self.nodes.push(Node::Split {
            feature: u8::try_from(feature).expect("features fit"),
            cut,
        });
        for half in [(low, cut), (cut + 1, high)] {
            self.bounds[feature] = half;
            self.grow(depth - 1);
        }
        self.bounds[feature] = (low, high);
    }
}

/// The rate head never exceeds one.
fn claim(table: &FeatureTable) -> Claim {
    Claim {
        name: "bounded".to_owned(),
        says: String::new(),
        kind: ClaimKind::Point,
        region: Region::whole(table),
        constraints: vec![Constraint {
            heads: vec![(HeadKind::Rate, 1)],
            features: vec![],
            bound: 65_536,
        }],
    }
}

fn checker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checker");
    group
        .throughput(Throughput::Elements(1 << DEPTH))
        .sample_size(20);
    for shape in shapes() {
        let (header, parameters) = network(&shape);
        let program = Program::new(&header, shape.table, &parameters, Digest::of(&[]))
            .expect("small weights load");
        let claim = claim(shape.table);
        let mut growth = Growth {
            nodes: vec![],
            boxes: vec![],
            bounds: claim.region.bounds.clone(),
            neurons: program.hidden_neurons(),
        };
        growth.grow(DEPTH);
        let mut payload = vec![];
        let tree = Tree {
            nodes: growth.nodes,
        };
        tree.encode_into(&mut payload).expect("the tree encodes");
        group.bench_function(format!("{} check", shape.name), |bencher| {
            bencher.iter(|| {
                check_claim(&program, 0, &claim, black_box(&payload)).expect("the claim holds")
            });
        });
        // The prover knows models only, whose tables have a version.
        let Ok(policy) = Policy::new(header, parameters) else {
            continue;
        };
        let network = Network::new(&policy);
        let mut bounds = LinearBounds::default();
        group.bench_function(format!("{} bound by the prover", shape.name), |bencher| {
            bencher.iter(|| {
                let boxes = black_box(&growth.boxes).iter();
                let low = boxes.map(|input| propagate(&network, input, &mut bounds)[0].low);
                low.max()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, checker);
criterion_main!(benches);

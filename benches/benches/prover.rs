//! Bounds and branch and bound: one box of each domain, boxes per second, and leaves per second of
//! a proof beside those of its check.
#![expect(
    clippy::expect_used,
    reason = "the bench makes its own models and claims; a failure must stop it"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use tautline_abstract_interp::bab::{self, Branching, Budget, End, Flow, Goal};
use tautline_abstract_interp::claim::{Claim, ClaimKind, ClaimSet, Constraint, Region};
use tautline_abstract_interp::domain::propagate;
use tautline_abstract_interp::interval::{Interval, Intervals};
use tautline_abstract_interp::linear_bounds::LinearBounds;
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::problem::Problem;
use tautline_abstract_interp::zonotope::Zonotope;
use tautline_certificates::check_policy;
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

/// A policy with weights uniform within ±√(6/inputs), from a fixed seed.
fn policy(table: u16, hidden: &[u16], skip: Skip) -> Policy<Vec<i16>> {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &width) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift: 12 };
    }
    let features = FeatureTable::by_version(table).map_or(0, |table| table.features.len());
    let header = ModelHeader {
        feature_table: table,
        inputs: features as u16,
        hidden_count: hidden.len() as u8,
        hidden: layers,
        output_shift: 12,
        skip,
        head_count: 1,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let mut state = 1u64;
    let mut draw = |reach: f64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (((state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0) * reach) as i16
    };
    let mut parameters = vec![];
    for layer in header.layers() {
        let reach = 4096.0 * (6.0 / layer.inputs as f64).sqrt();
        for _ in 0..layer.outputs {
            parameters.extend((0..layer.inputs).map(|_| draw(reach)));
            parameters.push(draw(500.0));
        }
    }
    match Policy::new(header, parameters) {
        Ok(policy) => policy,
        Err(error) => unreachable!("the bench's model is refused: {error}"),
    }
}

/// A box of ± `radius` of every feature's range around its middle.
fn region(network: &Network, radius: f64) -> Vec<Interval> {
    let sides = network.table().features.iter().map(|feature| {
        let (low, high) = (
            i64::from(feature.low.units()),
            i64::from(feature.high.units()),
        );
        let (middle, reach) = (low.midpoint(high), ((high - low) as f64 * radius) as i64);
        Interval {
            low: middle - reach,
            high: middle + reach,
        }
    });
    sides.collect()
}

fn one_box(criterion: &mut Criterion) {
    let shapes: [(&str, u16, &[u16], Skip); 2] = [
        ("12-32-32-1", 1, &[32, 32], Skip::Linear),
        ("16-64-64-1", 0, &[64, 64], Skip::None),
    ];
    for (name, table, hidden, skip) in shapes {
        let network = Network::new(&policy(table, hidden, skip));
        let region = region(&network, 0.025);
        let mut intervals = Intervals::default();
        let mut zonotope = Zonotope::default();
        let mut linear = LinearBounds::default();
        let mut group = criterion.benchmark_group(name);
        group.bench_function("interval bound", |bencher| {
            bencher.iter(|| propagate(&network, black_box(&region), &mut intervals)[0]);
        });
        group.bench_function("zonotope bound", |bencher| {
            bencher.iter(|| propagate(&network, black_box(&region), &mut zonotope)[0]);
        });
        group.bench_function("CROWN bound", |bencher| {
            bencher.iter(|| propagate(&network, black_box(&region), &mut linear)[0]);
        });
        group.finish();
    }
}

fn claim(region: &[Interval], bound: i64) -> Claim {
    Claim {
        name: "rate stays below".to_owned(),
        says: String::new(),
        kind: ClaimKind::Point,
        region: Region {
            bounds: region
                .iter()
                .map(|side| (side.low as i32, side.high as i32))
                .collect(),
            linear: vec![],
        },
        constraints: vec![Constraint {
            heads: vec![(HeadKind::Rate, 1)],
            features: vec![],
            bound,
        }],
    }
}

fn boxes_per_second(criterion: &mut Criterion) {
    const BOXES: u64 = 4096;
    let network = Network::new(&policy(1, &[32, 32], Skip::Linear));
    let claim = claim(&region(&network, 0.2), 20_000);
    let Ok(problems) = Problem::of_claim(&network, &claim) else {
        return;
    };
    let budget = Budget {
        boxes: BOXES,
        after_violation: BOXES,
    };
    let mut group = criterion.benchmark_group("branch and bound 12-32-32-1");
    group
        .throughput(Throughput::Elements(BOXES))
        .sample_size(10);
    group.bench_function("all cores", |bencher| {
        bencher.iter(|| bab::search(&problems[0], budget, Goal::Measure, &|_| Flow::Continue));
    });
    group.finish();
}

/// The lowest bound, in steps of 1/64, that the prover proves within a few hundred boxes: a proof
/// with inputs and phases split.
fn proof(policy: &Policy<Vec<i16>>, region: &[Interval]) -> Option<(Claim, Tree)> {
    let network = Network::new(policy);
    let mut best = None;
    for bound in (-64..=64).rev() {
        let claim = claim(region, bound * 1024);
        let problems = Problem::of_claim(&network, &claim).expect("the claim fits the model");
        let found = bab::search(&problems[0], BUDGET, DECIDE, &|_| Flow::Continue);
        let End::Proven(tree) = found.end else { break };
        best = Some((claim, tree));
    }
    best
}

fn leaves_per_second(criterion: &mut Criterion) {
    let shapes: [(&str, u16, &[u16], f64); 2] = [
        ("16-32-32-1", 0, &[32, 32], 0.03),
        ("16-64-64-1", 0, &[64, 64], 0.02),
    ];
    for (name, table, hidden, radius) in shapes {
        let policy = policy(table, hidden, Skip::None);
        let network = Network::new(&policy);
        let (claim, tree) = proof(&policy, &region(&network, radius)).expect("a bound is proven");
        let is_leaf = |node: &&Node| {
            !matches!(
                node,
                Node::Split { .. } | Node::PhaseSplit { .. } | Node::Corner
            )
        };
        let leaves = tree.nodes.iter().filter(is_leaf).count();
        let mut group = criterion.benchmark_group(format!("proof {name}, {leaves} leaves"));
        group
            .throughput(Throughput::Elements(leaves as u64))
            .sample_size(10);
        let problems = Problem::of_claim(&network, &claim).expect("the claim fits the model");
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let alone = alone.expect("a thread starts");
        group.bench_function("prove, one thread", |bencher| {
            bencher.iter(|| {
                alone.install(|| bab::search(&problems[0], BUDGET, DECIDE, &|_| Flow::Continue))
            });
        });
        let certificate = Certificate {
            model: policy.digest(),
            claims: ClaimSet {
                feature_table: table,
                claims: vec![claim],
                loops: vec![],
                ratios: vec![],
            },
            sections: vec![Section::RegionTree {
                claim: 0,
                trees: vec![tree],
            }],
        };
        let bytes = certificate.encode().expect("the certificate encodes");
        group.bench_function("check, one thread", |bencher| {
            bencher.iter(|| {
                check_policy(&policy, black_box(&bytes), None).expect("the proof is accepted")
            });
        });
        group.finish();
    }
}

const BUDGET: Budget = Budget {
    boxes: 2_000,
    after_violation: 0,
};
const DECIDE: Goal = Goal::Decide(Branching::Both);

criterion_group!(benches, one_box, boxes_per_second, leaves_per_second);
criterion_main!(benches);

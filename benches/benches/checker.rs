//! Leaves per second of the exact checker on one thread, with a relaxation witness in every leaf.
//!
//! The claim is one that every model obeys, so that every leaf is accepted; the work per leaf is
//! the same as for a claim with substance: bounds of all neurons, then one bound of the head.
#![expect(
    clippy::expect_used,
    reason = "the bench makes its own model and claims; a failure must stop it"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_certificates::{check_policy, semantics::Program};
use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};

/// Leaves of the benched certificates: a full tree of this depth.
const DEPTH: usize = 9;

fn policy(table: u16, heads: u8) -> Policy<Vec<i16>> {
    let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for layer in hidden.iter_mut().take(2) {
        *layer = Hidden {
            width: 32,
            shift: 12,
        };
    }
    let features = FeatureTable::by_version(table).map_or(0, |table| table.features.len());
    let header = ModelHeader {
        feature_table: table,
        inputs: u16::try_from(features).expect("features fit"),
        hidden_count: 2,
        hidden,
        output_shift: 12,
        skip: Skip::Linear,
        head_count: heads,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let mut state = 7u64;
    let parameters = (0..header.parameter_count()).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i16::try_from(state >> 52).expect("twelve bits fit") - 2048
    });
    Policy::new(header, parameters.collect()).expect("small weights load")
}

/// Splits features in turn, `depth` times on every path.
fn grow(nodes: &mut Vec<Node>, bounds: &mut [(i32, i32)], depth: usize, neurons: usize) {
    if depth == 0 {
        nodes.push(Node::Relaxation {
            alpha: vec![64; neurons],
            multipliers: vec![],
            beta: vec![],
        });
        return;
    }
    let feature = depth % bounds.len();
    let (low, high) = bounds[feature];
    let cut = low + (high - low) / 2;
    nodes.push(Node::Split {
        feature: u8::try_from(feature).expect("features fit"),
        cut,
    });
    for half in [(low, cut), (cut + 1, high)] {
        bounds[feature] = half;
        grow(nodes, bounds, depth - 1, neurons);
    }
    bounds[feature] = (low, high);
}

fn certificate(policy: &Policy<Vec<i16>>, table: u16) -> Vec<u8> {
    let text = format!(
        "version = 1\nfeature_table = {table}\n[[claim]]\nname = \"bounded\"\nkind = \"point\"\n\
         says = \"The rate head never exceeds one.\"\nthen = [\"rate <= 1\"]\n"
    );
    let claims = ClaimSet::from_toml(&text, "bench.toml").expect("claims parse");
    let neurons = Program::from_policy(policy)
        .expect("the program loads")
        .hidden_neurons();
    let mut nodes = vec![];
    let mut bounds = claims.claims[0].region.bounds.clone();
    grow(&mut nodes, &mut bounds, DEPTH, neurons);
    let certificate = Certificate {
        model: policy.digest(),
        claims,
        sections: vec![Section::RegionTree {
            claim: 0,
            trees: vec![Tree { nodes }],
        }],
    };
    certificate.encode().expect("the certificate encodes")
}

fn checker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checker");
    group
        .throughput(Throughput::Elements(1 << DEPTH))
        .sample_size(20);
    for (name, table, heads) in [("12-32-32-1", 1, 1), ("16-32-32-4", 0, 4)] {
        let policy = policy(table, heads);
        let bytes = certificate(&policy, table);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                check_policy(&policy, black_box(&bytes), None).expect("the certificate holds")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, checker);
criterion_main!(benches);
